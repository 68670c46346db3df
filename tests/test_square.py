"""Squares cut out of frames and laid back: the same pixels in the same places."""

import cv2
import numpy as np
import pytest

from lipwright.render.square import cut, inside, laid, placed


@pytest.fixture(scope="module")
def frame():
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def test_a_square_on_whole_pixels_is_a_copy(frame):
    np.testing.assert_array_equal(cut(frame, np.array((10, 20, 40)), 40), frame[20:60, 10:50])


def test_the_map_takes_pixel_centres_to_pixel_centres():
    onto = placed(np.array((10.0, 20.0, 40.0)), 80)
    np.testing.assert_allclose(onto @ (0, 0, 1), (9.75, 19.75))
    np.testing.assert_allclose(onto @ (79, 79, 1), (49.25, 59.25))


@pytest.mark.parametrize("square", [(10.3, 20.7, 40.5), (0.5, 3.25, 61.0)])
def test_back_and_forth_changes_little(frame, square):
    square = np.array(square)
    picture = cut(frame, square, 256)
    area = inside(square, frame.shape)
    x, y, width, height = area
    back = laid(picture, placed(square, 256), area)
    inner = np.s_[2:-2, 2:-2]
    difference = np.abs(back[inner].astype(int) - frame[y : y + height, x : x + width][inner])
    assert difference.max() <= 3


def test_shrinking_averages():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = cut(stripes, np.array((0, 0, 256)), 32)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 2


def test_beyond_the_frame_its_border_goes_on(frame):
    picture = cut(frame, np.array((-20, 30, 40)), 40)
    np.testing.assert_array_equal(picture[:, :20], np.repeat(frame[30:70, :1], 20, 1))


def test_what_of_a_frame_a_square_covers():
    assert inside(np.array((10.3, 20.7, 40.5)), (90, 120)) == (10, 20, 41, 42)
    assert inside(np.array((-20.0, 60.0, 50.0)), (90, 120)) == (0, 60, 30, 30)
    assert inside(np.array((500.0, 500.0, 9.0)), (90, 120)) == (119, 89, 1, 1)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(3)
    return cv2.GaussianBlur(rng.integers(0, 256, (400, 500, 3), dtype=np.uint8), (0, 0), 3)


def test_a_square_of_its_own_size_is_the_frame_itself(picture):
    assert np.array_equal(cut(picture, np.array((40, 30, 128)), 128), picture[30:158, 40:168])


@pytest.mark.parametrize("side", [90, 180, 300])
def test_whole_squares_are_cut_as_by_resize(picture, side):
    how = cv2.INTER_AREA if side > 256 else cv2.INTER_CUBIC
    wanted = cv2.resize(picture[20 : 20 + side, 60 : 60 + side], (128, 128), interpolation=how)
    apart = np.abs(cut(picture, np.array((60, 20, side)), 128).astype(int) - wanted)[3:-3, 3:-3]
    assert apart.mean() < 0.6
    assert apart.max() <= 4


def test_fractions_move_the_cut(picture):
    y, x = np.mgrid[:400, :500]
    ramp = np.dstack([x / 2, y / 2, (x + y) / 4]).clip(0, 255).astype(np.float32)
    for side in (100, 330):  # enlarged and averaged
        square = np.array((40.3, 30.7, side))
        got = cut(ramp, square, 128)
        columns = (placed(square, 128) @ np.stack([np.arange(128), np.zeros(128), np.ones(128)]))[0]
        assert np.abs(got[64, 3:-3, 0] - columns[3:-3] / 2).max() < 0.1  # OpenCV places samples to 1/32 pixel


@pytest.mark.parametrize(
    "square", [(-50, -40, 120), (430, 350, 120), (-150, -120, 500), (600, 500, 50), (600, 500, 600)]
)
def test_borders_are_repeated(picture, square):
    got = cut(picture, np.array(square, np.float32), 96)
    assert got.shape == (96, 96, 3)
    assert got.dtype == np.uint8
    if square[0] > 500:
        assert np.abs(got.astype(int) - picture[-1, -1]).max() <= 1
