"""The visible label: on arrays, and on whole jobs."""

import unicodedata
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fontTools.ttLib import TTFont
from PIL import features
from typer.testing import CliRunner

from lipwright import OptionError, dub, dub_frames
from lipwright.cli.main import app
from lipwright.compose import caption as module
from lipwright.compose import typeface, wording
from lipwright.compose.caption import Caption
from lipwright.compose.overlays import CORNERS
from lipwright.compose.wording import SENTENCES, known_language, system_language
from lipwright.media import open_clip
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.finish import Finish
from lipwright.pipeline.preview import preview

JOINS = {"ar", "hi"}  # scripts that need what not every Pillow has
SHAPES = [(1920, 1080), (1080, 1920), (640, 360), (360, 640), (512, 512), (96, 64), (320, 100)]


def flat(width, height, value):
    return np.full((height, width, 3), value, np.uint8)


def noise(width, height):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def changed(before, after):
    """First and last row and column that differ."""
    at = np.argwhere((before != after).any(2))
    (top, left), (bottom, right) = at.min(0), at.max(0)
    return int(top), int(bottom), int(left), int(right)


def luminance(rgb):
    """As WCAG defines it; (…, 3) in 0..255."""
    share = np.asarray(rgb, float) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ np.array([0.2126, 0.7152, 0.0722])


def contrast(one, other):
    high, low = np.maximum(luminance(one), luminance(other)), np.minimum(luminance(one), luminance(other))
    return (high + 0.05) / (low + 0.05)


def letters_of(frame, plate):
    """Rows that hold letters, on a frame that is black: the plate is as black there."""
    top, bottom, left, right = plate
    return np.flatnonzero(frame[top : bottom + 1, left : right + 1].max((1, 2)) > 20)


@pytest.mark.parametrize("language", sorted(set(SENTENCES) - JOINS))
@pytest.mark.parametrize(("width", "height"), SHAPES)
def test_every_sentence_fits_every_frame_in_its_corner(language, width, height):
    frame = flat(width, height, 255)
    out = Caption(width, height, language=language).over(frame)
    top, bottom, left, right = changed(frame, out)
    margin = max(1, round(0.025 * min(width, height)))
    assert (top, left) == (margin, margin)
    assert bottom < height / 3 + margin
    assert right < width - margin
    assert (frame == 255).all()


@pytest.mark.skipif(not features.check("raqm") or not features.check("fribidi"), reason="this Pillow joins no letters")
@pytest.mark.parametrize("language", sorted(JOINS))
def test_sentences_whose_letters_join(language):
    frame = flat(640, 360, 255)
    assert changed(frame, Caption(640, 360, language=language).over(frame))[:2][0] == 9


@pytest.mark.parametrize("language", ["en", "zh", "ja", "ko", "ru"])
@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1080, 1920), (640, 360)])
def test_letters_are_as_high_as_the_law_asks(language, width, height):
    frame = flat(width, height, 0)
    white = flat(width, height, 255)
    made = Caption(width, height, language=language)
    rows = letters_of(made.over(frame), changed(white, made.over(white)))
    assert rows[-1] - rows[0] + 1 >= 0.05 * min(width, height)
    first = SENTENCES[language][0]  # a capital or an ideograph by itself is as high
    alone = Caption(width, height, language=language, text=first)
    rows = letters_of(alone.over(frame), changed(white, alone.over(white)))
    assert 0.05 * min(width, height) - 1 <= rows[-1] - rows[0] + 1 <= 0.062 * min(width, height) + 2


