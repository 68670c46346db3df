"""The page's place to check a file: dropped or chosen, told in both languages, usable on a phone and by keyboard."""

import cv2
import pytest
from browsing import drop, expect
from othertool import SIGNER, OtherTool

from lipwright.example import portrait, speech


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    return OtherTool(folder).sign(portrait, folder / "made elsewhere.jpg")


def states(page):
    return [(each.get_attribute("data-state"), each.inner_text()) for each in page.locator("#layers > li").all()]


def test_a_file_of_another_tool_is_checked(opened, service, signed):
    page = opened()
    uploads = service.folder / "uploads"
    before = set(uploads.iterdir())
    page.set_input_files("#check-file", signed)
    expect(page.locator("#verdict")).to_have_attribute("data-conclusion", "holds")
    expect(page.locator("#verdict-summary")).to_contain_text("Nothing in this file was changed")
    statement, mark, records = states(page)
    assert (statement[0], mark[0], records[0]) == ("holds", "absent", "absent")
    assert f"Signed by {SIGNER}" in statement[1]
    assert "holds" in statement[1], "told by a word, not by colour alone"
    assert page.locator("#told").text_content().startswith("Nothing in this file was changed")
    assert page.evaluate("document.activeElement.className").endswith("again")
    assert set(uploads.iterdir()) == before, "nothing of it is kept"
    page.click("#language")
    expect(page.locator("#verdict-summary")).to_contain_text("未被更改")
    assert f"由 {SIGNER} 签名" in states(page)[0][1]
    page.click("#check .again")
    expect(page.locator("#verdict")).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "check-file"


def test_what_was_changed_and_what_says_nothing(opened, signed, tmp_path):
    changed = tmp_path / "changed.jpg"
    data = bytearray(signed.read_bytes())
    data[-2000] ^= 1
    changed.write_bytes(data)
    page = opened(viewport={"width": 360, "height": 740})
    drop(page, "#check .drop", changed, "image/jpeg")
    expect(page.locator("#verdict")).to_have_attribute("data-conclusion", "changed")
    assert states(page)[0][0] == "changed"
    page.click("#check .again")
    drop(page, "#check .drop", speech, "audio/flac")
    expect(page.locator("#verdict")).to_have_attribute("data-conclusion", "nothing_found")
    expect(page.locator("#verdict-summary")).to_contain_text("does not mean that the recording is real")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing sticks out"
    # Neither of them became a job's input.
    expect(page.locator("#source .chosen")).to_be_hidden()
    expect(page.locator("#sound .chosen")).to_be_hidden()


def test_what_is_no_media_is_refused_in_a_sentence(opened, tmp_path):
    page = opened()
    text = tmp_path / "letter.txt"
    text.write_text("Dear reader")
    page.set_input_files("#check-file", text)
    problem = page.locator("#check .problem")
    expect(problem).to_contain_text("is it a finished video, photo or sound file?")
    assert str(tmp_path) not in problem.inner_text()
    expect(page.locator("#verdict")).to_be_hidden()
    fine = cv2.imwrite(str(tmp_path / "plain.png"), cv2.imread(str(portrait)))
    assert fine
    page.focus("#check-file")  # by keyboard the same input is reached
    page.set_input_files("#check-file", tmp_path / "plain.png")
    expect(page.locator("#verdict")).to_have_attribute("data-conclusion", "nothing_found")
    expect(problem).to_be_hidden()
