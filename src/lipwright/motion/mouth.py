"""The native engine's motion: speech features to lip, jaw and cheek points, one mouth per frame.

A small network (see `models/mouth_motion.md`) hears 680 ms back and 200 ms ahead and gives mouth
coefficients at 50 Hz and how surely the lips are closed; frame i takes the two outputs around i / fps.
Where they surely are, they are drawn together; the speech gate brings them to rest in pauses, and facing
lip points never pass each other. Look-ahead in all: 250 ms.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipwright.errors import OptionError
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP
from lipwright.motion.style import flattened, lips_apart, mouth_shape
from lipwright.runtime import open_model
from lipwright.structures import MouthDrive, SpeechFeatures

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RATE = 100  # rows per second that the network hears
STEP = 4  # rows per step of the network
OUTPUTS = 50  # per second
BANDS = 80
PAST, FUTURE = 68, 20  # rows a step sees before and after its own
SILENT_MEL, SILENT_ENERGY = -3.0, -6.0  # what the network hears before and after the sound
STEPS_AT_ONCE = 1_500  # one minute
FRAMES_AT_ONCE = 1_000
DOUBT, SURE = 0.35, 0.65  # of a closure
TOP, BOTTOM = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)


@dataclass(frozen=True, slots=True)
class MouthCode:
    """What is said, in little room.

    Args:
        coefficients: (n, 16) float32 of the mouth's shape, 50 a second, before the gate.
        closure: (n,) float32, how surely the lips are closed, 0 to 1, 50 a second.
        gate: (m,) float32, 100 a second: 0 where the lips rest, 1 where they speak.
    """

    coefficients: np.ndarray
    closure: np.ndarray
    gate: np.ndarray


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
        """Every mouth for features that lie there whole."""
        return self.drive(self.hear([speech]), fps, frames).part(range(frames))

    def hear(self, pieces: Iterable[SpeechFeatures]) -> MouthCode:
        """Turn features into mouth coefficients as they come; 4 kB a second are kept.

        Args:
            pieces: features at 100 rows per second that follow each other, any lengths.

        Raises:
            OptionError: features at another rate.
        """
        mouths, gates = [], []
        heard = np.full((PAST, BANDS + 1), SILENT_MEL, np.float32)  # beginning `PAST` rows before the next step
        heard[:, -1] = SILENT_ENERGY
        silence = heard[:FUTURE].copy()
        for piece in pieces:
            if piece.rate != RATE:
                raise OptionError(f"mouth motion needs {RATE} speech rows a second, got {piece.rate}")
            gates.append(piece.gate)
            heard = np.concatenate([heard, np.column_stack([piece.mel, piece.energy])])
            while len(heard) >= rows_of(STEPS_AT_ONCE):
                mouths.append(self.run(heard, STEPS_AT_ONCE))
                heard = heard[STEP * STEPS_AT_ONCE :]
        steps = -(-(len(heard) - PAST) // STEP)
        heard = np.concatenate([heard, silence])
        while steps > 0:
            some = min(steps, STEPS_AT_ONCE)
            mouths.append(self.run(heard, some))
            heard, steps = heard[STEP * some :], steps - some
        if not mouths:
            nothing = np.zeros(0, np.float32)
            return MouthCode(np.zeros((0, len(mouth_shape()["basis"])), np.float32), nothing, nothing)
        coefficients, closure = (np.concatenate(part) for part in zip(*mouths, strict=True))
        return MouthCode(coefficients, closure, np.concatenate(gates))

    def drive(self, code: MouthCode, fps: Fraction, frames: int, intensity: float = 1.0) -> "CodedDrive":
        """One mouth per output frame; frame i is at i / fps seconds.

        Args:
            code: what `hear` made of the speech.
            fps: frames per second, exact.
            frames: how many; beyond the end of the speech the lips rest.
            intensity: how far the mouth moves, as a share of what was heard.

        Raises:
            OptionError: a frame rate or count that makes no sense.
        """
        if fps <= 0 or frames < 0:
            raise OptionError(f"cannot make {frames} frames at {fps} frames per second")
        return CodedDrive(code, fps, frames, intensity)

    def run(self, heard: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and closure of the first steps of what was heard. (n, 81) to (2 * steps, 16), (2 * steps,)."""
        coefficients, closure = self.session.run(None, {"speech": heard[None, : rows_of(steps)]})
        return np.asarray(coefficients)[0], np.asarray(closure)[0]


