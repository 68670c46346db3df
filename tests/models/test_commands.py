import json
import subprocess
import sys
from pathlib import Path

import pytest
from serving import serving
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.models.catalog import cards, shipped
from lipwright.models.store import ModelStore

ROOT = Path(__file__).parents[2]
PULLED = [card for card in cards().values() if card.group == "heygem"]


def models(*words):
    return CliRunner().invoke(app, ["models", *(str(word) for word in words)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("LIPWRIGHT_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def theirs(tmp_path):
    """A folder with every model of the set but the checkpoint, whose size is known."""
    for card in PULLED:
        if not card.bytes:
            (tmp_path / "theirs").mkdir(exist_ok=True)
            (tmp_path / "theirs" / card.file).write_bytes(card.name.encode() * 100)
    return tmp_path / "theirs"


def test_list(folder):
    rows = {row["name"]: row for row in json.loads(models("list", "--json").stdout)}
    assert set(rows) == set(cards())
    assert {row["state"] for row in rows.values() if row["set"] == "heygem"} == {"absent"}
    assert rows["mouth_motion"]["state"] == "there"
    assert rows["dinet_v1"]["bytes"] == 392392973
    told = models("list").stdout
    assert all(card.file in told and card.licence in told for card in cards().values())
    assert str(folder) in told


def test_pull_shows_the_licence_first_and_the_pin_last(folder):
    with serving() as site:
        site.files["/x"] = b"weights"
        done = models("pull", "xseg", "--url", f"{site.url}/x")
    assert done.exit_code == 0
    licence, came, count = done.stdout.splitlines()
    assert licence.startswith("xseg_211104_4790000.onnx: licence: none published")
    assert f"from {site.url}/x; no checksum is published" in came
    assert count == "1 models ready"
    assert json.loads(models("path", "xseg", "--json").stdout)["path"] == str(ModelStore().place("xseg"))
    assert json.loads(models("pull", "xseg", "--json").stdout)[0]["source"] == ""
    assert models("remove", "xseg").stdout == "removed xseg\n"
    assert models("path", "xseg").exit_code == 4


def test_pull_from_a_folder_takes_what_is_there_and_names_what_is_not(folder, theirs):
    done = models("pull", "heygem", "--from", theirs, "--json")
    assert done.exit_code == 2
    told = json.loads(done.stdout)["error"]
    assert told.startswith(f"{len(PULLED) - 1} of {len(PULLED)} models taken: dinet_v1_20240131.pth is neither in ")
    others = [card.name for card in PULLED if card.name != "dinet_v1"]
    assert len(json.loads(models("pull", *others, "--from", theirs, "--json").stdout)) == len(others)
    states = {row["name"]: row["state"] for row in json.loads(models("list", "--json").stdout)}
    assert {states[name] for name in others} == {"there"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["pull", "xsag"], 4, "unknown model 'xsag'"),
        (["pull", "heygem", "--url", "http://127.0.0.1:9/x"], 2, "--url goes with one model"),
        (["pull", "xseg", "--url", "http://127.0.0.1:9/x"], 4, "no connection"),
        (["remove", "mouth_motion"], 2, "is part of Lipwright"),
    ],
)
def test_errors_are_a_sentence(folder, words, code, told):
    done = models(*words, "--json")
    assert done.exit_code == code
    assert told in json.loads(done.stdout)["error"]


def test_another_folder(folder, tmp_path, theirs):
    assert models("pull", "xseg", "--from", theirs, "--models", tmp_path / "mine", "--quiet").stdout == ""
    assert ModelStore(tmp_path / "mine").has("xseg")
    assert not folder.exists()


def test_the_page_is_what_the_manifest_says():
    done = subprocess.run([sys.executable, ROOT / "scripts" / "models_page"], capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == (ROOT / "MODELS.md").read_text("utf-8").splitlines()


def test_cards_are_complete():
    assert [card.name for card in shipped()] == ["mouth_motion", "mouth_shape", "sync_scorer"]
    for card in PULLED:
        assert all((card.folder, card.licence, card.commercial, card.inputs, card.outputs, card.urls))
        assert all(url.startswith("https://") for url in card.urls)
        assert (not card.takes) == (not card.file.endswith(".onnx"))
        assert (not card.gives) == (not card.takes or "scrfd" in card.name)  # which `face.scrfd` checks itself
    files = [(card.folder, card.file) for card in cards().values()]
    assert len(set(files)) == len(files)
