"""What any motion model must beat: an energy envelope, and a ridge regression on mel bands."""

from dataclasses import dataclass

import numpy as np

from lipwright.structures import SpeechFeatures
from lipwright.training.dataset import SILENT_ROW, Example, speech_rows

TAPS = np.arange(-24, 25, 4)  # rows at 100 Hz: +-240 ms, every 40 ms averaged
PENALTY = 5.0


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """The mouth opens with loudness. direction (68, 3): displacement per unit of opening."""

    direction: np.ndarray

    def __call__(self, speech: SpeechFeatures) -> np.ndarray:
        """Offsets at 100 Hz. (n, 68, 3); the opening runs from 0 to 0.12 over 30 dB."""
        smooth = np.convolve(np.pad(speech.energy, 4, mode="edge"), np.ones(9) / 9, "valid")
        opens = 0.04 * np.clip(smooth + 3, 0, None)
        return opens[:, None, None] * self.direction


@dataclass(frozen=True, slots=True)
class RidgeModel:
    """Linear in the mel bands and energy from 240 ms before to 240 ms after.

    Args:
        weights: (taps * 81, K), to standardised coefficients.
        moves: (K, 68, 3), a coefficient's displacement.
    """

    weights: np.ndarray
    moves: np.ndarray

    def __call__(self, speech: SpeechFeatures) -> np.ndarray:
        """Offsets at 100 Hz. (n, 68, 3)."""
        rows = stacked(speech_rows(speech))
        return np.tensordot(rows @ self.weights, self.moves, 1)


def stacked(rows: np.ndarray) -> np.ndarray:
    """Each row with its neighbours, each the mean of 40 ms. (n, 81) to (n, taps * 81)."""
    reach = int(TAPS[-1]) + 2
    padded = np.pad(rows.astype(np.float32) - SILENT_ROW, ((reach, reach), (0, 0))) + SILENT_ROW
    sums = np.cumsum(np.pad(padded, ((1, 0), (0, 0))), 0)
    mean = (sums[4:] - sums[:-4]) / 4  # mean[i]: padded rows i to i + 3
    at = np.arange(len(rows))[:, None] + reach + TAPS[None] - 2
    return mean[at].reshape(len(rows), -1)


def fit_ridge(examples: list[Example], shape: dict[str, np.ndarray]) -> RidgeModel:
    """Ridge regression on the training clips, each clip's means removed."""
    size = len(TAPS) * examples[0].rows[0].shape[1]
    gram, cross = np.zeros((size, size)), np.zeros((size, examples[0].targets.shape[1]))
    for example in examples:
        clip = example.clip
        at = np.round((np.arange(len(example.targets)) / float(clip.fps) + clip.late) * 100)
        inside = (at >= 0) & (at < len(example.rows[0]))
        heard = stacked(example.rows[0])[at[inside].astype(int)]
        seen = example.targets[inside]
        if len(seen) < 2:
            continue
        heard, seen = heard - heard.mean(0), seen - seen.mean(0)
        gram += heard.T @ heard
        cross += heard.T @ seen
    gram[np.diag_indices(size)] += PENALTY * np.trace(gram) / size / 100
    weights = np.linalg.solve(gram, cross).astype(np.float32)
    return RidgeModel(weights, shape["basis"] * shape["spread"][:, None, None])
