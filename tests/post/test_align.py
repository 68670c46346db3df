"""Geometry: a face cut out and laid back falls on itself, to a fraction of a pixel."""

import cv2
import numpy as np
import pytest
from upright import placed, waves

from lipwright.errors import ShapeError
from lipwright.post.align import PLACES, SIDE, aligned, cut, feathered, laid_back, similarity

POSES = [(0.25, 0.0), (0.6, 0.3), (1.0, -0.2), (1.7, 0.4)]  # pixels of the frame per pixel of the square, radians


def test_a_similarity_is_found_again():
    five = placed(0.7, 0.5)
    matrix = similarity(five, PLACES)
    np.testing.assert_allclose(five @ matrix[:, :2].T + matrix[:, 2], PLACES, atol=1e-4)
    assert np.linalg.det(matrix[:, :2]) == pytest.approx(0.7**-2)


def test_points_that_do_not_fit_are_met_by_least_squares():
    five = placed(0.7, 0.5) + np.random.default_rng(3).normal(0, 4, (5, 2))
    design = np.zeros((10, 4))
    design[::2] = np.column_stack((five[:, 0], -five[:, 1], np.ones(5), np.zeros(5)))
    design[1::2] = np.column_stack((five[:, 1], five[:, 0], np.zeros(5), np.ones(5)))
    (a, b, x, y), *_ = np.linalg.lstsq(design, PLACES.ravel().astype(float), rcond=None)
    np.testing.assert_allclose(similarity(five, PLACES), ((a, -b, x), (b, a, y)), rtol=1e-6)


@pytest.mark.parametrize("five", [np.zeros((4, 2)), np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_of_no_use_are_refused(five):
    with pytest.raises(ShapeError):
        similarity(five, PLACES)


@pytest.mark.parametrize(("scale", "angle"), POSES)
def test_a_face_laid_back_falls_on_itself(scale, angle):
    """The waves are of 40 pixels and more, so that half a pixel off shows as several levels."""
    picture, five = waves(period=40 * max(scale, 0.5)), placed(scale, angle)
    crop, matrix = aligned(picture, five)
    inside = laid_back(np.pad(np.ones((492, 492), np.float32), 10), matrix, (0, 0, 600, 520)) > 0.99
    inside[[*range(8), *range(-8, 0)]] = inside[:, [*range(8), *range(-8, 0)]] = False  # waves end there, in a kink
    back = laid_back(crop.astype(np.float32), matrix, (0, 0, 600, 520))
    off = np.abs(back - picture)[inside]
    assert off.max() < 3
    assert off.mean() < 0.5
    for shift in ((0.5, 0), (0, 0.5)):
        wrong = matrix.copy()
        wrong[:, 2] += matrix[:, :2] @ shift
        back = laid_back(crop.astype(np.float32), wrong, (0, 0, 600, 520))
        assert np.abs(back - picture)[inside].mean() > 3 * off.mean()


@pytest.mark.parametrize(("scale", "angle"), POSES)
def test_a_point_of_the_square_comes_back_to_its_place(scale, angle):
    five = placed(scale, angle)
    y, x = np.mgrid[:SIDE, :SIDE]
    dot = np.exp(-((x - PLACES[2, 0]) ** 2 + (y - PLACES[2, 1]) ** 2) / (2 * 8**2)).astype(np.float32)
    seen = laid_back(dot, similarity(five, PLACES), (150, 130, 300, 260))
    rows, columns = np.mgrid[130:390, 150:450]
    found = ((columns * seen).sum() / seen.sum(), (rows * seen).sum() / seen.sum())
    np.testing.assert_allclose(found, five[2], atol=0.03)


def test_a_fine_pattern_drawn_smaller_is_averaged():
    stripes = np.repeat((np.arange(2400) % 2 * 255).astype(np.uint8)[None, :, None], 2000, 0).repeat(3, 2)
    crop, _ = aligned(stripes, placed(4, 0.0, (1200, 1000)))
    assert np.abs(crop.astype(int) - 127).max() <= 2


def test_beyond_the_frame_its_border_goes_on():
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, 40:] = 200
    crop, _ = aligned(picture, placed(1, 0.0, (40, 30)))
    assert (crop[:, -50:] == 200).all()
    assert (crop[:, :50] == 0).all()
    assert cut(picture, (-5, -5, 95, 70)).shape == (70, 95, 3)
    np.testing.assert_array_equal(cut(picture, (-5, -5, 95, 70))[5:65, 5:85], picture)


def test_a_rectangle_is_part_of_the_whole():
    matrix = similarity(placed(0.6, 0.3), PLACES)
    square = waves(SIDE, SIDE).astype(np.float32)
    whole = laid_back(square, matrix, (0, 0, 600, 520))
    np.testing.assert_allclose(laid_back(square, matrix, (210, 190, 90, 40)), whole[190:230, 210:300], atol=2)
    assert not laid_back(square, matrix, (5000, 40, 30, 20)).any()
    assert laid_back(square, matrix, (-20, 500, 60, 60)).shape == (60, 60, 3)


def test_soft_edges_lie_inside():
    mask = np.zeros((100, 120), np.float32)
    cv2.circle(mask, (60, 50), 40, (1.0,), -1)
    mask[:, :70] *= 0.5
    soft = feathered(mask, 6)
    assert (soft <= mask).all()
    assert soft[50, 40] == pytest.approx(0.5)
    assert soft[50, 84] == pytest.approx(1, abs=1e-5)
    assert np.abs(np.diff(soft, axis=1)).max() < 0.2
    assert feathered(np.ones((40, 40), np.float32), 8)[20, 0] < 0.1  # it ends at the border of the square too
