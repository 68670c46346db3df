"""Geometry of the warp: drive points to a whole mesh, a mesh without folds, a mesh to a dense sampling map.

Piecewise-affine mesh warping (Wolberg, Digital Image Warping, 1990) over the face mesh, extended by a still ring.
All points here are (N, 2) float32 pixels of the upright frame, x then y.
"""

from functools import cache

import cv2
import numpy as np

from lipwright.facespace import DRIVE, FACE_OVAL, INNER_RING, MESH_POINTS, open_face, triangles

ANCHORS = (33, 133, 362, 263, 159, 145, 386, 374, 70, 105, 107, 336, 334, 300, 168, 6, 197, 195, 5, 4, 2, 98, 327,
           127, 356, 234, 454, 151, 10, 116, 345, 50, 280)  # fmt: skip
"""Eyes, brows, nose, temples and cheekbones: mesh points that a mouth leaves where they are."""

UPPER_LINE = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LINE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
"""The inner edges of the lips, both from the picture's left corner to the right one."""

RING_REACH = 1.45  # how far outside the face outline the warp has died out, from the middle of the face
SUBPIXEL = 4  # bits of sub-pixel position that OpenCV's polygon filling is given
HAIR = 0.006  # eye distances: a sliver turned over by less shows nowhere, and holding it back would tear the lips
RELAX = (0.75,) * 9 + (0.0,) * 5  # what is kept of a folded triangle's motion, round by round: at last none
STRIP = 18  # triangles across the mouth; a closed mouth has them flat


@cache
def spread_matrix() -> np.ndarray:
    """How a displacement of the 68 drive points moves every mesh point. (478, 68) float32.

    A radial basis interpolation (kernel r, Hardy 1971) with zero displacement at `ANCHORS`. Every mesh point has to
    follow: FaceMesh has rings inside the lips that would otherwise stay behind and tear. Distances are taken on a mean
    face with its mouth wide open, so that the upper lip hardly hears of the lower one.
    """
    mesh = open_face()[:, :2].astype(np.float64)
    centres = mesh[list(DRIVE + ANCHORS)]
    influence = _distances(mesh, centres) @ np.linalg.inv(_distances(centres, centres))
    matrix = influence[:, : len(DRIVE)]
    matrix[list(DRIVE)] = np.eye(len(DRIVE))
    matrix[list(ANCHORS)] = 0
    return matrix.astype(np.float32)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


def with_ring(mesh: np.ndarray, still: np.ndarray) -> np.ndarray:
    """Append the ring where the warp ends. (478, 2) and the unmoved mesh to (514, 2)."""
    oval = still[list(FACE_OVAL)]
    middle = oval.mean(0)
    return np.concatenate([mesh, middle + (oval - middle) * RING_REACH]).astype(np.float32)


@cache
def ringed_triangles() -> np.ndarray:
    """Triangles over mesh and ring, in drawing order: the mouth strip first, so that closed lips cover it. (T, 3)."""
    count = len(FACE_OVAL)
    band = []
    for i in range(count):
        j = (i + 1) % count
        inner, outer = (FACE_OVAL[i], FACE_OVAL[j]), (MESH_POINTS + i, MESH_POINTS + j)
        band += [(inner[0], inner[1], outer[0]), (inner[1], outer[1], outer[0])]
    return np.concatenate([triangles()[-STRIP:], np.array(band, np.int32), triangles()[:-STRIP]])


def part_lips(mesh: np.ndarray) -> np.ndarray:
    """Where an upper inner lip point lies below its lower partner, put both in the middle. (478, 2) to (478, 2)."""
    lower = list(INNER_RING[1:10])
    upper = list(reversed(INNER_RING[11:]))
    out = mesh.copy()
    axis = mesh[152] - mesh[168]  # bridge to chin: down the face, also when the head is tilted
    axis = axis / max(float(np.linalg.norm(axis)), 1e-6)
    crossed = ((mesh[lower] - mesh[upper]) @ axis) < 0
    for a, b in zip(np.array(lower)[crossed], np.array(upper)[crossed], strict=True):
        out[[a, b]] = (mesh[a] + mesh[b]) / 2
    return out


UNDER_LIP = np.array([(61, 57, 212, 214), (146, 43, 202, 210), (91, 106, 204, 211), (181, 182, 194, 32),
                      (84, 83, 201, 208), (17, 18, 200, 199), (314, 313, 421, 428), (405, 406, 418, 262),
                      (321, 335, 424, 431), (375, 273, 422, 430), (291, 287, 432, 434)])  # fmt: skip
