from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lipwright.errors import MediaError, ShapeError
from lipwright.facespace import MESH_POINTS
from lipwright.render.base import Patch
from lipwright.structures import ClipFacts, FaceTrack, MouthDrive, Sound, SpeechFeatures


def test_durations_are_exact():
    facts = ClipFacts(
        path=Path("x"), width=2, height=2, fps=Fraction(30000, 1001), frames=300, has_sound=False, is_photo=False
    )
    assert facts.duration == Fraction(1001, 100)
    assert Sound(np.zeros(44101, np.float32), 44100).duration == Fraction(44101, 44100)


def test_presence_is_read_off_the_points():
    points = np.zeros((3, MESH_POINTS, 3), np.float32)
    points[1] = np.nan
    track = FaceTrack(points, np.array([True, False, False]))
    assert track.present.tolist() == [True, False, True]
    assert len(track) == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sound(np.zeros((2, 10), np.float32), 16000),
        lambda: Sound(np.zeros(10), 16000),
        lambda: FaceTrack(np.zeros((2, 468, 3), np.float32), np.zeros(2, bool)),
        lambda: FaceTrack(np.zeros((2, MESH_POINTS, 3), np.float32), np.zeros(3, bool)),
        lambda: MouthDrive(np.zeros((5, 68, 2), np.float32)),
        lambda: SpeechFeatures(np.zeros((5, 40), np.float32), np.zeros(5), np.zeros(5)),
        lambda: SpeechFeatures(np.zeros((5, 80), np.float32), np.zeros(4), np.zeros(5)),
        lambda: SpeechFeatures(np.zeros((5, 80), np.float32), np.zeros(5), np.zeros(6)),
        lambda: Patch(0, 0, np.zeros((4, 4, 3), np.float32), np.zeros((4, 4), np.float32)),
        lambda: Patch(0, 0, np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.float32)),
        lambda: Patch(0, 0, np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.float32)),
    ],
)
def test_a_wrong_shape_is_refused_at_birth(make):
    with pytest.raises(ShapeError, match=r"expected .*, got "):
        make()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sound_that_is_not_numbers_is_refused(value):
    with pytest.raises(MediaError, match="not numbers"):
        Sound(np.array([0, value], np.float32), 16000)
