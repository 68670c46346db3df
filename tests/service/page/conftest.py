"""A real browser and a real service; they live as long as the tests of this folder."""

import os
import shutil
import time

import numpy as np
import pytest
import requests
import synth
from browsing import WAIT_MS, expect, jobs, sync_playwright, until
from service_process import ServiceProcess

from lipwright.example import speech
from lipwright.media import read_sound

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def chromium():
    if sync_playwright is None:
        pytest.skip("needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium")
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(chromium, tmp_path_factory):
    with ServiceProcess(tmp_path_factory.mktemp("service") / "data", "--set", "least_free_bytes=0") as running:
        yield running


@pytest.fixture
def opened(chromium, service):
    """Opens the page as a browser with these properties; at the end, nothing must have gone wrong unseen."""
    contexts, wrong = [], []

    def go(url=None, **properties):
        context = chromium.new_context(**({"locale": "en-US", "viewport": {"width": 1280, "height": 900}} | properties))
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
        home = f"{url or service.url}/"
        page.on("request", lambda asked: asked.url.startswith((home, "blob:", "data:")) or wrong.append(asked.url))
        page.goto(home)
        page.wait_for_selector("#more", state="attached")
        until(page, "document.querySelector('h1').textContent !== ''")
        return page

    expect.set_options(timeout=WAIT_MS)
    yield go
    for context in contexts:
        context.close()
    # Chromium tells of each answer of 400 and more, also where the page shows it to the user.
    assert [text for text in wrong if "Failed to load resource" not in text] == []


@pytest.fixture(autouse=True)
def empty(service):
    """Each test leaves an empty queue."""
    yield
    end = time.monotonic() + WAIT_MS / 1000
    while left := jobs(service):  # first cancelled, then removed
        assert time.monotonic() < end, "jobs that cannot be removed"
        for job in left:
            requests.delete(f"{service.url}/v1/jobs/{job['id']}", timeout=10)
        time.sleep(0.1)


@pytest.fixture
def long_speech(tmp_path):
    """Two minutes of speech: a job that can be cancelled while it runs."""
    sound = read_sound(speech, 16000)
    return synth.write_sound(
        tmp_path / "long.wav", np.tile(sound.samples, (17, 1)[: sound.samples.ndim]), 16000, "pcm_s16le"
    )
