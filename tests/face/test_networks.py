"""Detector, landmarks and head pose on models whose answers are known."""

import numpy as np
import pytest
from twins import faces

from lipwright.errors import BackendError, ShapeError
from lipwright.face.headpose import HeadPose, head_box, usable
from lipwright.face.pfpld import Pfpld, face_box, to_68
from lipwright.face.scrfd import Scrfd
from lipwright.models.catalog import ModelCard
from lipwright.runtime import PictureModel


def opened(path, side):
    return PictureModel(path, ModelCard(name="twin", file=path.name, licence="", origin="", takes=(3, side, side)))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    faces.build(folder)
    return folder


def grey(height, width, level=128):
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("variant", ["a", "b"])
def test_the_detector_finds_the_face_where_it_is(variant, tmp_path):
    detector = Scrfd(opened(faces.detector(tmp_path / "d.onnx", variant=variant), 640))
    found = detector.detect(grey(640, 640))
    assert len(found) == 1
    assert found.scores[0] > 0.9
    assert np.allclose(found.boxes[0], (320 - 96, 224 - 112, 320 + 96, 224 + 112))
    assert np.allclose(found.points[0], np.array(faces.POINTS) * 32 + faces.CENTRE)
    assert found.boxes.dtype == found.scores.dtype == found.points.dtype == np.float32
    none = detector.detect(grey(640, 640, 0))
    assert len(none) == 0
    assert none.boxes.shape == (0, 4)
    assert none.points.shape == (0, 5, 2)


def test_the_picture_lies_at_the_top_left_of_the_canvas(tmp_path):
    seen = []

    class Spy:
        size = (640, 640)

        def __call__(self, pictures):
            seen.append(pictures)
            return model(pictures)

    model = opened(faces.detector(tmp_path / "d.onnx"), 640)
    picture = grey(720, 1280, 200)
    picture[..., 0] = 255  # red first
    found = Scrfd(Spy()).detect(picture)
    assert np.allclose(found.boxes[0], np.array((224, 112, 416, 336)) * 2)
    canvas = seen[0]
    assert canvas.shape == (1, 640, 640, 3)
    assert canvas.dtype == np.float32
    assert np.allclose(canvas[0, 359, 639], ((255 - 127.5) / 128, (200 - 127.5) / 128, (200 - 127.5) / 128))
    assert np.allclose(canvas[0, 360:], -127.5 / 128)


def test_a_close_up_is_looked_at_again_at_half_the_size(tmp_path):
    model, seen = opened(faces.detector(tmp_path / "d.onnx"), 640), []

    class Blind:
        """Sees nothing in a picture that fills the canvas."""

        size = (640, 640)

        def __call__(self, pictures):
            seen.append(pictures[0, 639, 639].mean() > -0.9)
            return model(pictures * 0 - 1 if seen[-1] else pictures)

    found = Scrfd(Blind()).detect(grey(320, 320, 220))
    assert seen == [True, False]
    assert np.allclose(found.boxes[0], (224, 112, 416, 336))  # canvas and frame pixels are the same at half


def test_two_faces_the_surest_first_and_doubles_gone(tmp_path):
    detector = Scrfd(opened(faces.detector(tmp_path / "d.onnx", faces=2), 640))
    found = detector.detect(grey(640, 640, 60))
    assert len(found) == 2
    assert found.scores[0] > found.scores[1]
    assert found.boxes[1, 0] < found.boxes[0, 0]

    class Doubled:
        size = (640, 640)

        def __call__(self, pictures):
            outputs = detector._model(pictures)
            for output in outputs[2::3]:  # the second anchor of the same cell says the same, a little less surely
                output[0, faces.FACE + 1] = output[0, faces.FACE]
            outputs[2][0, faces.FACE + 1] -= 0.01
            return outputs

    assert len(Scrfd(Doubled()).detect(grey(640, 640, 60))) == 2


@pytest.mark.parametrize("variant", ["a", "b"])
def test_six_outputs_are_an_export_without_key_points(variant, tmp_path):
    detector = Scrfd(opened(faces.detector(tmp_path / "d.onnx", variant=variant, points=False), 640))
    with pytest.raises(BackendError, match=r"6 outputs: an export without key points.*models pull scrfd`"):
        detector.detect(grey(640, 640))


