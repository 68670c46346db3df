"""What every request passes before it reaches a route: a name, the right host, a limit; and who may ask for what."""

import asyncio
import logging
import re
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, HTTPException, Request, Security
from fastapi.security import APIKeyCookie, APIKeyHeader, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lipwright.service.addresses import is_loopback
from lipwright.service.context import request_id
from lipwright.service.keys import KeyRing
from lipwright.service.settings import Settings

COOKIE = "lipwright_key"
MOST_TEXT = 2**20  # bytes of a body that holds no files
FORM_ROOM = 2**20  # bytes of a form beside its files
IDLE_S = 60.0  # a body that pauses for longer is given up
LINGER_S = 2.0  # for the client to read why its body is not wanted, while it still sends
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:@/\\\[\]?#]+)(?::([0-9]{1,5}))?")
_KEYED = ("/v1/", "/v2/")  # below these a key may be needed
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",  # an upload is no page, whatever it looks like
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "same-origin",
}
_SCHEMES = (
    Security(APIKeyHeader(name="X-API-Key", auto_error=False)),
    Security(HTTPBearer(auto_error=False)),
    Security(APIKeyCookie(name=COOKIE, auto_error=False)),
)

log = logging.getLogger(__name__)


def protect(app: FastAPI, settings: Settings, access: "Access") -> None:
    """Have every request of an application pass the checks below."""
    app.add_middleware(BodyLimit, most_files=settings.max_upload_bytes + FORM_ROOM, access=access)
    app.add_middleware(HostCheck, bound=settings.host, allowed=settings.allowed_hosts)
    app.add_middleware(RequestNames)  # added last, so it comes first


class RequestNames:
    """Gives each request a name, its own where that is sane: in the log, in the answer, in `context.request_id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        name = given if _ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = name
        request_id.set(name)  # each request is a task with a context of its own; what fails outside of here reads it

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = name
                for key, value in _ALWAYS.items():
                    headers.setdefault(key, value)
                if scope["path"].startswith(_KEYED):  # nor does anything run that was uploaded
                    headers.setdefault("Content-Security-Policy", "sandbox")
            await send(message)

        await self._app(scope, receive, named)


class HostCheck:
    """Refuses requests to other names than the service's, and those that other sites' pages make.

    A page of anybody's can have its own name resolve to 127.0.0.1, and then ask what it likes; its name gives it away.

    Args:
        bound: what the service listens on; its names are this, loopback's, and the address that it was reached by.
        allowed: its further names, whose pages may call it whatever their port; `*` is any name.
    """

    def __init__(self, app: ASGIApp, bound: str, allowed: Iterable[str] = ()) -> None:
        self._app = app
        self._bound = bound.lower().strip("[]")
        self._allowed = frozenset(host.lower().strip("[]") for host in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        refusal = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            log.warning("refused: %s", refusal.error)
            await refusal.response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> "_Refusal | None":
        headers = Headers(scope=scope)
        given, origins = headers.getlist("host"), headers.getlist("origin")
        host = _split(given[0]) if len(given) == 1 else None
        if host is None:
            return _Refusal(400, "the request names no host, or several; send one Host header", "host")
        if not self._is_ours(host[0], scope):
            return _Refusal(
                403, f"this service is not called {host[0][:80]!r}; add the name to the setting allowed_hosts", "host"
            )
        if any(not self._is_own_origin(origin, host) for origin in origins):
            return _Refusal(
                403, "pages of other sites may not call this service; see the setting allowed_hosts", "origin"
            )
        return None

    def _is_ours(self, name: str, scope: Scope) -> bool:
        reached = (scope.get("server") or ("",))[0]
        return name in (self._bound, reached) or is_loopback(name) or not self._allowed.isdisjoint(("*", name))

    def _is_own_origin(self, origin: str, host: tuple[str, str]) -> bool:
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        there = _split(parts.netloc) if parts.scheme in ("http", "https") else None
        return there is not None and (there == host or there[0] in self._allowed)


class BodyLimit:
    """Refuses bodies that are too large, by their header or once they are, and those that stop coming.

    FastAPI reads forms before it asks a route's dependencies; whoever lacks the key for them is refused here.

    Args:
        most_files: bytes of a form with files; other bodies may have `MOST_TEXT`.
        access: knows who may send one.
        idle: seconds without a byte.
    """

    def __init__(self, app: ASGIApp, most_files: int, access: "Access", idle: float = IDLE_S) -> None:
        self._app, self._most_files, self._access, self._idle = app, most_files, access, idle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").lower().startswith("multipart/")
        body = _Body(receive, send, self._most_files if form else MOST_TEXT, self._idle)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 20 or int(length) > body.most:
            await body.refuse(_too_large(body.most))
            return
        if form and scope["path"].startswith(_KEYED):
            try:
                await run_in_threadpool(self._access.require_key, Request(scope))
            except HTTPException as exc:
                await body.refuse(_Refusal(exc.status_code, exc.detail, "http", exc.headers))
                return
        try:
            await self._app(scope, body.receive, body.send)
        except Exception:
            if not body.refused:
                raise
            # Else it is the application's complaint that the rest of the body is missing.


class _Body:
    """One request's body on its way to the application, and the answer on its way back."""

    def __init__(self, receive: Receive, send: Send, most: int, idle: float) -> None:
        self._receive, self._send, self.most, self._idle = receive, send, most, idle
        self._got = 0
        self._whole = self._answered = self.refused = False

    async def receive(self) -> Message:
        """For the application; the connection looks closed to it once the body is refused."""
        if self._whole:
            return await self._receive()
        if not self.refused:
            try:
                message = await asyncio.wait_for(self._receive(), self._idle)
            except TimeoutError:
                told = f"the body did not go on for {self._idle:g} seconds; send it again"
                await self.refuse(_Refusal(408, told, "timeout"))
                return {"type": "http.disconnect"}
            self._got += len(message.get("body", b""))
            if self._got <= self.most:
                self._whole = message["type"] != "http.request" or not message.get("more_body", False)
                return message
            await self.refuse(_too_large(self.most))
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """For the application; what it has to say of a refused request is not heard."""
        if self.refused:
            return
        self._answered = True
        await self._send(message)

    async def refuse(self, refusal: "_Refusal") -> None:
        """Answer in the application's place, and end the connection."""
        self.refused = True
        if self._answered:  # too late for another answer
            return
        response = refusal.response()
        response.headers["Connection"] = "close"
        await self._send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await self._send({"type": "http.response.body", "body": response.body, "more_body": True})
        # A connection closed over unread bytes is reset, and the answer lost with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while (await self._receive()).get("more_body", False):
                    pass
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


