"""One speaker's own mouth: its closed, relaxed shape and its liveliness, from footage or a photo.

The mouth's closing follows the *opening direction*: how all 68 points move per unit of opening,
learnt over many speakers and shipped in `models/mouth_shape.npz`.
"""

from dataclasses import dataclass
from functools import cache
from io import BytesIO

import numpy as np

from lipwright.errors import ShapeError
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS, opening, width
from lipwright.runtime import weights
from lipwright.structures import MouthDrive

WIDEST = 0.60  # of the eye distance: neutral mouths wider than this are smiling
GRIN_KEPT = 0.3
REST_OPENING = 0.003  # of the eye distance
CLOSED_SHARE = 20  # percentile of opening under which frames count as closed
FEWEST_FRAMES, UNSURE_FRAMES = 75, 100  # for a judgement of liveliness; as good as no judgement
LEAST_GAIN, MOST_GAIN = 0.7, 1.4
WIDE_OPEN, WIDEST_OPEN = 0.18, 0.26  # opening that one frame in twenty exceeds, and the most that is made

PAIRS = ((95, 191), (88, 80), (178, 81), (87, 82), (14, 13), (317, 312), (402, 311), (318, 310),
         (324, 415))  # fmt: skip
"""Inner lip points that face each other, lower and upper, from corner to corner."""
LOWER = tuple(DRIVE.index(lower) for lower, _ in PAIRS)
UPPER = tuple(DRIVE.index(upper) for _, upper in PAIRS)


@cache
def mouth_shape() -> dict[str, np.ndarray]:
    """Arrays of `models/mouth_shape.npz`, read-only.

    Raises:
        BackendError: the file is missing or altered.
    """
    with np.load(BytesIO(weights("mouth_shape"))) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


@dataclass(frozen=True, slots=True)
class SpeakerStyle:
    """What makes a speaker's mouth their own.

    Args:
        neutral: (68, 3) float32, the drive points of the closed, relaxed mouth in face space.
        gain: how far this mouth moves against the average speaker's, 0.7 to 1.4.
        response: (K, K) how this mouth answers, from coefficients of the basis to the same (rows), instead of the gain;
            see `lipwright.motion.tuning`.
    """

    neutral: np.ndarray
    gain: float = 1.0
    response: np.ndarray | None = None

    def mouths(self, drive: MouthDrive) -> np.ndarray:
        """The drive as this person's mouths in face space. (F, 68, 3) float32.

        Whoever opens wider than the drive does so up to where the jaw stops.
        """
        mouths = np.float32(self.gain) * drive.offsets
        if self.response is not None:
            mouths = answered(mouths, self.response)
        opens = opening(mouths)
        excess = np.maximum(opens - np.maximum(flattened(opens), opening(drive.offsets)), 0)
        mouths -= excess[:, None, None] * mouth_shape()["opening_direction"]
        mouths += self.neutral
        return mouths


def flattened(opens: np.ndarray) -> np.ndarray:
    """Openings beyond what talkers show flatten out towards `WIDEST_OPEN`. Any shape to the same, eye distances."""
    excess, room = np.maximum(opens - WIDE_OPEN, 0), WIDEST_OPEN - WIDE_OPEN
    return opens - (excess - room * np.tanh(excess / room))


def coefficients_of(offsets: np.ndarray) -> np.ndarray:
    """Coefficients of the basis nearest to displacements. (F, 68, 3) to (F, K) float32."""
    basis = mouth_shape()["basis"]
    return offsets.reshape(len(offsets), -1) @ basis.reshape(len(basis), -1).T