"""Columns of mesh points from the lower lip to the chin. FaceMesh refines lips with a second network and leaves the
two rows under them to the first: with the mouth wide open or pursed these end up on or inside the lip."""

LIP_RIM = 0.06  # eye distances of skin that move with the lip; what lies below is stretched or squeezed


def settle(mesh: np.ndarray) -> np.ndarray:
    """Put the two rows under the lip at fixed places between lip and chin. (478, 2) to (478, 2).

    The lip's own edge is never where the mesh says to the pixel: a rim that keeps its size keeps red off the chin.
    """
    out = mesh.copy()
    lip, first, second, chin = UNDER_LIP.T
    way = mesh[chin] - mesh[lip]
    length = np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    rim = np.minimum(LIP_RIM * float(np.linalg.norm(mesh[33] - mesh[263])) / length, 0.5)
    out[first] = mesh[lip] + rim * way
    out[second] = mesh[lip] + (1 + rim) / 2 * way
    return out


def unfold(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Relax a target towards the source until no triangle outside the mouth strip has turned over by more than a hair.

    The pull starts at the folded triangles and fades over their neighbours, so that one bad corner of the mouth does
    not undo the rest; a sliver at the edge of the face that no pull mends stands still at last. Should anything be
    folded even so, the warp ends for the frame by the same factor overall.

    Args:
        source, target: (514, 2) mesh and ring.

    Returns:
        (514, 2) float32.
    """
    corners, sign = ringed_triangles(), _facing()
    # What already lies folded in the source (the far cheek of a turned head) is not the warp's doing; closed lips
    # leave no area to the strip between them and to the slivers in its corners.
    upright = (sign * _areas(source, corners) > 0) & ~_may_be_flat()
    over = -HAIR * np.linalg.norm(source[33] - source[263]) * _longest(source, corners)
    keep = np.ones(len(source), np.float32)
    shift = target - source
    for kept in RELAX:
        folded = upright & (sign * _areas(source + shift * keep[:, None], corners) <= over)
        if not folded.any():
            return source + shift * keep[:, None]
        pulled = np.ones_like(keep)
        pulled[corners[folded].ravel()] = kept
        keep *= _fade(pulled, corners)
    for overall in (0.5, 0.25, 0.1):
        relaxed = source + shift * (keep * overall)[:, None]
        if not (upright & (sign * _areas(relaxed, corners) <= over)).any():
            return relaxed
    return source.copy()


@cache
def _may_be_flat() -> np.ndarray:
    """(T,) bool: the mouth strip and the triangle in each of its corners."""
    flat = np.isin(ringed_triangles(), (*INNER_RING, 62, 292)).all(1)
    flat[:STRIP] = True
    return flat


@cache
def _facing() -> np.ndarray:
    """Sign of each triangle's area on a face that looks into the camera. (T,) float32."""
    mesh = open_face()[:, :2]
    return np.sign(_areas(with_ring(mesh, mesh), ringed_triangles()))


def _longest(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Longest edge of each triangle. (P, 2), (T, 3) to (T,)."""
    a, b, c = (points[corners[:, i]] for i in range(3))
    return np.linalg.norm((b - a, c - b, a - c), axis=2).max(0)


def _areas(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    a, b, c = (points[corners[:, i]] for i in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


def _fade(values: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Each point takes the minimum of itself and the mean of its triangles. (P,) to (P,)."""
    means = values[corners].mean(1)
    total, count = np.zeros_like(values), np.zeros_like(values)
    for i in range(3):
        np.add.at(total, corners[:, i], means)
        np.add.at(count, corners[:, i], 1)
    return np.minimum(values, total / np.maximum(count, 1))


def sampling_map(
    source: np.ndarray, target: np.ndarray, corners: np.ndarray, size: tuple[int, ...], elsewhere: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of an area comes from.

    Args:
        source, target: (P, 2) points before and after; `target` counts from the area's first pixel.
        corners: (T, 3) triangles, later ones drawn over earlier ones.
        size: height and width of the area.
        elsewhere: (2,) what is added to the area's own pixels outside every triangle.

    Returns:
        Two (H, W) float32 maps, x and y in the pixels of `source`, as `cv2.remap` takes them.
    """
    x, y = np.arange(size[1], dtype=np.float32), np.arange(size[0], dtype=np.float32)[:, None]
    across, down = _shifts(source, target, corners, (x, y), elsewhere)
    across += x
    down += y
    return across, down


def quick_map(
    source: np.ndarray,
    target: np.ndarray,
    corners: np.ndarray,
    size: tuple[int, ...],
    elsewhere: np.ndarray,
    fine: tuple[int, int, int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """A sampling map in half the time: of every other row and column, and straight lines between them.

    A shift is a plane within each triangle, so that lines miss it along the edges of triangles only, by a hundredth of
    a pixel where neighbours move alike; where lips part they do not.

    Args:
        source, target, corners, size, elsewhere: as of `sampling_map`.
        fine: left, top, right and bottom of what is made pixel by pixel; may reach beyond the area.
    """
    height, width = size
    x = np.arange(0.5, width, 2, dtype=np.float32)
    y = np.arange(0.5, height, 2, dtype=np.float32)[:, None]
    left, top, right, bottom = np.clip(fine, 0, (width, height, width, height))
    low, high = _span(target[corners])
    beyond = (low < (left + 2, top + 2)) | (high > (right - 3, bottom - 3))
    coarse = _shifts(source, target, corners[beyond[:, 0] | beyond[:, 1]], (x, y), elsewhere)
    across, down = (
        cv2.resize(plane, (2 * plane.shape[1], 2 * plane.shape[0]), interpolation=cv2.INTER_LINEAR)[:height, :width]
        for plane in coarse
    )
    if left < right and top < bottom:
        x, y = (np.arange(*span, dtype=np.float32) for span in ((left, right), (top, bottom)))
        exact = _shifts(source, target, corners, (x, y[:, None]), elsewhere)
        across[top:bottom, left:right], down[top:bottom, left:right] = exact
    return across + np.arange(width, dtype=np.float32), down + np.arange(height, dtype=np.float32)[:, None]


def _shifts(
    source: np.ndarray,
    target: np.ndarray,
    corners: np.ndarray,
    at: tuple[np.ndarray, np.ndarray],
    elsewhere: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """How far off each place of a grid comes from. Arguments as of `sampling_map`; `at` are (W,) and (H, 1), evenly."""
    x, y = at
    size, start = (len(y), len(x)), np.array((x[0], y[0, 0]))
    step = float(x[1] - x[0]) if len(x) > 1 else 1.0
    drawn = (target - start) / step  # in cells of the grid
    low, high = _span(drawn[corners])
    corners = corners[(high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] <= size[1]) & (low[:, 1] <= size[0])]
    which = np.zeros(size, np.int32)  # 0: outside every triangle
    fixed = np.round(drawn[corners] * (1 << SUBPIXEL)).astype(np.int32)
    for number, triangle in enumerate(fixed, start=1):
        cv2.fillConvexPoly(which, triangle, (number,), lineType=cv2.LINE_8, shift=SUBPIXEL)
    which = which.astype(np.intp)  # what `take` wants; else it converts ten times
    shifts = (source - target)[corners]
    planes, (least, most) = _planes(target[corners], shifts), _span(shifts)
    found = []
    for axis in (0, 1):
        # Polygons are drawn with their rims, where the plane of a sliver runs wild: a shift stays between those of
        # its corners.
        table = np.empty((5, len(corners) + 1), np.float32)
        table[:, 0] = 0, 0, elsewhere[axis], elsewhere[axis], elsewhere[axis]
        table[:3, 1:], table[3, 1:], table[4, 1:] = planes[:, axis].T, least[:, axis], most[:, axis]
        a, b, c, low, high = (column.take(which, mode="clip") for column in table)
        a *= x
        b *= y
        a += b
        a += c
        found.append(np.clip(a, low, high, out=a))
    return found[0], found[1]


def _span(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and most of each triangle's corners. (T, 3, 2) to two (T, 2)."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    return np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c)


def _planes(triangles: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The plane a x + b y + c through two values at each corner. (T, 3, 2), (T, 3, 2) to (T, 2, 3): a, b, c of each."""
    origin = triangles[:, 0].astype(np.float64)
    second, third = (triangles[:, i] - origin for i in (1, 2))
    det = second[:, 0] * third[:, 1] - second[:, 1] * third[:, 0]
    safe = np.where(np.abs(det) < 1e-6, np.inf, det)  # a flat triangle: its first corner's value
    to_second, to_third = (values[:, i].astype(np.float64) - values[:, 0] for i in (1, 2))
    a = (to_second * third[:, 1:] - to_third * second[:, 1:]) / safe[:, None]
    b = (to_third * second[:, :1] - to_second * third[:, :1]) / safe[:, None]
    c = values[:, 0] - a * origin[:, :1] - b * origin[:, 1:]
    return np.stack([a, b, c], axis=2)
