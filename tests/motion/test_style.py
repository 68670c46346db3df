import numpy as np
import pytest

from lipwright.errors import ShapeError
from lipwright.facespace import DRIVE, opening, width
from lipwright.motion.style import (
    LOWER,
    REST_OPENING,
    UPPER,
    SpeakerStyle,
    mouth_shape,
    speaker_style,
)
from lipwright.structures import MouthDrive


def closed_mouth() -> np.ndarray:
    """A mouth drawn by hand: an ellipse of lips, a straight line where they meet, a jaw below."""
    mouth = np.zeros((len(DRIVE), 3), np.float32)
    for ring, high in ((range(20), 0.12), (range(20, 40), 0.0)):
        for i, at in enumerate(ring):
            turn = np.pi - 2 * np.pi * i / 20
            if i <= 10:  # corner to corner along the lower lip
                turn = np.pi - np.pi * i / 10
                mouth[at] = (0.28 * np.cos(turn), 0.6 + high * np.sin(turn), 0)
            else:  # the upper lip, from the first corner again
                turn = np.pi - np.pi * (i - 10) / 10
                mouth[at] = (0.28 * np.cos(turn), 0.6 - high * np.sin(turn), 0)
    mouth[40:, 0] = np.linspace(-0.5, 0.5, 28)
    mouth[40:, 1] = 1.0
    return mouth


def opened(by: np.ndarray) -> np.ndarray:
    direction = mouth_shape()["opening_direction"]
    return (closed_mouth() + by[:, None, None] * direction).astype(np.float32)


def gaps(mouth: np.ndarray) -> np.ndarray:
    return mouth[LOWER, 1] - mouth[UPPER, 1]


def test_the_neutral_of_talking_footage_is_its_closed_mouth() -> None:
    by = np.abs(np.random.default_rng(0).normal(0, 0.06, 300))
    style = speaker_style(opened(by))
    assert style.neutral.dtype == np.float32
    assert opening(style.neutral) <= 0.006
    assert np.abs(style.neutral - closed_mouth())[:40].max() < 0.01


@pytest.mark.parametrize("by", [0.0, 0.05, 0.15, 0.3])
def test_a_photo_with_an_open_mouth_is_closed_without_a_grimace(by: float) -> None:
    style = speaker_style(opened(np.array([by])))
    assert style.gain == 1
    assert opening(style.neutral) <= 0.006
    assert gaps(style.neutral).min() >= 0
    assert gaps(style.neutral).max() <= REST_OPENING + 1e-6
    assert np.abs(style.neutral - closed_mouth())[:40].max() < 0.02
    assert width(style.neutral) == pytest.approx(0.56, abs=0.04)


def test_lively_and_lazy_mouths_are_told_apart_within_bounds() -> None:
    spread = float(mouth_shape()["opening_spread"])
    wave = 0.5 + 0.5 * np.sin(np.arange(5_000) * 0.7)  # spread 0.354
    lively, average, lazy = (speaker_style(opened(wave * spread * times / 0.354)).gain for times in (1.3, 1.0, 0.5))
    assert average == pytest.approx(1, abs=0.1)
    assert lively == pytest.approx(1.3, abs=0.1)
    assert lazy == pytest.approx(0.7)


@pytest.mark.parametrize(("frames", "size"), [(20, 0.1), (500, 0.001)])
def test_short_or_silent_footage_says_nothing_of_liveliness(frames: int, size: float) -> None:
    wave = size * (1 + np.sin(np.arange(frames)))
    assert speaker_style(opened(wave)).gain == 1


def test_absent_frames_are_left_out() -> None:
    mouths = opened(np.linspace(0, 0.1, 50))
    with_gaps = np.insert(mouths, 10, np.nan, axis=0)
    np.testing.assert_array_equal(speaker_style(with_gaps).neutral, speaker_style(mouths).neutral)


@pytest.mark.parametrize("shape", [(0, 68, 3), (68, 3), (4, 67, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError):
        speaker_style(np.zeros(shape, np.float32))


def test_mouths_are_neutral_plus_gain_times_drive() -> None:
    style = SpeakerStyle(closed_mouth(), 1.2)
    drive = MouthDrive(np.ones((3, 68, 3), np.float32))
    np.testing.assert_allclose(style.mouths(drive)[1], closed_mouth() + 1.2, rtol=1e-6)


@pytest.mark.parametrize("gain", [0.7, 1.0, 1.2, 1.4])
def test_a_lively_mouth_opens_no_wider_than_the_jaw(gain: float) -> None:
    opens = np.linspace(0, 0.25, 26)
    drive = MouthDrive(opened(opens) - closed_mouth())
    shown = opening(SpeakerStyle(closed_mouth(), gain).mouths(drive))
    asked = opening(drive.offsets)
    np.testing.assert_allclose(shown[:10], gain * asked[:10], atol=1e-5)
    assert shown.max() <= max(float(asked.max()), 0.28)
    assert (np.diff(shown) > 0).all()
    if gain <= 1:
        np.testing.assert_allclose(shown, gain * asked, atol=1e-5)


def test_a_grin_is_taken_out_without_opening_the_mouth() -> None:
    grin = closed_mouth()
    grin[:, 0] *= 0.75 / width(grin)
    style = speaker_style(grin[None])
    assert 0.6 < width(style.neutral) < 0.68
    assert opening(style.neutral) < 0.02
