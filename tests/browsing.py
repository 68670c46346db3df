"""A browser that looks at the page: what its tests wait for and do."""

import base64
import time
from pathlib import Path

import requests

from lipwright.example import portrait, speech

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:  # the tests skip
    expect = sync_playwright = None

WAIT_MS = 60_000
DONE = ".job[data-state=done]"


def give(page, source=portrait, sound=speech):
    page.set_input_files("#source-file", source)
    page.set_input_files("#sound-file", sound)
    expect(page.locator("#source .chosen")).to_be_visible()
    expect(page.locator("#sound .chosen")).to_be_visible()
    expect(page.locator("#people img")).to_be_visible()


def until(page, condition):
    """Wait for a condition in the page; Playwright's own way to do so needs `eval`, which the page's policy forbids."""
    end = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(f"() => Boolean({condition})"):
        assert time.monotonic() < end, f"never came true: {condition}"
        page.wait_for_timeout(50)


def jobs(service):
    return requests.get(f"{service.url}/v1/jobs", timeout=10).json()["jobs"]


def drop(page, selector, path, kind):
    """Drop a file on an element, as the browser would tell the page of it."""
    data = base64.b64encode(Path(path).read_bytes()).decode()
    page.evaluate(
        """({ selector, data, name, kind }) => {
          const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
          const carried = new DataTransfer();
          carried.items.add(new File([bytes], name, { type: kind }));
          const event = (type) => new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true });
          const target = document.querySelector(selector);
          target.dispatchEvent(event("dragover"));
          target.dispatchEvent(event("drop"));
        }""",
        {"selector": selector, "data": data, "name": Path(path).name, "kind": kind},
    )
