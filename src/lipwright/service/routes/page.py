"""The web page, as it lies in `lipwright.ui`."""

from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from lipwright.service.options import DEFAULTED
from lipwright.service.routes.common import Service
from lipwright.ui import static

router = APIRouter(include_in_schema=False)

POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # asked for again each time: a page and a server of two versions do not fit
}
# Windows may know .js as text/plain, which a browser that is told not to guess will not run.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}

_files = StaticFiles(directory=static)


@router.get("/")
async def page(request: Request) -> Response:
    """The page itself."""
    return await _file("index.html", request)


@router.get("/ui/defaults.json")
async def defaults(service: Service, response: Response) -> dict[str, Any]:
    """Job options as the service is set, for the page to begin with, and what a job may not fall short of."""
    response.headers.update(HEADERS)
    settings = service.settings
    shown = {name: getattr(settings, name) for name in (*DEFAULTED, "label")}
    return {"options": shown, "marks": settings.marks, "label_language": settings.label_language}


@router.get("/ui/{name}")
async def file(name: str, request: Request) -> Response:
    """A file the page is made of."""
    return await _file(name, request)


async def _file(name: str, request: Request) -> Response:
    answer = await _files.get_response(name, request.scope)
    answer.headers.update(HEADERS)
    kind = TYPES.get(PurePosixPath(name).suffix)
    if kind and "content-type" in answer.headers:  # a 304 has none
        answer.headers["content-type"] = kind
    return answer
