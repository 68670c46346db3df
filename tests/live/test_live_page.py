"""A real browser, a real connection: frames, sound in step with them, interruption, and who may use the page."""

import logging
import time

import numpy as np
import probing
import pytest
import requests
import synth
from browsing import expect, until

from lipwright import Session
from lipwright.example import portrait, speech
from lipwright.facespace import OUTER_RING
from lipwright.media import read_sound

log = logging.getLogger(__name__)  # the figures: --log-cli-level=info

ATTEMPTS = 3  # a machine that is busy otherwise may stumble
SECONDS = 8.0
TOGETHER = 0.08  # seconds that picture and sound may be apart


@pytest.fixture(scope="module")
def bursts():
    """Speech with pauses of different lengths. (n,) float32 at 48 kHz."""
    sound, parts = read_sound(speech, 48000).samples, []
    for number, pause in enumerate((0.5, 0.4, 0.7, 0.45, 0.6, 0.5, 0.4)):
        begin = 24000 + 36000 * number
        parts += [np.zeros(round(48000 * pause), np.float32), sound[begin : begin + 33600]]
    return np.concatenate(parts)[: round(48000 * SECONDS)]


@pytest.fixture(scope="module")
def mouth_box(mesh):
    low, high = mesh[list(OUTER_RING), :2].min(0), mesh[list(OUTER_RING), :2].max(0)
    x, y = (int(value) for value in low - 8)
    return {"x": x, "y": y, "width": int(high[0]) + 8 - x, "height": int(high[1]) + 20 - y}


@pytest.fixture(scope="module")
def expected(bursts, mouth_box, still):
    """What is seen and heard when, without a browser: two (n, 2) curves."""
    box, seen, heard = mouth_box, [], []
    area = np.s_[box["y"] : box["y"] + box["height"], box["x"] : box["x"] + box["width"]]
    with Session(portrait, options=still, rate=48000) as session:
        rest = session.next_frame().picture[area].astype(int)
        session.interrupt()  # whatever was put in to begin with
        for at in range(0, len(bursts), 960):
            session.hear(bursts[at : at + 960])
            for frame in session.frames():
                seen.append((float(frame.time), np.abs(frame.picture[area].astype(int) - rest).mean()))
                heard += _loudness(float(frame.time), frame.sound)
    return seen, heard


def _loudness(time, sound):
    for at in range(0, len(sound) - 479, 480):
        yield time + (at + 240) / 48000, float(np.sqrt(np.mean(np.square(sound[at : at + 480]))))


def connect(page, server):
    page.goto(f"{server.url}/")
    page.click("#start")
    expect(page.locator("#state")).to_have_text("Connected")
    until(page, "document.querySelector('#person').videoWidth")
    page.wait_for_timeout(2500)  # the first sender reports, by which both are brought together


def recorded(page, server, file, box):
    connect(page, server)
    page.evaluate(probing.START, box)
    page.wait_for_timeout(200)
    page.set_input_files("#file", file)
    page.wait_for_timeout(1000 * SECONDS + 1500)
    return page.evaluate(probing.STOP)


@pytest.fixture
def bursts_wav(bursts, tmp_path):
    return synth.write_sound(tmp_path / "bursts.wav", bursts, 48000, "pcm_s16le")


def test_picture_and_sound_are_together(serve_live, live_page, bursts_wav, mouth_box, expected):
    for _ in range(ATTEMPTS):
        with serve_live() as server:
            record = recorded(live_page, server, bursts_wav, mouth_box)
            told = int(live_page.inner_text("#delay").split()[0])
        seen = record["seen"]
        rate = (len(seen) - 1) / (seen[-1][0] - seen[0][0]) * 1000
        off = probing.apart(record, *expected, float(expected[0][-1][0]))
        figures = f"{len(seen)} pictures, {rate:.1f} a second, {1000 * off:+.0f} ms apart, delay {told} ms"
        log.info(figures)
        if len(seen) > 15 * SECONDS and 18 < rate < 28 and abs(off) < TOGETHER and told < 600:
            return
    pytest.fail(figures)


def test_sound_that_is_late_is_noticed(serve_live, live_page, bursts_wav, mouth_box, expected, monkeypatch):
    """Else the test above could not fail."""
    from lipwright.live import tracks

    cut, held = tracks.Packets.cut, [np.zeros(9600, np.float32)]  # 200 ms

    def late(self, sound):
        whole = np.concatenate([held[0], sound])
        held[0] = whole[len(sound) :]
        return cut(self, whole[: len(sound)])

    monkeypatch.setattr(tracks.Packets, "cut", late)
    for _ in range(ATTEMPTS):
        with serve_live() as server:
            record = recorded(live_page, server, bursts_wav, mouth_box)
        off = probing.apart(record, *expected, float(expected[0][-1][0]))
        log.info("%+.0f ms apart", 1000 * off)
        if not np.isnan(off):
            break
    assert -0.4 < off < -TOGETHER


def test_interruption_microphone_and_a_page_that_closes(serve_live, live_page, bursts_wav, live_browser):
    with serve_live() as server:
        connect(live_page, server)
        live_page.set_input_files("#file", bursts_wav)
        expect(live_page.locator("#source")).to_have_text("bursts.wav is played")
        live_page.wait_for_timeout(1000)
        live_page.click("#interrupt")
        expect(live_page.locator("#source")).to_have_text("Nothing is said")
        live_page.click("#microphone")
        expect(live_page.locator("#source")).to_have_text("The microphone is heard")

        other = live_browser.new_page(locale="en-US")
        other.goto(f"{server.url}/")
        other.click("#start")
        expect(other.locator("#problem")).to_contain_text("all 1 sessions are taken")
        other.close()

        session = next(iter(server.peers))._session
        live_page.click("#stop")
        expect(live_page.locator("#state")).to_have_text("The session has ended")
        end = time.monotonic() + 20
        while server.peers:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert session._closed
        connect(live_page, server)  # the place is free again


def test_the_page_in_chinese(serve_live, live_page):
    with serve_live() as server:
        live_page.goto(f"{server.url}/")
        live_page.click("#language")
        expect(live_page.locator("#start")).to_have_text("开始")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),  # let in; the body is no offer
        ({"Host": "evil.example"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
def test_other_names_and_other_sites_are_refused(serve_live, headers, status):
    with serve_live() as server:
        answer = requests.post(f"{server.url}/session", data="{}", headers=headers, timeout=10)
    assert answer.status_code == status
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_a_key_where_others_reach_the_page(serve_live):
    with serve_live(host="0.0.0.0", key="secret") as server:  # noqa: S104
        codes = [
            requests.post(f"{server.url}/session", data="{}", headers={"X-API-Key": key}, timeout=10).status_code
            for key in ("", "wrong", "secret")
        ]
    assert codes == [401, 401, 400]


def test_offers_that_are_none(serve_live):
    with serve_live() as server:
        for body in ('{"sdp": 3}', '{"sdp": "v=0"}', "[]", '{"sdp": "m=audio x"}'):
            answer = requests.post(f"{server.url}/session", data=body, timeout=20)
            assert answer.status_code == 400, answer.text
        assert not server.peers
        assert requests.post(f"{server.url}/session", data="x" * 100_000, timeout=10).status_code == 413
