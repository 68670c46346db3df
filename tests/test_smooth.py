import numpy as np
import pytest

from lipwright.face.smooth import runs, smooth
from lipwright.facespace import MESH_POINTS, STABLE, eye_distance


@pytest.fixture
def still(mesh):
    """40 frames of a face that does not move."""
    return np.repeat(mesh[None], 40, axis=0)


def no_cuts(points):
    cuts = np.zeros(len(points), bool)
    cuts[0] = True
    return cuts


def jitter(points):
    """Mean absolute second difference of the stable points."""
    return float(np.abs(np.diff(points[:, STABLE, :2], n=2, axis=0)).mean())


def test_runs_end_at_gaps_and_cuts():
    present = np.array([0, 1, 1, 1, 0, 0, 1, 1, 1, 1], bool)
    cuts = np.array([1, 0, 0, 1, 0, 1, 0, 0, 1, 0], bool)
    assert runs(present, cuts) == [slice(1, 3), slice(3, 4), slice(6, 8), slice(8, 10)]
    assert runs(np.zeros(4, bool), cuts[:4]) == []
    assert runs(np.ones(3, bool), np.zeros(3, bool)) == [slice(0, 3)]


def test_a_face_that_does_not_move_stays(still):
    np.testing.assert_allclose(smooth(still, no_cuts(still)), still, atol=0.02)


def test_jitter_goes(still):
    noisy = still + np.random.default_rng(1).normal(0, 0.15, (len(still), 1, 3)).astype(np.float32)
    assert jitter(smooth(noisy, no_cuts(still))) < 0.5 * jitter(noisy)
    grain = still + np.random.default_rng(2).normal(0, 0.3, still.shape).astype(np.float32)
    smoothed = smooth(grain, no_cuts(still))
    assert np.abs(smoothed - still).mean() < 0.8 * np.abs(grain - still).mean()


def test_a_moving_face_is_not_delayed(still):
    ramp = still + np.arange(len(still), dtype=np.float32)[:, None, None] * (2.0, 0.7, 0)
    smoothed = smooth(ramp.astype(np.float32), no_cuts(still))
    np.testing.assert_allclose(smoothed[5:-5], ramp[5:-5], atol=0.05)


def test_a_step_stays_where_it_is(still):
    stepped = still.copy()
    stepped[20:, :, 0] += 12
    smoothed = smooth(stepped, no_cuts(still))
    middle = smoothed[:, STABLE, 0].mean(1) - still[0, STABLE, 0].mean()
    crossing = np.interp(6, middle[17:23], np.arange(17, 23))
    assert crossing == pytest.approx(19.5, abs=0.1)
    np.testing.assert_allclose(middle + middle[::-1], 12, atol=0.05)  # the same backward in time


def test_time_reversed_is_smoothed_reversed(still):
    noisy = still + np.random.default_rng(3).normal(0, 1.0, still.shape).astype(np.float32)
    forward = smooth(noisy, no_cuts(still))
    backward = smooth(noisy[::-1].copy(), no_cuts(still))[::-1]
    np.testing.assert_allclose(forward, backward, atol=0.02)


def test_a_short_closing_of_the_lips_survives(still):
    """Two frames of an m: smoothing may not average the closure away."""
    inner = [13, 82, 312]
    talking = still.copy()
    gap = still[0, 14, 1] - still[0, 13, 1]
    talking[20:22, inner, 1] += gap
    smoothed = smooth(talking, no_cuts(still))
    left = (smoothed[:, 14, 1] - smoothed[:, 13, 1]) / gap
    assert left[20:22].max() < 0.35
    assert left[:18].min() > 0.95


@pytest.mark.parametrize("border", ["cut", "gap"])
def test_nothing_leaks_over_a_cut_or_a_gap(still, border):
    other = still[:15] * 1.5 + (80, -20, 0)
    first = still[:20] + np.random.default_rng(4).normal(0, 0.3, (20, 1, 3))
    gap = np.full((2, MESH_POINTS, 3), np.nan)
    middle = [gap] if border == "gap" else []
    joined = np.concatenate([first, *middle, other]).astype(np.float32)
    cuts = no_cuts(joined)
    cuts[20] = border == "cut"
    smoothed = smooth(joined, cuts)
    alone = smooth(first.astype(np.float32), no_cuts(first))
    np.testing.assert_array_equal(smoothed[:20], alone)
    np.testing.assert_allclose(smoothed[-15:], other, atol=0.05)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(joined))


def test_a_run_too_short_to_smooth_is_left(still):
    short = still[:4] + np.random.default_rng(5).normal(0, 1, (4, 1, 3)).astype(np.float32)
    np.testing.assert_array_equal(smooth(short, no_cuts(short)), short)


def test_the_input_is_not_written_to(still):
    noisy = still + np.random.default_rng(6).normal(0, 1, still.shape).astype(np.float32)
    before = noisy.copy()
    smooth(noisy, no_cuts(noisy))
    np.testing.assert_array_equal(noisy, before)
    assert eye_distance(noisy).shape == (40,)
