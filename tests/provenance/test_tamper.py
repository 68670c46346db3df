"""Every change to a marked file is found, and named by the layer that it concerns."""

import re

import cv2
import numpy as np
import pytest
import tampering
from othertool import PARENT, SIGNER, OtherTool
from tampering import C2PA, XMP, box_of, moov

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.provenance.boxes import top_boxes
from lipwright.provenance.certificates import open_signer
from lipwright.provenance.origin import Origin, read_source
from lipwright.provenance.records import write_xmp, xmp
from lipwright.provenance.statement import read_statement, sign
from lipwright.provenance.verify import verify


@pytest.fixture(scope="module")
def other(tmp_path_factory, long_wav):
    """Another job on the same inputs, with other settings."""
    folder = tmp_path_factory.mktemp("other")
    options = DubOptions(intensity=0.5, encode=EncodeOptions(preset="veryfast"), cache=folder / "cache")
    output = folder / "other.mp4"
    dub(portrait_file, long_wav, output, options=options)
    return output


@pytest.fixture
def target(tmp_path):
    return tmp_path / "changed.mp4"


def said(verdict, layer):
    return " | ".join(each.text for found in verdict.layers if found.name == layer for each in found.findings)


def states(verdict):
    return {layer.name: layer.state for layer in verdict.layers}


def test_untouched_it_holds(made):
    verdict = verify(made)
    assert (verdict.conclusion, verdict.summary.code, verdict.agree) == ("holds", "holds_anyone", True)
    assert states(verdict) == {"statement": "holds", "mark": "holds", "records": "found"}
    assert verdict.records.problems == ()


BYTES = {
    "a frame": (lambda path: tampering.in_packet(path, "video", 40), r"Frame 40 \(1\.60 s\) was changed"),
    "the sound": (lambda path: tampering.in_packet(path, "audio", 60), r"The sound from 1\.\d\d s to 1\.\d\d s"),
    "XMP": (
        lambda path: tampering.in_text(path, b"compositeWith", box_of(path, XMP)),
        "The XMP record was changed",
    ),
    "AIGC": (lambda path: tampering.in_text(path, b'{"Label":"1', moov(path)), "tags was changed"),
    "a tag": (lambda path: tampering.in_text(path, b"The mouth was made to fit", moov(path)), "tags was changed"),
    "the index": (lambda path: tampering.in_moov(path, "mvhd", offset=15), "The file's index .* was changed"),
    "the type": (lambda path: top_boxes(path)[0].content[0] + 7, "The file's type was changed"),
}


@pytest.mark.parametrize("what", BYTES)
def test_one_byte(made, target, what):
    where, named = BYTES[what]
    verdict = verify(tampering.flipped(made, target, where(made), mask=3))
    assert verdict.conclusion == "changed"
    assert states(verdict)["statement"] == "changed"
    assert re.search(named, said(verdict, "statement")), said(verdict, "statement")
    if what == "AIGC":
        assert "perhaps made by AI" in said(verdict, "records")


@pytest.mark.parametrize("place", ["begin", "claim", "middle", "signature"])
def test_one_byte_of_the_statement(made, target, place):
    box, data = box_of(made, C2PA), made.read_bytes()
    at = {
        "begin": box.start + 60,
        "claim": data.index(b"claim_generator", box.start),
        "middle": data.index(b"org.lipwright.origin", box.start) + 3,
        "signature": data.index(b"c2pa.signature", box.start) + 300,
    }[place]
    verdict = verify(tampering.flipped(made, target, at))
    assert verdict.conclusion == "changed", said(verdict, "statement")
    assert "statement" in said(verdict, "statement")
    assert states(verdict)["mark"] in ("holds", "found")


def test_boxes_are_added(made, target):
    for kind, content in ((b"free", bytes(100)), (b"uuid", bytes(40)), (b"abcd", b"more")):
        verdict = verify(tampering.appended(made, target, kind, content))
        assert verdict.conclusion == "changed", kind
        assert "was added" in said(verdict, "statement")


def test_the_xmp_record_is_removed(made, target):
    assert top_boxes(made)[-1].uuid == XMP
    for changed in (
        tampering.without_last(made, target),
        tampering.blanked(made, target.with_name("b.mp4"), box_of(made, XMP)),
    ):
        verdict = verify(changed)
        assert verdict.conclusion == "changed"
        assert "The XMP record was removed" in said(verdict, "statement")


