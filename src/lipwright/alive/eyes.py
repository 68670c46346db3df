"""Eyelids: the upper one slides down over the eye, its skin stretched from below the brow."""

from dataclasses import dataclass

import cv2
import numpy as np

CORNERS = ((33, 133), (263, 362))
UPPER = ((246, 161, 160, 159, 158, 157, 173), (466, 388, 387, 386, 385, 384, 398))
LOWER = ((7, 163, 144, 145, 153, 154, 155), (249, 390, 373, 374, 380, 381, 382))
CREASE = ((247, 30, 29, 27, 28, 56, 190), (467, 260, 259, 257, 258, 286, 414))
BROW = ((113, 225, 224, 223, 222, 221, 189), (342, 445, 444, 443, 442, 441, 413))
"""Mesh points of the two eyes, outer to inner corner: the lids' edges, the fold above them, the skin under the brow."""

SMALLEST = 6.0  # pixels between an eye's corners
NARROWEST = 0.12  # height over width of an eye that still has something to close
MOST_TURNED = np.radians(40)  # yaw at which one eye is hidden
LIFT, BEYOND = 0.028, 0.03  # eye distances: the mesh's lids lie inside the eye, the picture's above and below them
LASHES, LASH_SHARE = 0.016, 0.75  # eye distances of the dark line at a closed lid's edge, and how much it covers
DARK = 8  # percentile of an eye's brightness that is lash and pupil
UNROLL = 1.6  # 1 stretches all skin below the brow alike; more takes it from the lid itself and leaves its fold alone
SMOOTH = 0.03  # eye distances
KNOTS = 256


