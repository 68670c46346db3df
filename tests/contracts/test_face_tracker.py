"""What every row of TRACKERS has to keep."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from pictures import placed, scene

from lipwright.errors import BackendError
from lipwright.face.base import TRACKERS, open_tracker
from lipwright.face.facemesh import quiet
from lipwright.facespace import MESH_POINTS, eye_distance

BUNDLE = Path(__file__).parents[3] / "shared" / "models" / "mp_face_landmarker_v2_with_blendshapes.task"
EYES = np.array(((194.0, 101.0), (256.0, 104.4)))  # outer corners on the portrait, read off by hand


@pytest.fixture(params=sorted(TRACKERS))
def tracker(request, monkeypatch):
    if request.param == "landmarker":
        if not BUNDLE.is_file():
            pytest.skip(f"no FaceLandmarker bundle at {BUNDLE}")
        monkeypatch.setenv("LIPWRIGHT_LANDMARKER", str(BUNDLE))
    with open_tracker(request.param) as opened:
        yield opened


def test_detect_gives_a_box_around_the_face(tracker, portrait):
    boxes = tracker.detect(portrait)
    assert (boxes.shape, boxes.dtype) == ((1, 4), np.float32)
    x0, y0, x1, y1 = boxes[0]
    assert ((x0, y0) < EYES).all()
    assert ((x1, y1) > EYES).all()
    assert (x1 - x0) < 160
    assert (y1 - y0) < 200


def test_detect_finds_every_face(tracker, portrait):
    picture = placed(placed(scene(640, 360), portrait, 20, 30, 320), portrait, 370, 60, 250)
    boxes = tracker.detect(picture)
    assert len(boxes) == 2
    assert sorted(int(x0) // 345 for x0 in boxes[:, 0]) == [0, 1]


def test_fit_gives_a_mesh_in_pixels(tracker, portrait):
    points = tracker.fit(portrait)
    assert (points.shape, points.dtype) == ((MESH_POINTS, 3), np.float32)
    np.testing.assert_allclose(points[[33, 263], :2], EYES, atol=3)
    assert points[152, 1] > points[10, 1]
    assert points[1, 2] < points[234, 2]  # z: the nose is nearer to the camera than the ears


@pytest.mark.parametrize("window", [(0, 300, 100, 400), (20, 420, 150, 330)], ids=["wide", "tall"])
def test_fit_measures_the_same_in_any_shape_of_picture(tracker, portrait, window):
    y0, y1, x0, x1 = window
    whole = tracker.fit(portrait)
    tracker.forget()
    part = tracker.fit(np.ascontiguousarray(portrait[y0:y1, x0:x1])) + np.array((x0, y0, 0))
    error = np.linalg.norm(part[:, :2] - whole[:, :2], axis=1).mean() / eye_distance(whole)
    assert error < 0.05


def test_nobody_is_none(tracker):
    for picture in (np.zeros((120, 160, 3), np.uint8), scene(320, 240)):
        assert tracker.detect(picture).shape == (0, 4)
        assert tracker.fit(picture) is None


def test_a_picture_is_not_written_to(tracker, portrait):
    before = portrait.copy()
    tracker.detect(portrait)
    tracker.fit(portrait)
    np.testing.assert_array_equal(portrait, before)


def test_after_forget_the_past_has_no_say(tracker, portrait):
    first = tracker.fit(portrait)
    tracker.fit(cv2.flip(portrait, 1))
    tracker.forget()
    np.testing.assert_allclose(tracker.fit(portrait), first, atol=0.6)


def test_silence_on_stderr_ends_whoever_else_is_silent():
    before = os.fstat(2)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [hush() for _ in range(50)], range(8)))
    assert os.path.samestat(os.fstat(2), before)


def hush():
    with quiet():
        assert os.path.samestat(os.fstat(2), Path(os.devnull).stat())
        with quiet():  # inside itself
            pass


def test_a_closed_stderr_is_no_trouble():
    code = "import os; os.close(2)\nfrom lipwright.face.facemesh import quiet\nwith quiet(): print('fine')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "fine\n")


def test_the_landmarker_without_a_bundle_says_what_to_set(monkeypatch, tmp_path):
    for value in (None, str(tmp_path), str(tmp_path / "none.task")):
        monkeypatch.delenv("LIPWRIGHT_LANDMARKER", raising=False)
        if value is not None:
            monkeypatch.setenv("LIPWRIGHT_LANDMARKER", value)
        with pytest.raises(BackendError, match=r"LIPWRIGHT_LANDMARKER names no file .*; set it to"):
            open_tracker("landmarker")
