"""Nothing outside the mask is touched: on arrays, and on whole jobs."""

import cv2
import numpy as np
import pytest
from recording import Recorder

from lipwright import DubOptions, dub_frames
from lipwright.compose.blend import dissolve, paste
from lipwright.media import open_clip, read_sound
from lipwright.pipeline.plan import plan_frames


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_paste_keeps_every_bit_outside_the_mask(random):
    frame = random.integers(0, 256, (90, 120, 3), np.uint8)
    before = frame.copy()
    pixels = random.integers(0, 256, (40, 50, 3), np.uint8)
    mask = random.random((40, 50)).astype(np.float32)
    mask[random.random(mask.shape) < 0.5] = 0
    out = paste(frame, pixels, mask, 61, 43)
    np.testing.assert_array_equal(frame, before)
    whole = np.zeros((90, 120), np.float32)
    whole[43:83, 61:111] = mask
    np.testing.assert_array_equal(out[whole == 0], frame[whole == 0])
    share = whole[43:83, 61:111, None]
    mixed = frame[43:83, 61:111] * (1 - share) + pixels * share
    assert np.abs(out[43:83, 61:111] - mixed).max() <= 0.51


def test_paste_of_a_full_mask_is_the_patch(random):
    frame, pixels = random.integers(0, 256, (2, 31, 33, 3), np.uint8)
    np.testing.assert_array_equal(paste(frame, pixels, np.ones((31, 33), np.float32), 0, 0), pixels)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_extreme_values_survive(value):
    frame = np.full((8, 8, 3), value, np.uint8)
    other = 255 - frame
    np.testing.assert_array_equal(paste(frame, other, np.zeros((8, 8), np.float32), 0, 0), frame)
    np.testing.assert_array_equal(paste(frame, frame, np.full((8, 8), 0.37, np.float32), 0, 0), frame)


def test_dissolve_mixes_by_weight(random):
    under, over = random.integers(0, 256, (2, 20, 30, 3), np.uint8)
    for weight in (np.float32(1 / 6), 0.5, np.float32(5 / 6)):
        mixed = dissolve(under, over, weight)
        assert mixed.dtype == np.uint8
        assert np.abs(mixed - (over * float(weight) + under * (1 - float(weight)))).max() <= 0.51
    np.testing.assert_array_equal(dissolve(under, over, 1.0), over)
    np.testing.assert_array_equal(dissolve(under, under, 0.3), under)


@pytest.mark.parametrize("length", ["bounce", "loop", "remap"])
def test_a_whole_job_equals_its_planned_frames_outside_the_masks(length, clip_file, long_wav, record):
    """Every output frame against the source frame that the plan names, bit for bit where no mask lies."""
    with open_clip(clip_file) as clip:
        facts = clip.facts
        plan = plan_frames(length, facts.frames, read_sound(long_wav).duration, facts.fps)
        frames = list(clip.frames())
    assert all((a != b).mean() > 0.6 for a, b in zip(frames[1:], frames, strict=False))  # a wrong frame would show
    outputs = dub_frames(clip_file, long_wav, options=DubOptions(engine="recorded", length=length, marks=False))
    mixed = 0
    for number, out in enumerate(outputs):
        expected, mask = frames[plan.source[number]], record.mask(number, out.shape[:2])
        if plan.under[number] >= 0:
            expected = cv2.addWeighted(
                expected, float(plan.weight[number]), frames[plan.under[number]], 1 - float(plan.weight[number]), 0
            )
            mixed += 1
        outside = mask == 0
        assert 0.4 < outside.mean() < 0.95
        np.testing.assert_array_equal(out[outside], expected[outside])
        assert (out[mask == 1] != expected[mask == 1]).any()
    assert number + 1 == len(plan)
    assert (mixed > 0) == (length == "loop")


def test_frames_without_a_face_pass_through_bit_for_bit(portrait, tmp_path, long_wav, record):
    import synth
    from pictures import panned, scene

    pictures = [panned(portrait, n / 30) for n in range(6)] + [scene(288, 256)] * 4
    path = synth.write_video(tmp_path / "leaves.mp4", pictures, rate=24)
    with open_clip(path) as clip:
        frames = list(clip.frames())
        plan = plan_frames("bounce", len(frames), read_sound(long_wav).duration, clip.facts.fps)
    outputs = list(dub_frames(path, long_wav, options=DubOptions(engine="recorded")))
    absent = [n for n in range(len(plan)) if plan.source[n] >= 6]
    assert len(absent) > 4
    for number in absent:
        np.testing.assert_array_equal(outputs[number], frames[plan.source[number]])
    assert {n for n, _ in record.patches} == set(range(len(plan))) - set(absent)


@pytest.fixture
def record(monkeypatch):
    return Recorder.installed(monkeypatch)
