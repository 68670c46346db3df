"""One person followed through frames by networks that say what they are told."""

import numpy as np
import pytest
from twins import faces

from lipwright.avatar.landmarks import analyse_landmarks
from lipwright.errors import NoFaceError, OptionError, ShapeError
from lipwright.face.chain import Chain, LandmarkFollower
from lipwright.face.headpose import HeadPose
from lipwright.face.pfpld import Pfpld, to_68
from lipwright.face.scrfd import Detections, Scrfd
from lipwright.models.catalog import ModelCard
from lipwright.runtime import PictureModel
from lipwright.structures import LandmarkTrack

FRONT = np.zeros(3, np.float32)
LEFT, RIGHT, SMALL = (100, 100, 200, 230), (400, 110, 520, 260), (250, 20, 300, 80)
FRAME = np.full((480, 640, 3), 90, np.uint8)
OTHER = np.full((480, 640, 3), 200, np.uint8)


class Script:
    """Detector, landmarks and pose in one: boxes of each frame as written, an average face in each."""

    def __init__(self, boxes, angles=FRONT):
        self._boxes, self._angles = iter(boxes), angles

    def detect(self, frame):
        boxes = np.array(next(self._boxes), np.float32).reshape(-1, 4)
        points = np.array(faces.POINTS)[None] * 10 + (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
        return Detections(boxes, np.ones(len(boxes), np.float32), points.astype(np.float32))

    def fit(self, frame, box):
        return (to_68(faces.average_face()) * (box[2:] - box[:2]) + box[:2]).astype(np.float32)

    def angles(self, frame, points):
        return np.asarray(self._angles, np.float32)


def analysed(boxes, person="largest", frames=None, angles=FRONT):
    script = Script(boxes, angles)
    frames = frames if frames is not None else [FRAME] * len(boxes)
    return analyse_landmarks(frames, Chain(script, script, script), name="a.mp4", person=person)


def middles(avatar):
    return avatar.track.points[:, :, 0].mean(1)


@pytest.mark.parametrize(
    ("person", "box"), [("largest", RIGHT), ("left", LEFT), ("1", LEFT), ("2", SMALL), ("right", RIGHT), ("3", RIGHT)]
)
def test_the_wanted_person_is_followed(person, box):
    avatar = analysed([(LEFT, RIGHT, SMALL), (SMALL, LEFT, RIGHT), (RIGHT, SMALL, LEFT)], person)
    assert avatar.track.present.all()
    assert ((middles(avatar) > box[0]) & (middles(avatar) < box[2])).all()
    assert (avatar.name, avatar.person, avatar.path) == ("a.mp4", person, "")
    assert 0.5 < avatar.wh < 1.2


def test_a_larger_passer_by_is_not_taken_and_a_gap_stays_one():
    huge = (300, 0, 640, 480)
    avatar = analysed([(LEFT,), (huge, LEFT), (huge,), (LEFT,)])
    assert avatar.track.present.tolist() == [True, True, False, True]
    assert (middles(avatar)[[0, 1, 3]] < 200).all()
    assert np.isnan(avatar.track.anchors[2]).all()
    assert np.isnan(avatar.track.angles[2]).all()


def test_a_cut_frees_the_choice():
    avatar = analysed([(LEFT,), (LEFT,), (RIGHT, LEFT), (RIGHT, LEFT)], frames=[FRAME, FRAME, OTHER, OTHER])
    assert avatar.track.cuts.tolist() == [True, False, True, False]
    assert (middles(avatar)[2:] > 400).all()


def test_turned_away_is_absent_and_named_when_it_is_all():
    with pytest.raises(NoFaceError, match=r"a.mp4: the face \(left\) is turned too far .* all of the 2 frames"):
        analysed([(LEFT,), (LEFT,), ()], "left", angles=(177, 0, 0))


@pytest.mark.parametrize("boxes", [[(), ()], [((10, 10, 20, 25),)] * 2])
def test_nobody_and_a_tiny_face(boxes):
    with pytest.raises(NoFaceError, match=r"a.mp4: no usable face \(largest\) in 2 frames; .* 10 pixels"):
        analysed(boxes)


def test_too_few_people_and_an_unknown_word():
    with pytest.raises(NoFaceError, match="person 3 was asked for, but no frame shows more than 2 faces"):
        analysed([(LEFT, RIGHT)], "3")
    with pytest.raises(OptionError, match="--person 'middle' is unknown"):
        LandmarkFollower(Chain(*[Script([])] * 3), "middle")


def test_progress_is_told_and_one_frame_is_enough():
    told = []
    script = Script([(LEFT,)])
    avatar = analyse_landmarks(
        [FRAME], Chain(script, script, script), name="a", total=1, progress=lambda *say: told.append(say)
    )
    assert told == [("analyse", 1, 1)]
    assert len(avatar.track) == 1


def test_the_chain_on_twins(tmp_path):
    faces.build(tmp_path)

    def opened(file, side):
        card = ModelCard(name="twin", file=file, licence="", origin="", takes=(3, side, side))
        return PictureModel(tmp_path / file, card)

    chain = Chain(
        Scrfd(opened(faces.DETECTOR, 640)),
        Pfpld(opened(faces.LANDMARKS, 112)),
        HeadPose(opened(faces.POSE, 224)),
    )
    avatar = analyse_landmarks([FRAME, FRAME, np.zeros_like(FRAME)], chain, name="twins")
    assert avatar.track.present.tolist() == [True, True, False]
    assert np.allclose(avatar.track.angles[0], -1.5, atol=1e-3)
    assert np.allclose(avatar.track.anchors[0], np.array(faces.POINTS) * 32 + faces.CENTRE, atol=0.01)


def test_a_landmark_track_checks_itself():
    points, anchors, angles = (np.zeros((3, *shape), np.float32) for shape in ((68, 2), (5, 2), (3,)))
    cuts = np.array([True, False, False])
    track = LandmarkTrack(points, anchors, angles, cuts)
    assert len(track) == 3
    assert track.present.all()
    holed = points.copy()
    holed[1] = np.nan
    for wrong in (
        (points[:, :67], anchors, angles, cuts),
        (points.astype(np.float64), anchors, angles, cuts),
        (points, anchors[:2], angles, cuts),
        (points, anchors, angles[:, :2], cuts),
        (points, anchors, angles, cuts[:2]),
        (holed, anchors, angles, cuts),
    ):
        with pytest.raises(ShapeError, match="LandmarkTrack"):
            LandmarkTrack(*wrong)
