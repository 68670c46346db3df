"""Rows of teeth made by rule: their pictures, and where they lie in a face.

Nobody's teeth are copied: the forms are arithmetic on the sizes of dental anatomy (Ash and Nelson, Wheeler's Dental
Anatomy, tables of crown sizes), with 90 mm taken as the distance of the outer eye corners.

Everything is measured in face units: 1 = that distance, u to the face's left (right in the picture), v down, from the
nose base in the plane of the face; see `Plane`.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from lipwright.facespace import NOSE_BASE, STABLE, template

REACH = 0.5  # a row's picture goes this far along the arch to both sides of its middle
ABOVE, BEYOND = 0.16, 0.03  # and this far to the roots and beyond the edges
DETAIL = (96, 192, 384)  # pixels per face unit of the pictures a row is drawn in
GUM = np.array((0.80, 0.50, 0.50), np.float32)  # of the teeth's colour
MOST_TURN = 0.9  # of the across axis: how far depth may shift a tooth
TOUCH = 0.56  # of a tooth's width: what it covers to each side, where it touches its neighbour


@dataclass(frozen=True, slots=True)
class Row:
    """One dental arch; a tooth a row of its table, from the middle to the back, the same on both sides.

    Args:
        teeth: (T, 5) width along the arch, length, how far the edge stays behind the middle's, radius of the edge's
            corners, share of the light that comes so far into the mouth. Face units.
        half, depth: half axes of the ellipse the arch lies on, across and into the mouth, face units.
        unrest: how irregular: standard deviation of the edges' places, face units.
        seed: of that irregularity.
    """

    teeth: tuple[tuple[float, ...], ...]
    half: float
    depth: float
    unrest: float
    seed: int


UPPER = Row(
    (
        (0.095, 0.115, 0.000, 0.019, 1.00),
        (0.072, 0.100, 0.009, 0.022, 0.93),
        (0.083, 0.112, 0.004, 0.038, 0.78),
        (0.077, 0.092, 0.014, 0.030, 0.55),
        (0.074, 0.085, 0.019, 0.030, 0.36),
        (0.090, 0.080, 0.022, 0.030, 0.22),
    ),
    0.30, 0.42, 0.0030, 4,
)  # fmt: skip
LOWER = Row(
    (
        (0.059, 0.095, 0.002, 0.009, 0.92),
        (0.065, 0.098, 0.000, 0.011, 0.88),
        (0.076, 0.110, 0.001, 0.034, 0.72),
        (0.078, 0.090, 0.008, 0.032, 0.50),
        (0.079, 0.085, 0.014, 0.032, 0.32),
        (0.090, 0.080, 0.020, 0.030, 0.20),
    ),
    0.26, 0.38, 0.0032, 11,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Teeth:
    """How one person's teeth differ from those made by rule.

    Args:
        enamel: its colour as a factor of the rule's, red, green and blue.
        edge: how much lower the upper front teeth end, face units.
    """

    enamel: tuple[float, float, float] = (1.0, 1.0, 1.0)
    edge: float = 0.0


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane of a face in the picture.

    Args:
        origin: (2,) pixels, the nose base.
        across, down: (2,) pixels per face unit of u and v: turning, tilting and distance of the head are in them.
        turn: how far in u a point moves per unit that it lies deeper; 0 for a face that looks into the camera.
    """

    origin: np.ndarray
    across: np.ndarray
    down: np.ndarray
    turn: float

    @property
    def scale(self) -> float:
        """Pixels per face unit."""
        return float(np.linalg.norm(self.down))

    def place(self, points: np.ndarray) -> np.ndarray:
        """Pixels to u and v. (..., 2) to (..., 2)."""
        return (points - self.origin) @ np.linalg.inv(np.column_stack([self.across, self.down])).T


@cache
def _camera() -> np.ndarray:
    """What makes an affine camera of the stable points' places. (16, 3)."""
    points = template().astype(np.float64)
    return np.linalg.pinv(points - points.mean(0)).T


def face_plane(mesh: np.ndarray) -> Plane:
    """The plane of a face, from the points that speech leaves where they are. (478, 2) pixels."""
    stable = mesh[list(STABLE), :2].astype(np.float64)
    across, down, deep = ((stable - stable.mean(0)).T @ _camera()).T
    turn = float(deep @ across / max(float(across @ across), 1e-6))
    return Plane(mesh[list(NOSE_BASE), :2].mean(0), across, down, float(np.clip(turn, -MOST_TURN, MOST_TURN)))


