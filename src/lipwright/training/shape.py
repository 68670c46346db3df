"""What the mouths of many speakers have in common: opening direction, mirror image, main motions."""

import numpy as np

from lipwright.facespace import DRIVE, opening
from lipwright.motion.style import neutral_mouth
from lipwright.training.clips import TalkingClip


def mirror_of(mouths: np.ndarray) -> np.ndarray:
    """For each drive point the one on the other side. (F, 68, 3) to (68,) int."""
    mean = mouths.mean(0)
    mean = mean - mean.mean(0)
    across = mean * np.array([-1.0, 1.0, 1.0])
    distance = np.linalg.norm(mean[:, None] - across[None], axis=2)
    mirror = distance.argmin(1)
    if (mirror[mirror] != np.arange(len(DRIVE))).any():
        raise ValueError("the mean mouth is too crooked to tell left from right")
    return mirror


def mirrored(offsets: np.ndarray, mirror: np.ndarray) -> np.ndarray:
    """Offsets seen in a mirror. (F, 68, 3) to the same shape."""
    return offsets[:, mirror] * np.array([-1.0, 1.0, 1.0], np.float32)


def opening_direction(clips: list[TalkingClip], mirror: np.ndarray) -> np.ndarray:
    """Displacement of the points per unit of opening, by regression within clips. (68, 3)."""
    cross, power = np.zeros((len(DRIVE), 3)), 0.0
    for clip in clips:
        opens = opening(clip.drive)
        opens = opens - opens.mean()
        cross += np.einsum("f,fnj->nj", opens, clip.drive - clip.drive.mean(0))
        power += float(opens @ opens)
    direction = cross / power
    direction = (direction + mirrored(direction[None], mirror)[0]) / 2
    return direction.astype(np.float32)


def main_motions(offsets: list[np.ndarray], mirror: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal symmetric motions about the closed mouth, not about the mean.

    Args:
        offsets: per clip (F, 68, 3); clips weigh alike per frame.
        mirror: (68,) from `mirror_of`.
        count: motions wanted.

    Returns:
        basis (count, 68, 3) orthonormal float32 and the share of the power each explains (count,).
    """
    stacked = np.concatenate(offsets)
    even = ((stacked + mirrored(stacked, mirror)) / 2).reshape(len(stacked), -1)
    values, vectors = np.linalg.eigh(even.T.astype(np.float64) @ even)
    order = np.argsort(values)[::-1][:count]
    basis = vectors[:, order].T.reshape(count, len(DRIVE), 3)
    return basis.astype(np.float32), (values[order] / values.sum()).astype(np.float32)


def offsets_of(clip: TalkingClip, direction: np.ndarray) -> np.ndarray:
    """A clip's mouths as displacements from its own closed mouth. (F, 68, 3) float32."""
    return (clip.drive - neutral_mouth(clip.drive, direction)).astype(np.float32)
