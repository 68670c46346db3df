"""The page's server: a few files, and an answer to a page that wants a session."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from lipwright.errors import InputError, LipwrightError
from lipwright.live.guard import guarded
from lipwright.live.peer import Peer
from lipwright.streaming.session import Session
from lipwright.ui import static as shared

OWN = Path(__file__).parent / "static"
FILES = {
    "": (OWN / "index.html", "text/html"),
    "ui/live.js": (OWN / "live.js", "text/javascript"),
    "ui/live.css": (OWN / "live.css", "text/css"),
    "ui/en.json": (OWN / "en.json", "application/json"),
    "ui/zh.json": (OWN / "zh.json", "application/json"),
    "ui/style.css": (shared / "style.css", "text/css"),
    "ui/words.js": (shared / "words.js", "text/javascript"),
    "ui/dom.js": (shared / "dom.js", "text/javascript"),
    "ui/icon.svg": (shared / "icon.svg", "image/svg+xml"),
}
MOST_OFFER = 64 << 10  # bytes
FREED_S = 1.0  # after a page has gone

log = logging.getLogger(__name__)


class Server:
    """Sessions of one person, one for each page.

    Args:
        open_session: makes a session with sound at `SOUND_RATE`.
        sessions: how many at once.
        host, key: see `guarded`.

    Attributes:
        app: the application.
        peers: pages that are connected, or about to be.
    """

    def __init__(self, open_session: Callable[[], Session], *, sessions: int, host: str, key: str | None) -> None:
        self._open, self._most = open_session, sessions
        self._opening = 0
        self.peers: set[Peer] = set()
        self.app = web.Application(middlewares=[guarded(host, key)], client_max_size=MOST_OFFER)
        for name in FILES:
            self.app.router.add_get(f"/{name}", _file)
        self.app.router.add_post("/session", self._begin)
        self.app.on_shutdown.append(self._end)

    async def _begin(self, request: web.Request) -> web.Response:
        """A page's offer; the answer to it."""
        try:
            offer = json.loads(await request.text())["sdp"]
        except (ValueError, KeyError, TypeError):
            return _problem(400, "send a JSON object with the page's offer as sdp")
        if not isinstance(offer, str):
            return _problem(400, "send a JSON object with the page's offer as sdp")
        if len(self.peers) + self._opening >= self._most:
            return _problem(503, f"all {self._most} sessions are taken; close another page, or raise --sessions")
        self._opening += 1
        try:
            session = await asyncio.get_running_loop().run_in_executor(None, self._open)
            peer = Peer(session, self._gone)
            self.peers.add(peer)
        except LipwrightError as exc:
            return _problem(500, str(exc))
        finally:
            self._opening -= 1
        try:
            return web.json_response({"type": "answer", "sdp": await peer.answer(offer)})
        except InputError as exc:
            await peer.close()
            return _problem(400, str(exc))

    def _gone(self, peer: Peer) -> None:
        self.peers.discard(peer)
        # What a connection was made of refers to itself: encoders and networks would stay until Python looks for that.
        asyncio.get_running_loop().call_later(FREED_S, gc.collect)

    async def _end(self, _: web.Application) -> None:
        await asyncio.gather(*(peer.close() for peer in list(self.peers)))


async def _file(request: web.Request) -> web.Response:
    path, kind = FILES[request.path.removeprefix("/")]
    return web.Response(body=path.read_bytes(), content_type=kind, charset=None if "svg" in kind else "utf-8")


def _problem(status: int, sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=status)