@pytest.mark.parametrize("picture", ["white", "black", "noise", "grey", "yellow"])
def test_letters_stand_out_from_their_plate_on_any_picture(picture):
    width, height = 1280, 720
    frame = {
        "white": flat(width, height, 255),
        "black": flat(width, height, 0),
        "noise": noise(width, height),
        "grey": flat(width, height, 128),
        "yellow": flat(width, height, (255, 255, 0)),
    }[picture]
    made = Caption(width, height, language="en")
    out = made.over(frame)
    black, white = made.over(flat(width, height, 0)), made.over(flat(width, height, 255))
    top, bottom, left, right = changed(white, flat(width, height, 255))
    inside = np.s_[top : bottom + 1, left : right + 1]
    inner = (black[inside] == 255).all(2)  # wholly letter
    outer = (black[inside] == 0).all(2)  # wholly plate
    assert inner.sum() > 500
    assert outer.sum() > 5000
    assert (out[inside][inner] == 255).all()
    assert contrast((255, 255, 255), out[inside][outer]).min() >= 4.5


def test_only_the_plate_changes():
    frame = noise(640, 360)
    before = frame.copy()
    out = Caption(640, 360, language="de").over(frame)
    top, bottom, left, right = changed(frame, out)
    outside = np.ones(frame.shape[:2], bool)
    outside[top : bottom + 1, left : right + 1] = False
    np.testing.assert_array_equal(out[outside], frame[outside])
    np.testing.assert_array_equal(frame, before)


@pytest.mark.parametrize("corner", CORNERS)
def test_corners(corner):
    frame = flat(640, 360, 255)
    top, bottom, left, right = changed(frame, Caption(640, 360, language="en", corner=corner).over(frame))
    assert top == 9 if corner.startswith("top") else bottom == 359 - 9
    assert left == 9 if corner.endswith("left") else right == 639 - 9


def test_size():
    frame = flat(640, 360, 255)
    high = [changed(frame, Caption(640, 360, language="en", size=size).over(frame))[1] for size in (0.02, 0.05, 0.1)]
    assert high == sorted(set(high))


@pytest.mark.parametrize(
    "text",
    [
        "The lips in this recording were made to fit another voice by a computer",
        "本视频中人物的口型由人工智能合成，仅供参考。请勿用于其他用途。本视频中人物的口型由人工智能合成。",
    ],
)
def test_long_text_is_wrapped_and_no_smaller(text, tmp_path):
    font = None
    if not text.isascii():
        font = next((path for path in map(Path, typeface._installed()) if covers(path, text)), None)
        if font is None:
            pytest.skip("no font with Chinese characters here")
    frame = flat(640, 360, 255)
    out = Caption(640, 360, text=text, font=font, size=0.05).over(frame)
    top, bottom, left, right = changed(frame, out)
    assert right - left < 640 - 2 * 9
    assert bottom - top > 2 * 18 * 1.3
    assert bottom - top <= 120


def covers(path, text):
    return any({*map(ord, text)} <= each for each in typeface._faces(path))


def test_signs_that_close_do_not_begin_a_line():
    face = typeface.Typeface("人工智能合成", "zh").sized(20)
    wide = face.getlength("人工智")
    assert module._wrapped("人工智能合成", face, round(wide)) == ["人工智", "能合成"]
    assert module._wrapped("人工智，能", face, round(wide)) == ["人工", "智，能"]
    assert module._wrapped("Made with AI", face, 0) == []


@pytest.mark.parametrize("text", ["W" * 60, " ".join(["word"] * 40)])
def test_text_that_does_not_fit_is_refused(text):
    with pytest.raises(OptionError, match=r"does not fit into 640 x 360 pixels; shorten it"):
        Caption(640, 360, text=text, language="en")


def test_text_no_font_has_is_refused():
    with pytest.raises(OptionError, match=r"no font was found that has the letters .* --label-font"):
        Caption(640, 360, text="\U0010fffd", language="en")


def test_a_named_font_is_the_only_one_looked_at(tmp_path):
    own = typeface.OWN / "zh.otf"
    frame = flat(640, 360, 255)
    zh = Caption(640, 360, language="zh")
    np.testing.assert_array_equal(Caption(640, 360, text=SENTENCES["zh"], font=own).over(frame), zh.over(frame))
    with pytest.raises(OptionError, match=r"zh\.otf lacks some of the letters of the label 'Hallo'"):
        Caption(640, 360, text="Hallo", font=own)
    for content in (b"", b"no font", own.read_bytes()[:600]):
        broken = tmp_path / "broken.otf"
        broken.write_bytes(content)
        with pytest.raises(OptionError, match=r"broken\.otf is no font that can be read"):
            Caption(640, 360, text=SENTENCES["zh"], font=broken)
    with pytest.raises(OptionError, match=r"gone\.ttf is no font"):
        Caption(640, 360, text="Hallo", font=tmp_path / "gone.ttf")


