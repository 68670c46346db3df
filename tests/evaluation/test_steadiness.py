"""Jitter, rest and flicker of points and pictures whose answer is known."""

import cv2
import numpy as np
import pytest

from lipwright.evaluation.picture import aligned
from lipwright.evaluation.steadiness import flicker, mean_of, resting, second_differences

NO_CUTS = np.zeros(20, bool)


def test_even_motion_is_no_jitter():
    even = np.arange(20.0)[:, None, None] * np.ones((1, 4, 2))
    assert mean_of(second_differences(even, NO_CUTS)) == pytest.approx(0)


def test_shaking_is():
    shaken = (np.arange(20) % 2)[:, None, None] * np.ones((1, 4, 2))
    assert mean_of(second_differences(shaken, NO_CUTS)) == pytest.approx(2)


def test_a_cut_and_a_gap_are_no_jitter():
    points = np.zeros((20, 4, 2))
    points[10:] += 50
    cuts = NO_CUTS.copy()
    cuts[10] = True
    points[15] = np.nan
    found = second_differences(points, cuts)
    assert np.flatnonzero(np.isnan(found)).tolist() == [8, 9, 13, 14, 15]
    assert np.nanmax(found) == 0


def test_too_few_values_make_no_mean():
    assert np.isnan(mean_of(np.array([1.0, 2, 3, 4, np.nan])))
    assert mean_of(np.array([1.0, 2, 3, 4, 5])) == 3


def test_a_mouth_rests_before_and_after_it_moves():
    lips = np.zeros((40, 5, 2))
    lips[15:25, :, 1] = 0.02 * np.arange(10)[:, None]
    lips[25:] = lips[24]
    moving = np.flatnonzero(~resting(lips)) + 1  # inner frames begin with frame 1
    assert moving.tolist() == list(range(14, 26))  # frames 15 to 24 and, averaged, their neighbours


def test_flicker_is_what_the_landmarks_do_not_explain(portrait, mesh):
    here = aligned(portrait, mesh)
    brighter = cv2.convertScaleAbs(portrait, alpha=1, beta=10)
    assert flicker(here, here) == pytest.approx(0, abs=0.01)
    assert flicker(here, aligned(brighter, mesh)) == pytest.approx(10, abs=0.2)
    # A head that moves along with its landmarks does not flicker; the same motion unexplained does.
    moved = np.roll(portrait, 6, axis=1)
    followed = mesh + np.array((6, 0, 0), np.float32)
    assert flicker(here, aligned(moved, followed)) < 0.3 * flicker(here, aligned(moved, mesh))


def test_a_mouth_that_moves_with_its_landmarks_does_not_flicker(portrait, mesh):
    picture, points = aligned(portrait, mesh)
    low = points.copy()
    low[:, 1] += 4
    assert flicker((picture, points), (np.roll(picture, 4, axis=0), low)) < 0.5
