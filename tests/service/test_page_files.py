"""The page's files: complete in both languages, nothing from elsewhere, served so that a browser stays strict."""

import json
import os
import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from service_process import ServiceProcess

from lipwright.cli.ui import page_address
from lipwright.example import portrait, speech
from lipwright.pipeline.plan import LENGTHS
from lipwright.pipeline.touch import MASKS, MOMENTS
from lipwright.service.routes import page
from lipwright.service.settings import Settings
from lipwright.ui import static

WORDS = {language: json.loads((static / f"{language}.json").read_text("utf-8")) for language in ("en", "zh")}
SCRIPTS = {path.name: path.read_text("utf-8") for path in sorted(static.glob("*.js"))}
PAGE = (static / "index.html").read_text("utf-8")
STYLE = (static / "style.css").read_text("utf-8")


@pytest.fixture
def client():
    app = FastAPI()
    app.include_router(page.router)
    app.state.parts = SimpleNamespace(settings=Settings(batch_size=9, restore=0.5))
    with TestClient(app) as client:
        yield client


def test_both_languages_say_the_same_things():
    assert list(WORDS["en"]) == list(WORDS["zh"])
    for name, sentence in WORDS["en"].items():
        places = [sorted(re.findall(r"\{(\w+)\}", text)) for text in (sentence, WORDS["zh"][name])]
        assert places[0] == places[1], name
    same = [name for name in WORDS["en"] if WORDS["en"][name] == WORDS["zh"][name]]
    assert same == []


def test_every_word_that_is_asked_for_is_there_and_no_other():
    asked = set(re.findall(r'data-t(?:-[a-z-]+)?="([^"]+)"', PAGE))
    built = set()
    for text in SCRIPTS.values():
        asked |= set(re.findall(r'\bt\("([^"]+)"', text))
        built |= set(re.findall(r"\bt\(`([a-z]+\.)\$\{", text))
        asked |= {name for name in re.findall(r'"([a-z]+(?:\.[a-z_]+)+)"', text) if name in WORDS["en"]}
        asked |= set(re.findall(r"^  (\w+): \{ applies:", text, re.MULTILINE))  # a row's buttons
    assert asked <= set(WORDS["en"])
    unused = {name for name in set(WORDS["en"]) - asked if not name.startswith(tuple(built))}
    assert unused == set()


def test_the_page_offers_the_choices_the_engine_has():
    def offered(name):
        select = re.search(rf'<select id="{name}".*?</select>', PAGE, re.DOTALL)[0]
        return tuple(re.findall(r'<option value="(\w+)"', select))

    assert offered("length") == LENGTHS
    assert offered("mask") == MASKS
    assert offered("restore_when") == MOMENTS


def test_nothing_comes_from_elsewhere_and_nothing_is_inline():
    for text in (PAGE, STYLE, *SCRIPTS.values()):
        assert re.findall(r"(?:https?:)?//[a-z]", re.sub(r"//.*", "", text) if text in SCRIPTS.values() else text) == []
    assert re.findall(r"<script(?![^>]*\bsrc=)", PAGE) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:", PAGE) == []
    assert "innerHTML" not in "".join(SCRIPTS.values())
    assert "url(" not in STYLE


def test_ids_are_unique_and_those_that_scripts_ask_for_are_there():
    ids = re.findall(r'\sid="([^"]+)"', PAGE)
    assert len(ids) == len(set(ids))
    asked = {name for text in SCRIPTS.values() for name in re.findall(r'\$\("#([\w-]+)', text)}
    assert asked <= set(ids)
    assert set(re.findall(r'\b(?:for|aria-labelledby)="([^"]+)"', PAGE)) <= set(ids)


@pytest.mark.parametrize("name", ["", *(f"ui/{path.name}" for path in sorted(static.iterdir()))])
def test_every_file_is_served_strictly(client, name):
    answer = client.get(f"/{name}")
    assert answer.status_code == 200
    assert answer.content == (static / (name.removeprefix("ui/") or "index.html")).read_bytes()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    kinds = {"": "text/html", ".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
    kinds |= {".json": "application/json", ".svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(kinds[os.path.splitext(name)[1]])  # noqa: PTH122
    again = client.get(f"/{name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["ui/", "ui/nothing.js", "ui/../routes/page.py", "ui/..%2f__init__.py", "ui/%2e%2e"])
def test_nothing_else_is_served(client, name):
    assert client.get(f"/{name}").status_code == 404


def test_the_page_begins_with_the_services_own_defaults(client):
    options = {"mask": "landmark", "restore": 0.5, "restore_when": "before", "blur_threshold": 0.0, "batch_size": 9}
    defaults = client.get("/ui/defaults.json").json()
    assert defaults == {"options": options | {"label": "off"}, "marks": "always", "label_language": ""}


def test_faces_of_an_upload(tmp_path):
    """Against a real service: a photo, a sound, and paths that are none of the client's business."""
    import requests

    with ServiceProcess(tmp_path / "data", "--set", "least_free_bytes=0") as service:
        paths = {}
        for path in (portrait, speech):
            with path.open("rb") as file:
                answer = requests.post(f"{service.url}/v1/files", files={"file": (path.name, file)}, timeout=60)
            paths[path.name] = answer.json()["path"]
        look = lambda path: requests.post(f"{service.url}/v1/faces", json={"path": path}, timeout=60)  # noqa: E731
        seen = look(paths["portrait.jpg"]).json()
        assert (seen["width"], seen["height"]) == (512, 512)
        assert seen["picture"].startswith("data:image/jpeg;base64,/9j/")
        assert [face["person"] for face in seen["faces"]] == ["1"]
        sound = look(paths["speech.flac"])
        assert sound.status_code == 415
        assert "holds only sound" in sound.json()["error"]
        for path in (
            "../data.screen",
            "/etc/passwd",
            "lipwright.db",
            "uploads/../../data.screen",
            "uploads/none.mp4",
            "",
        ):
            assert look(path).status_code == 422, path


def test_ui_opens_the_page_of_a_service_and_starts_one_where_none_runs(tmp_path):
    opened = tmp_path / "opened.txt"
    browser = tmp_path / "browser.py"
    browser.write_text(f"import sys; open({str(opened)!r}, 'a').write(sys.argv[1] + '\\n')", "utf-8")
    command = [sys.executable, "-m", "lipwright.cli.main", "ui", "--data-dir", tmp_path / "data"]
    environment = os.environ | {"BROWSER": f"{sys.executable} {browser} %s"}

    with ServiceProcess(tmp_path / "data", "--set", "least_free_bytes=0") as service:
        told = subprocess.run(
            [*command, "--port", str(service.port)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert told.stdout == f"opened {service.url}/\n"
        assert opened.read_text().split() == [f"{service.url}/"]
    with subprocess.Popen(
        [*command, "--port", str(service.port)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as started:
        try:
            end = time.monotonic() + 60
            while len(opened.read_text().split()) < 2 and time.monotonic() < end:
                time.sleep(0.2)
            assert opened.read_text().split() == [f"{service.url}/"] * 2
        finally:
            started.terminate()
            started.wait(20)
    refused = subprocess.run([*command, "--port", "0"], capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "name one with --port" in refused.stderr


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8383/"),
        ("0.0.0.0", "http://127.0.0.1:8383/"),  # noqa: S104
        ("::1", "http://[::1]:8383/"),
        ("::", "http://[::1]:8383/"),
    ],
)
def test_ui_knows_where_the_page_is(host, address):
    assert page_address(Settings(host=host)) == address
