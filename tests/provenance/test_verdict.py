"""What all layers say together: with files of other tools, and with every combination of readings."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import synth
from c2pa import C2paError, Reader
from othertool import SIGNER, OtherTool
from serving import serving
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.errors import MediaError, OptionError
from lipwright.example import portrait, speech
from lipwright.provenance import verify as module
from lipwright.provenance.certificates import open_signer, own_certificate
from lipwright.provenance.findings import SENTENCES
from lipwright.provenance.origin import Origin, read_source
from lipwright.provenance.records import Records
from lipwright.provenance.statement import Statement, sign
from lipwright.provenance.verify import verify
from lipwright.provenance.watermark import WatermarkReading
from lipwright.ui import static

MARK, OTHER = "00112233445566ff", "ff00112233445566"


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    return OtherTool(tmp_path_factory.mktemp("tool"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A video of nobody, marked by nobody."""
    y, x = np.mgrid[:96, :128]
    frames = [np.dstack([x + 2 * n, y, x + y]).astype(np.uint8) for n in range(24)]
    return synth.write_video(tmp_path_factory.mktemp("plain") / "plain.mp4", frames, rate=24)


def codes(verdict):
    return {layer.name: [finding.code for finding in layer.findings] for layer in verdict.layers}


def states(verdict):
    return {layer.name: layer.state for layer in verdict.layers}


@pytest.fixture
def unmarked(monkeypatch):
    """Where the pixels do not matter: that a picture carries no mark takes seconds to find out."""
    monkeypatch.setattr(module, "read_watermark", lambda _: reading(""))


# Files of other tools


@pytest.fixture(scope="module", params=["jpg", "png", "mp4", "wav"])
def signed(request, tool, plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    source = {"jpg": portrait, "mp4": plain}.get(request.param)
    if source is None:
        source = folder / f"source.{request.param}"
        if request.param == "png":
            cv2.imwrite(str(source), cv2.imread(str(portrait)))
        else:
            synth.write_sound(source, np.zeros(8000, np.float32), 8000, "pcm_s16le")
    return tool.sign(source, folder / f"signed.{request.param}")


def test_a_statement_of_another_tool(signed):
    verdict = verify(signed)
    assert (verdict.conclusion, verdict.summary.code) == ("holds", "holds_unchecked")
    assert states(verdict)["statement"] == "holds"
    assert verdict.statement.by == SIGNER
    assert "not_asked" in codes(verdict)["statement"]
    assert any("Otherwise" in finding.text for finding in verdict.layers[0].findings)
    assert "action" in codes(verdict)["statement"]
    assert codes(verdict)["mark"] == (["no_picture"] if signed.suffix == ".wav" else ["mark_absent"])
    assert verdict.agree is None


def test_whom_the_caller_trusts(signed, tool, tmp_path, unmarked):
    verdict = verify(signed, trust=tool.anchors)
    assert (verdict.conclusion, verdict.summary.code) == ("holds", "holds")
    assert "trusted" in codes(verdict)["statement"]
    verdict = verify(signed, trust=OtherTool(tmp_path).anchors)
    assert (verdict.conclusion, verdict.summary.code) == ("holds", "holds_unchecked")
    assert "not_trusted" in codes(verdict)["statement"]


def test_anchors_that_are_none(signed, tmp_path, unmarked):
    text = tmp_path / "letter.pem"
    text.write_text("Dear reader")
    for wrong in (text, tmp_path / "missing.pem", tmp_path):
        with pytest.raises(OptionError):
            verify(signed, trust=wrong)


def test_a_changed_byte_of_another_tools_file(signed, tmp_path, unmarked):
    data = bytearray(signed.read_bytes())
    data[2000 if signed.suffix == ".wav" else len(data) - 40] ^= 1  # a WAV ends with its statement
    changed = tmp_path / signed.name
    changed.write_bytes(data)
    verdict = verify(changed)
    assert verdict.conclusion == "changed"
    assert states(verdict)["statement"] == "changed"
    assert "problem" in codes(verdict)["statement"]


def test_a_statement_that_lies_elsewhere_is_not_fetched(tool, tmp_path, unmarked):
    """The library would: its own settings ask the server, which shows that this test can fail."""
    with serving() as site:
        path = tool.sign_elsewhere(portrait, tmp_path / "signed.jpg", f"{site.url}/statement.c2pa")
        assert verify(path).conclusion == "nothing_found"
        assert site.asked == []
        with pytest.raises(C2paError):
            Reader(str(path))
        assert len(site.asked) > 0


# Files without marks, and what is no file


@pytest.mark.parametrize("source", [portrait, speech])
def test_nothing_found_does_not_pretend(source):
    verdict = verify(source)
    assert verdict.conclusion == "nothing_found"
    assert "does not mean that the recording is real" in verdict.summary.text
    assert set(states(verdict).values()) == {"absent"}


def test_what_is_no_media_is_refused(tmp_path):
    text, empty = tmp_path / "letter.txt", tmp_path / "empty.mp4"
    text.write_text("Dear reader")
    empty.touch()
    for path, why in ((text, "cannot read"), (empty, "0 bytes"), (tmp_path, "a folder"), (tmp_path / "no", "exist")):
        with pytest.raises(MediaError, match=why):
            verify(path)


def test_a_photo_that_ends_early_is_refused(tmp_path):
    path = tmp_path / "a.jpg"
    path.write_bytes(portrait.read_bytes()[:5000])
    with pytest.raises(MediaError, match="incomplete"):
        verify(path)


def test_this_computers_own_certificate_is_recognised(plain, tmp_path, monkeypatch, unmarked):
    """And no other that was made like it, though it bears the same name."""
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "here"))
    told = {"video": read_source(plain, "video"), "audio": read_source(speech, "sound")}
    origin = Origin(software="lipwright 0", engine="native", models=(), layers=("statement",), **told)
    path = Path(shutil.copy(plain, tmp_path / "signed.mp4"))
    sign(path, origin, open_signer(), video=plain, audio=speech)
    own = verify(path)
    assert (own.conclusion, own.summary.code, own.statement.state) == ("holds", "holds_anyone", "valid")
    assert "own_certificate" in codes(own)["statement"]
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "elsewhere"))
    open_signer()
    other = verify(path)
    assert other.summary.code == "holds_anyone"
    assert "own_certificate" not in codes(other)["statement"]
    own_certificate().write_text("damaged")
    assert verify(path).summary.code == "holds_anyone"