def test_other_text_is_shown_in_a_font_that_comes_with_the_package():
    for text in ("Ωμέγα", "Ærøskøbing", "Привет", "→ ♥", "1234"):
        frame = flat(640, 360, 255)
        assert (Caption(640, 360, text=text, language="en").over(frame) != frame).any()


def test_letters_that_join_are_refused_where_they_cannot_be(monkeypatch):
    monkeypatch.setattr(typeface.features, "check", lambda feature: False)
    with pytest.raises(OptionError, match=r"whose letters join, which this installation of Pillow cannot show"):
        Caption(640, 360, language="ar")
    assert Caption(640, 360, language="zh")


@pytest.mark.parametrize("text", ["", " \n ", "\t"])
def test_no_text_is_the_sentence(text):
    assert Caption(640, 360, text=text, language="fr").text == SENTENCES["fr"]


def test_text_is_brought_into_one_line():
    assert Caption(640, 360, text="  Cre\u0301e\u0301\n par\tIA ", language="fr").text == "Créé par IA"


def test_text_that_shows_nothing_is_refused():
    with pytest.raises(OptionError, match=r"shows nothing; give it letters"):
        Caption(640, 360, text="\u200d", language="en")


def test_the_package_has_the_letters_of_its_sentences():
    fonts = {path.stem: set(TTFont(path).getBestCmap()) for path in typeface.OWN.glob("*.?tf")}
    for language, sentence in SENTENCES.items():
        assert unicodedata.is_normalized("NFC", sentence)
        assert {*map(ord, sentence)} - {0x20} <= fonts.get(language, fonts["europe"]) | {0x20}, language
    assert sum(path.stat().st_size for path in typeface.OWN.iterdir()) < 100_000
    assert "SIL OPEN FONT LICENSE" in (typeface.OWN / "OFL.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("de", "de"),
        ("de_AT.UTF-8", "de"),
        ("DE-ch", "de"),
        ("pt-BR", "pt"),
        ("zh", "zh"),
        ("zh_CN.GB18030", "zh"),
        ("zh-Hans-SG", "zh"),
        ("zh_TW", "zh-Hant"),
        ("zh-Hant", "zh-Hant"),
        ("zh-Hant-HK", "zh-Hant"),
        ("sr_RS@latin", None),
        ("C", None),
        ("klingon", None),
    ],
)
def test_languages(name, row, monkeypatch):
    if row is None:
        with pytest.raises(OptionError, match=r"is not known; use one of en, zh, zh-Hant"):
            known_language(name)
    else:
        assert known_language(name) == row
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(wording.sys, "platform", "linux")
    assert system_language() == "en"
    monkeypatch.setenv("LANG", name)
    assert system_language() == (row or "en")
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    assert system_language() == "ko"


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ({"label": "sometimes"}, r"label 'sometimes' is unknown; use one of off, start, always"),
        ({"label_corner": "middle"}, r"label-corner 'middle' is unknown"),
        ({"label_size": 0.01}, r"label-size must be 0\.02\.\.0\.2"),
        ({"label_size": float("nan")}, r"label-size must be"),
        ({"label_language": "xx"}, r"label-language 'xx' is not known"),
        ({"label_text": "x" * 201}, r"label-text has 201 characters, 200 are the most"),
    ],
)
def test_options_out_of_range(option, told):
    with pytest.raises(OptionError, match=told):
        DubOptions(**option)


class Facts:
    width, height = 128, 96

    def __init__(self, fps):
        self.fps = fps