@dataclass(frozen=True, slots=True)
class CodedDrive:
    """Mouths made from their code when they are asked for; see `lipwright.motion.base.Drive`.

    Args:
        code: what `MouthMotion.hear` made of the speech.
        fps: frames per second.
        frames: how many.
        intensity: factor of all motion, before the jaw stops and the lips meet: closed lips stay closed.
        basis: (16, 68, 3) float32, what the coefficients weigh; the shipped one by default.
    """

    code: MouthCode
    fps: Fraction
    frames: int
    intensity: float = 1.0
    basis: np.ndarray = field(default_factory=lambda: mouth_shape()["basis"])

    def __len__(self) -> int:
        return self.frames

    def part(self, frames: range) -> MouthDrive:
        """The mouths of consecutive output frames."""
        gate = between(self.code.gate[:, None], frames, self.fps / RATE)
        weights = np.float32(self.intensity) * gate * between(self.code.coefficients, frames, self.fps / OUTPUTS)
        shut = between(shut_share(self.code.closure)[:, None], frames, self.fps / OUTPUTS)[:, 0]
        offsets = np.empty((len(frames), *self.basis.shape[1:]), np.float32)
        for first in range(0, len(frames), FRAMES_AT_ONCE):  # the steps between need several times the room
            part = slice(first, first + FRAMES_AT_ONCE)
            offsets[part] = moved(weights[part], shut[part], self.basis)
        return MouthDrive(offsets)


def moved(weights: np.ndarray, shut: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Mouths of coefficients behind the gate, drawn together as far as they are shut.

    Args:
        weights: (F, 16) float32.
        shut: (F,) float32, see `shut_share`.
        basis: (16, 68, 3) float32.

    Returns:
        (F, 68, 3) float32 displacements.
    """
    # Not BLAS: how it rounds a row can depend on how many others there are.
    return lips_apart(lips_shut(jaw_stops(np.einsum("ik,kpc->ipc", weights, basis)), shut))


def rows_of(steps: int) -> int:
    """Rows that so many steps see."""
    return PAST + STEP * (steps - 1) + 1 + FUTURE


def between(values: np.ndarray, frames: range, frames_per_value: Fraction) -> np.ndarray:
    """Values at the times of the frames, linearly; zero beyond the last value.

    Args:
        values: (n, C).
        frames: consecutive frames.
        frames_per_value: exact; frame i falls at value i / frames_per_value.

    Returns:
        (F, C) float32.
    """
    at = np.arange(frames.start, frames.stop, dtype=np.int64) * frames_per_value.denominator
    low, rest = at // frames_per_value.numerator, at % frames_per_value.numerator
    part = (rest / frames_per_value.numerator).astype(np.float32)[:, None]
    low = np.minimum(low, len(values))
    first, last = (int(low[0]), int(low[-1])) if len(low) else (0, 0)
    padded = np.concatenate([values[first : last + 2], np.zeros((2, values.shape[1]), values.dtype)])
    low -= first
    return (padded[low] * (1 - part) + padded[low + 1] * part).astype(np.float32)


def jaw_stops(offsets: np.ndarray) -> np.ndarray:
    """Openings beyond what talkers show flatten out, see `flattened`. (F, 68, 3) to the same."""
    opens = offsets[:, BOTTOM, 1] - offsets[:, TOP, 1]
    return offsets - (opens - flattened(opens))[:, None, None] * mouth_shape()["opening_direction"]


def shut_share(closure: np.ndarray) -> np.ndarray:
    """How far the lips are drawn together: from not at all to wholly between `DOUBT` and `SURE`. (n,) to (n,).

    The moment before counts too: a closure of 40 ms must not fall between two frames.
    """
    longest = np.maximum(closure, np.concatenate([closure[:1], closure[:-1]]))
    t = np.clip((longest - DOUBT) / (SURE - DOUBT), 0, 1)
    return t * t * (3 - 2 * t)


def lips_shut(offsets: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Take a share of the opening out, along the way mouths close. (F, 68, 3), (F,) to (F, 68, 3)."""
    opens = np.maximum(offsets[:, BOTTOM, 1] - offsets[:, TOP, 1], 0)
    return offsets - (share * opens)[:, None, None] * mouth_shape()["opening_direction"]
