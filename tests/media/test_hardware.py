"""No machine of these tests has such hardware: what it is told is looked at, and a row over x264 stands in for it."""

from dataclasses import replace
from fractions import Fraction

import av
import pytest
import synth
from typer.testing import CliRunner

from lipwright import BackendError, OptionError
from lipwright.cli.main import app
from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.media import hardware as module
from lipwright.media.hardware import HARDWARE, choose_encoder, why_not
from lipwright.media.options import PRESETS
from lipwright.media.segment import PictureFormat, SegmentEncoder

STANDS_IN = replace(
    HARDWARE["qsv"],
    encoders={"h264": "libx264"},
    settings=lambda crf, speed: {"crf": str(crf), "preset": PRESETS[speed], "bf": "0"},
    needs="nothing",
)


@pytest.fixture
def here(monkeypatch):
    """One row works here, and takes another pixel format than software does."""
    why_not.cache_clear()
    monkeypatch.setitem(HARDWARE, "amf", STANDS_IN)
    yield "amf"
    why_not.cache_clear()


def missing(name, codec="h264"):
    if not (reason := why_not(name, codec)):
        pytest.skip(f"{name} works here")
    return reason


def test_software_is_taken_where_nothing_else_works(monkeypatch):
    monkeypatch.setattr(module, "why_not", lambda name, codec: "no")
    assert choose_encoder("auto", "h264") == choose_encoder("software", "h264") == "software"


@pytest.mark.parametrize("name", HARDWARE)
def test_hardware_that_is_not_there_is_one_sentence(name, tmp_path):
    reason = missing(name)
    with pytest.raises(BackendError, match=rf"encoder {name} does not work here: .*; it needs an? ") as told:
        choose_encoder(name, "h264")
    assert reason in str(told.value)
    with pytest.raises(BackendError, match="does not work here"):
        ClipWriter(tmp_path / "a.mp4", width=64, height=64, fps=Fraction(25), options=EncodeOptions(encoder=name))
    assert not list(tmp_path.iterdir())


def test_the_command_says_so_before_it_looks_at_anything(tmp_path):
    missing("nvenc")
    words = ["dub", "--video", "none.mp4", "--audio", "none.wav", "-o", str(tmp_path / "a.mp4"), "--encoder", "nvenc"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 4
    assert "encoder nvenc does not work here" in result.stderr


def test_hardware_makes_h264_and_hevc_only():
    with pytest.raises(OptionError, match="encoder nvenc makes h264, hevc, got codec vp9"):
        EncodeOptions(codec="vp9", encoder="nvenc")
    with pytest.raises(OptionError, match="encoder must be one of software, nvenc"):
        EncodeOptions(encoder="gpu")
    assert choose_encoder("auto", "vp9") == "software"


@pytest.mark.parametrize("name", HARDWARE)
def test_its_options_are_those_its_encoder_knows(name):
    for codec, encoder in HARDWARE[name].encoders.items():
        if encoder not in av.codecs_available:
            continue
        offered = av.CodecContext.create(encoder, "w").supported_options
        known = {option.name for option in (*offered.private, *offered.generic)}
        for preset in PRESETS:
            told = EncodeOptions(codec=codec, preset=preset, encoder=name).encoder_settings(64)
            assert told["bf"] == "0"
            assert set(told) <= known


def test_better_quality_and_slower_presets_are_asked_for_in_their_own_words():
    told = [EncodeOptions(crf=crf, preset=preset, encoder="nvenc").encoder_settings(64) for crf, preset in
            ((0, "ultrafast"), (18, "veryfast"), (40, "veryslow"))]  # fmt: skip
    assert [(one["cq"], one["preset"]) for one in told] == [("1", "p1"), ("18", "p3"), ("40", "p7")]
    quality = [int(EncodeOptions(crf=crf, encoder="videotoolbox").encoder_settings(64)["global_quality"])
               for crf in (0, 18, 51)]  # fmt: skip
    assert quality == sorted(quality, reverse=True)
    assert quality[-1] > 0


def test_auto_takes_the_first_that_works(here):
    others = [name for name in HARDWARE if name != here and not why_not(name, "h264")]
    assert choose_encoder("auto", "h264") == (others or [here])[0]


def test_pictures_are_encoded_in_its_own_pixel_format_and_parts_are_joined(here, tmp_path):
    pictures = [synth.numbered(number, 128, 72) for number in range(20)]
    options = EncodeOptions(encoder=here)
    path = tmp_path / "a.mp4"
    with ClipWriter(path, width=128, height=72, fps=Fraction(25), options=options) as sink:
        for part in (pictures[:12], pictures[12:]):
            encoder = SegmentEncoder(sink.form)
            for picture in part:
                encoder.add(picture)
            segment = encoder.finish()
            assert segment.packets[0].key
            assert segment.delay == 0
            sink.append(segment)
    assert isinstance(sink.form, PictureFormat)
    with open_clip(path) as clip:
        assert [synth.read_number(picture) for picture in clip.frames()] == list(range(20))
