"""Takes the tracker's jitter off a mesh without delaying it: symmetric filters, never across a cut or a gap."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from lipwright.facespace import STABLE, fit_pose

HEAD_FRAMES = 1.2  # standard deviation, in frames, of the Gaussian over the head's pose
SHAPE_WINDOW = np.array((-3, 12, 17, 12, -3), np.float32) / 35  # Savitzky-Golay, 5 frames, order 2: keeps peaks
# Chosen on training clips, where more takes little more jitter and moves lips and turning heads off their place.
LANDMARK_FRAMES = 1.0  # standard deviation of the Gaussian over landmarks that a network placed on each frame alone
MIDDLE_FRAMES, MIDDLE_NOISE = 1.5, 0.02  # over their common movement; the jitter in it, of the stable points' spread
SHORTEST = 3  # frames a line is laid through


def smooth(points: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Smooth each unbroken run on its own.

    Args:
        points: (F, 478, 3) float32 pixels, NaN where absent.
        cuts: (F,) bool, True where a shot starts.

    Returns:
        (F, 478, 3) float32, NaN where absent.
    """
    out = points.copy()
    for run in runs(~np.isnan(points[:, 0, 0]), cuts):
        if run.stop - run.start >= len(SHAPE_WINDOW):
            out[run] = _smooth_run(points[run])
    return out


def runs(present: np.ndarray, cuts: np.ndarray) -> list[slice]:
    """Stretches of present frames without a cut inside. (F,) bool each."""
    breaks = np.flatnonzero(np.diff(present.astype(np.int8), prepend=0, append=0) != 0)
    found = []
    for start, stop in breaks.reshape(-1, 2):
        inner = start + 1 + np.flatnonzero(cuts[start + 1 : stop])
        edges = [start, *inner, stop]
        found += [slice(int(a), int(b)) for a, b in pairwise(edges)]
    return found


def smooth_landmarks(points: np.ndarray, stable: Sequence[int], cuts: np.ndarray) -> np.ndarray:
    """Smooth points that a network placed on each frame alone, each unbroken run on its own.

    What moves with the head and what moves in the face are taken apart: the first may be fast, the second is slow but
    for lips and jaw.

    Args:
        points: (F, N, 2) float32 pixels, NaN where absent.
        stable: which of the N speech leaves alone.
        cuts: (F,) bool, True where a shot starts.

    Returns:
        (F, N, 2) float32, NaN where absent.
    """
    out = points.copy()
    for run in runs(~np.isnan(points[:, 0, 0]), cuts):
        middle = points[run][:, stable].mean(1)
        shape = local_line(points[run] - middle[:, None], LANDMARK_FRAMES)
        spread = np.linalg.norm(shape[:, stable].std(1), axis=1)
        out[run] = shape + steady(middle, MIDDLE_FRAMES, MIDDLE_NOISE * spread)[:, None]
    return out


def steady(values: np.ndarray, frames: float, noise: np.ndarray) -> np.ndarray:
    """Take out what is smaller than `noise` and faster than `frames`; a real movement is larger and handed back.

    Args:
        values: (n, D) float32, one unbroken run.
        frames: standard deviation of the Gaussian.
        noise: (n,) size of the jitter, the values' unit.
    """
    residual = values - local_line(values, frames)
    size = np.linalg.norm(residual, axis=1) / np.maximum(noise, 1e-6)
    return values - residual / (1 + np.square(size))[:, None]


def local_line(values: np.ndarray, frames: float) -> np.ndarray:
    """The straight line through each frame's neighbours under a Gaussian, at that frame.

    Inside it is the Gaussian mean; at both ends, where a mean would lag behind a movement, it follows.

    Args:
        values: (n, ...) float32, one unbroken run.
        frames: standard deviation of the Gaussian.

    Returns:
        Of the same shape, float32.
    """
    if len(values) < SHORTEST:
        return values
    half = min(math.ceil(3 * frames), len(values) - 1)
    away = np.arange(-half, half + 1)
    weights = np.exp(-0.5 * np.square(away / frames))
    flat = np.pad(values.reshape(len(values), -1).astype(np.float64), ((half, half), (0, 0)))
    seen = np.pad(np.ones((len(values), 1)), ((half, half), (0, 0)))

    def total(series: np.ndarray, power: int) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(series, len(away), axis=0)
        return windows @ (weights * away**power)

    s0, s1, s2 = (total(seen, power) for power in range(3))
    line = (s2 * total(flat, 0) - s1 * total(flat, 1)) / (s0 * s2 - s1 * s1)
    return line.reshape(values.shape).astype(np.float32)


def _smooth_run(points: np.ndarray) -> np.ndarray:
    """Shape lightly in face space, then the stable points' motion more strongly.

    Whatever slow correction the head needs is a shift of the whole mesh: only the jitter that all stable points share
    is removed, so that lips keep their own fast motion.
    """
    pose = fit_pose(points[:, STABLE])
    shape = pose.to_frame(_convolve(pose.to_face(points), SHAPE_WINDOW))
    middle = shape[:, STABLE].mean(1)
    reach = np.arange(-4, 5)
    kernel = np.exp(-0.5 * np.square(reach / HEAD_FRAMES)).astype(np.float32)
    steadied = _convolve(_convolve(middle, SHAPE_WINDOW), kernel / kernel.sum())
    residual = middle - steadied
    # A real movement is larger than jitter: hand it back in full.
    limit = 0.004 * np.linalg.norm(shape[:, 33] - shape[:, 263], axis=1, keepdims=True)
    jitter = residual / (1 + np.square(np.linalg.norm(residual, axis=1, keepdims=True) / limit))
    return shape - jitter[:, None]


def _convolve(values: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Symmetric filter along axis 0; borders repeat the end values."""
    half = len(kernel) // 2
    pad = [(half, half)] + [(0, 0)] * (values.ndim - 1)
    padded = np.pad(values, pad, mode="edge")
    out = np.zeros_like(values)
    for i, weight in enumerate(kernel):
        out += weight * padded[i : i + len(values)]
    return out
