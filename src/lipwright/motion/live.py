"""The native engine's motion of a speech that is still being heard."""

from fractions import Fraction
from math import floor

import numpy as np

from lipwright.motion.mouth import (
    BANDS,
    OUTPUTS,
    PAST,
    SILENT_ENERGY,
    SILENT_MEL,
    STEP,
    MouthMotion,
    moved,
    rows_of,
    shut_share,
)
from lipwright.motion.style import mouth_shape

PER_STEP = 2  # outputs of one step of the network
KEPT = 100  # outputs: two seconds


class LiveMouth:
    """The mouths that `MouthMotion` makes of the whole, made as soon as the network has heard what it looks ahead at.

    Args:
        motion: the network.
        intensity: how far the mouth moves, as a share of what was heard.
    """

    def __init__(self, motion: MouthMotion, intensity: float = 1.0) -> None:
        self._motion, self._intensity = motion, np.float32(intensity)
        self._basis = mouth_shape()["basis"]
        self._heard = np.full((PAST, BANDS + 1), SILENT_MEL, np.float32)  # from `PAST` rows before the next step on
        self._heard[:, -1] = SILENT_ENERGY
        self._coefficients = np.zeros((0, len(self._basis)), np.float32)
        self._closure = np.zeros(0, np.float32)
        self._known = 0  # outputs so far

    def hear(self, rows: np.ndarray) -> None:
        """Some more of the speech. (r, 81) float32: bands and energy, 100 rows a second."""
        self._heard = np.concatenate([self._heard, rows])
        steps = (len(self._heard) - rows_of(1)) // STEP + 1
        if steps <= 0:
            return
        coefficients, closure = self._motion.run(self._heard, steps)
        self._heard = self._heard[STEP * steps :]
        self._coefficients = np.concatenate([self._coefficients, coefficients])[-KEPT:]
        self._closure = np.concatenate([self._closure, closure])[-KEPT:]
        self._known += PER_STEP * steps

    def at(self, seconds: Fraction, gate: float) -> np.ndarray:
        """The mouth at a late moment. (68, 3) float32 displacements.

        Args:
            seconds: since the speech began; heard already, and two seconds ago at most.
            gate: how far the lips may leave their rest at that moment.
        """
        place = seconds * OUTPUTS
        first = floor(place)
        part = np.float32(place - first)
        oldest = self._known - len(self._closure)
        around = slice(max(first - 1 - oldest, 0), first + (2 if part else 1) - oldest)
        shut = shut_share(self._closure[around])[-2 if part else -1 :]
        weights = self._coefficients[around][-2 if part else -1 :]
        if part:
            shut, weights = shut[:1] * (1 - part) + shut[1:] * part, weights[:1] * (1 - part) + weights[1:] * part
        return moved(self._intensity * np.float32(gate) * weights, shut, self._basis)[0]
