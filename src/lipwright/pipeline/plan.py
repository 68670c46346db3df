"""Which source frame serves which output frame, in the five length modes.

bounce   the length of the sound; footage plays forward, then backward, turning frames not doubled
loop     the length of the sound; footage starts again from its first frame after a short cross-dissolve
cut_off  ends with the shorter of the two; a photo has no end
silence  the length of the longer one: sound is padded with silence, footage bounces
remap    the length of the sound; footage is slowed down or sped up to it
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

LENGTHS = ("bounce", "loop", "cut_off", "silence", "remap")
DISSOLVE_SECONDS = Fraction(1, 5)


@dataclass(frozen=True, slots=True)
class FramePlan:
    """Source frames of T output frames.

    Args:
        source: (T,) int32 frame number.
        under: (T,) int32 the frame that dissolves away beneath it, -1 where none.
        weight: (T,) float32 share of `source` in the dissolve, 1 where none.
    """

    source: np.ndarray
    under: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.source)


def plan_frames(length: str, footage: int, sound: Fraction, fps: Fraction) -> FramePlan:
    """Plan an output.

    Args:
        length: one of `LENGTHS`.
        footage: source frames.
        sound: seconds.
        fps: of footage and output.
    """
    spoken = max(1, ceil(sound * fps))
    shorter = spoken if footage == 1 else min(spoken, footage)
    count = {"cut_off": shorter, "silence": max(spoken, footage)}.get(length, spoken)
    if length == "loop":
        return _loop(footage, count, fps)
    if length == "remap":
        source = (2 * np.arange(count, dtype=np.int64) + 1) * footage // (2 * count)
    else:
        source = _bounce(footage, count)
    return FramePlan(source.astype(np.int32), np.full(count, -1, np.int32), np.ones(count, np.float32))


def _bounce(footage: int, count: int) -> np.ndarray:
    period = max(1, 2 * footage - 2)
    phase = np.arange(count) % period
    return np.minimum(phase, period - phase) if footage > 1 else np.zeros(count, np.int64)


def _loop(footage: int, count: int, fps: Fraction) -> FramePlan:
    """Every round but the first begins while the end of the round before dissolves away."""
    dissolve = min(ceil(DISSOLVE_SECONDS * fps), footage // 3)
    period = footage - dissolve
    phase = np.arange(count) % period
    mixed = (np.arange(count) >= period) & (phase < dissolve)
    return FramePlan(
        phase.astype(np.int32),
        np.where(mixed, period + phase, -1).astype(np.int32),
        np.where(mixed, (phase + 1) / (dissolve + 1), 1).astype(np.float32),
    )
