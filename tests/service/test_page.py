"""The web page in a real browser, against a real service, on the bundled portrait and on real clips."""

import os
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests
from served import Served, served

from lipwright.example import portrait, speech
from lipwright.media import open_clip, read_sound
from lipwright.pipeline.plan import LENGTHS, plan_frames

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None:
    pytest.skip("needs a Chromium", allow_module_level=True)

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
WAIT_MS = 60_000
DONE = ".job[data-state=done]"
VISIBLE = ":not([hidden])"
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served(tmp_path_factory.mktemp("service") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    flags = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


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
        home = url or service.url
        page.on("request", lambda asked: asked.url.startswith((home, "blob:", "data:")) or wrong.append(asked.url))
        page.goto(home)
        page.wait_for_selector("#more", state="attached")
        page.wait_for_function("document.querySelector('h1').textContent !== ''")
        return page

    expect.set_options(timeout=WAIT_MS)
    yield go
    for context in contexts:
        context.close()
    # Chromium tells of each answer of 400 and more, also where the page shows it to the user.
    assert [text for text in wrong if "Failed to load resource" not in text] == []


@pytest.fixture(autouse=True)
def empty(service):
    """Each test begins with an empty queue."""
    yield
    for _ in range(2):  # cancelled, then removed
        for job in requests.get(f"{service.url}v1/jobs", timeout=10).json()["jobs"]:
            requests.delete(f"{service.url}v1/jobs/{job['id']}", timeout=10)


@pytest.fixture
def long_speech(tmp_path):
    """Two minutes of speech: a job that can be cancelled while it runs."""
    import synth

    sound = read_sound(speech, 16000)
    return synth.write_sound(
        tmp_path / "long.wav", np.tile(sound.samples, (17, 1)[: sound.samples.ndim]), 16000, "pcm_s16le"
    )


def give(page, source=portrait, sound=speech):
    page.set_input_files("#source-file", source)
    page.set_input_files("#sound-file", sound)
    expect(page.locator("#source .chosen")).to_be_visible()
    expect(page.locator("#sound .chosen")).to_be_visible()
    expect(page.locator("#people img")).to_be_visible()


def jobs(service):
    return requests.get(f"{service.url}v1/jobs", timeout=10).json()["jobs"]


def test_from_two_files_to_a_result_that_plays(opened, service, tmp_path):
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
    picture = page.locator("#preview-picture")
    expect(picture).to_be_visible()
    page.wait_for_function("document.querySelector('#preview-picture').naturalWidth > 1000")
    page.click("#preview-close")
    expect(page.locator("#preview-panel")).to_be_hidden()

    page.click("#run")
    row = page.locator(".job", has_text="Working").or_(page.locator(DONE, has_text="Video")).first
    expect(row.locator(".name")).to_have_text("portrait · speech")
    done = page.locator(DONE, has_text="Video")
    expect(done).to_be_visible()
    assert "0:07" in done.locator(".how").text_content()
    told = next(job for job in jobs(service) if job["kind"] == "dub")
    assert told["request"]["options"] == {"intensity": 1.2, "still": True}

    done.locator("[data-act=play]").click()
    expect(page.locator("#player")).to_be_visible()
    page.click("#player-play")
    page.wait_for_function("document.querySelector('#player-result').currentTime > 0.5")
    assert page.evaluate("document.querySelector('#player-result').videoWidth") == 512
    page.wait_for_function("document.querySelector('#player-source img')?.naturalWidth === 512")
    assert not page.evaluate("document.querySelector('#player-result').muted")
    page.click("#player-mute")
    assert page.evaluate("document.querySelector('#player-result').muted")
    page.locator("#player-seek").fill("0.5")
    page.wait_for_function("document.querySelector('#player-result').currentTime > 3")
    with page.expect_download() as download:
        page.click("#player-download")
    file = tmp_path / "saved.mp4"
    download.value.save_as(file)
    assert download.value.suggested_filename == "portrait · speech.mp4"
    assert file.read_bytes() == requests.get(f"{service.url}v1/jobs/{told['id']}/output", timeout=10).content
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
    expect(page.locator(".job .stage")).to_contain_text(re.compile(r"^Drawing \d+/3060$"))
    page.wait_for_function("document.querySelector('.job progress').value > 4")
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
            most = Math.max(most, Number(document.querySelector('.level span').style.transform.match(/[\\d.e-]+/)[0]));
            await new Promise(requestAnimationFrame);
          }
          return most;
        }"""
    )
    assert loudest > 0.1
    assert page.locator("#record-time").text_content() in ("0:02", "0:03")
    page.click("#record-stop")
    page.wait_for_function("document.querySelector('#record-listen').readyState >= 2")
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


def test_a_microphone_that_may_not_be_used(opened):
    page = opened()
    page.evaluate(
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    page.click("#record")
    expect(page.locator("#record-problem")).to_have_text(re.compile("^The microphone may not be used; allow it"))
    page.click("#language")
    expect(page.locator("#record-problem")).to_have_text(re.compile("^无法使用麦克风"))


def test_avatars_are_made_used_and_deleted(opened, service):
    page = opened()
    page.set_input_files("#source-file", portrait)
    page.click("#keep-avatar")
    page.fill("#ask-field input", "Eileen")
    page.keyboard.press("Enter")
    card = page.locator(".avatar", has_text="Eileen")
    expect(card.locator("img")).to_be_visible()
    page.wait_for_function("document.querySelector('.avatar img').naturalWidth > 100")
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
    page.wait_for_function("document.querySelector('#player-source img')?.naturalWidth === 512")
    page.keyboard.press("Escape")
    card.get_by_role("button", name="Delete: Eileen").click()
    page.click("#ask-yes")
    expect(card).to_have_count(0)
    expect(page.locator("#avatars-empty")).to_be_visible()
    expect(page.locator("#source .drop")).to_be_visible()
    assert requests.get(f"{service.url}v1/avatars", timeout=10).json() == {"avatars": []}


def test_languages(opened):
    page = opened()
    assert page.evaluate("document.documentElement.lang") == "en"
    page.click("#language")
    expect(page.locator("h1")).to_have_text("让视频或照片里的人开口说话")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    page.reload()
    expect(page.locator("#run")).to_have_text("生成视频")
    chinese = opened(locale="zh-TW")
    expect(chinese.locator("h1")).to_have_text("让视频或照片里的人开口说话")
    other = opened(locale="fr-FR")
    expect(other.locator("#run")).to_have_text("Make the video")


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


def test_footage_without_a_face(opened, faceless_file):
    page = opened()
    give(page, source=faceless_file)
    expect(page.locator("#source > .problem")).to_contain_text("No face was found")
    expect(page.locator("#keep-avatar")).to_be_hidden()
    page.click("#run")
    failed = page.locator(".job[data-state=failed]")
    expect(failed.locator(".why")).to_contain_text("no usable face")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(opened, scheme):
    page = opened(
        viewport=PHONE, device_scale_factor=2, has_touch=True, is_mobile=True, color_scheme=scheme, locale="zh-CN"
    )
    give(page)
    page.click("details summary")
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    fits = "document.documentElement.scrollWidth <= 360"
    assert page.evaluate(fits)
    page.locator("[data-act=play]").click()
    expect(page.locator("#player")).to_be_visible()
    box = page.locator("#player").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate(fits)
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a.button, select, summary')]
          .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 30).map((each) => each.outerHTML)"""
    )
    assert small == []
    page.click("#player-close")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", light)[0]) > 128) == (scheme == "light")


