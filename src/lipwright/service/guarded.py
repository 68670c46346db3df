"""Connections that lead where they may lead, and end when they shall end."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpcore

from lipwright.errors import InputError
from lipwright.service.addresses import Address, is_private, is_public

CONNECT_S = 10
LOOK_S = 0.5  # how often a silent connection is looked at: whether it is still wanted


class FetchError(InputError):
    """An address does not give the file, or does not take the message."""


class AddressRefused(FetchError):
    """An address that this service does not call; trying again changes nothing."""


class FetchLimit(FetchError):
    """It is too large, or takes too long."""


class FetchCancelled(FetchError):
    """It is no longer wanted."""


@dataclass(slots=True)
class Watch:
    """What may end a transfer.

    Args:
        seconds: for all of it, redirects included.
        idle: seconds without a byte.
        cancelled: asked about twice a second.
    """

    seconds: float
    idle: float
    cancelled: Callable[[], bool] = lambda: False
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds that are left, more than 0.

        Raises:
            FetchCancelled: it is no longer wanted.
            FetchLimit: the time is over.
        """
        if self.cancelled():
            raise FetchCancelled("is no longer wanted: the download was cancelled")
        left = self._end - time.monotonic()
        if left <= 0:
            raise FetchLimit(f"took longer than {self.seconds:g} seconds, which is the limit")
        return left


class Guard(httpcore.NetworkBackend):
    """Resolves a name once, checks what it stands for, and connects to exactly that: the name is not asked again.

    Args:
        watch: what may end the transfer.
        allow_private: connect to this machine and the network around it, too.
    """

    def __init__(self, watch: Watch, *, allow_private: bool) -> None:
        self._watch = watch
        self._allow_private = allow_private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(  # noqa: D102 - httpcore's interface
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._checked(resolve(host, port, self._watch))
        for place, address in enumerate(addresses, 1):
            limit = min(timeout or CONNECT_S, self._watch.left())
            try:
                stream = self._inner.connect_tcp(str(address), port, limit, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(addresses):
                    raise
                continue
            return _Watched(stream, self._watch)
        raise httpcore.ConnectError(f"{host} has no address")

    def _checked(self, addresses: list[Address]) -> list[Address]:
        """All of them, or none: a name that stands for both sorts is not a stranger's mistake."""
        for address in addresses:
            if not (is_public(address) or (self._allow_private and is_private(address))):
                raise AddressRefused("is not on the public internet, and this service calls no other addresses")
        return addresses


def resolve(host: str, port: int, watch: Watch) -> list[Address]:
    """What a name stands for now.

    The system's resolver knows no time limit, so it is asked in a thread that may be left behind.

    Raises:
        FetchError: nothing, or no answer.
    """
    answers: list[Address] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # No zone: "fe80::1%2" is the address fe80::1, and refused as such.
            answers.extend(dict.fromkeys(ip_address(str(each[4][0]).partition("%")[0]) for each in found))
        except (OSError, ValueError) as exc:  # UnicodeError of an impossible name is a ValueError
            failed.append(exc)

    thread = threading.Thread(target=ask, daemon=True, name="resolver")
    thread.start()
    end = time.monotonic() + CONNECT_S
    while thread.is_alive() and time.monotonic() < end:
        thread.join(min(LOOK_S, watch.left()))
    if failed or not answers:
        raise FetchError("has a name that cannot be resolved")
    return list(answers)


class _Watched(httpcore.NetworkStream):
    """A connection whose every read and write is under the watch: a byte now and then does not keep it open."""

    def __init__(self, stream: httpcore.NetworkStream, watch: Watch) -> None:
        self._stream = stream
        self._watch = watch

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the watch's instead
        quiet_until = time.monotonic() + self._watch.idle
        while True:
            try:
                return self._stream.read(max_bytes, min(LOOK_S, self._watch.left()))
            except httpcore.ReadTimeout:
                if time.monotonic() >= quiet_until:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, min(self._watch.idle, self._watch.left()))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        limit = min(timeout or CONNECT_S, self._watch.left())
        return _Watched(self._stream.start_tls(ssl_context, server_hostname, limit), self._watch)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)
