"""How the picture follows the head: turned rigidly in depth, fading out over the neck and the air around it."""

from itertools import product

import cv2
import numpy as np

from lipwright.alive.fill import fill
from lipwright.alive.sway import MOST
from lipwright.facespace import FACE_OVAL, Pose

PIVOT = (0.0, 1.15, 0.85)  # face space: the upper neck, under and behind the ears
CROWN = 0.45  # eye distances that the skull rises above the face's outline
RIGID, STILL = 0.25, 1.45  # eye distances from the head's outline: up to here all moves with it, from here nothing
SKULL = 0.6  # eye distances outside the outline at which the depth is that of the pivot
SOFT = 0.6  # cells over which the depth is smoothed
CELLS = 32  # of the grid that carries the motion, in an eye distance
FARTHEST = 0.13  # eye distances, more than any pixel goes
NO_MAP = np.empty(0, np.float32)  # `cv2.remap` takes x and y in one map or in two


class Head:
    """One photo's head in motion.

    Args:
        mesh: (478, 3) float32, the photo's face, pixels.
        pose: of that mesh, one frame.
        size: height and width of the photo.

    Attributes:
        unit: pixels in an eye distance, as seen from the front.
        box: x0, y0, x1, y1 of the area that may move, inside the photo.
    """

    def __init__(self, mesh: np.ndarray, pose: Pose, size: tuple[int, ...]) -> None:
        self.unit = 1 / float(pose.scale[0])
        self._axes = pose.rotation[0].astype(np.float64)
        self._pivot = pose.to_frame(np.array(PIVOT, np.float32)[None, None])[0, 0].astype(np.float64)
        up = -self._axes[1, :2] * self.unit * CROWN
        oval = mesh[list(FACE_OVAL), :2]
        outline = cv2.convexHull(np.concatenate([oval, oval + up]).astype(np.float32))[:, 0]
        self._step = max(1, round(self.unit / CELLS))
        self._lay_grid(outline, size)
        weight = self._cells(outline, RIGID, STILL)
        depth = self._depth(mesh, oval)
        across, down = np.meshgrid(*(self._start[i] + self._step * np.arange(weight.shape[1 - i]) for i in (0, 1)))
        self._grid = np.dstack([across, down]).astype(np.float32)
        self._arms = np.dstack([across, down, depth]) - self._pivot
        self._weight = weight

    def _lay_grid(self, outline: np.ndarray, size: tuple[int, ...]) -> None:
        """Cells of `step` pixels over all that may move, one more at each side; `start` is the first cell's centre."""
        reach = STILL * self.unit
        low, high = outline.min(0) - reach, outline.max(0) + reach
        first = np.floor(low / self._step).astype(int) - 1
        self._count = np.ceil(high / self._step).astype(int) + 1 - first
        self._corner = first * self._step
        self._start = self._corner + (self._step - 1) / 2
        x0, y0 = np.clip(self._corner + self._step, 0, size[::-1])
        x1, y1 = np.clip(self._corner + (self._count - 1) * self._step, 0, size[::-1])
        self.box = (int(x0), int(y0), int(x1), int(y1))

    def _cells(self, outline: np.ndarray, near: float, far: float) -> np.ndarray:
        """1 up to `near` eye distances outside an outline, 0 from `far` on. (h, w) float32 over the grid."""
        outside = np.full(self._count[::-1], 255, np.uint8)
        cells = (outline - self._start) / self._step
        cv2.fillConvexPoly(outside, np.round(cells * 16).astype(np.int32), (0,), cv2.LINE_8, 4)
        away = cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) * (self._step / self.unit)
        part = np.clip((far - away) / (far - near), 0, 1)
        return (part * part * (3 - 2 * part)).astype(np.float32)

    def _depth(self, mesh: np.ndarray, oval: np.ndarray) -> np.ndarray:
        """The face's own depth, continued to the middle of the skull. (h, w) float32 pixels over the grid."""
        depth, known = np.zeros(self._count[::-1], np.float32), np.zeros(self._count[::-1], np.float32)
        order = np.argsort(-mesh[:, 2])  # of points that fall together the nearest is the one in sight
        column, row = np.round((mesh[order, :2] - self._start) / self._step).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < self._count[0]) & (row < self._count[1])
        depth[row[inside], column[inside]] = mesh[order[inside], 2]
        known[row[inside], column[inside]] = 1
        smooth = cv2.GaussianBlur(fill(depth, known), (0, 0), SOFT)
        face = self._cells(cv2.convexHull(oval.astype(np.float32))[:, 0], 0, SKULL)
        return face * smooth + (1 - face) * np.float32(self._pivot[2])

    def _whole(self, cells: np.ndarray) -> np.ndarray:
        """Values on the grid as pixels of the box."""
        x0, y0, x1, y1 = self.box
        left, top = x0 - self._corner[0], y0 - self._corner[1]
        size = tuple(int(n) for n in self._count * self._step)
        return cv2.resize(cells, size, interpolation=cv2.INTER_LINEAR)[top : top + y1 - y0, left : left + x1 - x0]

    def sources(self, pose: np.ndarray) -> np.ndarray:
        """Where the box's pixels come from in one pose. (5,) as `Sway.poses` to (H, W, 2) float32 photo pixels.

        Where nothing moves these are whole numbers up to what `cv2.remap` rounds away.
        """
        shift = self._shift(pose)
        here = (self._grid - self._start.astype(np.float32)) / np.float32(self._step)
        came = here - shift / np.float32(self._step)  # the shift belongs to the point it starts from
        back = cv2.remap(shift, came, NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return self._whole(self._grid - back)

    def reach(self) -> np.ndarray:
        """How far from each pixel of the box a source may lie in any pose. (H, W) float32 pixels, 0: all is still."""
        extremes = np.array(list(product(*((-most, most) for most in MOST))))
        farthest = np.max([np.abs(self._shift(pose)).max(2) for pose in extremes], axis=0)
        around = cv2.dilate(farthest, np.ones((3, 3), np.uint8), iterations=round(FARTHEST * CELLS))
        return self._whole(np.where(self._weight > 0, around, 0))

    def move(self, meshes: np.ndarray, poses: np.ndarray) -> np.ndarray:
        """The face mesh in N poses. (N, 478, 3) pixels of the photo, (N, 5) to (N, 478, 3) float32."""
        turn, step = self._rigid(poses)
        arms = meshes - self._pivot
        return (np.einsum("nij,npj->npi", turn, arms) + self._pivot + step[:, None]).astype(np.float32)

    def _shift(self, pose: np.ndarray) -> np.ndarray:
        """Where the picture goes. (5,) to (h, w, 2) float32 pixels over the grid."""
        turn, step = self._rigid(pose[None])
        rigid = self._arms @ (turn[0] - np.eye(3))[:2].T + step[0, :2]
        return (self._weight[..., None] * rigid).astype(np.float32)

    def _rigid(self, poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rotation about the pivot and step, frame axes, pixels. (N, 5) to (N, 3, 3) and (N, 3)."""
        turn = np.stack([_rotation(*pose[:3]) for pose in poses.astype(np.float64)])
        step = np.pad(poses[:, 3:].astype(np.float64) * self.unit, ((0, 0), (0, 1)))
        return self._axes.T @ turn @ self._axes, step @ self._axes


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    (a, b, c), (x, y, z) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_y = np.array([[a, 0, x], [0, 1, 0], [-x, 0, a]])
    about_x = np.array([[1, 0, 0], [0, b, -y], [0, y, b]])
    about_z = np.array([[c, -z, 0], [z, c, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y