def test_other_models_are_refused(models):
    wrong = Scrfd(opened(models / faces.POSE, 224))
    with pytest.raises(BackendError, match=r"gives 3 outputs, SCRFD with key points gives nine; run"):
        wrong.detect(grey(64, 64))
    pose = opened(models / faces.POSE, 224)
    with pytest.raises(BackendError, match=r"landmark model gives .*196 values; run `lipwright models pull pfpld`"):
        Pfpld(pose).fit(grey(200, 200), np.array((20, 20, 120, 120), np.float32))
    with pytest.raises(BackendError, match=r"head-pose model gives \[10\] values, WHENet gives \[120, 66, 66\]"):
        HeadPose(opened(models / faces.ATTRIBUTES, 512)).angles(grey(200, 200), square_of_points())

    class Odd:
        size = (640, 640)

        def __call__(self, pictures):
            return [np.zeros((5, 4), np.float32)] * 9

    with pytest.raises(BackendError, match=r"output 0 of this face detector is \(5, 4\), SCRFD's scores at stride 8"):
        Scrfd(Odd()).detect(grey(64, 64))


def square_of_points():
    return np.stack(np.meshgrid(np.linspace(80, 140, 17), np.linspace(60, 120, 4)), axis=-1).reshape(68, 2)


def test_98_points_to_68():
    number = np.repeat(np.arange(98.0)[:, None], 2, axis=1)
    got = to_68(number)[:, 0]
    assert got[:17].tolist() == list(range(0, 33, 2))
    assert got[17:22].tolist() == [33, 34, 35, 36, 37]
    assert got[22:27].tolist() == [42, 43, 44, 45, 46]
    assert got[27:36].tolist() == list(range(51, 60))
    assert got[36:48].tolist() == [60, 61, 63, 64, 65, 63, 68, 69, 71, 72, 73, 71]
    assert got[48:].tolist() == list(range(76, 96))
    with pytest.raises(ShapeError):
        to_68(np.zeros((68, 2)))


def test_the_landmark_box():
    # 100 wide: 10 to the left, then a tenth of 110 to the right; 200 high: 20 below, nothing above.
    assert face_box(np.array((300, 100, 400, 300)), (1000, 1000)) == (290, 100, 411, 320)
    assert face_box(np.array((-20, -5, 80, 195)), (85, 150)) == (0, 0, 85, 150)


def test_landmarks_lie_on_the_box(models):
    network = Pfpld(opened(models / faces.LANDMARKS, 112))
    points = network.fit(grey(1000, 1000), np.array((300, 100, 400, 300), np.float32))
    wanted = to_68(faces.average_face()) * (121, 220) + (290, 100)
    assert points.shape == (68, 2)
    assert points.dtype == np.float32
    assert np.abs(points - wanted).max() < 2
    assert network.fit(grey(100, 100), np.array((300, 100, 400, 300), np.float32)) is None


def test_landmarks_see_blue_first():
    seen = []

    class Spy:
        size = (112, 112)

        def __call__(self, pictures):
            seen.append(pictures)
            return [np.zeros((1, 3), np.float32), np.zeros((1, 196), np.float32)]

    picture = grey(100, 100, 0)
    picture[..., 0] = 255
    Pfpld(Spy()).fit(picture, np.array((20, 20, 80, 80), np.float32))
    assert seen[0].shape == (1, 112, 112, 3)
    assert np.allclose(seen[0], (0, 0, 1))


def test_head_pose_and_its_gate(models, tmp_path):
    points = square_of_points()
    inside = HeadPose(opened(models / faces.POSE, 224)).angles(grey(300, 300), points)
    assert np.allclose(inside, -1.5, atol=1e-4)
    assert usable(inside)
    turned = HeadPose(opened(faces.head_pose(tmp_path / "p.onnx", yaw_bin=119), 224)).angles(grey(300, 300), points)
    assert np.allclose(turned, (177, -1.5, -1.5), atol=1e-4)
    assert not usable(turned)
    assert np.isnan(HeadPose(opened(models / faces.POSE, 224)).angles(grey(20, 20), points)).all()


@pytest.mark.parametrize(
    ("angles", "good"),
    [((69, 0, 0), True), ((71, 0, 0), False), ((0, 51, 0), False), ((0, -69, 99), True), ((0, np.nan, 0), False)],
)
def test_the_gate(angles, good):
    assert usable(np.array(angles, np.float32)) == good


def test_the_head_box():
    # 60 high, middle at 110: 48 to each side, 21 above, 75 below the top.
    assert head_box(square_of_points(), (1000, 1000)) == (62, 39, 158, 135)
    assert head_box(square_of_points(), (150, 130)) == (62, 39, 150, 130)


def test_attributes_twins(models, tmp_path):
    sharp = opened(models / faces.ATTRIBUTES, 512)(np.zeros((1, 512, 512, 3), np.float32))[0]
    soft = opened(faces.attributes(tmp_path / "a.onnx", blur=0.9), 512)(np.ones((1, 512, 512, 3), np.float32))[0]
    assert sharp.shape == (1, 10)
    assert sharp[0, 8] < 0.3 < soft[0, 8]
