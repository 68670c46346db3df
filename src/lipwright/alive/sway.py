"""When the head moves and the eyes close: the same minute for every photo, its end running into its beginning."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

SECONDS = 60
SLOWEST, FASTEST = 6, 60  # swings per period: 0.1 to 1 Hz
FALL = 1.4  # how steeply the size of a swing falls with its number
MOST = np.array((np.radians(2.0), np.radians(1.5), np.radians(1.2), 0.012, 0.010))
"""Largest yaw, pitch and roll in radians, largest step to the right and down in eye distances."""

BLINKS = np.linspace(2, 6, 15)  # seconds between two blinks; together a period
DOUBLE_EVERY, DOUBLE_AFTER = 5, 0.4  # some blinks come twice, this many seconds apart
CLOSING, CLOSED, OPENING = 0.08, 0.04, 0.16  # seconds
SEED = 5


@dataclass(frozen=True, slots=True)
class Sway:
    """What happens in each of N frames of a period.

    Args:
        poses: (N, 5) float32: yaw, pitch, roll in radians about the head's own axes, steps right and down in eye
            distances; no larger than `MOST`.
        lids: (N,) float32, 0 as in the photo, 1 closed.
    """

    poses: np.ndarray
    lids: np.ndarray

    def __len__(self) -> int:
        return len(self.lids)


def sway(fps: Fraction) -> Sway:
    """A period of about a minute at this rate."""
    count = round(SECONDS * fps)
    generator = np.random.default_rng(SEED)
    return Sway(_poses(count, generator), _lids(count, float(fps), generator))


def _poses(count: int, generator: np.random.Generator) -> np.ndarray:
    """Sums of whole swings per period whose size falls with their number."""
    swings = np.arange(SLOWEST, FASTEST + 1)
    turns = np.arange(count)[:, None] / count * swings
    poses = np.empty((count, len(MOST)))
    for axis in range(len(MOST)):
        sizes = generator.uniform(0.4, 1.0, len(swings)) / swings**FALL
        poses[:, axis] = np.sin(2 * np.pi * (turns + generator.random(len(swings)))) @ sizes
    return (poses / np.abs(poses).max(0) * MOST).astype(np.float32)


def _lids(count: int, fps: float, generator: np.random.Generator) -> np.ndarray:
    """Every blink closes the eyes completely on one frame at least, whatever the rate."""
    gaps = generator.permutation(BLINKS)
    times = np.cumsum(gaps) - gaps[0] / 2  # none at the start
    times = np.concatenate([times, times[::DOUBLE_EVERY] + DOUBLE_AFTER])
    closed = np.round(times * fps)
    since = ((np.arange(count) - closed[:, None] + count / 2) % count - count / 2) / fps
    linear = np.minimum(1 + since / CLOSING, 1 - (since - CLOSED) / OPENING)
    eased = np.clip(linear, 0, 1)
    return (eased * eased * (3 - 2 * eased)).max(0).astype(np.float32)
