"""Face space: where mouths are compared, whatever the pose of the head.

The face mesh is MediaPipe's with refinement: 478 points, x right, y down, z away from the camera, all three in
pixels of the upright frame. Face space is the image of that mesh under the 3-D similarity that lays its
stable points on a template: unitless, 1 = the distance between the outer eye corners (mesh points 33 and 263), origin
at the centre of the stable points, axes as in the picture. The drive of the native engine, the mouth bank and all
bars live there.

Method: least-squares similarity between two point sets (Umeyama, IEEE TPAMI 13(4), 1991). The template is the
generalised Procrustes mean of the landmark sets the motion model was trained on (`lipwright.training.template`).
The triangles follow MediaPipe's face-mesh topology (Apache-2.0, see NOTICE).
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from lipwright.errors import ShapeError

MESH_POINTS = 478

LIPS_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0, 267, 269, 270, 409)
LIPS_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 191, 80, 81, 82, 13, 312, 311, 310, 415)
JAW = (152, 148, 176, 149, 150, 136, 172, 377, 400, 378, 379, 365, 397, 18, 200, 199, 175, 83, 182, 313, 406, 194,
       418, 205, 425, 57, 287, 164)  # fmt: skip
DRIVE = LIPS_OUTER + LIPS_INNER + JAW
"""The 68 mesh points that sound moves, in the order of every drive array."""

STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 8, 9, 151, 10, 127, 356, 143, 372)
"""Eye corners, nose bridge, forehead and temples: points that speech leaves where they are."""

INNER_RING = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
"""The inner lip contour as a closed polygon: along the lower lip, back along the upper one."""

OUTER_RING = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""The outer lip contour as a closed polygon."""

FACE_OVAL = (10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
             149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)  # fmt: skip
"""The outline of the mesh as a closed polygon, from the top of the forehead by the picture's right."""

NOSE_BASE = (2, 98, 327)
"""Where the nose meets the lip: hardly moved by speech, and the nearest thing to the upper jaw the mesh has."""

ANCHORS = ((33, 133), (362, 263), (4,), (61,), (291,))
"""What face detectors mark, each the mean of some mesh points: eyes, nose tip, mouth corners."""

EYE_CORNERS = (33, 263)
LIP_TOP, LIP_BOTTOM = 13, 14
MOUTH_CORNERS = (61, 291)


@cache
def template() -> np.ndarray:
    """Positions of the `STABLE` points in face space. (16, 3) float32, read-only."""
    return _data()["template"]


@cache
def triangles() -> np.ndarray:
    """Triangles of the face mesh, with a strip across the inner lips. (T, 3) int32 mesh indices, read-only."""
    return _data()["triangles"]


@cache
def open_face() -> np.ndarray:
    """A mean face with its mouth wide open, in face space. (478, 3) float32, read-only."""
    return _data()["open_face"]


@cache
def _data() -> dict[str, np.ndarray]:
    with files("lipwright").joinpath("facespace.npz").open("rb") as file, np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@dataclass(frozen=True, slots=True)
class Pose:
    """The similarity from frame pixels to face space, for each of F frames.

    Args:
        scale: (F,) float32, face-space units per pixel.
        rotation: (F, 3, 3) float32, acts on column vectors.
        shift: (F, 3) float32, face-space units.
    """

    scale: np.ndarray
    rotation: np.ndarray
    shift: np.ndarray

    def to_face(self, points: np.ndarray) -> np.ndarray:
        """Pixels to face space. (F, N, 3) to (F, N, 3) float32."""
        turned = np.einsum("fij,fnj->fni", self.rotation, points)
        return (self.scale[:, None, None] * turned + self.shift[:, None]).astype(np.float32)

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        """Face space to pixels. (F, N, 3) to (F, N, 3) float32."""
        centred = (points - self.shift[:, None]) / self.scale[:, None, None]
        return np.einsum("fji,fnj->fni", self.rotation, centred).astype(np.float32)

    def to_frame_offset(self, offsets: np.ndarray) -> np.ndarray:
        """Face-space differences to pixel differences. (F, N, 3) to (F, N, 3) float32."""
        turned = np.einsum("fji,fnj->fni", self.rotation, offsets)
        return (turned / self.scale[:, None, None]).astype(np.float32)

    def angles(self) -> np.ndarray:
        """Yaw, pitch and roll of the head in radians. (F, 3) float32; zero looks into the camera."""
        facing = self.rotation[:, 2]  # the face's own z axis, in frame coordinates
        yaw = np.arctan2(facing[:, 0], facing[:, 2])
        pitch = np.arcsin(np.clip(facing[:, 1], -1, 1))
        roll = np.arctan2(self.rotation[:, 0, 1], self.rotation[:, 0, 0])
        return np.stack([yaw, pitch, roll], axis=1).astype(np.float32)

    def __getitem__(self, frames: slice | np.ndarray) -> "Pose":
        return Pose(self.scale[frames], self.rotation[frames], self.shift[frames])

    def __len__(self) -> int:
        return len(self.scale)


def fit_pose(stable: np.ndarray) -> Pose:
    """The similarity that lays the stable points on the template.

    Args:
        stable: (F, 16, 3) positions of the `STABLE` points, pixels.

    Raises:
        ShapeError: the array has another shape.
    """
    if stable.ndim != 3 or stable.shape[1:] != (len(STABLE), 3):
        raise ShapeError("stable", expected=f"(F, {len(STABLE)}, 3)", got=stable.shape)
    stable = stable.astype(np.float64)
    target = template().astype(np.float64)
    middle, target_middle = stable.mean(1), target.mean(0)
    source, goal = stable - middle[:, None], target - target_middle
    u, s, vt = np.linalg.svd(np.einsum("ni,fnj->fij", goal, source))
    sign = np.ones_like(s)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (s * sign).sum(1) / np.square(source).sum((1, 2))
    shift = target_middle - scale[:, None] * np.einsum("fij,fj->fi", rotation, middle)
    return Pose(*(np.asarray(part, np.float32) for part in (scale, rotation, shift)))


def eye_distance(points: np.ndarray) -> np.ndarray:
    """Distance between the outer eye corners in the picture plane. (..., 478, 2 or 3) to (...), the points' unit."""
    left, right = (points[..., corner, :2] for corner in EYE_CORNERS)
    return np.linalg.norm(left - right, axis=-1)


def opening(drive: np.ndarray) -> np.ndarray:
    """Inner-lip opening of drive points in face space: the distance of mesh points 13 and 14. (..., 68, 3) to (...)."""
    top, bottom = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)
    return np.linalg.norm(drive[..., top, :] - drive[..., bottom, :], axis=-1)


def width(drive: np.ndarray) -> np.ndarray:
    """Distance of the mouth corners (61, 291) of drive points in face space. (..., 68, 3) to (...)."""
    left, right = (DRIVE.index(corner) for corner in MOUTH_CORNERS)
    return np.linalg.norm(drive[..., left, :] - drive[..., right, :], axis=-1)
