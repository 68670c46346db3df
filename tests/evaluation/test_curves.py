"""Measures of curves against known answers."""

import numpy as np
import pytest

from lipwright.evaluation import curves


def wave(frames: int = 200, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, frames + 8)
    return np.convolve(noise, np.ones(9) / 3, "valid")


def test_r_ignores_each_clips_mean_and_the_scale() -> None:
    pairs = [(2 * wave(seed=i) + i, wave(seed=i)) for i in range(3)]
    assert curves.pooled_r(pairs) == pytest.approx(1)
    assert curves.amplitude(pairs) == pytest.approx(2)


@pytest.mark.parametrize("lag", [-3, 0, 4])
def test_a_late_curve_has_a_positive_lag(lag: int) -> None:
    real = wave()
    assert curves.lag_of([(np.roll(real, lag), real)]) == lag


def test_the_interval_holds_the_value() -> None:
    pairs = [(wave(seed=i) + wave(seed=100 + i), wave(seed=i)) for i in range(10)]
    low, high = curves.bootstrap(pairs, [f"p{i}" for i in range(10)], rounds=200)
    assert low < curves.pooled_r(pairs) < high
    assert high - low < 0.5


def test_activity_wants_160_ms_of_quiet() -> None:
    energy = np.full(400, -20.0)
    energy[100:110], energy[200:260] = -80, -80
    silent, speech = curves.activity(energy, np.array((0.5, 1.05, 2.3)))
    assert silent.tolist() == [False, False, True]
    assert speech.tolist() == [True, False, False]


def test_changes_are_told_apart_per_40_ms() -> None:
    curve = np.array((0.0, 1.0, 0.0, 0.0, 0.1))
    silent = np.array((False, False, False, True, True))
    still, moving = curves.changes(curve, silent, ~silent, fps=50.0)
    np.testing.assert_allclose(still, [0.2])
    np.testing.assert_allclose(moving, [2.0, 2.0])


def test_frames_without_a_face_keep_their_place_in_time() -> None:
    real = wave()
    made = np.roll(real, 3) + 5
    made[::4] = np.nan
    assert curves.lag_of([(made, real)]) == 3
    seen = curves.both_seen((made, real))
    assert [len(part) for part in seen] == [150, 150]
    assert not np.isnan(seen[0]).any()


def test_the_interval_of_a_median_is_over_people() -> None:
    values = np.random.default_rng(1).normal(5, 1, 100)
    low, high = curves.bootstrap_median(values.tolist())
    assert low < np.median(values) < high
    # 1.96 standard errors of a median, 1.253 sigma / sqrt(n), to each side
    assert high - low == pytest.approx(2 * 1.96 * 1.253 / 10, rel=0.4)
    assert curves.bootstrap_median([2.0, 2.0, 2.0]) == (2, 2)


def test_rest_is_pooled_over_clips() -> None:
    pairs = [(np.array([1.0]), np.array([4.0, 4.0])), (np.array([]), np.array([1.0, 1.0]))]
    assert curves.rest_ratio(pairs) == pytest.approx(1 / 2.5)
    assert np.isnan(curves.rest_ratio(pairs[1:]))
