"""What is kept of a face while its clip plays: no frame is held longer than the one after it."""

from functools import cached_property

import cv2
import numpy as np

from lipwright.evaluation.picture import aligned
from lipwright.evaluation.sheet import face_box
from lipwright.evaluation.steadiness import flicker, mean_of
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, STABLE, eye_distance, fit_pose, opening, width

KEPT = (*STABLE, *DRIVE)
LIPS = slice(len(STABLE), len(STABLE) + 40)  # the lip points among those kept
CLOSE_UP = 240  # pixels

Crop = tuple[np.ndarray, np.ndarray]
"""A face in the aligned crop, (160, 160, 3) uint8 RGB, and its mesh there, (478, 2)."""


class FaceRecord:
    """The face of one clip, frame after frame; 1 kB a frame. Landmarks are as tracked, not smoothed."""

    def __init__(self) -> None:
        self._points: list[np.ndarray] = []
        self._cuts: list[bool] = []
        self._eyes: list[float] = []
        self._flicker: list[float] = []
        self._before: Crop | None = None

    def add(self, frame: np.ndarray, mesh: np.ndarray | None, *, cut: bool) -> Crop | None:
        """Take in the next frame.

        Args:
            frame: (H, W, 3) uint8 RGB.
            mesh: (478, 3) pixels, None where no face is seen.
            cut: whether the frame starts a new shot.

        Returns:
            The face in the aligned crop, None where there is none.
        """
        self._cuts.append(cut)
        if mesh is None:
            self._points.append(np.full((len(KEPT), 3), np.nan, np.float32))
            self._eyes.append(float("nan"))
            self._before = None
            return None
        self._points.append(mesh[list(KEPT)])
        self._eyes.append(float(eye_distance(mesh)))
        now = aligned(frame, mesh)
        if self._before is not None and not cut:
            self._flicker.append(flicker(self._before, now))
        self._before = now
        return now

    def __len__(self) -> int:
        return len(self._cuts)

    @cached_property
    def points(self) -> np.ndarray:
        """(F, 84, 3) float32 pixels of the points `KEPT`, NaN where absent."""
        return np.stack(self._points)

    @cached_property
    def cuts(self) -> np.ndarray:
        """(F,) bool, True where a shot starts."""
        return np.array(self._cuts, bool)

    @cached_property
    def eyes(self) -> np.ndarray:
        """(F,) distance of the outer eye corners in pixels, NaN where absent."""
        return np.array(self._eyes)

    @cached_property
    def present(self) -> np.ndarray:
        """(F,) bool: frames that show the face."""
        return ~np.isnan(self.eyes)

    @cached_property
    def in_face_space(self) -> np.ndarray:
        """(F, 84, 3) float32, the points in face space: the head's motion and size taken out; NaN where absent."""
        points = np.full_like(self.points, np.nan)
        seen = self.points[self.present]
        points[self.present] = fit_pose(seen[:, : len(STABLE)]).to_face(seen)
        return points

    @cached_property
    def opening(self) -> np.ndarray:
        """(F,) inner-lip opening over eye distance, NaN where absent."""
        return opening(self.in_face_space[:, len(STABLE) :]).astype(np.float64)

    @cached_property
    def gap(self) -> np.ndarray:
        """(F,) inner-lip opening as a viewer sees it, in the picture plane, over eye distance; NaN where absent.

        The depth of the mesh is a guess: where it sets one closed lip before the other, `opening` is that step.
        """
        lips = self.points[:, len(STABLE) + np.array([DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)]), :2]
        return np.linalg.norm(lips[:, 0] - lips[:, 1], axis=1) / self.eyes

    @cached_property
    def width(self) -> np.ndarray:
        """(F,) distance of the mouth corners over eye distance, NaN where absent."""
        return width(self.in_face_space[:, len(STABLE) :]).astype(np.float64)

    @property
    def flicker(self) -> float:
        """Mean of `steadiness.flicker` over frames that follow one another; NaN where there are too few."""
        return mean_of(np.array(self._flicker))


def close_up(frame: np.ndarray, mesh: np.ndarray | None) -> np.ndarray:
    """The face for a contact sheet, or the whole frame where there is none. (240, 240, 3) uint8 RGB."""
    if mesh is not None:
        x0, y0, x1, y1 = face_box(mesh, (frame.shape[0], frame.shape[1]), 0.7)
        frame = frame[y0:y1, x0:x1]
    return cv2.resize(frame, (CLOSE_UP, CLOSE_UP), interpolation=cv2.INTER_AREA)
