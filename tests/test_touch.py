"""Restoring and masks around a patch, with stand-ins whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from lipwright.media import Picture
from lipwright.pipeline.touch import Touch
from lipwright.render.base import Patch

OUTLINE = np.array([(40, 30), (80, 30), (85, 60), (60, 90), (35, 60)], np.float32)
ANCHORS = np.array([(50, 45), (70, 45), (60, 55), (52, 70), (68, 70)], np.float32)


class Person:
    """One frame with a face, one without."""

    track = SimpleNamespace(present=np.array([True, False]))

    def outline(self, frame):
        return OUTLINE

    def anchors(self, frame):
        return ANCHORS


class Brighter:
    """A restorer that adds 10 to all it is asked for."""

    def __init__(self):
        self.asked = []

    def restore(self, picture, five, area):
        self.asked.append((five, area))
        x, y, width, height = area
        return picture[y : y + height, x : x + width] + 10


def half(picture, five, area):
    """Sees the left half of the picture only."""
    x, _, width, height = area
    return np.repeat((np.arange(x, x + width) < 60).astype(np.float32)[None], height, 0)


@pytest.fixture
def frame():
    return np.random.default_rng(0).integers(0, 200, (120, 120, 3)).astype(np.uint8)


@pytest.fixture
def patch(frame):
    mask = np.zeros((60, 60), np.float32)
    mask[5:55, 5:55] = 1
    return Patch(30, 45, np.full((60, 60, 3), 77, np.uint8), mask)


def test_untouched_nothing_is_copied(frame, patch):
    picture = Picture(frame)
    touch = Touch(Person(), None, "before", None)
    assert touch.before(picture, 0) is picture
    after = touch.after(Picture(frame), 0, patch)
    assert after.pixels is patch.pixels
    assert after.mask is patch.mask


def test_before_the_renderer_sees_a_restored_face_and_the_frame_stays(frame, patch):
    kept, restorer = frame.copy(), Brighter()
    touch = Touch(Person(), restorer, "before", None)
    seen = touch.before(Picture(frame), 0).rgb
    np.testing.assert_array_equal(frame, kept)
    ((five, (x, y, width, height)),) = restorer.asked
    np.testing.assert_array_equal(five, ANCHORS)
    np.testing.assert_array_equal(seen[y : y + height, x : x + width], frame[y : y + height, x : x + width] + 10)
    assert x < OUTLINE[:, 0].min()
    assert y + height > OUTLINE[:, 1].max()
    changed = (seen != frame).any(2)
    changed[y : y + height, x : x + width] = False
    assert not changed.any()
    assert touch.after(Picture(frame), 0, patch).pixels is patch.pixels


def test_a_frame_without_the_face_is_not_restored(frame):
    picture = Picture(frame)
    assert Touch(Person(), Brighter(), "before", None).before(picture, 1) is picture


def test_after_what_will_be_seen_is_restored(frame, patch):
    restorer, picture = Brighter(), Picture(frame)
    touch = Touch(Person(), restorer, "after", None)
    assert touch.before(picture, 0) is picture
    after = touch.after(Picture(frame), 0, patch)
    assert restorer.asked[0][1] == (30, 45, 60, 60)
    assert (after.pixels[5:55, 5:55] == 87).all()
    np.testing.assert_array_equal(after.pixels[:5], frame[45:50, 30:90] + 10)
    assert after.mask is patch.mask


def test_what_covers_the_face_is_spared_and_a_dropped_jaw_is_not(frame, patch):
    after = Touch(Person(), None, "before", half).after(Picture(frame), 0, patch)
    assert (after.mask <= patch.mask).all()
    row = 60 - patch.y  # through the face
    assert after.mask[row, 50 - patch.x] == 1
    assert after.mask[row, 72 - patch.x] < 0.05
    assert after.mask[100 - patch.y - 1, 75 - patch.x] > 0.95  # below the chin, outside the face of the source frame
