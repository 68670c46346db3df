"""Estimates how late each wild clip's sound is, by a motion model, and confirms its sync.

The guess at a clip's mouth coefficients is slid over the real ones from -400 to 400 ms; the peak of the correlation
is the offset. A clip is confirmed when the peak is high and stands out from all others. The model is the shipped one,
or one trained on clips that are in sync by nature.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from lipwright.audio.features import listen
from lipwright.motion.mouth import MouthMotion
from lipwright.motion.style import mouth_shape
from lipwright.progress import Progress, silent
from lipwright.structures import Sound
from lipwright.training.clips import SOUND_RATE, TalkingClip
from lipwright.training.dataset import SILENT_ROW, speech_rows
from lipwright.training.export import load_network
from lipwright.training.network import FUTURE, PAST, MotionNet
from lipwright.training.shape import offsets_of

log = logging.getLogger(__name__)
OUTPUTS = 50
SLIDE = np.arange(-20, 21)  # steps of 20 ms
COUNTED = 6  # coefficients
LEAST_PEAK, LEAST_LEAD, RIVAL_STEPS, MOST_LATE = 0.17, 0.1, 6, 0.3
GROUP_FRAMES, SETTLED_STEPS = 60, 5


@dataclass(frozen=True, slots=True)
class Ear:
    """A motion model that judges sync.

    Args:
        guess: a sound at 16 kHz (n,) to standardised coefficients at 50 Hz (M, K).
        basis: (K, 68, 3), the displacements they weigh.
        opening_direction: (68, 3).
        spread: (K,), the coefficients' standard deviations.
    """

    guess: Callable[[np.ndarray], np.ndarray]
    basis: np.ndarray
    opening_direction: np.ndarray
    spread: np.ndarray


def trained_ear(folder: Path) -> Ear:
    """The network of a run's folder.

    Raises:
        InputError: there is none.
    """
    net, shape = load_network(folder)
    return Ear(lambda sound: guess(net, sound), shape["basis"], shape["opening_direction"], shape["spread"])


def shipped_ear(clips: list[TalkingClip]) -> Ear:
    """The model in the package; the spread is that of these clips."""
    basis, direction = mouth_shape()["basis"], mouth_shape()["opening_direction"]
    flat = basis.reshape(len(basis), -1).T
    variances = [np.var(offsets_of(clip, direction).reshape(len(clip.drive), -1) @ flat, axis=0) for clip in clips]
    spread, motion = np.sqrt(np.mean(variances, axis=0)).astype(np.float32), MouthMotion.open()
    return Ear(
        lambda sound: motion.hear([listen(Sound(sound, SOUND_RATE))]).coefficients / spread, basis, direction, spread
    )


def guess(net: MotionNet, samples: np.ndarray) -> np.ndarray:
    """Standardised coefficients of a whole sound at 50 Hz, silence around it. (M, K)."""
    rows = speech_rows(listen(Sound(samples, SOUND_RATE)))
    before, after = np.tile(SILENT_ROW, (PAST, 1)), np.tile(SILENT_ROW, (FUTURE + 1, 1))
    with torch.inference_mode():
        heard = torch.from_numpy(np.concatenate([before, rows, after]))[None]
        return net(heard)[0, :, :-1].numpy()


def offset_curve(made: np.ndarray, real: np.ndarray, fps: float) -> np.ndarray:
    """Correlation for each slide: made (M, K) at 50 Hz, real (F, K) at fps. (len(SLIDE),)."""
    curve = []
    seconds = np.arange(len(real)) / fps
    for slide in SLIDE:
        at = (seconds * OUTPUTS + slide).round().astype(int)
        inside = (at >= 0) & (at < len(made))
        a, b = made[at[inside]], real[inside]
        a, b = a - a.mean(0), b - b.mean(0)
        scale = b.std(0).mean()
        power = np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9 * scale
        curve.append(float((a * b).sum() / power))
    return np.array(curve)


def curve_of(clip: TalkingClip, ear: Ear) -> np.ndarray:
    """`offset_curve` of a clip over its first coefficients, large ones counting more."""
    flat = offsets_of(clip, ear.opening_direction).reshape(len(clip.drive), -1)
    real = flat @ ear.basis.reshape(len(ear.basis), -1).T / ear.spread
    weights = np.sqrt(ear.spread[:COUNTED] / ear.spread[0])
    made = ear.guess(clip.samples)[:, :COUNTED] * weights
    return offset_curve(made, real[:, :COUNTED] * weights, float(clip.fps))


def judged(clip: TalkingClip, curve: np.ndarray) -> TalkingClip:
    """A wild clip with its offset and whether it is confirmed."""
    best = int(curve.argmax())
    rivals = curve[np.abs(np.arange(len(curve)) - best) > RIVAL_STEPS]
    lead, late = curve[best] - rivals.max(), float(SLIDE[best]) / OUTPUTS
    sure = curve[best] >= LEAST_PEAK and lead >= LEAST_LEAD and abs(late) <= MOST_LATE
    log.info(
        "%-60.60s %5s r %.2f lead %+.2f late %+4.0f ms %s",
        clip.name, clip.use, curve[best], lead, 1000 * late, "" if sure else "DROPPED",
    )  # fmt: skip
    return replace(clip, late=late, confirmed=bool(sure))


def settled(clip: TalkingClip, curve: np.ndarray, group: np.ndarray) -> TalkingClip:
    """A short clip known to be in sync, its offset drawn towards that of its group."""
    curve = len(clip.drive) * curve + GROUP_FRAMES * group
    near = np.abs(SLIDE) <= SETTLED_STEPS
    best = SLIDE[near][curve[near].argmax()]
    return replace(clip, late=float(best) / OUTPUTS)


def synced(clips: list[TalkingClip], ear: Ear, progress: Progress = silent) -> list[TalkingClip]:
    """Every clip with its offset; the sets' test clips stay as they are."""
    curves = []
    for clip in clips:
        curves.append(curve_of(clip, ear))
        progress("sync", len(curves), len(clips))
    groups = {
        person: np.mean([c for c, k in zip(curves, clips, strict=True) if k.person == person], 0)
        for person in {clip.person for clip in clips}
    }
    done = []
    for clip, curve in zip(clips, curves, strict=True):
        if clip.origin == "wild":
            done.append(judged(clip, curve))
        else:
            small = settled(clip, curve, groups[clip.person])
            done.append(small if clip.use == "train" else clip)
    return done
