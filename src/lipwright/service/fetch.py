"""Files from, and messages to, addresses that strangers give.

What is asked for goes to the public internet only (`lipwright.service.guarded`), without the environment's proxies,
which would connect for us unguarded. Every redirect is a new address, checked as the first one was.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

import httpcore

from lipwright import __version__
from lipwright.errors import OutputError
from lipwright.media.partial import partial_name
from lipwright.service.guarded import (
    AddressRefused,
    FetchCancelled,
    FetchError,
    FetchLimit,
    Guard,
    Watch,
)
from lipwright.service.paths import stored_name

__all__ = [
    "AddressRefused",
    "FetchCancelled",
    "FetchError",
    "FetchLimit",
    "FetchLimits",
    "check_url",
    "download",
    "post",
]

MOST_REDIRECTS = 5
LONGEST_URL = 4096
POST_S = 20
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_AGENT = f"lipwright/{__version__}"
# A server that says nothing, or that these are bytes, is believed: what they are is found out by decoding them.
_MEDIA_TYPES = re.compile(
    r"(video|audio|image)/.+|(application|binary)/octet-stream|application/(mp4|ogg|mxf|x-matroska)|", re.IGNORECASE
)
_PATH = "%/:=&~+!$,;'@()*"  # what stays as it is in a path, and in a query
_QUERY = _PATH + "?[]"

# Its lines for debugging hold whole addresses, and those may hold a password or a signature.
logging.getLogger("httpcore").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """How much one download may take.

    Args:
        most_bytes: of the file.
        seconds: for all of it, redirects included.
        idle_seconds: without a byte.
    """

    most_bytes: int
    seconds: float
    idle_seconds: float = 30


def check_url(url: str) -> str:
    """An http(s) address as it may be called and kept, without asking the network anything.

    Raises:
        FetchError: it is none, or it carries a user name or password.
    """
    _parts(url)
    return url


def download(
    url: str,
    folder: Path,
    *,
    limits: FetchLimits,
    allow_private: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
) -> Path:
    """Download one media file into a folder, under a name nobody guesses; it appears when complete.

    Args:
        url: http or https.
        folder: must exist.
        limits: on size and time.
        allow_private: also from this machine and the network around it.
        cancelled: asked about twice a second.

    Raises:
        FetchError: the address does not give a media file; `AddressRefused`, `FetchLimit` and `FetchCancelled` are
            kinds of it.
        OutputError: the file cannot be written.
    """
    watch = Watch(limits.seconds, limits.idle_seconds, cancelled)
    parts = _parts(url)
    for _ in range(MOST_REDIRECTS + 1):
        with _telling(_place(parts)), _asking(parts, "GET", watch, allow_private=allow_private) as answer:
            if answer.status not in _REDIRECTS:
                _check(answer, limits)
                return _store(answer, folder / stored_name(unquote(parts.path)), limits)
            parts = _next(parts, answer)
    raise FetchError(
        f"{_place(_parts(url))} is redirected more than {MOST_REDIRECTS} times; give the file's own address"
    )


def post(
    url: str, body: bytes, headers: Mapping[str, str], *, allow_private: bool = False, seconds: float = POST_S
) -> int:
    """Send a message; returns the status of the answer, which is not read. Redirects are not followed.

    Raises:
        FetchError: it cannot be sent.
    """
    parts = _parts(url)
    watch = Watch(seconds, seconds)
    with (
        _telling(_origin(parts)),  # no more: a webhook's path is often its password
        _asking(parts, "POST", watch, body=body, headers=headers, allow_private=allow_private) as answer,
    ):
        return answer.status


def _parts(url: str) -> SplitResult:
    if len(url) > LONGEST_URL:
        raise FetchError(f"the address is longer than {LONGEST_URL} characters; give a shorter one")
    # Parsers differ on these, and drop some without a word.
    if any(ord(letter) <= 0x20 or letter in '\\"<>^`{|}\x7f' for letter in url):
        raise FetchError("the address holds spaces or other letters that must be encoded in an address; encode them")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
        parts.path.encode()
    except ValueError as exc:  # also of a name or port that is none, and of halves of a pair
        raise FetchError("the address cannot be understood; give one such as https://example.com/clip.mp4") from exc
    if parts.scheme not in _PORTS or not host or port == 0:
        raise FetchError("only http and https addresses are fetched; give one such as https://example.com/clip.mp4")
    if "@" in parts.netloc:
        raise FetchError("the address holds a user name or password, which is not supported; give one without")
    return parts


@contextmanager
def _asking(
    parts: SplitResult,
    method: str,
    watch: Watch,
    *,
    allow_private: bool,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[httpcore.Response]:
    """One request on a connection of its own."""
    host = (parts.hostname or "").encode("idna")
    target = quote(parts.path or "/", safe=_PATH) + (f"?{quote(parts.query, safe=_QUERY)}" if parts.query else "")
    url = httpcore.URL(scheme=parts.scheme, host=host, port=parts.port, target=target)
    sent = [
        ("Host", _host(parts)),
        ("User-Agent", _AGENT),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
        *(headers or {}).items(),
    ]
    times = {"connect": watch.idle, "read": watch.idle, "write": watch.idle}
    with (
        httpcore.ConnectionPool(network_backend=Guard(watch, allow_private=allow_private), http2=False) as pool,
        pool.stream(method, url, headers=sent, content=body, extensions={"timeout": times}) as answer,
    ):
        yield answer


def _check(answer: httpcore.Response, limits: FetchLimits) -> None:
    """Refuse what is no file by its headers."""
    if answer.status != 200:
        raise FetchError(f"answered with status {answer.status}; open it in a browser to see why")
    kind = _header(answer, b"content-type").partition(";")[0].strip()
    if not _MEDIA_TYPES.fullmatch(kind):
        raise FetchError(f"gives {kind[:60]!r}, not a video, photo or sound; give the file's own address")
    coding = _header(answer, b"content-encoding").strip().lower()
    if coding not in ("", "identity"):  # a small body may unpack to anything
        raise FetchError(
            f"gives the file compressed as {coding[:20]!r} though that was not asked for; give another address"
        )
    length = _header(answer, b"content-length")
    if length.isdecimal() and int(length) > limits.most_bytes:
        raise _too_large(limits)


def _store(answer: httpcore.Response, path: Path, limits: FetchLimits) -> Path:
    part = partial_name(path)
    done = 0
    try:
        with part.open("xb") as file:
            for block in answer.iter_stream():
                done += len(block)
                if done > limits.most_bytes:
                    raise _too_large(limits)
                file.write(block)
            if not done:
                raise FetchError("gives an empty file; give the address of another")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as exc:
        raise OutputError(f"a download cannot be stored: {exc.strerror}; free space on the disk") from exc
    finally:
        with suppress(OSError):
            part.unlink()  # not there once it has its name
    return path


def _next(parts: SplitResult, answer: httpcore.Response) -> SplitResult:
    there = _header(answer, b"location")
    if not there:
        raise FetchError("is redirected to nowhere; give the file's own address")
    try:
        following = _parts(urljoin(parts.geturl(), there))
    except (ValueError, FetchError) as exc:
        raise FetchError(f"is redirected to where this service does not follow ({exc})") from exc
    if parts.scheme == "https" and following.scheme != "https":
        raise FetchError("is redirected to an address without TLS; give the file's own https address")
    return following


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Make sentences of what goes wrong at an address."""
    try:
        yield
    except FetchError as exc:
        raise type(exc)(f"{where} {exc}") from exc
    except httpcore.TimeoutException as exc:
        raise FetchError(f"{where} gives no answer in time; try again later") from exc
    except (httpcore.NetworkError, httpcore.ProtocolError) as exc:
        reason = "its certificate is not trusted" if "CERTIFICATE" in str(exc) else _REASONS.get(type(exc), "broke off")
        raise FetchError(f"{where} cannot be fetched: {reason}; check the address") from exc


_REASONS = {
    httpcore.ConnectError: "no connection",
    httpcore.RemoteProtocolError: "the answer breaks off or is not HTTP",
    httpcore.LocalProtocolError: "the request cannot be written as HTTP",
}


def _too_large(limits: FetchLimits) -> FetchLimit:
    return FetchLimit(f"is larger than {limits.most_bytes / 1e6:,.0f} MB, which is the limit; give a smaller file")


def _header(answer: httpcore.Response, name: bytes) -> str:
    """One header's value, empty where it is missing; of several the first."""
    return next((value.decode("latin-1") for key, value in answer.headers if key.lower() == name), "")


def _host(parts: SplitResult) -> str:
    """As the Host header has it."""
    host = (parts.hostname or "").encode("idna").decode()
    name = f"[{host}]" if ":" in host else host
    return name if parts.port in (None, _PORTS[parts.scheme]) else f"{name}:{parts.port}"


def _origin(parts: SplitResult) -> str:
    return f"{parts.scheme}://{_host(parts)}"


def _place(parts: SplitResult) -> str:
    """An address without what may be secret in it."""
    path = quote(parts.path, safe=_PATH)
    return _origin(parts) + (path if len(path) <= 80 else f"{path[:40]}…{path[-30:]}")