def test_with_the_keyboard_alone(opened, service):
    page = opened()

    def tab_to(selector):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                ring = page.evaluate(
                    """() => {
                      const ringed = (element) => element && getComputedStyle(element).outlineStyle !== 'none';
                      return ringed(document.activeElement) || ringed(document.activeElement.closest('.drop'));
                    }"""
                )
                assert ring, f"{selector} has the focus and does not show it"
                return
        pytest.fail(f"Tab never reaches {selector}")

    for selector, file in (("#source-file", portrait), ("#sound-file", speech)):
        tab_to(selector)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(file)
        expect(page.locator(selector.replace("-file", " .chosen"))).to_be_visible()
        expect(page.locator(selector.replace("-file", " .again"))).to_be_focused()
    tab_to("#length")
    page.keyboard.press("ArrowDown")
    tab_to("summary")
    page.keyboard.press("Enter")
    expect(page.locator("#mask")).to_be_visible()
    tab_to("#run")
    page.keyboard.press("Enter")
    expect(page.locator(DONE)).to_be_visible()
    tab_to("[data-act=play]")
    page.keyboard.press("Enter")
    expect(page.locator("#player-play")).to_be_focused()
    inside = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        inside.add(page.evaluate("document.activeElement.closest('dialog, main, header')?.id ?? ''"))
    assert "player" in inside
    assert inside <= {"player", ""}, "the focus stays in the dialog (or goes to the browser's own bar)"
    page.locator("#player-play").focus()
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('#player-result').currentTime > 0.2")
    page.keyboard.press("Escape")
    tab_to("[data-act=remove]")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".job")).to_have_count(0)
    assert jobs(service) == []


