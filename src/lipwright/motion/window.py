"""The HeyGem engine's drive: for each output frame the stretch of speech features around it."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipwright.errors import MediaError, ShapeError

RATE = 25  # feature rows a second
WINDOW = 20  # rows that the generator is given
PADDING = WINDOW // 2  # rows of silence that the features have before the sound: row i + 10 is at i / 25 seconds
FEATURES = 256


@dataclass(frozen=True, slots=True)
class WindowDrive:
    """Windows of all output frames, cut out when they are asked for.

    Args:
        features: (T, 256) float32, 25 rows a second, ten rows before the sound and as many after it.
        centres: (F,) row that each output frame's window is centred on.
    """

    features: np.ndarray
    centres: np.ndarray

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[1] != FEATURES:
            raise ShapeError("WindowDrive.features", expected=f"(T, {FEATURES})", got=self.features.shape)

    def __len__(self) -> int:
        return len(self.centres)

    def part(self, frames: range) -> np.ndarray:
        """Windows of consecutive output frames. (F, 20, 256) float32."""
        rows = self.centres[frames.start : frames.stop, None] + np.arange(-PADDING, PADDING)
        return np.asarray(self.features[rows], np.float32)


class WindowMotion:
    """Turns encoder rows into windows; see `lipwright.motion.base.Motion`."""

    @classmethod
    def open(cls) -> "WindowMotion":
        """There is nothing to load."""
        return cls()

    def hear(self, pieces: Iterable[np.ndarray]) -> np.ndarray:
        """Keep the features in a temporary file: an hour of them is 92 MB.

        Args:
            pieces: (n, 256) float32 each, following each other in time.

        Returns:
            (T, 256) float32.

        Raises:
            MediaError: they make no single window.
        """
        with tempfile.TemporaryFile(prefix="lipwright-") as file:
            rows = 0
            for piece in pieces:
                if piece.ndim != 2 or piece.shape[1] != FEATURES:
                    raise ShapeError("speech features", expected=f"(n, {FEATURES})", got=piece.shape)
                file.write(np.ascontiguousarray(piece, np.float32).tobytes())
                rows += len(piece)
            if rows < WINDOW:
                raise MediaError(
                    f"the sound gives {rows} rows of speech features, {WINDOW} are needed; use a longer one"
                )
            file.flush()
            return np.memmap(file, np.float32, "r", shape=(rows, FEATURES))

    def drive(self, code: np.ndarray, fps: Fraction, frames: int, intensity: float = 1.0) -> WindowDrive:
        """One window per output frame, centred on the frame's own time; beyond the end of the sound the last one.

        The original spreads its windows evenly over the rows it has, which comes to the same at 25 frames a second.
        `intensity` is not the engine's: its options refuse any but 1.
        """
        del intensity
        number = np.arange(frames, dtype=np.int64)
        # Rounded to the nearest row, exactly: 25 i / fps = 25 i d / n.
        step, whole = RATE * fps.denominator, fps.numerator
        centres = (2 * number * step + whole) // (2 * whole) + PADDING
        return WindowDrive(code, np.minimum(centres, len(code) - PADDING))
