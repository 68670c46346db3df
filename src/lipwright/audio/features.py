"""Sound to the speech features of the native engine."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from lipwright.audio.activity import LevelMeter, energy_db, speech_gate
from lipwright.audio.mel import BANDS, HOP, RATE, log_mel, steps
from lipwright.errors import OptionError
from lipwright.runtime import Models
from lipwright.structures import Sound, SpeechFeatures

UNIT_DB = 14.0  # spread of a band in speech
PRIOR_STEPS = 200.0  # how much heard speech outweighs the average voice
MEMORY_STEPS = 1_000.0
BLOCK = 10  # steps between two updates of the running mean
LOWEST, HIGHEST = -3.5, 3.0
PIECE = 6_000  # steps handed on at a time: a minute
BEFORE, AFTER = 2, 2  # steps of sound around a piece that its bands and energy see
AROUND = 40  # steps around a piece that its gate depends on, and some to spare


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
    _block: np.ndarray = field(default_factory=lambda: np.zeros(BANDS, np.float32), init=False)  # sum of what is heard
    _steps: int = field(default=0, init=False)  # of the block
    _spoken: int = field(default=0, init=False)  # of them, those that are not quiet

    def __call__(self, mel: np.ndarray, level: np.ndarray, quiet: np.ndarray) -> np.ndarray:
        """(n, 80) dB, level (n,) dB, quiet (n,) bool to (n, 80) float32, unitless; chunks of any lengths."""
        out = mel - level[:, None]
        np.maximum(out, -90.0, out=out)
        first = 0
        while first < len(mel):
            part = slice(first, min(first + BLOCK - self._steps, len(mel)))
            mean = self.total / self.weight
            heard = out[part][~quiet[part]]
            out[part] -= mean
            self._block = self._block + heard.sum(0)
            self._spoken += len(heard)
            self._steps += part.stop - first
            first = part.stop
            if self._steps == BLOCK:
                self._close_block()
        out /= UNIT_DB
        return np.clip(out, LOWEST, HIGHEST, out=out)

    def _close_block(self) -> None:
        """Let the running mean learn of the block that is complete."""
        self.total = self._forget * self.total + self._block
        self.weight = self._forget * self.weight + self._spoken
        if self.weight < PRIOR_STEPS / 2:  # a long pause: lean on the average voice again
            self.total = self.total + (PRIOR_STEPS / 2 - self.weight) * average_voice()
            self.weight = PRIOR_STEPS / 2
        self._block, self._steps, self._spoken = np.zeros(BANDS, np.float32), 0, 0


def listen(sound: Sound) -> SpeechFeatures:
    """Speech features of a whole sound (16 kHz), 100 per second.

    The same as hearing it live: normalisation runs forward only; the furthest a row looks ahead is
    20 ms for `mel` and `energy`, 250 ms for `gate`.

    Raises:
        OptionError: the sound has another rate.
    """
    if sound.rate != RATE:
        raise OptionError(f"speech features need sound at {RATE} samples per second, got {sound.rate}")
    pieces = list(hear([sound.samples]))
    if not pieces:
        return SpeechFeatures(np.zeros((0, BANDS), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32))
    mel, energy, gate = (np.concatenate([getattr(p, name) for p in pieces]) for name in ("mel", "energy", "gate"))
    return SpeechFeatures(mel, energy, gate)


def open_ears(models: Models) -> Callable[[Iterable[np.ndarray]], Iterator[SpeechFeatures]]:
    """What hears for the native engine; it needs no published model."""
    del models
    return hear


def hear(blocks: Iterable[np.ndarray]) -> Iterator[SpeechFeatures]:
    """The features `listen` gives, in pieces of a minute, with no more than two of them in memory.

    Args:
        blocks: (n,) float32 samples at 16 kHz each, of any length.
    """
    meter, norm = LevelMeter(), RunningNorm()
    waiting: _Minute | None = None  # for the steps after it, which its gate depends on
    before = np.zeros(0, bool)
    for samples, rows in _minutes(blocks):
        own = slice(BEFORE, BEFORE + rows)
        energy = energy_db(samples)[own]
        level, quiet = meter.follow(energy)
        minute = _Minute(norm(log_mel(samples)[own], level, quiet), np.clip((energy - level) / 10, -6, 0), quiet)
        if waiting is not None:
            yield waiting.features(before, quiet[:AROUND])
            before = waiting.quiet[-AROUND:]
        waiting = minute
    if waiting is not None:
        yield waiting.features(before, np.zeros(0, bool))


@dataclass(frozen=True, slots=True)
class _Minute:
    """A piece whose gate is not known yet: mel (n, 80), energy (n,), quiet (n,) bool."""

    mel: np.ndarray
    energy: np.ndarray
    quiet: np.ndarray

    def features(self, before: np.ndarray, after: np.ndarray) -> SpeechFeatures:
        """Complete, once it is known which of the steps around it are quiet."""
        gate = speech_gate(np.concatenate([before, self.quiet, after]))
        return SpeechFeatures(self.mel, self.energy, gate[len(before) :][: len(self.quiet)])


def _minutes(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, int]]:
    """Samples of `PIECE` steps and the steps around them, zeros before the sound; and the number of steps."""
    held = [np.zeros(BEFORE * HOP, np.float32)]
    have, wanted = BEFORE * HOP, (BEFORE + PIECE + AFTER) * HOP
    for block in blocks:
        held.append(block)
        have += len(block)
        while have >= wanted:
            joined = np.concatenate(held)
            yield joined[:wanted], PIECE
            held = [joined[PIECE * HOP :]]
            have -= PIECE * HOP
    rows = steps(have - BEFORE * HOP)
    if rows:
        yield np.concatenate(held), rows
