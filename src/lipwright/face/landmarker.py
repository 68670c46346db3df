"""MediaPipe's FaceLandmarker with a bundle file the user has: also works with newer MediaPipe wheels."""

import os
from pathlib import Path

import numpy as np

from lipwright.errors import BackendError
from lipwright.face.base import FaceTracker
from lipwright.face.facemesh import BLANK, import_mediapipe, merge_boxes, quiet

BUNDLE_VARIABLE = "LIPWRIGHT_LANDMARKER"
FRAME_MS = 40


class LandmarkerTracker(FaceTracker):
    """`FaceTracker` over a `face_landmarker.task` bundle, its path taken from LIPWRIGHT_LANDMARKER.

    The bundle's short-range detector finds faces; faces far from the camera are the strength of the other tracker.
    """

    def __init__(self) -> None:
        bundle = Path(os.environ.get(BUNDLE_VARIABLE, ""))
        if not bundle.is_file():
            raise BackendError(f"{BUNDLE_VARIABLE} names no file ({str(bundle)!r}); set it to a face_landmarker.task")
        self._mediapipe = import_mediapipe()
        self._content = bundle.read_bytes()
        self._stills = self._open(video=False)
        self._film = self._open(video=True)
        self._clock = 0

    def _open(self, *, video: bool):  # noqa: ANN202 - mediapipe ships no types
        tasks = self._mediapipe.tasks
        mode = tasks.vision.RunningMode
        options = tasks.vision.FaceLandmarkerOptions(
            base_options=tasks.BaseOptions(model_asset_buffer=self._content),
            running_mode=mode.VIDEO if video else mode.IMAGE,
            num_faces=1 if video else 8,
        )
        with quiet():
            opened = tasks.vision.FaceLandmarker.create_from_options(options)
            _ = opened.detect_for_video(self._image(BLANK), 0) if video else opened.detect(self._image(BLANK))
        return opened

    def _image(self, picture: np.ndarray):  # noqa: ANN202
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))

    def detect(self, picture: np.ndarray) -> np.ndarray:
        """See `FaceTracker.detect`."""
        faces = self._stills.detect(self._image(picture)).face_landmarks
        meshes = [_pixels(face, picture)[:, :2] for face in faces]
        return merge_boxes(np.array([(*m.min(0), *m.max(0)) for m in meshes], np.float32).reshape(-1, 4))

    def fit(self, picture: np.ndarray) -> np.ndarray | None:
        """See `FaceTracker.fit`."""
        self._clock += FRAME_MS
        faces = self._film.detect_for_video(self._image(picture), self._clock).face_landmarks
        return _pixels(faces[0], picture) if faces else None

    def forget(self) -> None:
        """See `FaceTracker.forget`."""
        self._film.close()
        self._film = self._open(video=True)

    def close(self) -> None:
        """See `FaceTracker.close`."""
        self._stills.close()
        self._film.close()


def _pixels(landmarks: list, picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    points = np.array([(p.x, p.y, p.z) for p in landmarks], np.float32)
    return points * np.array((width, height, width), np.float32) - np.array((0.5, 0.5, 0), np.float32)