def test_every_control_has_a_name(opened):
    page = opened()
    give(page)
    page.click("details summary")
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, a[href], progress, [role=group], dialog')]
          .filter((each) => each.checkVisibility())
          .filter((each) => !(each.ariaLabel || each.textContent.trim() || each.labels?.[0]?.textContent.trim()))
          .map((each) => each.outerHTML)"""
    )
    assert nameless == []


def test_the_page_connects_again_when_the_server_is_back(chromium, opened, tmp_path):
    first = Served(tmp_path / "data")
    second = None
    try:
        page = opened(first.url)
        give(page)
        page.click("#run")
        expect(page.locator(DONE)).to_be_visible()
        first.stop()
        expect(page.locator("#offline")).to_be_visible()
        expect(page.locator("#offline")).to_contain_text("connects again")
        page.click("#run")
        expect(page.locator("#go-problem")).to_have_text("The server does not answer; is it running?")
        second = Served(tmp_path / "data", port=first.port)
        expect(page.locator("#offline")).to_be_hidden()
        page.click("#run")
        expect(page.locator(DONE)).to_have_count(2)
    finally:
        for each in (first, second):
            if each is not None:
                each.stop()


@pytest.mark.parametrize(
    ("footage", "count", "fps"), [(1, 7, 25), (2, 9, 25), (24, 60, 24), (75, 500, 30), (50, 30, 12)]
)
def test_the_player_shows_the_source_frame_that_was_drawn_on(opened, footage, count, fps):
    from fractions import Fraction

    page = opened()
    for length in LENGTHS:
        plan = plan_frames(length, footage, Fraction(count, fps), Fraction(fps))
        shown = page.evaluate(
            """async ({ length, footage, count, fps }) => {
              const { sourceFrame } = await import(new URL("ui/player.js", document.baseURI));
              return [...Array(count).keys()].map((frame) => sourceFrame(frame, { length, footage, count, fps }));
            }""",
            {"length": length, "footage": footage, "count": len(plan), "fps": fps},
        )
        assert shown == plan.source.tolist(), length


def played_beside(page):
    """Frames that source and result are apart while they play, and once they stand."""
    return page.evaluate(
        """async () => {
          const { sourceFrame } = await import(new URL("ui/player.js", document.baseURI));
          const [result, source] = [document.querySelector('#player-result'), document.querySelector('#player-source video')];
          const fps = 25;
          const known = { length: "bounce", footage: Math.round(source.duration * fps), count: Math.round(result.duration * fps), fps };
          const apart = () => Math.abs(Math.floor(source.currentTime * fps) - sourceFrame(Math.floor(result.currentTime * fps + 0.01), known));
          const seen = [];
          while (result.currentTime < Math.min(6, result.duration - 0.3)) {
            await new Promise((done) => setTimeout(done, 50));
            seen.push(apart());
          }
          result.pause();
          await new Promise((done) => setTimeout(done, 600));
          seen.sort((a, b) => a - b);
          return { typical: seen[Math.floor(seen.length / 2)], still: apart(), looks: seen.length, muted: source.muted };
        }"""
    )


@pytest.mark.clips
@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips in ../shared")
def test_a_real_clip_from_upload_to_play(opened, service):
    clip = CLIPS / "FuxiVirtualHuman_styletalk_Obama_clip1.mp4"
    page = opened()
    give(page, source=clip, sound=CLIPS / "FuxiVirtualHuman_styletalk_Obama_clip2.wav")
    page.click("#preview")
    page.wait_for_function("document.querySelector('#preview-picture').naturalWidth > 1000")
    page.click("#run")
    done = page.locator(DONE, has_text="Video")
    expect(done).to_be_visible(timeout=4 * WAIT_MS)
    told = next(job for job in jobs(service) if job["kind"] == "dub")
    assert told["result"]["frames_without_face"] < 0.1 * told["result"]["frames"]
    done.locator("[data-act=play]").click()
    page.wait_for_function("document.querySelector('#player-source video')?.readyState >= 2")
    page.click("#player-play")
    apart = played_beside(page)
    assert apart["looks"] > 20
    assert apart["typical"] <= 3
    assert apart["still"] <= 1
    assert apart["muted"]
