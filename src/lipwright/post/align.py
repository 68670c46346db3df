"""A face laid upright on a square, what a network said of the square laid back on the frame, and soft edges.

A similarity takes five points (image-left eye, image-right eye, nose tip, image-left and image-right mouth corner) to
fixed places. Both ways are sub-pixel, and whatever is drawn smaller is averaged, not sampled.
"""

from collections.abc import Callable, Sequence
from math import ceil

import cv2
import numpy as np

from lipwright.errors import ShapeError

# (B, H, W, C) float32 as a network wants it to its outputs, batch first; `lipwright.runtime.PictureModel` is one.
Model = Callable[[np.ndarray], Sequence[np.ndarray]]
Area = tuple[int, int, int, int]  # x, y, width, height in frame pixels

SIDE = 512
# The five places in the 512 square: unverified against the published engine; the same numbers are public elsewhere.
PLACES = np.array(
    ((187.202, 239.277), (324.124, 238.52), (256.098, 317.148), (199.849, 397.306), (313.236, 396.679)), np.float32
)
PLACES.flags.writeable = False
FINEST = 8  # times that something drawn smaller is drawn larger first, at most


def similarity(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring points nearest to places by least squares, without mirroring.

    Args:
        points: (N, 2) pixels, x then y, not all the same.
        places: (N, 2) pixels.

    Returns:
        (2, 3) float64, from points to places.

    Raises:
        ShapeError: the shapes differ, or the points are not numbers or all the same.
    """
    if points.shape != places.shape or points.ndim != 2 or points.shape[1] != 2:
        raise ShapeError("points", expected=str(places.shape), got=points.shape)
    # With x + iy a similarity is z -> az + b, and least squares has one unknown once the means are gone.
    source, target = (np.asarray(each, np.float64) @ (1, 1j) for each in (points, places))
    inner, outer = source - source.mean(), target - target.mean()
    spread = np.vdot(inner, inner).real
    if not np.isfinite(spread) or spread <= 0:
        raise ShapeError("points", expected="numbers, not all the same", got=str(np.asarray(points).tolist()))
    turn = np.vdot(inner, outer) / spread
    shift = target.mean() - turn * source.mean()
    return np.array(((turn.real, -turn.imag, shift.real), (turn.imag, turn.real, shift.imag)))


def aligned(
    picture: np.ndarray, five: np.ndarray, places: np.ndarray = PLACES, side: int = SIDE
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a face out, upright; the picture's border goes on outside it.

    Args:
        picture: (H, W, 3) uint8 RGB.
        five: (5, 2) pixels of the picture.
        places: (5, 2) pixels of the square.
        side: of the square, pixels.

    Returns:
        (side, side, 3) uint8 RGB, and the (2, 3) float64 matrix from the picture to the square.

    Raises:
        ShapeError: see `similarity`.
    """
    matrix = similarity(five, places)
    return _drawn(picture, cv2.invertAffineTransform(matrix), (side, side), cv2.BORDER_REPLICATE), matrix


def laid_back(values: np.ndarray, matrix: np.ndarray, area: Area) -> np.ndarray:
    """Lay a square over the part of the frame it came from.

    Args:
        values: (side, side) or (side, side, C) float32.
        matrix: (2, 3), from the frame to the square, as `aligned` gives it.
        area: the rectangle of the frame that is wanted; it may lie partly outside the frame.

    Returns:
        (height, width) or (height, width, C) float32, 0 where the square does not reach.
    """
    x, y, width, height = area
    side = len(values)
    back = cv2.invertAffineTransform(matrix)
    corners = np.array(((-1, -1), (side, -1), (-1, side), (side, side))) @ back[:, :2].T + back[:, 2]
    low = np.clip(np.floor(corners.min(0)).astype(int) - (x, y), 0, (width, height))
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 1 - (x, y), 0, (width, height))
    out = np.zeros((height, width, *values.shape[2:]), np.float32)
    if (high > low).all():  # only there: a small face in a large area would otherwise be drawn large for nothing
        there = matrix.astype(np.float64)
        there[:, 2] += there[:, :2] @ np.add(low, (x, y))
        columns, rows = (high - low).tolist()
        out[low[1] : high[1], low[0] : high[0]] = _drawn(values, there, (columns, rows), cv2.BORDER_CONSTANT)
    return out


def cut(picture: np.ndarray, area: Area) -> np.ndarray:
    """A copy of that rectangle; outside the picture its border goes on. (H, W, 3) to (height, width, 3)."""
    x, y, width, height = area
    rows = np.clip(np.arange(y, y + height), 0, picture.shape[0] - 1)
    columns = np.clip(np.arange(x, x + width), 0, picture.shape[1] - 1)
    return picture[np.ix_(rows, columns)]


def feathered(mask: np.ndarray, reach: int) -> np.ndarray:
    """Soften the edges of a mask inwards: nowhere is it more than before, so what is outside stays untouched.

    The least of a neighbourhood is averaged over the same neighbourhood; all averaged values saw the pixel itself.
    Beyond its border the mask counts as 0, so it ends softly there too.

    Args:
        mask: (H, W) float32, 0..1.
        reach: width of the edge, pixels.

    Returns:
        (H, W) float32, 0..1.
    """
    width = 2 * reach + 1
    least = cv2.erode(mask, np.ones((width, width), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=(0.0,))
    # The running sum leaves a rounding error of about 1e-6 behind where the mask is 0.
    return np.minimum(np.clip(cv2.stackBlur(least, (width, width)), 0, 1), mask)


def _drawn(values: np.ndarray, matrix: np.ndarray, size: tuple[int, int], border: int) -> np.ndarray:
    """Values seen through a matrix from the drawn pixels to theirs; size is width, height."""
    step = float(np.linalg.norm(matrix[:, 0]))
    finer = min(max(ceil(step), 1), FINEST)
    large = matrix.copy()
    large[:, :2] /= finer
    large[:, 2] -= large[:, :2] @ ((finer - 1) / 2, (finer - 1) / 2)
    how = cv2.INTER_LINEAR if finer > 1 else cv2.INTER_CUBIC
    width, height = size
    seen = cv2.warpAffine(
        values, large, (width * finer, height * finer), flags=how | cv2.WARP_INVERSE_MAP, borderMode=border
    )
    return cv2.resize(seen, size, interpolation=cv2.INTER_AREA) if finer > 1 else seen
