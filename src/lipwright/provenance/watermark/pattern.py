"""What the mark looks like: a lattice of cells fixed to the frame, one short wave in each, its sign one bit.

The lattice is measured by the frame's shorter side, so scaling a video scales it along, and repeats every SIDE cells,
so any part of a frame as large as one repetition holds every bit. Each cell carries two waves of its own sign each: one
in brightness, which survives where the picture has texture, and one in the blue difference, which smooth skin hides. A
wave is upright, a little over a cycle wide and fades to the sides: the few transform coefficients it fills are large
enough to outlive a codec's rounding, where the same energy spread over many would be rounded away.
"""

from functools import cache
from hashlib import sha256

import cv2
import numpy as np

from lipwright.provenance.watermark.code import SENT

SIDE = 16  # cells until the lattice repeats
PLANES = 2  # brightness, blue difference
CELLS = 30  # along the frame's shorter side
LEAST = 15.0  # pixels of a cell, however small the frame: a finer one would not outlive encoding
CYCLES = (1.3, 0.7)  # of the wave within a cell, by plane
FINE = (0.55, 0.75)  # cells: what is coarser than this is the picture, not the mark
TO_BLUE, TO_GREEN = 1.772, -0.344136  # what a blue difference adds to the channels (ITU-R BT.601)


def cell_size(width: int, height: int) -> float:
    """Pixels along a cell of the mark in an original of this size."""
    return max(min(width, height) / CELLS, LEAST)


def planes_of(picture: np.ndarray) -> np.ndarray:
    """Brightness and blue difference. (H, W, 3) uint8 RGB to (H, W, 2) float32."""
    fine = picture.astype(np.float32)
    bright = cv2.cvtColor(fine, cv2.COLOR_RGB2GRAY)
    return cv2.merge([bright, (fine[..., 2] - bright) / TO_BLUE])


def rgb_of(bright: np.ndarray, blue: np.ndarray) -> np.ndarray:
    """What changes of brightness and blue difference are in RGB. Two (H, W) float32 to (H, W, 3) float32."""
    return cv2.merge([bright, bright + TO_GREEN * blue, bright + TO_BLUE * blue])


def without_coarse(plane: np.ndarray, of: int, cell: float) -> np.ndarray:
    """A plane less its surroundings. (H, W) float32.

    Args:
        plane: (H, W) float32.
        of: which plane.
        cell: samples along a cell.
    """
    reach = max(2, round(FINE[of] * cell))
    return plane - cv2.blur(plane, (reach, reach))


@cache
def wave(of: int, size: int) -> np.ndarray:
    """The wave of a plane in one cell of size × size samples, 1 at most. (size, size) float32."""
    at = (np.arange(size) + 0.5) / size - 0.5
    fade = np.sqrt(np.cos(np.pi * at))
    return (np.sin(2 * np.pi * CYCLES[of] * at) * fade * fade[:, None]).astype(np.float32)


@cache
def sync() -> tuple[np.ndarray, np.ndarray]:
    """Cells whose sign is known beforehand, and that sign: the reader finds the lattice by them.

    Returns:
        places: (S,) int, of PLANES × SIDE × SIDE cells, counted through.
        signs: (S,) float32, -1 or 1.
    """
    places = _shuffled()[SENT:]
    signs = [1.0 - 2.0 * (_hash("sign", int(place))[0] & 1) for place in places]
    return places, np.array(signs, np.float32)


@cache
def data() -> np.ndarray:
    """Which cell carries which of the coded signs. (SENT,) int, of PLANES × SIDE × SIDE cells."""
    return _shuffled()[:SENT]


def signs(coded: np.ndarray) -> np.ndarray:
    """One repetition of the lattice. (SENT,) coded signs to (PLANES, SIDE, SIDE) float32."""
    cells = np.zeros(PLANES * SIDE * SIDE, np.float32)
    places, known = sync()
    cells[places] = known
    cells[data()] = coded
    return cells.reshape(PLANES, SIDE, SIDE)


def _shuffled() -> np.ndarray:
    """All cells in an order that depends on nothing, on no library's version either."""
    return np.array(sorted(range(PLANES * SIDE * SIDE), key=lambda place: _hash("place", place)))


def _hash(what: str, number: int) -> bytes:
    return sha256(f"lipwright mark 1 {what} {number}".encode()).digest()