def look_of(row: Row, plane: Plane, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A row of teeth as it is seen in a face.

    Args:
        row: which.
        plane: of the face.
        u: (H, W) float32 place across from the row's middle, face units.
        v: (H, W) float32 place beyond the edge of the middle teeth, face units; negative towards the roots.

    Returns:
        (H, W, 4) float32: colour as a share of white enamel's in full light, and how much of it there is, times which
        the colour is already taken.
    """
    detail = next((d for d in DETAIL if d >= plane.scale), DETAIL[-1])
    along, across = _arch(row, plane.turn)
    s = np.interp(u.ravel(), across, along, -2 * REACH, 2 * REACH).reshape(u.shape)
    x = ((s + REACH) * detail - 0.5).astype(np.float32)
    y = ((v + ABOVE) * detail - 0.5).astype(np.float32)
    return cv2.remap(_picture(row, detail), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _arch(row: Row, turn: float) -> tuple[np.ndarray, np.ndarray]:
    """Places along the arch, and where across they are seen, increasing. Two (K,)."""
    angle = np.linspace(-1.35, 1.35, 181)
    x, z = row.half * np.sin(angle), row.depth * (1 - np.cos(angle))
    step = np.hypot(np.diff(x), np.diff(z))
    along = np.concatenate([[0.0], np.cumsum(step)])
    seen = x + turn * z
    # What turns back behind the front of the arch is hidden by it.
    first, last = int(np.argmin(seen[:91])), 90 + int(np.argmax(seen[90:]))
    return (along - along[90])[first : last + 1], seen[first : last + 1]


@cache
def _picture(row: Row, detail: int) -> np.ndarray:
    """The row rolled out flat, colour and cover. (H, W, 4) float32, `detail` pixels per face unit."""
    over = 4  # drawn larger and averaged down: smooth edges
    fine = detail * over if detail <= DETAIL[1] else detail * 2
    s = ((np.arange(round(2 * REACH * fine)) + 0.5) / fine - REACH).astype(np.float32)
    v = ((np.arange(round((ABOVE + BEYOND) * fine)) + 0.5) / fine - ABOVE).astype(np.float32)[:, None]
    colour, cover = np.zeros((len(v), len(s), 3), np.float32), np.zeros((len(v), len(s)), np.float32)
    random = np.random.default_rng(row.seed)
    for side in (-1, 1):
        start = 0.0
        for width, length, behind, radius, light in row.teeth:
            own = width * (1 + 0.03 * random.standard_normal())
            middle, edge = side * (start + own / 2), -behind + row.unrest * random.standard_normal()
            lean = 0.06 * random.standard_normal()
            near = _columns(s - middle, TOUCH * own + abs(lean) * (ABOVE + BEYOND))
            x = (s[near] - middle) - lean * (v - edge)
            shade, mask = _tooth(x, v - edge, (own, length, radius))
            tint = light * (1 + 0.03 * random.standard_normal())
            colour[:, near] += (shade * tint - colour[:, near]) * mask[..., None]
            cover[:, near] = np.maximum(cover[:, near], mask)
            start += own
    picture = np.dstack([colour * cover[..., None], cover])
    size = (round(2 * REACH * detail), round((ABOVE + BEYOND) * detail))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _columns(s: np.ndarray, reach: float) -> slice:
    """Columns no further than `reach` from 0, and one more on each side. (W,) evenly increasing."""
    first, end = np.searchsorted(s, (-reach, reach))
    return slice(max(int(first) - 1, 0), int(end) + 1)


def _tooth(x: np.ndarray, v: np.ndarray, form: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """One tooth: colour (H, W, 3) and mask (H, W). `x` from its middle, `v` beyond its edge; width, length, radius."""
    width, length, radius = form
    # Narrower to the root; both corners of the edge are rounded alike.
    half = width / 2 * (0.995 - 0.10 * np.clip(-v / length, 0, 1))
    beside, beyond = np.abs(x) - half + radius, v + radius
    rim = np.hypot(np.maximum(beside, 0), np.maximum(beyond, 0)) + np.minimum(np.maximum(beside, beyond), 0) - radius
    # Neighbours touch: towards the root the gap closes in shade instead of showing the dark behind.
    touch = np.where(v < -0.014, np.abs(x) - TOUCH * width, 1.0)
    mask = _step(np.maximum(-rim, -touch), -0.0008, 0.0008)
    round_off = 1 - 0.09 * np.square(x / half) - 0.12 * np.exp(-np.maximum(-rim, 0) / 0.005)
    root = _step(-v / length, 0.35, 1.05)
    edge = 1 - 0.10 * np.exp(-np.maximum(-v, 0) / 0.010)  # enamel is clear there: the dark shows through
    shade = (np.clip(round_off, 0.5, 1) * edge)[..., None] * (1 - root[..., None] * np.array((0.06, 0.10, 0.19)))
    gum = _step(-v - length + 0.012 * np.square(2 * x / width), -0.004, 0.008)[..., None]
    return (shade + (GUM - shade) * gum).astype(np.float32), mask.astype(np.float32)


def _step(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