def answered(offsets: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Displacements as one person's mouth answers them; what the basis does not hold stays. (F, 68, 3) to the same."""
    change = coefficients_of(offsets) @ (response - np.eye(len(response))).astype(np.float32)
    return lips_apart(offsets + np.tensordot(change, mouth_shape()["basis"], 1))


def lips_apart(offsets: np.ndarray) -> np.ndarray:
    """Facing inner lip points that passed each other meet half way. (F, 68, 3) to the same."""
    crossed = np.minimum(offsets[:, LOWER, 1] - offsets[:, UPPER, 1], 0) / 2
    offsets = offsets.astype(np.float32, copy=True)
    offsets[:, LOWER, 1] -= crossed
    offsets[:, UPPER, 1] += crossed
    return offsets


def speaker_style(mouths: np.ndarray) -> SpeakerStyle:
    """Style of a speaker from their mouths.

    Args:
        mouths: (F, 68, 3) drive points in face space: frames of footage, or one of a photo.
            Frames with values that are not finite are left out.

    Raises:
        ShapeError: another shape, or no usable frame.
    """
    if mouths.ndim != 3 or mouths.shape[1:] != (len(DRIVE), 3):
        raise ShapeError("mouths", expected=f"(F, {len(DRIVE)}, 3)", got=mouths.shape)
    mouths = mouths[np.isfinite(mouths).all((1, 2))]
    if len(mouths) == 0:
        raise ShapeError("mouths", expected="at least one finite frame", got=mouths.shape)
    shape = mouth_shape()
    return SpeakerStyle(
        relaxed(neutral_mouth(mouths, shape["opening_direction"])),
        liveliness(mouths, float(shape["opening_spread"])),
    )


def neutral_mouth(mouths: np.ndarray, opening_direction: np.ndarray) -> np.ndarray:
    """The closed, relaxed mouth: mean of the most closed frames, closed the rest of the way.

    Args:
        mouths: (F, 68, 3), face space.
        opening_direction: (68, 3), displacement per unit of opening.

    Returns:
        (68, 3) float32.
    """
    openings = opening(mouths)
    return closed(mouths[openings <= np.percentile(openings, CLOSED_SHARE)].mean(0), opening_direction)


def closed(mouth: np.ndarray, opening_direction: np.ndarray) -> np.ndarray:
    """A mouth closed the rest of the way. (68, 3) each to (68, 3) float32."""
    excess = max(float(opening(mouth)) - REST_OPENING, 0.0)
    return lips_meet(mouth - excess * opening_direction).astype(np.float32)


def relaxed(mouth: np.ndarray) -> np.ndarray:
    """Take most of a grin out of a mouth: nobody speaks through a photo's smile. (68, 3) to same.

    Widths of neutral mouths over 110 clips: 0.56 of the eye distance, standard deviation 0.04. What lies beyond
    `WIDEST` is reduced along the smallest motion of the basis that narrows a mouth without opening it.
    """
    grin = float(width(mouth)) - WIDEST
    if grin <= 0:
        return mouth
    basis = mouth_shape()["basis"].astype(np.float64)
    left, right, top, bottom = (DRIVE.index(point) for point in (*MOUTH_CORNERS, LIP_TOP, LIP_BOTTOM))
    effects = np.stack([basis[:, right, 0] - basis[:, left, 0], basis[:, bottom, 1] - basis[:, top, 1]])
    weights = np.linalg.pinv(effects) @ (-(1 - GRIN_KEPT) * grin, 0.0)
    return (mouth + np.tensordot(weights, basis, 1)).astype(np.float32)


def lips_meet(mouth: np.ndarray) -> np.ndarray:
    """Bring facing inner lip points to a resting gap where they cross or gape. (68, 3) to same."""
    mouth = mouth.copy()
    gap = mouth[LOWER, 1] - mouth[UPPER, 1]
    wrong = gap - np.clip(gap, 0.0, REST_OPENING)
    mouth[LOWER, 1] -= wrong / 2
    mouth[UPPER, 1] += wrong / 2
    return mouth


def liveliness(mouths: np.ndarray, average_spread: float) -> float:
    """Spread of this speaker's opening over the average speaker's, drawn towards 1 in short footage.

    1 where it cannot be judged: under three seconds or so, or hardly a word spoken.
    """
    spread = float(np.std(opening(mouths)))
    if len(mouths) < FEWEST_FRAMES or spread < 0.25 * average_spread:
        return 1.0
    sure = len(mouths) / (len(mouths) + UNSURE_FRAMES)
    return float(np.clip((spread / average_spread) ** sure, LEAST_GAIN, MOST_GAIN))
