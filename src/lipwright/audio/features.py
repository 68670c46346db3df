"""Sound to the speech features of the native engine."""

from dataclasses import dataclass, field

import numpy as np

from lipwright.audio.activity import LevelMeter, energy_db, speech_gate
from lipwright.audio.mel import BANDS, log_mel
from lipwright.structures import Sound, SpeechFeatures

UNIT_DB = 14.0  # spread of a band in speech
PRIOR_STEPS = 200.0  # how much heard speech outweighs the average voice
MEMORY_STEPS = 1_000.0
BLOCK = 10  # steps between two updates of the running mean
LOWEST, HIGHEST = -3.5, 3.0


def average_voice() -> np.ndarray:
    """Mean of each band in speech against the level, over many voices. (80,) float32 dB.

    A cubic through the means of the training sound.
    """
    x = np.linspace(-1, 1, BANDS)
    return np.polyval(VOICE_CUBIC, x).astype(np.float32)


VOICE_CUBIC = (-0.8, 5.7, -14.3, -46.6)


@dataclass(slots=True)
class RunningNorm:
    """Takes loudness and the colour of voice and room out of mel bands, forward in time only.

    From each band it subtracts the running speech level and a running mean of that band over the
    speech heard so far, which starts as the average voice. Carries its state from chunk to chunk.
    """

    total: np.ndarray = field(default_factory=lambda: PRIOR_STEPS * average_voice())
    weight: float = PRIOR_STEPS
    _forget: float = field(default=1 - BLOCK / MEMORY_STEPS, init=False)

    def __call__(self, mel: np.ndarray, level: np.ndarray, quiet: np.ndarray) -> np.ndarray:
        """(n, 80) dB, level (n,) dB, quiet (n,) bool to (n, 80) float32, unitless.

        Chunks but the last must be multiples of 10 steps long.
        """
        out = mel - level[:, None]
        np.maximum(out, -90.0, out=out)
        for first in range(0, len(mel), BLOCK):
            part = slice(first, first + BLOCK)
            mean = self.total / self.weight
            heard = out[part][~quiet[part]]
            out[part] -= mean
            self.total = self._forget * self.total + heard.sum(0)
            self.weight = self._forget * self.weight + len(heard)
            if self.weight < PRIOR_STEPS / 2:  # a long pause: lean on the average voice again
                self.total = self.total + (PRIOR_STEPS / 2 - self.weight) * average_voice()
                self.weight = PRIOR_STEPS / 2
        out /= UNIT_DB
        return np.clip(out, LOWEST, HIGHEST, out=out)


def listen(sound: Sound) -> SpeechFeatures:
    """Speech features of a whole sound (16 kHz), 100 per second.

    The same as hearing it live: normalisation runs forward only; the furthest a row looks ahead is
    20 ms for `mel` and `energy`, 240 ms for `gate`.

    Raises:
        OptionError: the sound has another rate.
    """
    mel = log_mel(sound.samples, sound.rate)
    energy = energy_db(sound.samples)
    level, quiet = LevelMeter().follow(energy)
    relative = np.clip((energy - level) / 10, -6, 0)
    return SpeechFeatures(mel=RunningNorm()(mel, level, quiet), energy=relative, gate=speech_gate(quiet))