class _Refusal:
    """Why a request goes no further."""

    def __init__(self, status: int, error: str, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.error, self.kind, self.headers = status, error, kind, headers

    def response(self) -> JSONResponse:
        told = {"error": self.error, "kind": self.kind, "request_id": request_id.get()}
        return JSONResponse(told, self.status, self.headers)


class Access:
    """Who may ask for what: dependencies of routes and routers.

    Args:
        keys: those that open the service.
        loopback: whether it listens on this machine only.
        easy_remote: whether HeyGem's clients on other machines, which can send no key, are served.
    """

    def __init__(self, keys: KeyRing, *, loopback: bool, easy_remote: bool) -> None:
        self._keys, self._loopback, self._easy_remote = keys, loopback, easy_remote

    @property
    def keyed(self) -> list[Any]:
        """Dependencies of routes that need a key; in the OpenAPI document, too."""
        return [Depends(self.require_key), *_SCHEMES]

    @property
    def local(self) -> list[Any]:
        """Dependencies of routes for clients on this machine."""
        return [Depends(self.require_local)]

    def require_key(self, request: Request) -> None:
        """Let in who has a key; anybody on this machine while there is none and nobody else can reach the service.

        Raises:
            HTTPException: 401.
        """
        if self._loopback and is_local(request) and not self._keys.defined():
            return
        token = _token(request)
        if not token:
            raise _unauthorized("this needs a key; send it as the header X-API-Key or as Authorization: Bearer")
        name = self._keys.check(token)
        if name is None:
            raise _unauthorized("this key is unknown or was removed; make one with `lipwright keys add NAME`")
        request.state.key = name

    def require_local(self, request: Request) -> None:
        """Let in who is on this machine, or anybody where that was allowed.

        Raises:
            HTTPException: 403.
        """
        if not (self._easy_remote or is_local(request)):
            raise HTTPException(
                403, "this is for clients on the same machine; allow others with the setting easy_remote"
            )


def is_local(request: Request) -> bool:
    """Whether a request comes from this machine, as far as it and the proxies on this machine tell."""
    return request.client is not None and is_loopback(request.client.host)


def _token(request: Request) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    bearer = credentials.strip() if scheme.lower() == "bearer" else ""
    return request.headers.get("x-api-key") or bearer or request.cookies.get(COOKIE) or ""


def _unauthorized(why: str) -> HTTPException:
    return HTTPException(401, why, {"WWW-Authenticate": "Bearer"})


def _split(host: str) -> tuple[str, str] | None:
    """Name and port, as a Host header has them; None where it is no host."""
    found = _HOST.fullmatch(host.strip().lower())
    return None if found is None else (found[1].strip("[]").rstrip("."), found[2] or "")


def _too_large(most: int) -> _Refusal:
    return _Refusal(413, f"the body is larger than {most:,} bytes, which is the limit here; send less", "limit")
