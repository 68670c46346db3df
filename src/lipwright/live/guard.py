"""What every request passes first: the right name, no other site's page, and a key where others reach the page."""

import hmac
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


def is_loopback(host: str) -> bool:
    """Whether a host is this machine under an address that no other reaches."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def guarded(host: str, key: str | None) -> Middleware:
    """A middleware.

    A page of anybody's can have its own name resolve to 127.0.0.1, and then ask what it likes; its name gives it away.

    Args:
        host: what is listened on. On loopback only its names are taken; elsewhere the key is what protects.
        key: what a page must know to begin a session; None on loopback.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal(request, host, key)
        response = web.json_response({"error": refusal[1]}, status=refusal[0]) if refusal else await handler(request)
        response.headers.update(HEADERS)
        return response

    return check


def _refusal(request: web.Request, host: str, key: str | None) -> tuple[int, str] | None:
    names = request.headers.getall("Host", [])
    if len(names) != 1 or not (name := _name(f"//{names[0]}")):
        return 400, "the request names no host, or several; send one Host header"
    if key is None and not (is_loopback(name) or name == host):
        return 403, f"this page is not called {name[:80]!r}; open it by the address that `lipwright live` shows"
    for origin in request.headers.getall("Origin", []):
        if origin.lower().partition("://")[2] != names[0].lower():
            return 403, "pages of other sites may not use this one"
    if request.method == "POST" and key is not None:
        given = request.headers.get("X-API-Key", "")
        if not hmac.compare_digest(given.encode(errors="replace"), key.encode()):
            return 401, "this needs the key; open the address that `lipwright live` shows, with what follows its #"
    return None


def _name(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""