@pytest.mark.parametrize(
    ("fps", "frames"), [(Fraction(25), 75), (Fraction(30000, 1001), 90), (Fraction(24), 72), (Fraction(1), 3)]
)
def test_the_beginning_is_three_seconds_at_any_rate(fps, frames):
    frame = flat(128, 96, 255)
    finish = Finish(DubOptions(label="start", label_language="en"), Facts(fps))
    shown = [finish.over(frame, output) is not frame for output in range(2 * frames)]
    assert shown == [True] * frames + [False] * frames
    assert (frames - 1) / fps < 3 <= frames / fps
    always = Finish(DubOptions(label="always", label_language="en"), Facts(fps))
    assert always.over(frame, 10**9) is not frame
    assert Finish(DubOptions(), Facts(fps)).over(frame, 0) is frame


@pytest.mark.parametrize(("when", "labelled"), [("off", 0), ("start", 15), ("always", 18)])
def test_a_whole_job(when, labelled, clip_file, speech_wav, folder, quick):
    quick = replace(quick, fps=Fraction(5), marks=False)
    plain = list(dub_frames(clip_file, speech_wav, options=quick))
    options = replace(quick, label=when, label_language="zh")
    seen = []
    dub(clip_file, speech_wav, folder / "a.mp4", options=options, watch=lambda shot: seen.append(shot.frame))
    expected = Caption(288, 256, language="zh")
    with open_clip(folder / "a.mp4") as clip:
        frames = list(clip.frames())
    assert len(frames) == len(plain) == len(seen)
    labelled = min(labelled, len(plain))
    for output, (frame, without) in enumerate(zip(frames, plain, strict=True)):
        corner = np.s_[:40, :120]
        shown = expected.over(without) if output < labelled else without
        assert np.abs(frame[corner].astype(int) - shown[corner]).mean() < 6
        np.testing.assert_array_equal(seen[output], without)  # who looks into a job sees what was drawn


def test_a_label_that_cannot_be_is_refused_before_the_analysis(clip_file, speech_wav, folder, tmp_path, quick):
    told = []
    options = replace(quick, label="start", label_text="\U0010fffd", cache=tmp_path / "cache")
    for job in (
        lambda **rest: dub(clip_file, speech_wav, folder / "a.mp4", **rest),
        lambda **rest: preview(clip_file, speech_wav, folder / "a.png", 1, **rest),
    ):
        with pytest.raises(OptionError, match="no font was found"):
            job(options=options, progress=lambda *what: told.append(what))
    assert (told, list(folder.iterdir())) == ([], [])


def test_the_command_line(clip_file, speech_wav, folder, quick):
    words = ("dub", "--video", clip_file, "--audio", speech_wav, "-o", folder / "a.mp4", "--preset", "ultrafast")
    label = ("--label", "always", "--label-text", "Ελλάς", "--label-corner", "bottom-left", "--label-size", "0.1")
    done = CliRunner().invoke(app, [*map(str, words), *label, "--cache", str(quick.cache), "--fps", "2"])
    assert done.exit_code == 0, done.output
    made = Caption(288, 256, text="Ελλάς", corner="bottom-left", size=0.1)
    black, white = flat(288, 256, 0), flat(288, 256, 255)
    top, bottom, left, right = changed(white, made.over(white))
    with open_clip(folder / "a.mp4") as clip:
        for frame in clip.frames():
            inside = frame[top : bottom + 1, left : right + 1].astype(int)
            letters = made.over(black)[top : bottom + 1, left : right + 1] == 255
            assert inside[letters].mean() > 200
            assert inside[~letters].mean() < 110


def test_the_command_line_says_what_is_wrong(clip_file, speech_wav, folder):
    words = ["dub", "--video", str(clip_file), "--audio", str(speech_wav), "-o", str(folder / "a.mp4")]
    done = CliRunner().invoke(app, [*words, "--label", "yes"])
    assert done.exit_code == 2
    assert "label 'yes' is unknown; use one of off, start, always" in done.output.replace("\n", " ")
    assert list(folder.iterdir()) == []
