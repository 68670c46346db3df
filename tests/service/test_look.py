"""Faces on a real frame carry the numbers by which a job finds them."""

import cv2
import numpy as np
import pytest
import synth
from pictures import noisy, placed, scene

from lipwright.avatar.analyse import analyse
from lipwright.errors import MediaError
from lipwright.example import portrait as portrait_file
from lipwright.face.base import open_tracker
from lipwright.face.track import mesh_box
from lipwright.media import open_clip
from lipwright.service.look import SIDE, faces

RATE = 24


@pytest.fixture
def footage(tmp_path):
    """Writes frames as a video."""
    return lambda frames: synth.write_video(tmp_path / "footage.mp4", frames, rate=RATE)


def picture_of(seen):
    return cv2.imdecode(np.frombuffer(seen.picture, np.uint8), cv2.IMREAD_COLOR)


def test_a_photo_shows_its_one_face():
    seen = faces(portrait_file)
    assert picture_of(seen).shape == (512, 512, 3)
    assert [face.person for face in seen.faces] == ["1"]
    x, y, width, height = seen.faces[0].box
    assert 170 < x < 190
    assert 60 < y < 80
    assert 80 < width < 110
    assert 100 < height < 130


def test_faces_are_numbered_from_the_left_on_a_picture_of_bounded_size(portrait, footage):
    wide = placed(placed(scene(1400, 500), portrait, 40, 60, 320), portrait, 900, 130, 250)
    seen = faces(footage([noisy(wide, seed) for seed in range(3)]))
    assert (seen.width, seen.height) == (SIDE, 343)
    assert picture_of(seen).shape == (343, SIDE, 3)
    assert [face.person for face in seen.faces] == ["1", "2"]
    left, right = (face.box[0] for face in seen.faces)
    assert left < SIDE / 2 < right


def test_a_number_stands_at_the_face_a_job_follows(portrait, footage):
    """One person is there first and keeps number 1 when others come, one on each side of them."""
    alone = placed(scene(1280, 720), portrait, 500, 200, 280)
    three = placed(placed(alone, portrait, 100, 210, 270), portrait, 900, 220, 260)
    path = footage([noisy(alone if number < 12 else three, number) for number in range(24)])
    seen = faces(path)
    followed = {}
    with open_clip(path) as clip, open_tracker("facemesh") as tracker:
        for person in ("1", "2", "3"):
            track = analyse(clip.frames(), tracker, name="three.mp4", person=person).track
            followed[person] = mesh_box(track.points[-1]) * SIDE / 1280
    assert abs(followed["2"][0] - followed["1"][0]) < 8, "the first frame with two faces shows this one in second place"
    assert [face.person for face in seen.faces] == ["1", "3"], "no number leads a job to the face on the left"
    for face in seen.faces:
        x, y, width, height = face.box
        assert np.abs(followed[face.person] - (x, y, x + width, y + height)).max() < 8


def test_footage_whose_beginning_shows_nobody(portrait, footage):
    empty, shown = scene(320, 240), placed(scene(320, 240, seed=3), portrait, 60, 20, 200)
    seen = faces(footage([*[noisy(empty, seed) for seed in range(12)], *[noisy(shown, seed) for seed in range(12)]]))
    assert [face.person for face in seen.faces] == ["1"]


def test_nobody_at_all_is_no_error(faceless_file):
    seen = faces(faceless_file)
    assert seen.faces == ()
    assert picture_of(seen).shape == (seen.height, seen.width, 3)


def test_what_is_no_footage_is_a_sentence(speech_wav):
    with pytest.raises(MediaError, match="holds only sound"):
        faces(speech_wav)
