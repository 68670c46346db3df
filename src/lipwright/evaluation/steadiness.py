"""What shakes that should not: head, lips, and the pixels of the mouth. Definitions in docs/evaluation.md."""

import cv2
import numpy as np

from lipwright.evaluation.picture import LUMA, mouth_box
from lipwright.facespace import triangles
from lipwright.render.mesh import sampling_map

STILL = 0.005  # mean step of the lip points in face space under which a mouth rests
FEWEST = 5  # second differences that make a figure


def second_differences(points: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Mean absolute second difference at every inner frame.

    Args:
        points: (F, N, D), NaN where absent.
        cuts: (F,) bool, True where a shot starts.

    Returns:
        (F - 2,), NaN where one of the three frames shows no face or lies in another shot.
    """
    jitter = np.abs(np.diff(points, 2, axis=0)).mean((1, 2))
    jitter[cuts[1:-1] | cuts[2:]] = np.nan
    return jitter


def resting(lips: np.ndarray) -> np.ndarray:
    """Inner frames at which a mouth does not move: neither on the way in nor on the way out.

    Args:
        lips: (F, N, D) in face space, NaN where absent.

    Returns:
        (F - 2,) bool.
    """
    calm = lips.copy()  # three frames averaged: the tracker alone makes steps of 0.003 to 0.005
    calm[1:-1] = (lips[:-2] + lips[1:-1] + lips[2:]) / 3
    steps = np.linalg.norm(np.diff(calm, axis=0), axis=2).mean(1)
    return (steps[:-1] < STILL) & (steps[1:] < STILL)


def mean_of(values: np.ndarray) -> float:
    """Mean of those that are no NaN; NaN where fewer than `FEWEST` are left."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) >= FEWEST else float("nan")


def flicker(before: tuple[np.ndarray, np.ndarray], now: tuple[np.ndarray, np.ndarray]) -> float:
    """How much the mouth's pixels change beyond the motion of the landmarks.

    Args:
        before, now: two frames that follow one another: aligned crop (160, 160, 3) uint8 RGB and mesh in it (478, 2).

    Returns:
        Mean absolute difference of luma in the mouth box, the frame before warped to the landmarks of now; NaN where
        the mouth lies outside the crop.
    """
    rows, columns = mouth_box(now[1])
    size = (rows.stop - rows.start, columns.stop - columns.start)
    if min(size) < 1:  # the mouth lies outside the crop
        return float("nan")
    corner = np.array((columns.start, rows.start), np.float32)
    start, end = before[1].astype(np.float32), now[1].astype(np.float32) - corner
    warped = cv2.remap(before[0], *sampling_map(start, end, triangles(), size, corner), cv2.INTER_LINEAR)
    return float(np.abs(now[0][rows, columns] @ LUMA - warped @ LUMA).mean())
