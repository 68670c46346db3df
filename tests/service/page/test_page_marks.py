"""The page's choices of label, consent note and marks, against services that are set differently."""

import pytest
from browsing import DONE, expect, give, jobs, until
from service_process import ServiceProcess


@pytest.fixture(scope="module")
def strict(chromium, tmp_path_factory):
    """A service that labels every result, and leaves its marks to the job."""
    settings = ("--set", "least_free_bytes=0", "--set", "label=start", "--set", "marks=choice")
    with ServiceProcess(tmp_path_factory.mktemp("strict") / "data", *settings) as running:
        yield running


def asked(service):
    return next(job for job in jobs(service) if job["kind"] == "dub")["request"]["options"]


def test_label_and_note_go_with_the_job_in_the_pages_language(opened, service):
    page = opened(locale="zh-CN")
    give(page)
    page.select_option("#label", "always")
    page.locator("#options summary").click()
    expect(page.locator("#marks-field")).to_be_hidden()  # this service marks all
    page.fill("#consent_note", "书面同意")
    page.fill("#fps", "5")
    page.click("#run")
    expect(page.locator(DONE)).to_be_visible()
    assert asked(service) == {"label": "always", "label_language": "zh", "consent_note": "书面同意", "fps": "5"}
    expect(page.locator("#consent_note")).to_have_value("")  # the next job may show somebody else
    page.reload()
    expect(page.locator("#label")).to_have_value("always")
    expect(page.locator("#consent_note")).to_have_value("")


def test_nothing_is_asked_where_nothing_is_chosen(opened, service):
    page = opened()
    give(page)
    expect(page.locator("#label")).to_have_value("off")
    page.click("#run")
    expect(page.locator(".job")).to_have_count(1)
    assert asked(service) == {}


def test_the_page_offers_no_less_than_the_service_demands(opened, strict):
    page = opened(strict.url)
    expect(page.locator("#label")).to_have_value("start")
    assert page.locator("#label option:disabled").evaluate_all("all => all.map((each) => each.value)") == ["off"]
    give(page)
    page.locator("#options summary").click()
    expect(page.locator("#marks")).to_be_checked()
    page.uncheck("#marks")
    page.click("#run")
    expect(page.locator(".job")).to_have_count(1)
    assert asked(strict) == {"label_language": "en", "marks": False}


def test_what_was_kept_from_a_laxer_service_is_not_asked_for(opened, strict):
    page = opened(strict.url)
    page.evaluate("sessionStorage.setItem('options', JSON.stringify({ label: 'off' }))")
    page.reload()
    until(page, "document.querySelector('#label').options[0].disabled")
    expect(page.locator("#label")).to_have_value("start")