def test_a_statement_that_would_fill_the_memory_is_not_looked_into(tool, plain, tmp_path, monkeypatch, unmarked):
    monkeypatch.setattr(module, "MOST_STATEMENT", 1000)
    verdict = verify(tool.sign(plain, tmp_path / "signed.mp4"))
    assert verdict.conclusion == "changed"
    assert "is not looked into" in verdict.layers[0].findings[0].text


# What follows from the readings: these stand in for the readers, whose own tests are elsewhere

STATEMENT = Statement(
    holds=True,
    state="valid",
    by="Lipwright",
    self_made=True,
    problems=(),
    software="lipwright 0.1.0",
    actions=(),
    ingredients=(),
    consent_note="",
    mark_id=MARK,
    engine="native",
    models=(),
    made_at=None,
    raw={"title": "video"},
)
OURS = {"Label": "1", "ContentProducer": "Lipwright", "ProduceID": MARK}


def reading(mark):
    return WatermarkReading(identifier=bytes.fromhex(mark) if mark else None, corrected=0, frames=9, chance=1e-9)


@pytest.fixture
def told(plain, monkeypatch):
    """A verdict on given readings."""

    def make(statement=None, mark="", records=None):
        def give(value):
            def read(*_, **__):
                if isinstance(value, Exception):
                    raise value
                return value

            return read

        monkeypatch.setattr(module, "read_statement", give(statement))
        monkeypatch.setattr(module, "read_watermark", give(mark if isinstance(mark, Exception) else reading(mark)))
        monkeypatch.setattr(module, "read_records", give(records or Records()))
        return verify(plain)

    return make


def test_all_layers_agree(told):
    verdict = told(STATEMENT, MARK, Records(aigc=OURS))
    assert (verdict.conclusion, verdict.summary.code, verdict.agree) == ("holds", "holds_anyone", True)
    assert states(verdict) == {"statement": "holds", "mark": "holds", "records": "found"}
    assert "anyones_certificate" in codes(verdict)["statement"]


def test_a_statement_moved_to_another_picture(told):
    verdict = told(STATEMENT, OTHER)
    assert (verdict.conclusion, verdict.agree) == ("changed", False)
    assert "mark_of_another" in codes(verdict)["mark"]
    of_source = replace(STATEMENT, ingredients=({"title": "source video", "mark_id": OTHER},))
    verdict = told(of_source, OTHER)
    assert (verdict.conclusion, verdict.agree) == ("holds", False)
    assert "mark_of_source" in codes(verdict)["mark"]


def test_a_broken_statement_names_what_was_changed(told):
    broken = replace(STATEMENT, holds=False, state="invalid", problems=("frame 37 (1.48 s) was changed",))
    verdict = told(broken, "")
    assert verdict.conclusion == "changed"
    assert "Frame 37 (1.48 s) was changed." in [finding.text for finding in verdict.layers[0].findings]
    assert codes(verdict)["mark"] == ["mark_missing"]
    assert codes(told(STATEMENT, ""))["mark"] == ["mark_weak"]  # nobody can have removed it


