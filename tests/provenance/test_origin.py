import hashlib
import json
from concurrent.futures import CancelledError
from dataclasses import replace

import pytest

from lipwright import BackendError, MediaError
from lipwright.example import portrait
from lipwright.models.catalog import cards
from lipwright.provenance.origin import UNKNOWN_FORMAT, Origin, Source, format_of, model_used, read_source

VIDEO = Source(kind="video", sha256="ab" * 32, bytes=10, format="video/mp4")
SOUND = Source(kind="sound", sha256="cd" * 32, bytes=20, format="audio/wav")
ORIGIN = Origin(
    software="lipwright 0.1.0",
    engine="native",
    models=(model_used("mouth_motion", "ef" * 32),),
    video=VIDEO,
    audio=SOUND,
    settings={"length": "bounce", "fps": None},
    layers=("statement", "mark"),
)


def test_the_mark_depends_on_what_shapes_the_result_and_on_nothing_else():
    same = replace(ORIGIN, settings={"fps": None, "length": "bounce"}, consent_note="Ada agreed", layers=())
    others = [
        replace(ORIGIN, software="lipwright 0.1.1"),
        replace(ORIGIN, engine="heygem"),
        replace(ORIGIN, models=()),
        replace(ORIGIN, video=replace(VIDEO, sha256="ac" * 32)),
        replace(ORIGIN, audio=VIDEO),
        replace(ORIGIN, settings={"length": "loop", "fps": None}),
    ]
    assert len(ORIGIN.mark_id()) == 8
    assert same.mark_id() == ORIGIN.mark_id()
    assert len({ORIGIN.mark_id(), *(other.mark_id() for other in others)}) == 1 + len(others)


def test_the_mark_is_a_known_value():
    """Another canonical form would quietly give every file another mark."""
    simple = replace(ORIGIN, models=(), settings={})
    video, sound = "ab" * 32, "cd" * 32
    text = (
        f'{{"audio":{{"bytes":20,"format":"audio/wav","kind":"sound","sha256":"{sound}"}},"engine":"native",'
        '"models":[],"settings":{},"software":"lipwright 0.1.0",'
        f'"video":{{"bytes":10,"format":"video/mp4","kind":"video","sha256":"{video}"}}}}'
    )
    assert simple.mark_id() == hashlib.sha256(text.encode()).digest()[:8]


def test_an_origin_is_plain_values():
    told = json.loads(json.dumps(ORIGIN.as_dict()))
    assert told == ORIGIN.as_dict()
    assert told["mark_id"] == ORIGIN.mark_id().hex()
    assert told["models"][0]["name"] == "mouth_motion"


def test_cards_differ():
    hashes = {name: model_used(name, "").card_sha256 for name in cards()}
    assert len(set(hashes.values())) == len(hashes)
    with pytest.raises(BackendError, match="unknown model"):
        model_used("nothing", "")


def test_a_source_is_told_by_its_bytes(tmp_path, clip_file, speech_wav):
    for path, kind, made in ((clip_file, "video", "video/mp4"), (speech_wav, "sound", "audio/wav")):
        renamed = tmp_path / "x.bin"
        renamed.write_bytes(path.read_bytes())
        found = read_source(renamed, kind)
        whole = path.read_bytes()
        assert found == Source(kind=kind, sha256=hashlib.sha256(whole).hexdigest(), bytes=len(whole), format=made)
    assert read_source(portrait, "photo").format in ("image/jpeg", "image/png", "image/webp")
    with pytest.raises(MediaError, match="cannot read"):
        read_source(tmp_path / "nowhere", "video")
    with pytest.raises(CancelledError):
        read_source(clip_file, "video", lambda: True)


def test_formats():
    assert format_of(b"\0\0\0\x14ftypqt  ") == "video/quicktime"
    assert format_of(b"\0\0\0\x14ftypisom") == "video/mp4"
    assert format_of(b"\x1a\x45\xdf\xa3....webm") == "video/webm"
    assert format_of(b"RIFF....WEBP") == "image/webp"
    assert format_of(b"") == format_of(b"hello") == UNKNOWN_FORMAT
