"""Lips that close over an open mouth: `lipwright.render.lips`."""

import numpy as np
import pytest

from lipwright.compose.blend import paste
from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE, eye_distance
from lipwright.motion.style import mouth_shape, neutral_mouth
from lipwright.render.base import Shot
from lipwright.render.lips import ROLLED_OUT, close_lips, roll_in, roll_out, shade_seam
from lipwright.render.mesh import LOWER_LINE, UPPER_LINE, part_lips, spread_matrix
from lipwright.render.warp import WarpRenderer

MIDDLE = slice(4, 7)


def gaps(points, eyes):
    """How far the inner lips lie apart from corner to corner, eye distances. (11,)."""
    return (points[list(LOWER_LINE), 1] - points[list(UPPER_LINE), 1]) / eyes


@pytest.fixture(scope="module")
def eyes(mesh):
    return float(eye_distance(mesh))


@pytest.fixture(scope="module")
def neutral(avatar):
    """The portrait's own closed mouth, where the drive points lie then. (68, 2) pixels."""
    mouth = neutral_mouth(avatar.telling, mouth_shape()["opening_direction"])
    return avatar.place(mouth[None], np.zeros(1, int))[0]


@pytest.fixture(scope="module")
def closed(mesh, neutral):
    """The whole mesh of that mouth. (478, 2)."""
    flat = mesh[:, :2]
    return part_lips(flat + spread_matrix() @ (neutral - flat[list(DRIVE)]))


class TestCloseLips:
    def test_what_does_not_close_is_left_alone(self, mesh, eyes):
        target, seam = close_lips(mesh[:, :2], mesh[:, :2], eyes)
        assert seam is None
        np.testing.assert_array_equal(target, mesh[:, :2])

    def test_a_mouth_closed_in_the_frame_is_left_alone(self, closed, eyes):
        assert close_lips(closed, closed, eyes)[1] is None

    def test_lips_meet_and_nothing_else_moves(self, mesh, closed, eyes):
        target, seam = close_lips(mesh[:, :2], closed, eyes)
        assert gaps(mesh, eyes)[MIDDLE].mean() > 0.06  # the portrait smiles
        assert seam.closed > 0.9
        assert np.abs(gaps(target, eyes)).max() <= np.abs(gaps(closed, eyes)).max() * (1.01 - seam.closed)
        rest = np.setdiff1d(np.arange(len(closed)), (*UPPER_LINE, *LOWER_LINE))
        np.testing.assert_array_equal(target[rest], closed[rest])

    def test_it_comes_in_without_a_jump(self, mesh, closed, eyes):
        flat = mesh[:, :2]
        seams = [close_lips(flat, flat + way * (closed - flat), eyes)[1] for way in np.linspace(0, 1, 101)]
        assert seams[0] is None
        closes = np.array([0 if seam is None else seam.closed for seam in seams])
        rolls = np.array([0 if seam is None else seam.rolls.max() / eyes for seam in seams])
        for values, step in ((closes, 0.2), (rolls, 0.002)):
            assert (np.diff(values) >= 0).all()
            assert np.diff(values).max() < step


def test_the_map_never_folds(mesh, closed, eyes):
    _, seam = close_lips(mesh[:, :2], closed, eyes)
    origin = np.floor(mesh[:, :2].min(0)).astype(int)
    width, height = np.ceil(np.ptp(mesh[:, :2], axis=0)).astype(int)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    maps = (x + origin[0], y + origin[1])
    still = maps[1].copy()
    roll_in(maps, seam, origin)
    moved = np.abs(maps[1] - still)
    assert 0.6 * seam.rolls.max() < moved.max() <= seam.rolls.max() * 1.01
    # Where upper and lower lip meet, rows are left out; everywhere else they follow one another.
    assert (np.diff(maps[1], axis=0) > 0).all()
    lips = still[moved > 0]
    assert lips.min() > mesh[0, 1] - eyes * 0.1
    assert lips.max() < mesh[17, 1]


def test_the_line_is_darker_than_the_lips_and_soft(mesh, closed, eyes):
    _, seam = close_lips(mesh[:, :2], closed, eyes)
    picture = np.full((512, 512, 3), 150, np.uint8)
    shade_seam(picture, seam, np.zeros(2))
    column = picture[:, round(float(seam.places[5, 0])), 0].astype(int)
    assert abs(int(column.argmin()) - seam.places[5, 1]) <= 1.5
    assert 100 < column.min() < 140
    assert np.abs(np.diff(column)).max() < 20
    assert (picture[:, : int(seam.places[0, 0]) - 2] == 150).all()


def test_the_tracker_finds_the_mouth_closed(portrait, mesh, avatar, neutral):
    patch = WarpRenderer(avatar.bank).render(Shot(portrait, mesh, neutral, -1))
    drawn = paste(portrait, patch.pixels, patch.mask, patch.x, patch.y)
    with open_tracker("facemesh") as tracker:
        found = tracker.fit(drawn)
    assert (found[14] - found[13])[1] / eye_distance(found) < 0.015  # what counts as closed


class TestRollOut:
    def test_a_mouth_that_stays_is_left_alone(self, mesh, eyes):
        np.testing.assert_array_equal(roll_out(mesh[:, :2], mesh[:, :2], eyes), mesh[:, :2])

    def test_closed_lips_that_part_grow_thicker(self, mesh, closed, eyes):
        out = roll_out(closed, mesh[:, :2], eyes)
        narrower = gaps(mesh, eyes) - gaps(out, eyes)
        assert narrower[MIDDLE] == pytest.approx(2 * ROLLED_OUT, rel=0.2)
        assert (gaps(out, eyes) >= gaps(mesh, eyes) / 3 - 1e-4).all()
        rest = np.setdiff1d(np.arange(len(closed)), (*UPPER_LINE, *LOWER_LINE))
        np.testing.assert_array_equal(out[rest], mesh[rest, :2])

    def test_a_mouth_that_closes_is_left_alone(self, mesh, closed, eyes):
        np.testing.assert_array_equal(roll_out(mesh[:, :2], closed, eyes), closed)


def test_what_is_left_of_teeth_is_painted_over(mesh, closed, eyes):
    """A white line where the lips meet takes the colour of the lip on its side."""
    _, seam = close_lips(mesh[:, :2], closed, eyes)
    rows = np.arange(512)[:, None] - np.interp(np.arange(512), seam.places[:, 0], seam.places[:, 1])
    picture = np.where(rows < 0, 120, 160)[..., None].repeat(3, 2).astype(np.uint8)
    picture[np.abs(rows) < 0.008 * eyes] = 255
    shade_seam(picture, seam, np.zeros(2))
    x = round(float(seam.places[5, 0]))
    assert picture[np.abs(rows[:, x]) < 0.03 * eyes, x].max() <= 165
