"""The native engine's motion: speech features to lip, jaw and cheek points, one mouth per frame.

A small network (see `models/mouth_motion.md`) hears 680 ms back and 200 ms ahead and gives mouth
coefficients at 50 Hz; frame i takes the two outputs around i / fps. The speech gate brings the lips
to rest in pauses, and facing lip points never pass each other. Look-ahead in all: 240 ms.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipwright.errors import OptionError
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP
from lipwright.motion.style import LOWER, UPPER, mouth_shape
from lipwright.runtime import open_model
from lipwright.structures import MouthDrive, SpeechFeatures

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RATE = 100  # rows per second that the network hears
STEP = 4  # rows per step of the network
OUTPUTS = 50  # per second
PAST, FUTURE = 68, 20  # rows a step sees before and after its own
SILENT_MEL, SILENT_ENERGY = -3.0, -6.0  # what the network hears before and after the sound
STEPS_AT_ONCE = 1_500  # one minute
FRAMES_AT_ONCE = 1_000
WIDE, WIDEST = 0.18, 0.26  # opening that one frame in twenty exceeds, and the most that is made
TOP, BOTTOM = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)


@dataclass(frozen=True, slots=True)
class MouthMotion:
    """Speaker- and language-independent mouth motion on the CPU."""

    session: "InferenceSession"

    @classmethod
    def open(cls, *, threads: int = 1) -> "MouthMotion":
        """Load the shipped network.

        Raises:
            BackendError: the file is missing or altered.
        """
        return cls(open_model("mouth_motion", threads=threads))

    def move(self, speech: SpeechFeatures, fps: Fraction, frames: int) -> MouthDrive:
        """One mouth per output frame; frame i is at i / fps seconds.

        Args:
            speech: features at 100 rows per second, any length.
            fps: frames per second, exact.
            frames: how many; beyond the end of the speech the lips rest.

        Raises:
            OptionError: features at another rate, or a frame rate or count that makes no sense.
        """
        if speech.rate != RATE:
            raise OptionError(f"mouth motion needs {RATE} speech rows a second, got {speech.rate}")
        if fps <= 0 or frames < 0:
            raise OptionError(f"cannot make {frames} frames at {fps} frames per second")
        if frames == 0 or len(speech) == 0:
            return MouthDrive(np.zeros((frames, *mouth_shape()["basis"].shape[1:]), np.float32))
        coefficients = between(self.coefficients(speech), frames, fps / OUTPUTS)
        gate = between(speech.gate[:, None], frames, fps / RATE)
        weights, basis = gate * coefficients, mouth_shape()["basis"]
        offsets = np.empty((frames, *basis.shape[1:]), np.float32)
        for first in range(0, frames, FRAMES_AT_ONCE):  # the steps between need several times the room
            part = slice(first, first + FRAMES_AT_ONCE)
            offsets[part] = lips_apart(jaw_stops(np.tensordot(weights[part], basis, 1)))
        return MouthDrive(offsets)

    def coefficients(self, speech: SpeechFeatures) -> np.ndarray:
        """Mouth coefficients at 50 Hz over the sound, before the gate. (ceil(n / 4) * 2, 16)."""
        steps = -(-len(speech) // STEP)
        parts = []
        for first in range(0, steps, STEPS_AT_ONCE):
            last = min(first + STEPS_AT_ONCE, steps)
            rows = _rows(speech, STEP * first - PAST, STEP * (last - 1) + FUTURE + 1)
            parts.append(np.asarray(self.session.run(None, {"speech": rows[None]})[0])[0])
        return np.concatenate(parts)


def _rows(speech: SpeechFeatures, first: int, last: int) -> np.ndarray:
    """Rows first..last - 1 of bands and energy, silence beyond the sound. (last - first, 81)."""
    begin, end = max(first, 0), min(last, len(speech))
    rows = np.full((last - first, speech.mel.shape[1] + 1), SILENT_MEL, np.float32)
    rows[:, -1] = SILENT_ENERGY
    rows[begin - first : end - first, :-1] = speech.mel[begin:end]
    rows[begin - first : end - first, -1] = speech.energy[begin:end]
    return rows


def between(values: np.ndarray, frames: int, frames_per_value: Fraction) -> np.ndarray:
    """Values at the times of the frames, linearly; zero beyond the last value.

    Args:
        values: (n, C).
        frames: how many frames.
        frames_per_value: exact; frame i falls at value i / frames_per_value.

    Returns:
        (frames, C) float32.
    """
    at = np.arange(frames, dtype=np.int64) * frames_per_value.denominator
    low, rest = at // frames_per_value.numerator, at % frames_per_value.numerator
    part = (rest / frames_per_value.numerator).astype(np.float32)[:, None]
    padded = np.concatenate([values, np.zeros((2, values.shape[1]), values.dtype)])
    low = np.minimum(low, len(values))
    return (padded[low] * (1 - part) + padded[low + 1] * part).astype(np.float32)


def jaw_stops(offsets: np.ndarray) -> np.ndarray:
    """Openings beyond what talkers show flatten out towards `WIDEST`. (F, 68, 3) to the same."""
    opens = offsets[:, BOTTOM, 1] - offsets[:, TOP, 1]
    excess = np.maximum(opens - WIDE, 0)
    room = WIDEST - WIDE
    back = excess - room * np.tanh(excess / room)
    return offsets - back[:, None, None] * mouth_shape()["opening_direction"]


def lips_apart(offsets: np.ndarray) -> np.ndarray:
    """Facing inner lip points that passed each other meet half way. (F, 68, 3) to the same."""
    crossed = np.minimum(offsets[:, LOWER, 1] - offsets[:, UPPER, 1], 0) / 2
    offsets = offsets.astype(np.float32, copy=True)
    offsets[:, LOWER, 1] -= crossed
    offsets[:, UPPER, 1] += crossed
    return offsets
