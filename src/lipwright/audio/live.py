"""The native engine's speech features of a sound that is still being heard, row by row as it comes.

A row's bands and energy are known once the 20 ms behind its centre were heard. Its gate depends on what comes later,
too; it is decided from what was heard by then, `GATE_STEPS` further at least, as if silence followed. That is what
`hear` gives for the whole sound but for a short burst of sound whose pause is not long enough yet to count as one.
"""

import numpy as np

from lipwright.audio.activity import LevelMeter, energy_db, speech_gate
from lipwright.audio.features import AROUND, BEFORE, RunningNorm
from lipwright.audio.mel import HOP, log_mel

GATE_STEPS = 23  # behind the one whose gate is asked for
LATE_STEPS = 2  # of sound behind a row's centre that its bands and energy need
KEPT_STEPS = AROUND + 200  # whose quiet is remembered: two seconds are more than any look-ahead


class LiveEars:
    """Hears one sound from its beginning on; the sound counts as zero before it.

    Args:
        meter, norm: of a sound heard before by the same ears, whose voice and room are known; None: nothing is.

    Attributes:
        rows: how many rows are known.
    """

    def __init__(self, meter: LevelMeter | None = None, norm: RunningNorm | None = None) -> None:
        self.meter = meter or LevelMeter()
        self.norm = norm or RunningNorm()
        self.rows = 0
        self._held = np.zeros(BEFORE * HOP, np.float32)  # sound from `BEFORE` rows before the next one on
        self._quiet = np.zeros(0, bool)  # of the rows up to the last one

    def hear(self, samples: np.ndarray) -> np.ndarray:
        """Some more of the sound. (n,) float32 at 16 kHz to (r, 81) float32: bands and energy of the new rows."""
        self._held = np.concatenate([self._held, samples])
        fresh = len(self._held) // HOP - BEFORE - LATE_STEPS + 1
        if fresh <= 0:
            return np.zeros((0, 81), np.float32)
        seen = self._held[: (BEFORE + fresh + LATE_STEPS) * HOP]
        own = slice(BEFORE, BEFORE + fresh)
        energy = energy_db(seen)[own]
        level, quiet = self.meter.follow(energy)
        bands = self.norm(log_mel(seen)[own], level, quiet)
        self._held = self._held[fresh * HOP :]
        self._quiet = np.concatenate([self._quiet, quiet])[-KEPT_STEPS:]
        self.rows += fresh
        return np.column_stack([bands, np.clip((energy - level) / 10, -6, 0)])

    def gate(self, rows: range) -> np.ndarray:
        """How far the lips may leave their rest in some late rows, see `speech_gate`. (r,) float32.

        Args:
            rows: consecutive, all known, none more than two seconds old.
        """
        oldest = self.rows - len(self._quiet)
        first = max(oldest, rows.start - AROUND)
        gate = speech_gate(self._quiet[first - oldest :])
        return gate[rows.start - first : rows.stop - first]
