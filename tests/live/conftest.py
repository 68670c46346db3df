"""A live page's server inside the test, and a real browser."""

import asyncio
import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest
from browsing import WAIT_MS, sync_playwright

from lipwright import EncodeOptions, Session
from lipwright.example import portrait

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def aiohttp_web():
    pytest.importorskip("aiortc", reason="needs the extra live")
    return pytest.importorskip("aiohttp.web", reason="needs the extra live")


@pytest.fixture(scope="module")
def live_browser(aiohttp_web):
    if sync_playwright is None:
        pytest.skip("needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium")
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags.append("--autoplay-policy=no-user-gesture-required")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def live_page(live_browser):
    """A page in a context of its own; nothing may go wrong unseen."""
    context = live_browser.new_context(locale="en-US")
    context.set_default_timeout(WAIT_MS)
    page, wrong = context.new_page(), []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert not wrong


@pytest.fixture(scope="session")
def still(quick):
    """Options under which nothing but the mouth moves."""
    return replace(quick, encode=EncodeOptions(), still=True)


@pytest.fixture
def serve_live(aiohttp_web, still):
    """Starts servers; they end with the test."""
    from lipwright.live.server import Server
    from lipwright.live.tracks import SOUND_RATE

    def opened():
        return Session(portrait, options=still, rate=SOUND_RATE)

    @contextmanager
    def serving(**properties):
        server = Server(opened, **({"sessions": 1, "host": "127.0.0.1", "key": None} | properties))
        loop, ready = asyncio.new_event_loop(), threading.Event()
        runner = aiohttp_web.AppRunner(server.app, shutdown_timeout=1.0)

        async def begin():
            await runner.setup()
            await aiohttp_web.TCPSite(runner, "127.0.0.1", 0).start()
            ready.set()

        def run():
            asyncio.set_event_loop(loop)
            loop.run_until_complete(begin())
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        assert ready.wait(20)
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield server
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(20)
            assert not thread.is_alive()

    return serving
