"""The measures against curves whose answers are known."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("torch")

from lipwright.facespace import DRIVE
from lipwright.training import measure
from lipwright.training.clips import TalkingClip
from lipwright.training.measure import Guess

pytestmark = pytest.mark.torch


def guess(real: np.ndarray, made: np.ndarray, samples: np.ndarray) -> Guess:
    clip = TalkingClip(
        name="x", person="x", origin="wild", use="test", fps=Fraction(25),
        drive=np.zeros((len(real), 68, 3), np.float32), samples=samples,
    )  # fmt: skip
    curves = []
    for curve in (real, made):
        mouth = np.zeros((len(curve), 68, 3), np.float32)
        mouth[:, DRIVE.index(14), 1] = curve
        curves.append(mouth)
    return Guess(clip, *curves)


def test_motion_in_silence_over_speech() -> None:
    sound = np.zeros(16_000 * 4, np.float32)
    sound[:32_000] = np.random.default_rng(0).normal(0, 0.1, 32_000)
    moving = np.tile([0.0, 0.1], 50)
    moving[50:] *= 0.2
    ratio, frames = measure.silence_over_speech([guess(moving, moving, sound)])
    assert frames == 48
    assert ratio == pytest.approx(0.2, abs=0.01)


def test_landmark_error_is_in_percent_of_the_eye_distance() -> None:
    made = guess(np.zeros(10), np.full(10, 0.4), np.zeros(6_400, np.float32))
    assert measure.landmark_error([made]) == pytest.approx(100 * 0.4 / 40)
