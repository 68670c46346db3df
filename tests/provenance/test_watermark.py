"""The mark in the pixels: put in, seen by nobody, read back from what became of the file."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from pictures import noisy, panned

from lipwright.errors import MediaError
from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.media.colour import ColourTags, FromRgb, planes_of
from lipwright.provenance.watermark import Area, Watermark, read_watermark, read_watermark_frames
from lipwright.provenance.watermark.detect import CHANCE, FRAMES, ROUNDS, _stretches

IDENTIFIER = bytes.fromhex("0123456789abcdef")
RATE = Fraction(25)


def talk(portrait, width, height, count=24):
    """A head in front of a camera that moves, as large as it is in ordinary footage, and the box around its mouth."""
    near = 300 / min(width, height)
    frames = []
    for number in range(count):
        small = panned(portrait, number / 50, 2 + round(near * width), 2 + round(near * height))
        frames.append(noisy(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), number, 1.5))
    side = min(width, height)
    return frames, Area(width // 2 - side // 5, height // 2, 2 * side // 5, side // 3)


def marked(frames, area, identifier=IDENTIFIER):
    height, width = frames[0].shape[:2]
    mark = Watermark(identifier, width, height)
    return [mark.over(frame, area) for frame in frames]


def written(path, frames, crf=18):
    height, width = frames[0].shape[:2]
    with ClipWriter(path, width=width, height=height, fps=RATE, options=EncodeOptions(crf=crf)) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def scaled(frames, factor):
    size = round(frames[0].shape[1] * factor), round(frames[0].shape[0] * factor)
    return [cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames]


def psnr(before, after):
    return 10 * np.log10(255**2 / np.mean((before.astype(float) - after) ** 2))


@pytest.mark.parametrize(
    ("width", "height"), [(640, 360), (256, 256), (360, 640), (1280, 720), (1920, 1080)], ids=lambda size: str(size)
)
def test_the_mark_is_read_from_frames_of_any_size(width, height, portrait):
    frames, area = talk(portrait, width, height, 4)
    reading = read_watermark_frames(marked(frames, area))
    assert reading.identifier == IDENTIFIER
    assert reading.frames == 4


def test_a_short_360p_file_is_read_after_encoding_twice(portrait, tmp_path):
    frames, area = talk(portrait, 640, 360, 50)
    first = written(tmp_path / "first.mp4", marked(frames, area))
    assert read_watermark(first).identifier == IDENTIFIER
    again = written(tmp_path / "again.mp4", list(play(first)), crf=23)
    assert read_watermark(again).identifier == IDENTIFIER


def play(path):
    with open_clip(path) as clip:
        yield from clip.frames()


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: [frame[24:-48, 100:-28] for frame in frames],
        lambda frames: scaled(frames, 2 / 3),
        lambda frames: scaled([frame[36:-36, 64:-64] for frame in frames], 0.85),
        lambda frames: [cv2.convertScaleAbs(frame, alpha=1.15, beta=-8) for frame in frames],
        lambda frames: [frame for frame in frames for _ in range(2)],
    ],
    ids=["cropped", "480p", "cropped and smaller", "graded", "shown twice"],
)
def test_the_mark_outlives(change, portrait, tmp_path):
    frames, area = talk(portrait, 1280, 720, 50)
    path = written(tmp_path / "a.mp4", change(marked(frames, area)), crf=23)
    reading = read_watermark(path)
    assert reading.identifier == IDENTIFIER
    assert reading.corrected > 0


def test_nothing_is_read_where_nothing_was_put(portrait, tmp_path):
    frames, _ = talk(portrait, 640, 360)
    reading = read_watermark(written(tmp_path / "a.mp4", frames))
    assert reading.identifier is None
    assert 0 < reading.chance == CHANCE < 1e-6
    assert read_watermark_frames([]).identifier is None
    assert read_watermark_frames([np.zeros((90, 160, 3), np.uint8)]).identifier is None


def test_each_file_gives_its_own_identifier(portrait):
    frames, area = talk(portrait, 640, 360, 4)
    for identifier in (bytes(8), b"\xff" * 8, b"lipsync!"):
        assert read_watermark_frames(marked(frames, area, identifier)).identifier == identifier


def test_the_mark_cannot_be_seen(portrait):
    frames, area = talk(portrait, 1280, 720, 1)
    after = marked(frames, area)[0]
    assert psnr(frames[0], after) > 46
    smooth = np.full((720, 1280, 3), (205, 170, 150), np.uint8)
    change = marked([smooth], area)[0].astype(int) - smooth
    assert np.abs(change[..., :2]).max() <= 3
    assert np.abs(change).max() <= 5
    assert np.abs(change @ (0.299, 0.587, 0.114)).max() < 1.5


def test_only_what_surrounds_the_area_changes(portrait):
    frames, _ = talk(portrait, 1280, 720, 1)
    after = marked(frames, Area(900, 300, 60, 40))[0]
    rows, columns = np.nonzero((after != frames[0]).any(-1))
    assert columns.min() > 930 - 312
    assert columns.max() < 930 + 312
    assert rows.min() > 320 - 312
    assert rows.max() < 320 + 312


def test_a_frame_without_synthesis_is_given_back():
    frame = np.zeros((360, 640, 3), np.uint8)
    assert Watermark(IDENTIFIER, 640, 360).over(frame, None) is frame


def test_a_frame_alone_decides(portrait):
    frames, area = talk(portrait, 640, 360, 3)
    before = [frame.copy() for frame in frames]
    forth, back = marked(frames, area), marked(frames[::-1], area)[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(forth, back, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(frames, before, strict=True))


@pytest.mark.parametrize(("width", "height"), [(2, 2), (14, 40), (64, 48), (1921, 33)])
@pytest.mark.parametrize("area", [Area(0, 0, 1, 1), Area(0, 0, 4000, 4000), Area(-5, -7, 3, 3), Area(60, 40, 4, 8)])
def test_no_frame_and_no_area_is_too_odd(width, height, area):
    frame = noisy(np.full((height, width, 3), 128, np.uint8), 1)
    after = Watermark(IDENTIFIER, width, height).over(frame, area)
    assert after.shape == frame.shape
    assert after.dtype == np.uint8
    assert read_watermark_frames([after]).identifier is None


def test_a_photo_is_read(portrait, tmp_path):
    frames, area = talk(portrait, 1280, 720, 1)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), cv2.cvtColor(marked(frames, area)[0], cv2.COLOR_RGB2BGR))
    assert read_watermark(path).identifier == IDENTIFIER


def test_what_is_no_film_is_refused(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    for name in ("a.mp4", "missing.mp4"):
        with pytest.raises(MediaError):
            read_watermark(tmp_path / name)


@pytest.mark.parametrize("frames", [1, 2, 5, 50, 300, 1500, 100_000])
@pytest.mark.parametrize("seconds", [None, 0.01, 2.0, 12.0])
def test_a_bounded_number_of_frames_is_looked_at(frames, seconds):
    rounds = _stretches(frames, 25.0, seconds)
    numbers = [number for part in rounds for number in part]
    assert 1 <= len(numbers) <= ROUNDS * FRAMES
    assert len(rounds) <= ROUNDS
    assert all(part for part in rounds)
    assert all(0 <= number < frames for number in numbers)
    assert len(set(numbers)) == len(numbers)
    assert all(part == sorted(part) for part in rounds)


@pytest.mark.parametrize("crf", [18, 23])
@pytest.mark.parametrize("height", [360, 720])
def test_a_files_own_numbers_are_marked_as_rgb_is(portrait, tmp_path, height, crf):
    frames, area = talk(portrait, 16 * height // 9, height, 24)
    tags = ColourTags.standard(height)
    as_rgb = [FromRgb(tags)(frame) for frame in marked(frames, area)]
    stored = [FromRgb(tags)(frame) for frame in frames]
    before = [[plane.copy() for plane in planes_of(frame)] for frame in stored]
    mark = Watermark(IDENTIFIER, 16 * height // 9, height)
    for frame, other, was in zip(stored, as_rgb, before, strict=True):
        mark.into(frame, area)
        bright = [planes_of(one)[0].astype(int) - was[0] for one in (frame, other)]
        assert np.corrcoef(bright[0].ravel(), bright[1].ravel())[0, 1] > 0.9
        assert np.abs(bright[0] - bright[1]).mean() < 0.2
    path = tmp_path / "a.mp4"
    with ClipWriter(path, width=16 * height // 9, height=height, fps=RATE, options=EncodeOptions(crf=crf)) as writer:
        for frame in stored:
            writer.write(frame)
    assert read_watermark(path).identifier == IDENTIFIER


def test_a_frame_without_anything_drawn_keeps_its_numbers(portrait):
    frames, _ = talk(portrait, 640, 360, 1)
    frame, other = (FromRgb(ColourTags.standard(360))(frames[0]) for _ in range(2))
    Watermark(IDENTIFIER, 640, 360).into(frame, None)
    for plane, was in zip(planes_of(frame), planes_of(other), strict=True):
        np.testing.assert_array_equal(plane, was)
