"""The face mesh of MediaPipe's own wheel: no download. Apache-2.0; Kartynnik et al. 2019, Grishchenko et al. 2020."""

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from lipwright.errors import BackendError
from lipwright.face.base import FaceTracker
from lipwright.facespace import MESH_POINTS
from lipwright.media.quiet import quiet

SAME_FACE_IOU = 0.3
BLANK = np.zeros((64, 64, 3), np.uint8)


@contextlib.contextmanager
def deferred(*names: str) -> Iterator[None]:
    """Let modules that are imported in the block be loaded when something of theirs is first used.

    MediaPipe imports what plots and what records, for functions that nobody calls here: a third of its start.
    """
    absent = [name for name in names if name not in sys.modules]
    for name in absent:
        sys.modules[name] = _Deferred(name)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


class _Deferred(ModuleType):
    """Stands for a module until something of it is asked for."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the module has
        if name.startswith("__") or sys.modules.get(self.__name__) is self:
            raise AttributeError(name)
        return getattr(import_module(self.__name__), name)


def import_mediapipe() -> Any:  # noqa: ANN401 - mediapipe ships no types
    """MediaPipe, or a sentence that says what the machine lacks.

    Raises:
        BackendError: the import failed.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")  # graph chatter on stderr, nothing a user can act on
    try:
        with deferred("matplotlib", "matplotlib.pyplot", "sounddevice"):
            import mediapipe
    except ImportError as exc:
        hint = "install `mediapipe==0.10.21`"
        if "libGL" in str(exc) or "libgthread" in str(exc):
            hint = "a slim image must add OpenCV's system libraries (Debian: apt-get install libgl1 libglib2.0-0)"
        raise BackendError(f"the face mesh cannot start: {exc}; {hint}") from exc
    return mediapipe


def merge_boxes(boxes: np.ndarray, limit: float = SAME_FACE_IOU) -> np.ndarray:
    """Keep the first of every group of overlapping boxes. (N, 4) to (M, 4)."""
    kept: list[np.ndarray] = []
    for box in boxes:
        if all(overlap(box, other) < limit for other in kept):
            kept.append(box)
    return np.array(kept, np.float32).reshape(-1, 4)


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes x0, y0, x1, y1."""
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    both = wide * high
    return float(both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both))


class FaceMeshTracker(FaceTracker):
    """`FaceTracker` over MediaPipe's FaceMesh and FaceDetection solutions (wheels up to 0.10.21)."""

    def __init__(self) -> None:
        solutions = getattr(import_mediapipe(), "solutions", None)
        if solutions is None:
            raise BackendError(
                "this MediaPipe carries no models; install `mediapipe==0.10.21`, or name a FaceLandmarker bundle "
                "in LIPWRIGHT_LANDMARKER and use --tracker landmarker"
            )
        self._greeted = False
        with quiet():
            self._mesh = solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True)
            self._detectors = [
                solutions.face_detection.FaceDetection(model_selection=reach, min_detection_confidence=0.5)
                for reach in (0, 1)  # within two metres of the camera, within five
            ]
            self.detect(BLANK)
            self.fit(BLANK)

    def detect(self, picture: np.ndarray) -> np.ndarray:
        """See `FaceTracker.detect`; both detectors' boxes, the surest first."""
        height, width = picture.shape[:2]
        found = []
        for detector in self._detectors:
            for detection in detector.process(picture).detections or ():
                box = detection.location_data.relative_bounding_box
                corners = (box.xmin, box.ymin, box.xmin + box.width, box.ymin + box.height)
                found.append((detection.score[0], np.multiply(corners, (width, height, width, height))))
        found.sort(key=lambda item: -item[0])
        return merge_boxes(np.array([box for _, box in found], np.float32).reshape(-1, 4))

    def fit(self, picture: np.ndarray) -> np.ndarray | None:
        """See `FaceTracker.fit`."""
        height, width = picture.shape[:2]
        side = max(height, width)  # the mesh graph is exact on square pictures only
        square = cv2.copyMakeBorder(picture, 0, side - height, 0, side - width, cv2.BORDER_CONSTANT)
        with contextlib.nullcontext() if self._greeted else quiet():
            faces = self._mesh.process(square).multi_face_landmarks
        if not faces:
            return None
        self._greeted = True
        points = np.array([(p.x, p.y, p.z) for p in faces[0].landmark], np.float32)
        # MediaPipe counts from the corner of the first pixel; z is in the unit of x.
        return points[:MESH_POINTS] * np.float32(side) - np.array((0.5, 0.5, 0), np.float32)

    def forget(self) -> None:
        """See `FaceTracker.forget`."""
        with quiet():
            self._mesh.reset()
            self.fit(BLANK)

    def close(self) -> None:
        """See `FaceTracker.close`."""
        for graph in (self._mesh, *self._detectors):
            graph.close()
