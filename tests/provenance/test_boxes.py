"""Outermost boxes of MP4 and MOV files, those that lie included."""

import os
from fractions import Fraction

import av
import numpy as np
import pytest

from lipwright.errors import OutputError
from lipwright.media import ClipWriter
from lipwright.provenance.boxes import append_uuid, find_box, read_content, top_boxes

NAME = bytes(range(16))


def box(kind, content=b"", size=None):
    return (8 + len(content) if size is None else size).to_bytes(4, "big") + kind + content


def film(path):
    with ClipWriter(path, width=64, height=48, fps=Fraction(25)) as writer:
        for grey in range(5):
            writer.write(np.full((48, 64, 3), 40 * grey, np.uint8))
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".m4v"])
def test_boxes_of_a_written_file_cover_it(suffix, tmp_path):
    path = film(tmp_path / f"a{suffix}")
    boxes = top_boxes(path)
    kinds = [one.kind for one in boxes]
    assert kinds[0] == "ftyp"
    assert {"moov", "mdat"} <= set(kinds)
    assert [one.start for one in boxes] == [0, *(one.end for one in boxes[:-1])]
    assert boxes[-1].end == path.stat().st_size
    assert all(one.whole for one in boxes)


def test_a_box_put_at_the_end_is_found_and_the_film_plays_on(tmp_path):
    path = film(tmp_path / "a.mp4")
    before = path.read_bytes()
    append_uuid(path, NAME, b"what it holds")
    assert path.read_bytes()[: len(before)] == before
    last = top_boxes(path)[-1]
    assert (last.kind, last.uuid, last.start) == ("uuid", NAME, len(before))
    assert read_content(path, last, 100) == b"what it holds"
    assert read_content(path, last, 4) == b"what"
    with av.open(path) as container:
        assert len(list(container.decode(video=0))) == 5


@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_other_containers_have_no_boxes(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes(100))
    assert top_boxes(path) == []
    with pytest.raises(OutputError, match=r"no complete MP4 or MOV"):
        append_uuid(path, NAME, b"x")


def test_a_box_in_boxes(tmp_path):
    path = tmp_path / "a.mov"
    inner = box(b"mvhd", bytes(4)) + box(b"udta", box(b"free", b"12") + box(b"XMP_", b"packet"))
    path.write_bytes(box(b"ftyp", b"qt  ") + box(b"moov", inner))
    found = find_box(path, "moov", "udta", "XMP_")
    assert read_content(path, found, 100) == b"packet"
    assert find_box(path, "moov", "udta", "gone") is None
    assert find_box(path, "gone", "udta") is None


LYING = {
    "beyond the end": box(b"mdat", b"1234", size=2**31),
    "beyond the end, 64 bits": box(b"mdat", (2**63).to_bytes(8, "big") + b"1234", size=1),
    "a 64-bit size that is no header's": box(b"mdat", (3).to_bytes(8, "big"), size=1),
    "smaller than its header": box(b"mdat", b"1234", size=5),
    "a uuid box without its name": box(b"uuid", b"123"),
    "half a header": b"\0\0\0",
}


@pytest.mark.parametrize("name", LYING)
def test_sizes_that_lie_end_the_walk(name, tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + LYING[name])
    boxes = top_boxes(path)
    assert boxes[0].kind == "ftyp"
    assert all(one.end <= path.stat().st_size for one in boxes)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"no complete MP4 or MOV"):
        append_uuid(path, NAME, b"x")
    assert path.read_bytes() == before


def test_an_inner_size_does_not_reach_out_of_what_holds_it(tmp_path):
    path = tmp_path / "a.mov"
    path.write_bytes(
        box(b"ftyp") + box(b"moov", box(b"udta", box(b"XMP_", b"ab", size=5000))) + box(b"free", b"secret")
    )
    assert read_content(path, find_box(path, "moov", "udta", "XMP_"), 9000) == b"ab"


def test_a_last_box_without_an_end_would_swallow_the_new_one(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp") + box(b"mdat", b"1234", size=0))
    assert [one.kind for one in top_boxes(path)] == ["ftyp", "mdat"]
    with pytest.raises(OutputError, match=r"no complete MP4"):
        append_uuid(path, NAME, b"x")


def test_a_million_empty_boxes_are_walked_in_bounded_time(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp") + box(b"free") * 1_000_000)
    assert len(top_boxes(path)) == 100_000


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anything")
def test_a_file_that_may_not_be_written(tmp_path):
    path = film(tmp_path / "a.mp4")
    path.chmod(0o444)
    with pytest.raises(OutputError, match=r"cannot write"):
        append_uuid(path, NAME, b"x")
