"""One stretch of sound on its way to mouths: resampled, heard, moved; from its own beginning on."""

from fractions import Fraction
from math import floor

import av
import numpy as np
from av.audio.resampler import AudioResampler

from lipwright.audio.live import LiveEars
from lipwright.audio.mel import RATE, STEPS_PER_SECOND
from lipwright.motion.live import LiveMouth
from lipwright.motion.mouth import MouthMotion

LOOK_AHEAD = Fraction(26, 100)  # seconds of sound behind a frame's own moment that are heard before it is drawn
RESAMPLING = Fraction(1, 250)  # seconds more where the sound has another rate: the resampler holds so much back


class Speech:
    """What is heard since the session began, or since it was last interrupted.

    Args:
        motion: makes mouths of it.
        rate: samples per second that come.
        intensity: how far the mouth moves.
        before: what was heard until the interruption, if there was one: the voice and the room are the same.
    """

    def __init__(self, motion: MouthMotion, rate: int, intensity: float, before: "Speech | None" = None) -> None:
        self._rate = rate
        self._resampler = None if rate == RATE else AudioResampler(format="flt", layout="mono", rate=RATE)
        known = before._ears if before is not None else None
        self._ears = LiveEars(known.meter, known.norm) if known is not None else LiveEars()
        self._mouth = LiveMouth(motion, intensity)

    def hear(self, samples: np.ndarray) -> None:
        """Some more. (n,) float32."""
        if len(samples):
            self._mouth.hear(self._ears.hear(self._resampled(samples)))

    def mouth(self, seconds: Fraction) -> np.ndarray:
        """The mouth at a moment `LOOK_AHEAD` before the last sound. (68, 3) float32 displacements.

        Args:
            seconds: since the stretch began.
        """
        place = seconds * STEPS_PER_SECOND
        first = floor(place)
        part = float(place - first)
        gates = self._ears.gate(range(first, first + 2))
        return self._mouth.at(seconds, float(gates[0] * (1 - part) + gates[1] * part))

    def _resampled(self, samples: np.ndarray) -> np.ndarray:
        if self._resampler is None:
            return samples
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self._rate
        pieces = [np.asarray(piece.to_ndarray(), np.float32)[0] for piece in self._resampler.resample(frame)]
        return np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