def test_the_statement_is_removed(made, target):
    """By hand, or by any program that writes the packets into a new file: mark and records still tell."""
    for changed in (
        tampering.blanked(made, target, box_of(made, C2PA)),
        tampering.remuxed(made, target.with_name("b.mp4")),
    ):
        verdict = verify(changed)
        assert (verdict.conclusion, verdict.summary.code) == ("marked", "marked"), said(verdict, "statement")
        assert states(verdict) == {"statement": "absent", "mark": "found", "records": "found"}
        assert verdict.watermark.identifier == verify(made).watermark.identifier


def test_frames_are_cut(made, target):
    changed = tampering.with_boxes(
        made, tampering.remuxed(made, target, keep=lambda kind, n: kind != "video" or n < 50)
    )
    verdict = verify(changed)
    assert verdict.conclusion == "changed"
    assert re.search(r"frames were cut out of the picture at 2\.0\d s", said(verdict, "statement"))


def test_the_file_is_cut_off(made, target):
    target.write_bytes(made.read_bytes()[: int(made.stat().st_size * 0.7)])
    verdict = verify(target)
    assert verdict.conclusion == "changed"
    assert states(verdict)["statement"] == "changed"


def test_one_frame_is_replaced(made, target):
    """By encoding the picture again, as an editor would, and putting statement and records back in."""

    def painted(number, frame):
        return np.full_like(frame, 128) if number == 30 else frame

    verdict = verify(tampering.with_boxes(made, tampering.encoded(made, target, painted)))
    assert verdict.conclusion == "changed"
    assert "The picture" in said(verdict, "statement")


def test_one_frame_is_replaced_and_its_group_encoded_again(footage, target, tmp_path):
    """All other packets are the ones that were signed."""
    source = tampering.in_groups(footage, tmp_path / "signed.mp4", group=8)
    told = {"video": read_source(portrait_file, "photo"), "audio": read_source(speech_file, "sound")}
    origin = Origin(software="lipwright 0", engine="native", models=(), layers=("statement", "records"), **told)
    write_xmp(source, xmp(origin))
    sign(source, origin, open_signer(), video=portrait_file, audio=speech_file)
    assert read_statement(source).holds
    painted = [np.full_like(frame, 128) if number == 10 else frame for number, frame in enumerate(footage)]
    changed = tampering.with_boxes(source, tampering.in_groups(painted, target, group=8))
    told = read_statement(changed)
    assert not told.holds
    assert "frames 10 to 15 (0.40 to 0.60 s) were changed" in told.problems


def test_the_mark_is_blurred_away(made, target):
    def blurred(_, frame):
        return cv2.resize(cv2.resize(frame, (64, 64), interpolation=cv2.INTER_AREA), frame.shape[1::-1])

    verdict = verify(tampering.with_boxes(made, tampering.encoded(made, target, blurred)))
    assert verdict.conclusion == "changed"
    assert states(verdict) == {"statement": "changed", "mark": "absent", "records": "found"}
    assert "it was removed, or is too weak" in said(verdict, "mark")


def test_re_encoding_leaves_the_mark(made, target):
    verdict = verify(tampering.encoded(made, target, crf=23))
    assert (verdict.conclusion, verdict.summary.code) == ("marked", "marked")
    assert states(verdict) == {"statement": "absent", "mark": "found", "records": "absent"}


def test_another_tool_worked_on_it_and_says_so(made, target, tmp_path):
    """It signs anew, and names ours as its source."""
    tool = OtherTool(tmp_path)
    opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": [PARENT]}}
    done = {"label": "c2pa.actions.v2", "data": {"actions": [opened, {"action": "c2pa.edited"}]}}
    manifest = {"claim_generator_info": [{"name": "Otherwise", "version": "3.1"}], "assertions": [done]}
    with made.open("rb") as file:
        verdict = verify(tool.sign_as(manifest, made, target, parent=file))
    assert (verdict.conclusion, verdict.summary.code) == ("holds", "holds_unchecked")
    assert verdict.statement.by.startswith(SIGNER)
    assert "Done: edited" in said(verdict, "statement")
    assert "with a statement of its own by lipwright" in said(verdict, "statement")
    assert states(verdict)["mark"] == "holds"
    assert "It is the mark of the footage" in said(verdict, "mark")


def test_the_statement_of_another_file(made, other, target):
    verdict = verify(tampering.with_boxes(other, tampering.remuxed(made, target)))
    assert (verdict.conclusion, verdict.agree) == ("changed", False)
    assert "belongs to another statement" in said(verdict, "mark")
    assert states(verdict) == {"statement": "changed", "mark": "changed", "records": "changed"}
