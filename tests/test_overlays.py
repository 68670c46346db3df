"""Pictures over the frames of a result: on arrays, and on whole jobs."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from lipwright import EncodeOptions, MediaError, OptionError, dub, dub_frames
from lipwright.cli.main import app
from lipwright.compose.overlays import Overlay, Overlays
from lipwright.media import open_clip
from lipwright.pipeline.preview import preview

RED, BLUE = (255, 0, 0), (0, 0, 255)


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)


def saved(path, stored):
    """`stored` is BGR(A) as OpenCV has it."""
    path.write_bytes(cv2.imencode(path.suffix, stored)[1].tobytes())
    return path


def flat(path, rgb, width, height, alpha=None):
    colour = [*rgb[::-1]] if alpha is None else [*rgb[::-1], alpha]
    return saved(path, np.full((height, width, len(colour)), colour, np.uint8))


@pytest.mark.parametrize(
    ("corner", "x", "y"),
    [("top-left", 10, 10), ("top-right", 120, 10), ("bottom-left", 10, 90), ("bottom-right", 120, 90)],
)
def test_a_picture_stands_ten_pixels_from_both_edges(corner, x, y, frame, tmp_path):
    before = frame.copy()
    overlay = Overlay(flat(tmp_path / "red.png", RED, 30, 20), corner)
    out = Overlays((overlay,), 160, 120).over(frame)
    expected = frame.copy()
    expected[y : y + 20, x : x + 30] = RED
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(frame, before)


def test_what_is_transparent_stays_so(frame, tmp_path):
    stored = np.zeros((20, 30, 4), np.uint8)
    stored[:, :, 2] = 255  # red all over, seen in two thirds
    stored[:, 10:20, 3], stored[:, 20:, 3] = 255, 64
    out = Overlays((Overlay(saved(tmp_path / "a.png", stored)),), 160, 120).over(frame)
    np.testing.assert_array_equal(out[90:110, 120:130], frame[90:110, 120:130])
    assert (out[90:110, 130:140] == RED).all()
    mixed = frame[90:110, 140:150] * (1 - 64 / 255) + np.array(RED) * (64 / 255)
    assert np.abs(out[90:110, 140:150] - mixed).max() <= 0.51
    outside = np.ones(frame.shape[:2], bool)
    outside[90:110, 120:150] = False
    np.testing.assert_array_equal(out[outside], frame[outside])


@pytest.mark.parametrize(
    ("name", "stored", "rgb"),
    [
        ("grey.png", np.full((8, 8), 77, np.uint8), (77, 77, 77)),
        ("colour.jpg", np.full((16, 16, 3), 128, np.uint8), (128, 128, 128)),
        ("colour.webp", np.full((16, 16, 3), 128, np.uint8), (128, 128, 128)),
        ("deep grey.png", np.full((8, 8), 0x8000, np.uint16), (128, 128, 128)),
        ("deep.png", np.full((8, 8, 3), (0x1000, 0x8000, 0xFFFF), np.uint16), (255, 128, 16)),
        ("deep alpha.png", np.full((8, 8, 4), (0x1010, 0x8080, 0xFFFF, 0xFFFF), np.uint16), (255, 128, 16)),
    ],
)
def test_pictures_of_any_depth(name, stored, rgb, frame, tmp_path):
    out = Overlays((Overlay(saved(tmp_path / name, stored), "top-left"),), 160, 120).over(frame)
    assert np.abs(out[10:18, 10:18].astype(int) - rgb).max() <= 1


def test_a_picture_larger_than_the_frame_is_made_smaller(frame, tmp_path):
    wide = Overlays((Overlay(flat(tmp_path / "wide.png", RED, 1400, 100)),), 160, 120).over(frame)
    changed = np.argwhere((wide != frame).any(2))
    assert changed.min(0).tolist() == [100, 10]
    assert changed.max(0).tolist() == [109, 149]
    high = Overlays((Overlay(flat(tmp_path / "high.png", RED, 100, 1000), "top-right"),), 160, 120).over(frame)
    changed = np.argwhere((high != frame).any(2))
    assert changed.min(0).tolist() == [10, 140]
    assert changed.max(0).tolist() == [109, 149]


def test_colours_hidden_by_transparency_do_not_bleed_when_made_smaller(tmp_path):
    stored = np.zeros((400, 400, 4), np.uint8)
    stored[:] = (0, 255, 0, 0)  # green that nobody sees
    stored[101:301, 101:301] = (0, 0, 255, 255)
    grey = np.zeros((100, 100, 3), np.uint8)
    out = Overlays((Overlay(saved(tmp_path / "a.png", stored)),), 100, 100).over(grey)
    assert out[:, :, 1].max() == 0
    assert out[50, 50].tolist() == list(RED)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (19, 12), (40, 20)])
def test_frames_as_small_as_the_margin_are_overlaid(size, tmp_path):
    width, height = size
    out = Overlays((Overlay(flat(tmp_path / "a.png", RED, 50, 50)),), width, height).over(
        np.zeros((height, width, 3), "u1")
    )
    assert (out == RED).all(2).any()


def test_the_later_picture_lies_on_top(frame, tmp_path):
    both = (Overlay(flat(tmp_path / "a.png", RED, 30, 20)), Overlay(flat(tmp_path / "b.png", BLUE, 10, 10)))
    out = Overlays(both, 160, 120).over(frame)
    assert (out[90:100, 120:140] == RED).all()
    assert (out[100:110, 140:150] == BLUE).all()


def test_no_picture_no_copy(frame):
    assert Overlays((), 160, 120).over(frame) is frame


def test_a_corner_that_does_not_exist(tmp_path):
    with pytest.raises(OptionError, match="bottom-right, got 'middle'"):
        Overlay(tmp_path / "a.png", "middle")


@pytest.mark.parametrize("content", [None, b"", b"not a picture", b"\x89PNG\r\n\x1a\n broken"])
def test_what_is_no_picture_is_refused_before_the_analysis(content, clip_file, speech_wav, folder, tmp_path, quick):
    picture = tmp_path / "logo.png"
    if content is not None:
        picture.write_bytes(content)
    told = []
    options = replace(quick, overlays=(Overlay(picture),), cache=tmp_path / "cache")
    for job in (
        lambda **rest: dub(clip_file, speech_wav, folder / "a.mp4", **rest),
        lambda **rest: preview(clip_file, speech_wav, folder / "a.png", 1, **rest),
    ):
        with pytest.raises(MediaError, match=r"logo\.png") as error:
            job(options=options, progress=lambda *what: told.append(what))
        assert str(error.value).count("\n") == 0
    assert (told, list(folder.iterdir())) == ([], [])


def test_both_pictures_are_in_every_frame_and_nothing_else_differs(clip_file, speech_wav, folder, tmp_path, quick):
    mark = flat(tmp_path / "mark.png", RED, 40, 20, alpha=128)
    told = flat(tmp_path / "told.png", BLUE, 30, 20)
    overlays = (Overlay(mark, "bottom-right"), Overlay(told, "top-right"))
    quick = replace(quick, marks=False)
    plain = list(dub_frames(clip_file, speech_wav, options=quick))
    shown = list(dub_frames(clip_file, speech_wav, options=replace(quick, overlays=overlays)))
    over = Overlays(overlays, 288, 256)
    for without, frame in zip(plain, shown, strict=True):
        np.testing.assert_array_equal(frame, over.over(without))
    seen = []
    fine = replace(quick, overlays=overlays, encode=EncodeOptions(crf=4, preset="ultrafast"))
    dub(clip_file, speech_wav, folder / "a.mp4", options=fine, watch=lambda shot: seen.append(shot.frame))
    for without, frame in zip(plain, seen, strict=True):  # who looks into a job sees what was drawn
        np.testing.assert_array_equal(frame, without)
    with open_clip(folder / "a.mp4") as clip:
        assert clip.facts.frames == len(plain)
        for without, frame in zip(plain, clip.frames(), strict=True):
            assert np.abs(frame[12:28, 250:276].astype(int) - BLUE).mean() < 8
            half = (without[228:244, 240:276].astype(int) + RED) / 2
            assert np.abs(frame[228:244, 240:276] - half).mean() < 8
            assert np.abs(frame[60:200, 60:200].astype(int) - without[60:200, 60:200]).mean() < 4


def test_pictures_on_the_command_line(clip_file, speech_wav, folder, tmp_path, quick):
    words = ("dub", "--video", clip_file, "--audio", speech_wav, "-o", folder / "a.mp4", "--preset", "ultrafast")
    logo, note = flat(tmp_path / "logo.png", RED, 40, 20), flat(tmp_path / "note.png", BLUE, 30, 20)
    asked = ("--watermark", logo, "--digital-auth", note, "--cache", quick.cache)
    done = CliRunner().invoke(app, [*map(str, (*words, *asked))])
    assert done.exit_code == 0
    with open_clip(folder / "a.mp4") as clip:
        for frame in clip.frames():  # 288 x 256
            assert np.abs(frame[228:244, 240:276].astype(int) - RED).mean() < 12
            assert np.abs(frame[12:28, 250:276].astype(int) - BLUE).mean() < 12
