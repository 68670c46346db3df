"""The page in both languages, on a phone, in the dark, and by keyboard alone."""

import re
from contextlib import closing

import pytest
from browsing import DONE, expect, give, jobs, until
from service_process import ServiceProcess

from lipwright.example import portrait, speech
from lipwright.service.jobs import JobStore
from lipwright.service.keys import KeyRing
from lipwright.service.settings import Settings

PHONE = {"width": 360, "height": 740}


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
    for name in ("#player-close", "#player-result", "#player-play", "#player-seek", "#player-download"):
        shown = page.locator(name).bounding_box()
        assert shown["y"] >= 0
        assert shown["y"] + shown["height"] <= PHONE["height"], f"{name} is only reached by scrolling"
    assert page.evaluate(fits)
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, a.button, select, summary')]
          .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 30)
          .map((each) => each.outerHTML)"""
    )
    assert small == []
    page.click("#player-close")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", light)[0]) > 128) == (scheme == "light")


def tab_to(page, selector):
    """Press Tab until the focus is there, and see that it shows."""
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


def test_a_video_is_made_with_the_keyboard_alone(opened):
    page = opened()
    for selector, file in (("#source-file", portrait), ("#sound-file", speech)):
        tab_to(page, selector)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Space")
        chooser.value.set_files(file)
        expect(page.locator(selector.replace("-file", " .chosen"))).to_be_visible()
        expect(page.locator(selector.replace("-file", " .again"))).to_be_focused()
    tab_to(page, "#length")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#length")).to_have_value("loop")
    tab_to(page, "summary")
    page.keyboard.press("Enter")
    expect(page.locator("#mask")).to_be_visible()
    tab_to(page, "#run")
    page.keyboard.press("Enter")
    expect(page.locator(DONE)).to_be_visible()


def test_dialogs_keep_the_focus(opened, service):
    page = opened()
    give(page)
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    tab_to(page, "[data-act=play]")
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
    until(page, "document.querySelector('#player-result').currentTime > 0.2")
    page.keyboard.press("Escape")
    tab_to(page, "[data-act=remove]")
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


@pytest.fixture(scope="module")
def locked(chromium, tmp_path_factory):
    """A service that asks for a key, and the key."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("locked") / "data").prepared()
    with closing(JobStore(settings.database)) as store:
        token = KeyRing(store.database.engine).add("page")
    with ServiceProcess(settings.data_dir, "--set", "least_free_bytes=0") as service:
        yield service, token


def test_a_key_is_asked_for_and_opens_all_of_the_page(opened, locked):
    service, token = locked
    page = opened(service.url)
    expect(page.locator("#ask-title")).to_have_text("Key needed")
    for wrong in ("lw_wrong", "no key; at all"):
        page.fill("#ask-field input", wrong)
        page.keyboard.press("Enter")
        expect(page.locator("#ask-field input")).to_have_value("")  # asked anew
        expect(page.locator("#ask-text")).to_contain_text("does not know this key")
    page.fill("#ask-field input", token)
    page.keyboard.press("Enter")
    expect(page.locator("#offline")).to_be_hidden()
    until(page, f"document.cookie.includes('{token}')")
    expect(page.locator("#ask")).to_be_hidden()
    kept = next(cookie for cookie in page.context.cookies() if cookie["name"] == "lipwright_key")
    assert (kept["value"], kept["sameSite"], kept["path"]) == (token, "Strict", "/")

    give(page)
    page.click("#run")
    page.locator(DONE).locator("[data-act=play]").click()
    page.click("#player-play")
    until(page, "document.querySelector('#player-result').currentTime > 0.3")
    until(page, "document.querySelector('#player-source img')?.naturalWidth === 512")
    page.reload()
    expect(page.locator(DONE)).to_be_visible()
    expect(page.locator("#ask")).to_be_hidden()


def test_who_has_no_key_is_asked_once_and_when_it_is_needed(opened, locked):
    service, token = locked
    page = opened(service.url)
    expect(page.locator("#ask-title")).to_have_text("Key needed")
    page.keyboard.press("Escape")
    expect(page.locator("#offline")).to_have_text("This server needs an API key.")
    page.wait_for_timeout(7000)  # longer than the list is left alone
    expect(page.locator("#ask")).to_be_hidden()
    page.set_input_files("#source-file", portrait)
    page.fill("#ask-field input", token)
    page.click("#ask-yes")
    expect(page.locator("#source .name")).to_have_text("portrait.jpg")
    expect(page.locator("#offline")).to_be_hidden()
    expect(page.locator("#people img")).to_be_visible()
