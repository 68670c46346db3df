import numpy as np
import pytest

from lipwright.face.smooth import local_line, smooth_landmarks, steady


def test_a_line_is_kept_up_to_both_ends():
    line = np.outer(np.arange(20), (1.5, -2)).astype(np.float32)
    assert np.abs(local_line(line, 2) - line).max() < 1e-4


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_short_runs(count):
    values = np.arange(count, dtype=np.float32)[:, None] * 3
    assert np.abs(local_line(values, 3) - values).max() < 1e-4


def test_the_mean_inside_is_gaussian():
    spike = np.zeros((31, 1), np.float32)
    spike[15] = 1
    wanted = np.exp(-0.5 * np.square(np.arange(-15, 16) / 2))
    wanted[np.abs(np.arange(-15, 16)) > 6] = 0
    got = local_line(spike, 2)[:, 0]
    assert np.abs(got - wanted / wanted.sum())[9:22].max() < 1e-6


def test_steady_takes_jitter_and_leaves_a_step():
    rng = np.random.default_rng(0)
    step = np.repeat((0.0, 30.0), 20)[:, None].astype(np.float32)
    noisy = step + rng.normal(0, 0.3, step.shape).astype(np.float32)
    got = steady(noisy, 2, np.full(40, 1, np.float32))
    assert np.abs(got - step).max() < 1.2  # the step itself stays where it is
    assert np.abs(got - step)[4:14].std() < 0.5 * np.abs(noisy - step)[4:14].std()


def test_landmarks_are_smoothed_without_delay_and_not_across_cuts_or_gaps():
    rng = np.random.default_rng(1)
    face = rng.uniform(100, 200, (68, 2))
    drift = np.stack([np.arange(60) * 1.5, 20 * np.sin(np.arange(60) / 9)], axis=1)
    clean = face + drift[:, None]
    clean[30:] += 300
    noisy = (clean + rng.normal(0, 1, clean.shape)).astype(np.float32)
    noisy[45] = np.nan
    cuts = np.zeros(60, bool)
    cuts[[0, 30]] = True
    got = smooth_landmarks(noisy, range(27, 48), cuts)
    assert np.isnan(got[45]).all()
    assert np.isfinite(np.delete(got, 45, 0)).all()
    before, after = (np.nanstd(part - clean) for part in (noisy, got))
    assert after < 0.6 * before
    assert np.abs(np.nanmean((got - clean)[[29, 30]], axis=1)).max() < 1  # neither side knows of the other
