"""The web page in a real browser, against a real service, on the bundled portrait."""

import re

import cv2
import numpy as np
import pytest
import requests
from browsing import DONE, drop, expect, give, jobs, until
from service_process import ServiceProcess

from lipwright.example import portrait, speech
from lipwright.media import open_clip


def test_from_two_files_to_a_finished_video(opened, service):
    page = opened()
    expect(page.locator(".consent")).to_contain_text("a real person appear to say words that they never said")
    expect(page.locator("#queue-empty")).to_be_visible()
    expect(page.locator("#run")).to_be_disabled()
    expect(page.locator("#missing")).to_have_text("Choose a person first. Choose or record the words.")

    give(page)
    assert "512×512" in page.locator("#source .about").text_content()
    assert "0:07" in page.locator("#sound .about").text_content()
    expect(page.locator(".face")).to_have_count(0)  # one face: nothing to choose
    page.check("#still")
    page.locator("#intensity").fill("1.2")
    assert page.locator("#intensity-value").text_content() == "1.20"

    page.click("#preview")
    expect(page.locator("#preview-picture")).to_be_visible()
    until(page, "document.querySelector('#preview-picture').naturalWidth > 1000")
    page.click("#preview-close")
    expect(page.locator("#preview-panel")).to_be_hidden()

    page.click("#run")
    done = page.locator(DONE, has_text="Video")
    expect(done).to_be_visible()
    assert done.locator(".name").text_content() == "portrait · speech"
    assert "0:07" in done.locator(".how").text_content()
    told = next(job for job in jobs(service) if job["kind"] == "dub")
    assert told["request"]["options"] == {"intensity": 1.2, "still": True}


def test_a_result_plays_beside_its_photo_and_is_downloaded(opened, service, tmp_path):
    page = opened()
    give(page)
    page.click("#run")
    page.locator(DONE).locator("[data-act=play]").click()
    page.click("#player-play")
    until(page, "document.querySelector('#player-result').currentTime > 0.5")
    assert page.evaluate("document.querySelector('#player-result').videoWidth") == 512
    until(page, "document.querySelector('#player-source img')?.naturalWidth === 512")
    assert not page.evaluate("document.querySelector('#player-result').muted")
    page.click("#player-mute")
    assert page.evaluate("document.querySelector('#player-result').muted")
    page.locator("#player-seek").fill("0.5")
    until(page, "document.querySelector('#player-result').currentTime > 3")

    with page.expect_download() as download:
        page.click("#player-download")
    file = tmp_path / "saved.mp4"
    download.value.save_as(file)
    assert download.value.suggested_filename == "portrait · speech.mp4"
    told = jobs(service)[0]
    assert file.read_bytes() == requests.get(f"{service.url}/v1/jobs/{told['id']}/output", timeout=10).content
    with open_clip(file) as clip:
        assert clip.facts.frames == told["result"]["frames"] == 180
    page.keyboard.press("Escape")
    expect(page.locator("#player")).to_be_hidden()
    assert page.evaluate("document.activeElement.dataset.act") == "play", "the focus is back where it was"


def test_progress_is_live(opened, long_speech):
    page = opened()
    give(page, sound=long_speech)
    page.click("#run")
    bar = page.locator(".job progress")
    expect(bar).to_be_visible()
    expect(page.locator(".job .stage")).to_contain_text(re.compile(r"^Drawing \d+/30\d\d$"))
    until(page, "document.querySelector('.job progress').value > 4")
    expect(page.locator(".job .left")).to_contain_text(re.compile("left|nearly"))
    # Events, not the list asked for every few seconds: several values within one second.
    values = page.evaluate(
        """async () => {
          const seen = new Set();
          for (const end = performance.now() + 1500; performance.now() < end; ) {
            seen.add(document.querySelector('.job .stage').textContent);
            await new Promise(requestAnimationFrame);
          }
          return seen.size;
        }"""
    )
    assert values >= 3
    assert "Drawing" in page.locator("#told").text_content()


def test_cancel_retry_and_remove(opened, service, long_speech):
    page = opened()
    give(page, sound=long_speech)
    page.click("#run")
    row = page.locator(".job")
    expect(row.locator(".stage")).to_contain_text("Drawing")
    row.locator("[data-act=cancel]").click()
    expect(row).to_have_attribute("data-state", "cancelled")
    assert page.evaluate("document.activeElement.dataset.act") == "retry"
    row.locator("[data-act=retry]").click()
    expect(row).to_have_attribute("data-state", "running")
    row.locator("[data-act=cancel]").click()
    expect(row).to_have_attribute("data-state", "cancelled")
    row.locator("[data-act=remove]").click()
    expect(page.locator("#ask")).to_be_visible()
    page.click("#ask-no")
    expect(row).to_have_count(1)
    row.locator("[data-act=remove]").click()
    page.click("#ask-yes")
    expect(row).to_have_count(0)
    expect(page.locator("#queue-empty")).to_be_visible()
    assert jobs(service) == []


