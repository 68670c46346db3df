import cv2
import numpy as np
import pytest

from lipwright.errors import NoFaceError
from lipwright.face.rectangle import cut, squares, to_cut, to_frame, wh
from lipwright.structures import LandmarkTrack


def track_of(boxes, cuts=()):
    """Landmarks whose bounding rectangles are given, None where absent."""
    points = np.full((len(boxes), 68, 2), np.nan, np.float32)
    inner = np.random.default_rng(0).uniform(0.1, 0.9, (68, 2))
    inner[:2] = (0, 0), (1, 1)
    for number, box in enumerate(boxes):
        if box is not None:
            x, y, w, h = box
            points[number] = inner * (w, h) + (x, y)
    starts = np.isin(np.arange(len(boxes)), [0, *cuts])
    return LandmarkTrack(points, points[:, :5], points[:, 0, [0, 1, 1]], starts)


def test_wh_is_the_mean_of_the_first_hundred_faces():
    boxes = [None, *[(10, 10, 90, 100)] * 50, None, *[(10, 10, 110, 100)] * 50, *[(0, 0, 500, 100)] * 50]
    assert wh(track_of(boxes)) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(NoFaceError, match="shows no face"):
        wh(track_of([None, None]))


def test_squares_of_a_still_face():
    got = squares(track_of([(100, 50, 80, 100)] * 6 + [None]), 0.8)
    # The face's size is 80 / 0.8 = 100; its middle 140; the square is 150 wide and begins 15 over the brows.
    assert np.allclose(got[:6], (65, 35, 150), atol=1e-3)
    assert np.isnan(got[6]).all()


def test_squares_may_lie_outside_the_frame():
    assert np.allclose(squares(track_of([(0, 0, 80, 100)]), 0.8), (-35, -15, 150), atol=1e-3)


def test_squares_are_smooth_but_not_across_cuts():
    rng = np.random.default_rng(2)
    boxes = [(100 + x, 50 + y, 80 + w, 100) for x, y, w in rng.normal(0, 0.3, (40, 3))]
    boxes += [(400 + x, 90 + y, 160 + w, 200) for x, y, w in rng.normal(0, 0.3, (40, 3))]
    got = squares(track_of(boxes, cuts=[40]), 0.8)
    assert np.abs(got[:40] - (65, 35, 150)).max() < 0.9
    assert np.abs(got[40:] - (330, 60, 300)).max() < 0.9
    assert np.abs(np.diff(got[:40], n=2, axis=0)).mean() < 0.1


def test_maps_undo_each_other_and_match_whole_pixels():
    square = np.array((10.25, -3.5, 77.7))
    there, back = np.vstack([to_frame(square, 266), (0, 0, 1)]), np.vstack([to_cut(square, 266), (0, 0, 1)])
    assert np.allclose(there @ back, np.eye(3))
    assert np.allclose(to_frame(np.array((4, 6, 266)), 266), ((1, 0, 4), (0, 1, 6)))
    # The outer edges of the first and last pixel lie on the square's.
    assert np.allclose(there @ (-0.5, -0.5, 1), (10.25 - 0.5, -3.5 - 0.5, 1))
    assert np.allclose(there @ (265.5, 265.5, 1), (10.25 - 0.5 + 77.7, -3.5 - 0.5 + 77.7, 1))


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
        columns = (to_frame(square, 128) @ np.stack([np.arange(128), np.zeros(128), np.ones(128)]))[0]
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
