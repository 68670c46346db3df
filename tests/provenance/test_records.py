"""Records that other programs read: written, read anew, and read from files that mean no good."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lipwright.media import ClipWriter, EncodeOptions
from lipwright.provenance import records
from lipwright.provenance.boxes import append_uuid, top_boxes
from lipwright.provenance.origin import Origin, Source
from lipwright.provenance.records import XMP_UUID, read_records, write_xmp, xmp

ORIGIN = Origin(
    software='lipwright 0.1.0 <&">',
    engine="native",
    models=(),
    video=Source(kind="video", sha256="ab" * 32, bytes=10, format="video/mp4"),
    audio=Source(kind="sound", sha256="cd" * 32, bytes=20, format="audio/flac"),
    consent_note="Ana Example agreed on the phone",
)
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def film(path, tags=None):
    options = EncodeOptions(codec="vp9" if path.suffix == ".webm" else "h264")
    with ClipWriter(path, width=64, height=48, fps=Fraction(25), options=options, tags=tags or {}) as writer:
        for grey in range(3):
            writer.write(np.full((48, 64, 3), 40 * grey, np.uint8))
    return path


def packet(inside, head="", outside=""):
    return (
        f'{head}<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        'xmlns:x1="http://ns.adobe.com/xap/1.0/" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/" '
        f"{outside}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def with_xmp(path, content):
    append_uuid(film(path), XMP_UUID, content)
    return read_records(path)


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov", ".mkv", ".webm"])
def test_what_is_written_is_read_from_the_file_anew(suffix, tmp_path):
    path = film(tmp_path / f"a{suffix}", records.tags(ORIGIN))
    boxed = suffix not in (".mkv", ".webm")
    assert write_xmp(path, xmp(ORIGIN)) is boxed
    found = read_records(path)
    assert found.problems == ()
    assert found.aigc == {
        "Label": "1",
        "ContentProducer": "Lipwright",
        "ProduceID": ORIGIN.mark_id().hex(),
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }
    source_type = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
    told = {"digital_source_type": source_type, "creator_tool": ORIGIN.software}
    assert found.xmp == (told if boxed else None)
    assert found.tags["comment"] == f"The mouth was made to fit the sound by a computer, with {ORIGIN.software}."
    assert found.tags["software"] == ORIGIN.software
    with av.open(path) as container:  # as a player has it
        told = {name.upper(): text for name, text in container.metadata.items()}
        assert json.loads(told["AIGC"]) == found.aigc
        assert len(list(container.decode(video=0))) == 3


def test_records_hold_nothing_of_the_note_or_the_inputs(tmp_path):
    path = film(tmp_path / "a.mp4", records.tags(ORIGIN))
    write_xmp(path, xmp(ORIGIN))
    stored = path.read_bytes()
    for secret in (b"Ana", b"abababab", b"cdcdcdcd", str(tmp_path).encode()):
        assert secret not in stored


def test_the_same_job_has_the_same_records():
    assert (records.tags(ORIGIN), xmp(ORIGIN)) == (records.tags(ORIGIN), xmp(ORIGIN))


def test_a_file_without_records(tmp_path):
    found = read_records(film(tmp_path / "a.mp4"))
    assert (found.xmp, found.aigc, found.problems) == (None, None, ())
    assert found.tags["major_brand"] == "isom"
    json.dumps(found.as_dict())


@pytest.mark.parametrize(
    "content",
    [
        packet("", outside=f'e:DigitalSourceType="{SOURCE_TYPES}digitalCapture" x1:CreatorTool="Camera 1"'),
        packet(
            f'<e:DigitalSourceType rdf:resource="{SOURCE_TYPES}digitalCapture"/>'
            "<x1:CreatorTool> Camera 1\n</x1:CreatorTool>",
            head='<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n',
        ),
        packet(
            f"<e:DigitalSourceType>{SOURCE_TYPES}digitalCapture</e:DigitalSourceType>",
            outside='x1:CreatorTool="Camera 1"',
        )
        + b" " * 2000
        + b'<?xpacket end="w"?>\0\0',
        packet("", outside=f'e:DigitalSourceType="{SOURCE_TYPES}digitalCapture" x1:CreatorTool="Camera 1"')
        .decode()
        .encode("utf-16"),
    ],
    ids=["attributes", "elements", "padded", "UTF-16"],
)
def test_xmp_of_other_tools(content, tmp_path):
    found = with_xmp(tmp_path / "a.mp4", content)
    assert found.xmp == {"digital_source_type": f"{SOURCE_TYPES}digitalCapture", "creator_tool": "Camera 1"}
    assert found.problems == ()


def test_xmp_of_a_mov_among_its_user_data(tmp_path):
    path = film(tmp_path / "a.mov")
    content = packet("", outside='x1:CreatorTool="Premiere"')
    inner = (8 + len(content)).to_bytes(4, "big") + b"XMP_" + content
    udta = (8 + len(inner)).to_bytes(4, "big") + b"udta" + inner
    stored = path.read_bytes()
    moov = next(box for box in top_boxes(path) if box.kind == "moov")
    old = stored[moov.start + 8 : moov.end].replace(b"udta", b"free")
    new = (8 + len(old) + len(udta)).to_bytes(4, "big") + b"moov" + old + udta
    path.write_bytes(stored[: moov.start] + new + stored[moov.end :])
    assert read_records(path).xmp == {"creator_tool": "Premiere"}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_records_of_pictures_of_other_tools(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    record = "{&quot;Label&quot;:&quot;1&quot;,&quot;ContentProducer&quot;:&quot;001&quot;}"
    content = packet(
        f"<T:AIGC>{record}</T:AIGC>", outside=f'e:DigitalSourceType="{SOURCE_TYPES}trainedAlgorithmicMedia"'
    )
    extra = {"xmp": content}
    if suffix == ".png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", content.decode())
        extra = {"pnginfo": info}
    Image.new("RGB", (16, 16)).save(path, **extra)
    found = read_records(path)
    assert found.aigc == {"Label": "1", "ContentProducer": "001"}
    assert found.xmp["digital_source_type"].endswith("/trainedAlgorithmicMedia")
    assert found.problems == ()


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)
HOSTILE_XMP = {
    "billion laughs": (packet("&j;", head=LAUGHS + "]>"), "defines entities"),
    "a file of this machine": (
        packet("&f;", head='<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]>'),
        "defines entities",
    ),
    "too long": (packet("a" * (records.MOST_XMP + 1)), "longer than 1 MiB"),
    "no XML": (b"<x:xmpmeta", "is no XML"),
    "empty": (b"", "is no XML"),
    "no UTF-8": (packet("caf\u00e9").decode().encode("latin-1"), "is no XML"),
    "an encoding nobody knows": (packet("", head='<?xml version="1.0" encoding="klingon"?>'), "is no XML"),
    "bytes": (bytes(range(256)), "is no XML"),
}


@pytest.mark.parametrize("name", HOSTILE_XMP)
def test_xmp_that_means_no_good_is_named(name, tmp_path):
    content, told = HOSTILE_XMP[name]
    found = with_xmp(tmp_path / "a.mp4", content)
    assert found.xmp == {}
    assert len(found.problems) == 1
    assert told in found.problems[0]
    assert "root:" not in found.problems[0]


def test_xmp_of_a_hundred_thousand_levels(tmp_path):
    found = with_xmp(tmp_path / "a.mp4", b"<a>" * 100_000 + b"</a>" * 100_000)
    assert found.xmp == {}


def test_a_hundred_megabytes_of_xmp_are_not_read(tmp_path, monkeypatch):
    path = film(tmp_path / "a.mp4")
    size = 100 << 20
    with path.open("ab") as file:  # a hole, not a hundred megabytes on the disk
        file.write((24 + size).to_bytes(4, "big") + b"uuid" + XMP_UUID)
        file.truncate(path.stat().st_size + size)
    read = []
    content = records.read_content
    monkeypatch.setattr(records, "read_content", lambda *asked: read.append(content(*asked)) or read[-1])
    assert "longer than 1 MiB" in read_records(path).problems[0]
    assert [len(part) for part in read] == [records.MOST_XMP + 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[" * 200_000, "longer than 64 KiB"),
        ("[" * 60_000, "is no JSON"),
        ('{"a":' * 10_000, "is no JSON"),
        ("no JSON", "is no JSON"),
        ('["Label", "1"]', "no object"),
    ],
)
def test_an_aigc_record_that_means_no_good_is_named(text, told, tmp_path):
    found = read_records(film(tmp_path / "a.mkv", {"AIGC": text}))
    assert found.aigc == {}
    assert len(found.problems) == 1
    assert told in found.problems[0]
    assert len(found.problems[0]) < 300
    assert all(len(shown) <= 1000 for shown in found.tags.values())


def test_an_aigc_record_keeps_plain_values_only(tmp_path):
    told = {"Label": 1, "ContentProducer": "x" * 5000, "Deep": {"a": []}} | {f"more {n}": "y" for n in range(100)}
    found = read_records(film(tmp_path / "a.mkv", {"aigc": json.dumps(told)}))
    assert found.problems == ()
    assert found.aigc["Label"] == "1"
    assert len(found.aigc["ContentProducer"]) == 1000
    assert "Deep" not in found.aigc
    assert len(found.aigc) == 20


def test_tags_that_are_no_utf8(tmp_path):
    path = film(tmp_path / "a.mp4", {"comment": "PLACEHOLDER"})
    path.write_bytes(path.read_bytes().replace(b"PLACEHOLDER", b"\xff\xfeACEHOLDER"))
    assert read_records(path).tags["comment"].endswith("ACEHOLDER")


def test_files_that_hold_nothing(tmp_path):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("no recording at all")
    for path in (empty, text):
        found = read_records(path)
        assert (found.xmp, found.aigc, found.tags) == (None, None, {})


def test_a_picture_that_breaks_off_is_told(tmp_path):
    path = tmp_path / "a.png"
    stored = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    path.write_bytes(stored[:30])
    assert read_records(path).xmp is None


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="gone"):
        read_records(tmp_path / "gone.mp4")