def test_the_person_is_chosen_on_the_picture_with_the_keyboard(opened, service, tmp_path):
    picture = cv2.imread(str(portrait))
    two = tmp_path / "two.png"
    cv2.imwrite(str(two), np.hstack([picture, cv2.resize(picture, None, fx=1.5, fy=1.5)[:512, :600]]))
    page = opened()
    give(page, source=two)
    faces = page.get_by_role("radio")
    expect(faces).to_have_count(2)
    assert page.locator(".face input:checked").get_attribute("value") == "2"  # the largest, as a job would take
    boxes = [page.locator(".face").nth(number).bounding_box() for number in (0, 1)]
    shown = page.locator("#people img").bounding_box()
    assert abs((boxes[0]["x"] - shown["x"]) / shown["width"] - 178 / 1112) < 0.02
    page.locator(".face input:checked").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".face input:checked").get_attribute("value") == "1"
    page.click("#run")
    expect(page.locator(".job")).to_have_count(1)
    assert jobs(service)[0]["request"]["options"] == {"person": "1"}


def test_the_microphone(opened, service):
    page = opened(permissions=["microphone"])
    page.set_input_files("#source-file", portrait)
    page.click("#record")
    expect(page.locator("#recording")).to_be_visible()
    loudest = page.evaluate(  # the browser's own test device beeps once a second
        """async () => {
          let most = 0;
          for (const end = performance.now() + 2500; performance.now() < end; ) {
            most = Math.max(most, Number(document.querySelector('.level span').style.transform.match(/\\(([^)]+)/)[1]));
            await new Promise(requestAnimationFrame);
          }
          return most;
        }"""
    )
    assert loudest > 0.1
    assert page.locator("#record-time").text_content() in ("0:02", "0:03")
    page.click("#record-stop")
    until(page, "document.querySelector('#record-listen').readyState >= 2")
    page.click("#record-redo")
    expect(page.locator("#recording")).to_be_visible()
    page.wait_for_timeout(1500)
    page.click("#record-stop")
    page.click("#record-use")
    expect(page.locator("#sound .name")).to_have_text(re.compile(r"^recording\.(webm|m4a|ogg)$"))
    assert "0:01" in page.locator("#sound .about").text_content()
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    assert 1 < jobs(service)[0]["result"]["duration"] < 4


@pytest.mark.parametrize(
    ("devices", "english", "chinese"),
    [
        (
            "{ getUserMedia: () => Promise.reject(new DOMException('', 'NotAllowedError')) }",
            "may not be used",
            "无法使用",
        ),
        ("{ getUserMedia: () => Promise.reject(new DOMException('', 'NotFoundError')) }", "was found", "没有找到"),
        ("undefined", "only on secure pages", "只在安全页面"),  # what a page that came by plain HTTP is given
    ],
)
def test_without_a_microphone_there_is_a_sentence(opened, devices, english, chinese):
    page = opened()
    page.evaluate(f"() => Object.defineProperty(navigator, 'mediaDevices', {{ value: {devices} }})")
    page.click("#record")
    expect(page.locator("#record-problem")).to_contain_text(english)
    expect(page.locator("#record")).to_be_enabled()
    page.click("#language")
    expect(page.locator("#record-problem")).to_contain_text(chinese)


def test_avatars_are_made_used_and_deleted(opened, service):
    page = opened()
    page.set_input_files("#source-file", portrait)
    page.click("#keep-avatar")
    page.fill("#ask-field input", "Eileen")
    page.keyboard.press("Enter")
    card = page.locator(".avatar", has_text="Eileen")
    expect(card.locator("img")).to_be_visible()
    until(page, "document.querySelector('.avatar img').naturalWidth > 100")
    page.reload()
    card.get_by_role("button", name="Use: Eileen").click()
    expect(page.locator("#source .name")).to_have_text("Eileen")
    expect(page.locator("#engine")).to_be_disabled()
    page.set_input_files("#sound-file", speech)
    expect(page.locator("#sound .chosen")).to_be_visible()
    page.click("#run")
    done = page.locator(DONE, has_text="Eileen · speech")
    expect(done).to_be_visible()
    assert jobs(service)[0]["result"]["avatar_reused"]
    done.locator("[data-act=play]").click()
    until(page, "document.querySelector('#player-source img')?.naturalWidth === 512")
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Delete: Eileen").click()
    page.click("#ask-yes")
    expect(card).to_have_count(0)
    expect(page.locator("#avatars-empty")).to_be_visible()
    expect(page.locator("#source .drop")).to_be_visible()
    assert requests.get(f"{service.url}/v1/avatars", timeout=10).json() == {"avatars": []}


