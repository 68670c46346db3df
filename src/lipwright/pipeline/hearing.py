"""The sound on its way to a motion: heard piece by piece, so that hours of it need little memory."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lipwright import registry
from lipwright.errors import MediaError
from lipwright.media.sound import SoundReader
from lipwright.motion.base import MOTIONS, Motion
from lipwright.pipeline.engines import Engine
from lipwright.runtime import Models

SILENCE = 3e-4  # peak under which a sound says nothing: -70 dB
SHORTEST = Fraction(1, 10)  # seconds
MARGIN = 1  # seconds heard beyond those that are used: the motion looks ahead


@dataclass(frozen=True, slots=True)
class Heard:
    """What an engine heard.

    Args:
        motion: what makes mouths of it.
        code: what that motion keeps of the sound, for its `drive`.
        duration: seconds heard, exact.
        notes: what the user should know of how the sound was taken, one sentence each.
    """

    motion: Motion[Any]
    code: Any
    duration: Fraction
    notes: tuple[str, ...]


def read_speech(audio: Path, engine: Engine, models: Models, most: Fraction | None = None) -> Heard:
    """Hear a sound as an engine does.

    Args:
        audio: a sound file, or a video whose sound is meant.
        engine: the engine.
        models: opens what it hears with.
        most: seconds that will be used; None: all of it. Little more is read.

    Raises:
        MediaError: it cannot be read, or nothing is to be heard in it.
        BackendError: the motion's network is missing.
    """
    motion: Motion[Any] = registry.load("motion", MOTIONS, engine.motion).open()
    ears = registry.resolve(engine.features)(models)
    with SoundReader(audio, engine.sound_rate) as reader, closing(reader.mono()) as blocks:
        sound = _Passing(blocks, None if most is None else (most + MARGIN) * engine.sound_rate)
        code = motion.hear(ears(sound))
    duration = Fraction(sound.samples, engine.sound_rate)
    if sound.peak < SILENCE:
        raise MediaError(f"{audio} holds only silence; give a sound with speech in it")
    if duration < SHORTEST:
        raise MediaError(
            f"{audio} lasts {float(duration):.3f} seconds, at least {float(SHORTEST)} are needed; give a longer sound"
        )
    return Heard(motion, code, duration, tuple(reader.notes))


class _Passing:
    """Blocks of samples on their way, counted and their loudest sample noted; ends after `most` samples."""

    def __init__(self, blocks: Iterator[np.ndarray], most: Fraction | None) -> None:
        self._blocks = blocks
        self._most = most
        self.samples, self.peak = 0, 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.samples += len(block)
            self.peak = max(self.peak, float(np.abs(block).max()))
            yield block
            if self._most is not None and self.samples >= self._most:
                return
