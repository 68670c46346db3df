"""A marked file through the service: it holds when it comes out, and Chromium and PyAV play it to its end."""

import time

import av
import pytest
import requests
from browsing import WAIT_MS, expect

from lipwright.example import portrait
from lipwright.provenance.verify import verify

SECONDS, FRAMES = 2.5, 63  # of `long_wav`, at 25 a second

PLAY = """async (address) => {
  const video = document.createElement("video");
  document.body.append(video);
  const failed = new Promise((_, reject) => { video.onerror = () => reject(new Error(video.error.message)); });
  const ended = new Promise((done) => { video.onended = done; });
  video.muted = true;
  video.src = address;
  await Promise.race([video.play(), failed]);
  await Promise.race([ended, failed]);
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  const told = {
    duration: video.duration, at: video.currentTime, frames: totalVideoFrames, dropped: droppedVideoFrames,
    width: video.videoWidth, height: video.videoHeight,
  };
  video.remove();
  return told;
}"""


@pytest.fixture
def job(service, long_wav):
    """A finished job of the service, as any client asks for it."""
    with portrait.open("rb") as video, long_wav.open("rb") as audio:
        files = {"video": ("me.jpg", video), "audio": ("a.wav", audio)}
        view = requests.post(f"{service.url}/v1/jobs", files=files, timeout=60).json()
    end = time.monotonic() + WAIT_MS / 1000
    while view["state"] not in ("done", "failed"):
        assert time.monotonic() < end, view
        time.sleep(0.2)
        view = requests.get(f"{service.url}/v1/jobs/{view['id']}", timeout=10).json()
    assert view["state"] == "done", view
    return view


def test_marks_survive_the_service_and_the_file_plays(opened, service, job, tmp_path):
    file = tmp_path / "result.mp4"
    file.write_bytes(requests.get(f"{service.url}{job['output_url']}", timeout=60).content)
    verdict = verify(file)
    assert (verdict.conclusion, verdict.agree) == ("holds", True), verdict.as_dict()
    assert [layer.state for layer in verdict.layers] == ["holds", "holds", "found"]

    with av.open(str(file)) as container:
        decoded = [frame.pts for frame in container.decode(video=0)]
    assert len(decoded) == len(set(decoded)) == FRAMES
    with av.open(str(file)) as container:
        heard = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert heard == pytest.approx(SECONDS, abs=0.05)

    page = opened()
    played = page.evaluate(PLAY, job["output_url"].removeprefix("/"))
    assert (played["width"], played["height"]) == (512, 512)
    assert played["duration"] == pytest.approx(FRAMES / 25, abs=0.05)
    assert played["at"] == pytest.approx(played["duration"], abs=0.05)
    assert played["frames"] == FRAMES

    page.set_input_files("#check-file", file)
    expect(page.locator("#verdict")).to_have_attribute("data-conclusion", "holds")
    expect(page.locator("#verdict-summary")).to_contain_text("anyone can make the certificate")