def test_a_mark_or_a_record_alone(told):
    assert told(None, MARK).summary.code == "marked"
    assert told(None, "", Records(aigc=OURS)).summary.code == "marked_by_record", "anybody can write that"
    elsewhere = told(None, "", Records(xmp={"digital_source_type": "http://x/trainedAlgorithmicMedia"}))
    assert (elsewhere.conclusion, elsewhere.summary.code) == ("marked", "marked_by_record")
    perhaps = told(None, "", Records(aigc={"Label": "2", "ContentProducer": "Someone"}))
    assert codes(perhaps)["records"] == ["record_of_perhaps", "record_by"]
    assert told(None, "", Records(tags={"encoder": "Lavf62"})).conclusion == "nothing_found"
    assert told(None, "", Records(tags={"software": "lipwright 0.1.0"})).conclusion == "marked"


def test_a_record_of_another_file(told):
    for statement, mark in ((STATEMENT, ""), (None, MARK)):
        verdict = told(statement, mark, Records(aigc=OURS | {"ProduceID": OTHER}))
        assert verdict.conclusion == "changed"
        assert states(verdict)["records"] == "changed"


def test_layers_are_independent(told):
    verdict = told(MediaError("the statement is odd"), MARK, Records(problems=("the XMP record is no XML",)))
    assert (verdict.conclusion, verdict.summary.code) == ("marked", "marked_unread")
    assert states(verdict) == {"statement": "unknown", "mark": "found", "records": "unknown"}
    verdict = told(STATEMENT, MediaError("no frame can be decoded"))
    assert (verdict.conclusion, states(verdict)["mark"]) == ("holds", "unknown")
    with pytest.raises(MediaError, match="the statement is odd"):
        told(MediaError("the statement is odd"), "")


def test_what_strangers_write_is_shown_as_harmless_text(told):
    nasty = replace(STATEMENT, by="\x1b[2J\u202ecod.exe\n" + "x" * 5000, consent_note="{by} [bold]")
    verdict = told(nasty, MARK)
    texts = [finding.text for layer in verdict.layers for finding in layer.findings]
    assert all(text.isprintable() and len(text) < 400 for text in texts)
    assert "Note on consent: {by} [bold]" in texts
    json.dumps(verdict.as_dict())


def test_an_expired_certificate_is_told(told):
    verdict = told(replace(STATEMENT, self_made=False, expired=True), MARK)
    assert (verdict.conclusion, verdict.summary.code) == ("holds", "holds_unchecked")
    assert "expired" in codes(verdict)["statement"]


def test_a_picture_that_cannot_be_read_does_not_tell_where_it_lies(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    assert str(tmp_path) not in str(module.read_records(tmp_path / "x.png").problems)


def test_a_configuration_folder_that_may_not_be_looked_into(told, monkeypatch):
    """It is no reason to say that the file has no statement."""

    def closed(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", closed)
        patch.setattr(os, "stat", closed)
        assert not module.has_own_certificate()


def test_a_very_long_manifest_is_left_out(told):
    long = replace(STATEMENT, raw={"title": "x" * 2_000_000})
    assert told(long, MARK).as_dict()["statement"]["raw"] == {}
    assert told(STATEMENT, MARK).as_dict()["statement"]["raw"] == STATEMENT.raw


# The command, and the words


@pytest.mark.parametrize(
    ("statement", "mark", "code"), [(STATEMENT, MARK, 0), (None, MARK, 0), (STATEMENT, OTHER, 5), (None, "", 6)]
)
def test_exit_codes_and_json(told, plain, statement, mark, code):
    told(statement, mark)
    run = CliRunner().invoke(app, ["verify", str(plain), "--json"])
    answer = json.loads(run.stdout)
    assert run.exit_code == answer["exit_code"] == code
    assert answer["file"] == {"name": "plain.mp4", "bytes": plain.stat().st_size, "kind": "video"}
    assert [layer["name"] for layer in answer["layers"]] == ["statement", "mark", "records"]
    shown = CliRunner().invoke(app, ["verify", str(plain)], env={"COLUMNS": "200"})
    assert shown.exit_code == code
    assert answer["summary"]["text"] in shown.stdout


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path):
    run = CliRunner().invoke(app, ["verify", str(tmp_path / "none.mp4"), "--json"])
    assert run.exit_code == json.loads(run.stdout)["exit_code"] == 2
    assert "does not exist" in run.stderr


def test_the_page_says_the_same():
    english = json.loads(Path(static / "en.json").read_text("utf-8"))
    said = {name.removeprefix("said."): text for name, text in english.items() if name.startswith("said.")}
    assert said == {code: text for code, text in SENTENCES.items() if code != "problem"}