def test_a_reload_keeps_what_was_chosen_and_the_queue(opened):
    page = opened()
    give(page)
    page.select_option("#length", "loop")
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    page.reload()
    expect(page.locator("#source .name")).to_have_text("portrait.jpg")
    expect(page.locator("#sound .name")).to_have_text("speech.flac")
    expect(page.locator("#people img")).to_be_visible()
    expect(page.locator("#length")).to_have_value("loop")
    expect(page.locator(DONE)).to_be_visible()
    expect(page.locator("#run")).to_be_enabled()


def test_what_the_server_refuses_is_shown_in_its_own_sentence(opened, tmp_path):
    page = opened()
    bad = tmp_path / "video.mp4"
    bad.write_bytes(b"this is no video at all" * 100)
    page.set_input_files("#source-file", bad)
    told = page.locator("#source > .problem")
    expect(told).to_be_visible()
    assert len(told.text_content()) > 30
    page.set_input_files("#source-file", speech)
    expect(told).to_have_text("This file holds only sound; a video or photo is wanted here.")
    give(page)
    expect(told).to_be_hidden()
    page.click("details summary")
    page.fill("#fps", "many")
    page.click("#run")
    expect(page.locator("#go-problem")).to_contain_text("fps")
    page.fill("#fps", "12.5")
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    expect(page.locator("#go-problem")).to_be_hidden()


def test_files_are_dropped(opened):
    page = opened()
    drop(page, "#source .drop", portrait, "image/jpeg")
    expect(page.locator("#source .name")).to_have_text("portrait.jpg")
    drop(page, "footer", speech, "audio/flac")  # beside its place
    expect(page.locator("#sound .name")).to_have_text("speech.flac")
    expect(page.locator("#run")).to_be_enabled()


def test_an_upload_can_be_stopped(opened, tmp_path):
    page = opened()
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(30_000_000))
    cdp = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000}
    cdp.send("Network.emulateNetworkConditions", slow)
    page.set_input_files("#source-file", large)
    expect(page.locator("#source .how-far")).to_have_text(re.compile(r"^[1-9]\d* % sent$"))
    assert 0 < page.evaluate("document.querySelector('#source progress').value") < 1
    page.locator("#source .sending button").click()
    expect(page.locator("#source .drop")).to_be_visible()
    expect(page.locator("#source > .problem")).to_be_hidden()
    expect(page.locator("#source-file")).to_be_focused()


def test_a_long_queue_is_shown_in_parts(opened, service, long_speech):
    paths = []
    for path in (portrait, long_speech):
        with path.open("rb") as file:
            answer = requests.post(f"{service.url}/v1/files", files={"file": (path.name, file)}, timeout=60)
        paths.append(answer.json()["path"])
    for number in range(33):
        asked = {"video": paths[0], "audio": paths[1], "name": f"number {number}"}
        assert requests.post(f"{service.url}/v1/jobs", json=asked, timeout=10).status_code == 202
    page = opened()
    expect(page.locator(".job")).to_have_count(30)
    expect(page.locator(".job").first.locator(".name")).to_have_text("number 32")
    expect(page.locator(".job").first.locator(".stage")).to_have_text(re.compile(r"^3[12] ahead$"))
    page.click("#more")
    expect(page.locator(".job")).to_have_count(33)
    expect(page.locator("#more")).to_be_hidden()
    expect(page.locator(".job").last).to_have_attribute("data-state", "running")


def test_footage_without_a_face(opened, faceless_file):
    page = opened()
    give(page, source=faceless_file)
    expect(page.locator("#source > .problem")).to_contain_text("No face was found")
    expect(page.locator("#keep-avatar")).to_be_hidden()
    page.click("#run")
    failed = page.locator(".job[data-state=failed]")
    expect(failed.locator(".why")).to_contain_text("no usable face")


def test_the_page_and_its_job_go_on_when_the_server_is_back(opened, tmp_path, long_speech):
    with ServiceProcess(tmp_path / "data", "--set", "least_free_bytes=0") as other:
        page = opened(other.url)
        give(page, sound=long_speech)
        page.click("#run")
        row = page.locator(".job")
        expect(row.locator(".stage")).to_contain_text("Drawing")
        other.end()
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#offline")).to_contain_text("connects again")
        page.click("#preview")
        expect(page.locator("#go-problem")).to_have_text("The server does not answer; is it running?")
        other.start()
        expect(page.locator("#offline")).to_be_hidden()
        before = row.locator(".stage").text_content()
        expect(row.locator(".stage")).not_to_have_text(before)
        expect(row).to_have_attribute("data-state", "running")
        row.locator("[data-act=cancel]").click()
        expect(row).to_have_attribute("data-state", "cancelled")