@dataclass(frozen=True)
class Eye:
    """One eye of a photo, ready to blink.

    Args:
        box: x0, y0, x1, y1 of the skin and eye that move, photo pixels.
        down: (2,) float32, the direction in which the lid closes.
        height: (H, W) float32, how far down each pixel of the box is, pixels.
        top, edge: (H, W) float32, where in its column the moving skin begins and the open lid ends, as `height`.
        way: (H, W) float32, how far in its column the lid goes until the eye is closed.
        soft: pixels over which the lid's edge fades, and the lashes' thickness.
        lashes: (H, W) float32 in 0..1, how dense they are in their column.
        dark: (3,) float32 RGB, their colour.
        points: mesh points of the upper lid and how far they go.
    """

    box: tuple[int, int, int, int]
    down: np.ndarray
    height: np.ndarray
    top: np.ndarray
    edge: np.ndarray
    way: np.ndarray
    soft: float
    lashes: np.ndarray
    dark: np.ndarray
    points: dict[int, float]

    def close(self, photo: np.ndarray, closed: float) -> None:
        """Draw the eye into a photo, closed by a share of 0..1. (H, W, 3) uint8 RGB, changed in place."""
        x0, y0, x1, y1 = self.box
        across, down = np.meshgrid(np.arange(x0, x1, dtype=np.float32), np.arange(y0, y1, dtype=np.float32))
        fall = closed * self.way
        edge = self.edge + fall
        shift = fall * np.clip((self.height - self.top) / np.maximum(edge - self.top, 1), 0, 1) ** UNROLL
        shift += np.maximum(self.height - edge, 0)  # no white of the eye: the edge's own skin goes on
        maps = across - shift * self.down[0], down - shift * self.down[1]
        lid = cv2.remap(photo, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        below = (self.height - edge) / self.soft
        line = LASH_SHARE * closed * self.lashes * np.exp(-below * below)
        lid = cv2.blendLinear(np.full_like(lid, self.dark), lid, line, 1 - line)
        over = np.clip(1.5 - below, 0, 1) * np.minimum(fall, 1)
        eye = photo[y0:y1, x0:x1]
        eye[:] = cv2.blendLinear(lid, np.ascontiguousarray(eye), over, 1 - over)


def find_eyes(photo: np.ndarray, mesh: np.ndarray, yaw: float, unit: float) -> list[Eye]:
    """The eyes that can blink: in the photo, not hidden, tiny, closed or squinting.

    Args:
        photo: (H, W, 3) uint8 RGB.
        mesh: (478, 3) float32, its face, pixels.
        yaw: of the head, radians.
        unit: pixels in an eye distance.
    """
    if abs(yaw) > MOST_TURNED:
        return []
    found = (_find(photo, mesh[:, :2].astype(np.float64), side, unit) for side in (0, 1))
    return [eye for eye in found if eye is not None]


def _find(photo: np.ndarray, mesh: np.ndarray, side: int, unit: float) -> Eye | None:
    axes = _axes(mesh, side)
    origin = mesh[CORNERS[side][0]]
    rings = (CORNERS[side] + UPPER[side], CORNERS[side] + LOWER[side], CREASE[side], BROW[side])
    around = mesh[[point for ring in rings for point in ring]]
    local = (mesh - origin) @ axes.T  # along the eye from its outer corner, and down
    width = float(local[CORNERS[side][1], 0])
    if width < SMALLEST or (around < 0).any() or (around > photo.shape[1::-1]).any():
        return None
    knots = np.linspace(-0.5 * width, 1.5 * width, KNOTS)
    sigma = SMOOTH * unit / (2 * width / KNOTS)
    upper, lower, crease, brow = (_line(local[list(ring)], knots, sigma) for ring in rings)
    gap = np.maximum(lower - upper, 0)
    if gap.max() < NARROWEST * width:
        return None
    inside = 1 - (1 - gap / gap.max()) ** 2  # 1 amid the eye, 0 at its corners
    edge, way = upper - LIFT * unit * inside, gap + (LIFT + BEYOND) * unit * inside
    top = np.minimum((crease + brow) / 2, edge - 0.8 * way)
    box = x0, y0, x1, y1 = _box(around, way.max(), photo.shape[:2])
    pixels = (np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1) - origin) @ axes.T
    place, height = np.moveaxis(pixels, -1, 0).astype(np.float32)
    lines = (np.interp(place, knots, line).astype(np.float32) for line in (top, edge, way, lower, inside))
    top, edge, way, lower, inside = lines
    soft = max(1.0, LASHES * unit)
    dark = _dark(photo[y0:y1, x0:x1][(inside > 0) & (height > edge) & (height < lower + soft)])
    lids = dict(zip(UPPER[side], np.interp(local[list(UPPER[side]), 0], knots, gap).tolist(), strict=True))
    return Eye(box, axes[1].astype(np.float32), height, top, edge, way, soft, inside, dark, lids)


def _dark(eye: np.ndarray) -> np.ndarray:
    """Mean of the darkest pixels. (n, 3) uint8 to (3,) float32."""
    bright = eye.sum(1, dtype=np.int32)
    return eye[bright <= np.percentile(bright, DARK)].mean(0).astype(np.float32)


def _axes(mesh: np.ndarray, side: int) -> np.ndarray:
    """Unit vectors along the eye, outer to inner corner, and down the face. (2, 2), one in a row."""
    along = mesh[CORNERS[side][1]] - mesh[CORNERS[side][0]]
    along /= max(float(np.linalg.norm(along)), 1e-6)
    down = np.array((-along[1], along[0]))
    return np.stack([along, down if down @ (mesh[152] - mesh[168]) > 0 else -down])  # bridge to chin


def _line(points: np.ndarray, knots: np.ndarray, sigma: float) -> np.ndarray:
    """A smooth height over the way along the eye. (n, 2) to (KNOTS,)."""
    points = points[np.argsort(points[:, 0])]
    line = np.interp(knots, *points.T)
    return cv2.GaussianBlur(line[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0]


def _box(points: np.ndarray, room: float, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    low, high = np.floor(points.min(0) - room), np.ceil(points.max(0) + room) + 1
    x0, y0 = np.clip(low, 0, (size[1] - 1, size[0] - 1)).astype(int)
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), size[::-1]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)
