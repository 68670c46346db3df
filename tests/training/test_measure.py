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


def wave(frames: int = 200, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, frames + 8)
    return np.convolve(noise, np.ones(9) / 3, "valid")


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


def test_r_ignores_each_clips_mean_and_the_scale() -> None:
    pairs = [(2 * wave(seed=i) + i, wave(seed=i)) for i in range(3)]
    assert measure.pooled_r(pairs) == pytest.approx(1)
    assert measure.amplitude(pairs) == pytest.approx(2)


@pytest.mark.parametrize("lag", [-3, 0, 4])
def test_a_late_curve_has_a_positive_lag(lag: int) -> None:
    real = wave()
    assert measure.lag_of([(np.roll(real, lag), real)]) == lag


def test_the_interval_holds_the_value() -> None:
    pairs = [(wave(seed=i) + wave(seed=100 + i), wave(seed=i)) for i in range(10)]
    low, high = measure.bootstrap(pairs, [f"p{i}" for i in range(10)], rounds=200)
    assert low < measure.pooled_r(pairs) < high
    assert high - low < 0.5


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
