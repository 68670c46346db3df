import numpy as np
import pytest

from lipwright.errors import NoFaceError
from lipwright.face.rectangle import squares, wh
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
