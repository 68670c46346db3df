"""How well a mouth and a sound fit, and how far apart in time they are, by a small network of our own.

Two towers (`models/sync_scorer.md`) turn 0.6 s of mouth points and 0.6 s of speech features into unit vectors
of one space; where mouth and sound belong together they point the same way. Slid against each other from
-400 to 400 ms, their mean cosine is a curve with a peak at the offset.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lipwright.audio.features import listen
from lipwright.runtime import open_model
from lipwright.structures import Sound

MOUTH_RATE = 25  # mouths a second that the network sees
SPEECH_RATE = 100  # rows of speech features a second
MOUTHS, ROWS = 15, 57  # that one vector stands on: both reach 280 ms to each side of the same moment
STEP = 0.02  # seconds between two vectors of the sound, and between two slides
SLIDES = np.arange(-20, 21)  # steps that the sound is taken later
RIVALS = 5  # steps from the peak where the rest of the curve begins
FEWEST = 3  # vectors that a point of the curve stands on

Towers = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Mouths (n, 204) and speech rows (m, 81), float32, to unit vectors (n - 14, D) and ((m - 57) // 2 + 1, D)."""


@dataclass(frozen=True, slots=True)
class Synchrony:
    """What sliding found.

    Args:
        offset_ms: how much the mouth comes after its sound; negative: before it.
        confidence: the curve's peak less the mean of what is more than 80 ms from it.
        curve: (41,) mean cosine with the sound taken -400 to 400 ms later, NaN where there is too little of both.
    """

    offset_ms: float
    confidence: float
    curve: np.ndarray


def shipped_towers() -> Towers:
    """The network of the package on the CPU.

    Raises:
        BackendError: its file is missing or altered.
    """
    session = open_model("sync_scorer")

    def run(mouths: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen, heard = session.run(None, {"mouth": mouths[None], "speech": rows[None]})
        return np.asarray(seen)[0], np.asarray(heard)[0]

    return run


def synchrony(towers: Towers, drive: np.ndarray, fps: float, samples: np.ndarray) -> Synchrony | None:
    """Offset and confidence of a clip; None where less than about a second shows the face and has sound.

    Args:
        towers: the network.
        drive: (F, 68, 3) drive points in face space, NaN where no face is seen; frame i at i / fps.
        fps: frames per second.
        samples: (n,) float32 sound at 16 kHz that starts with frame 0.
    """
    mouths, rows = mouths_of(drive, fps), speech_rows(samples)
    if len(mouths) < MOUTHS or len(rows) < ROWS:
        return None
    return found_in(offset_curve(*embedded(towers, mouths, rows)))


def speech_rows(samples: np.ndarray) -> np.ndarray:
    """What the network hears of a sound at 16 kHz: bands and energy. (n, 81) float32."""
    speech = listen(Sound(samples, 16_000))
    return np.concatenate([speech.mel, speech.energy[:, None]], 1)


def mouths_of(drive: np.ndarray, fps: float) -> np.ndarray:
    """Drive points about their mean, 25 a second. (F, 68, 3) to (n, 204) float32, NaN where no face is seen."""
    if np.isnan(drive).all():
        return np.zeros((0, drive[0].size), np.float32)
    flat = (drive - np.nanmean(drive, axis=0)).reshape(len(drive), -1)
    count = int((len(drive) - 1) * MOUTH_RATE / fps) + 1
    return between(flat, np.arange(count) * fps / MOUTH_RATE)


def between(values: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows of (n, C) at fractional positions, linearly; NaN beyond the ends. float32."""
    low = np.clip(np.floor(index).astype(int), 0, len(values) - 1)
    part = (index - low)[:, None]
    mixed = values[low] * (1 - part)
    mixed += np.where(part > 0, values[np.minimum(low + 1, len(values) - 1)], 0) * part
    mixed[(index < 0) | (index > len(values) - 1)] = np.nan
    return mixed.astype(np.float32)


def embedded(towers: Towers, mouths: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of both; those of the mouth that lack a face are NaN."""
    absent = np.isnan(mouths).any(1)
    seen, heard = towers(np.where(absent[:, None], 0, mouths).astype(np.float32), rows)
    lacking = np.convolve(absent, np.ones(MOUTHS), "valid") > 0
    seen = np.where(lacking[:, None], np.nan, seen)
    return seen, heard


def offset_curve(seen: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Mean cosine for each of `SLIDES`; NaN where fewer than `FEWEST` pairs are known. (41,).

    Args:
        seen: (n, D) unit vectors of the mouth, 25 a second, NaN where it is not seen.
        heard: (m, D) unit vectors of the sound, 50 a second; number 2 k is of the same moment as `seen[k]`.
    """
    known = np.flatnonzero(~np.isnan(seen).any(1))
    curve = np.full(len(SLIDES), np.nan)
    for number, slide in enumerate(SLIDES):
        at = 2 * known + slide
        inside = (at >= 0) & (at < len(heard))
        if inside.sum() >= FEWEST:
            curve[number] = np.mean(np.sum(seen[known[inside]] * heard[at[inside]], axis=1))
    return curve


def found_in(curve: np.ndarray) -> Synchrony | None:
    """The peak of an offset curve, refined by a parabola, and how far it stands out; None without a rest to compare."""
    known = np.flatnonzero(~np.isnan(curve))
    if not len(known):
        return None
    best = int(known[np.argmax(curve[known])])
    rest = known[np.abs(known - best) >= RIVALS]
    if not len(rest):
        return None
    late = float(SLIDES[best])
    if 0 < best < len(curve) - 1 and not np.isnan(curve[[best - 1, best + 1]]).any():
        before, peak, after = curve[best - 1 : best + 2]
        late += 0.5 * (before - after) / min(before - 2 * peak + after, -1e-9)
    confidence = float(curve[best] - curve[rest].mean())
    return Synchrony(-1000 * STEP * late, confidence, curve)
