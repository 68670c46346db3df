"""Frames added up until the mark stands out, and the places where its lattice may lie."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from lipwright.provenance.watermark.code import SENT
from lipwright.provenance.watermark.pattern import (
    CELLS,
    PLANES,
    SIDE,
    cell_size,
    planes_of,
    signs,
    wave,
    without_coarse,
)

CELL = 10  # samples of a cell in the middle of each band
# Shorter side of the frames as they are added up: one for cells as they were made, one for those of small originals,
# which are larger in proportion.
BANDS = (CELLS * CELL, 176)
SCALES = 1.012 ** np.arange(-20, 24)  # of a cell in a band: an original cropped or stretched
COARSE, SHARP = 6, 10  # samples of a cell while looking for the lattice, while reading
AROUND = 3  # of the sharp samples, around a place found
NEAR = 1.004 ** np.arange(-2, 3)  # of a cell, around a place found
FLOOR = (1.0, 0.5)  # texture, of 255, below which a difference does not count in full, by plane
TEXTURE = 1.0  # cells: reach of what counts as texture


@dataclass(frozen=True, slots=True)
class Place:
    """Where the lattice may lie.

    Args:
        band: of `BANDS`.
        cell: samples of a cell.
        x, y: samples, where a repetition begins.
        middle: samples, of the window it was found in.
        score: how well the cells known beforehand agree there.
    """

    band: int
    cell: float
    x: float
    y: float
    middle: tuple[float, float] = (0.0, 0.0)
    score: float = 0.0


class Survey:
    """The sum of a file's frames, each flattened so that a strong edge counts no more than a faint mark.

    Attributes:
        frames: how many were added.
    """

    def __init__(self) -> None:
        self.frames = 0
        self._sums: list[np.ndarray] = []
        self._size = 0, 0

    def add(self, frame: np.ndarray) -> None:
        """Add a frame, (H, W, 3) uint8 RGB, all of one size."""
        height, width = self._size = frame.shape[:2]
        for band, short in enumerate(BANDS):
            scale = short / min(height, width)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
            flat = _flattened(planes_of(frame))
            if band == len(self._sums):
                self._sums.append(flat)
            else:
                self._sums[band] += flat
        self.frames += 1

    def untouched(self) -> Place:
        """Where the lattice lies if the file was neither cropped nor scaled."""
        height, width = self._size
        cells = [cell_size(width, height) * short / min(self._size) for short in BANDS]
        band = int(np.argmin(np.abs(np.log(np.array(cells) / CELL))))
        return Place(band, cells[band], 0, 0)

    def places(self, most: int) -> list[Place]:
        """The most likely places, each looked at closely."""
        found = sorted(self._peaks(), key=lambda place: -place.score)[:most]
        return [self._closer(place) for place in found]

    def cells(self, place: Place) -> tuple[np.ndarray, int, int]:
        """What every whole cell of a place's lattice says.

        Returns:
            (PLANES, rows, columns) float32, and which row and column of the repetition the first one is.
        """
        high, wide = self._sums[place.band].shape[:2]
        left, top = place.x % place.cell, place.y % place.cell
        columns, rows = int((wide - left) / place.cell), int((high - top) / place.cell)
        if columns < 1 or rows < 1:
            return np.zeros((PLANES, 0, 0), np.float32), 0, 0
        sampled = self._cut(place.band, place.cell, (left, top), (rows * SHARP, columns * SHARP), SHARP)
        said = [
            cv2.resize(
                sampled[of] * np.tile(wave(of, SHARP), (rows, columns)), (columns, rows), interpolation=cv2.INTER_AREA
            )
            for of in range(PLANES)
        ]
        return np.stack(said), round((top - place.y) / place.cell) % SIDE, round((left - place.x) / place.cell) % SIDE

    def _peaks(self) -> Iterator[Place]:
        for band in range(len(BANDS)):
            for cell in CELL * SCALES:
                step, half = cell / COARSE, cell * SIDE / 2
                for x, y in self._corners(band, cell):
                    _, score, _, (across, down) = cv2.minMaxLoc(self._map(band, cell, (x, y), COARSE))
                    yield Place(band, cell, x + across * step, y + down * step, (x + half, y + half), score)

    def _corners(self, band: int, cell: float) -> Iterator[tuple[float, float]]:
        """Windows of one repetition each, every half of one."""
        high, wide = self._sums[band].shape[:2]
        side = cell * SIDE
        for y in _spread(high - side, side / 2):
            for x in _spread(wide - side, side / 2):
                yield x, y

    def _closer(self, place: Place) -> Place:
        """The best place near one: scales between those tried, steps finer than those taken."""
        best = place
        for cell in place.cell * NEAR:
            half = cell * SIDE / 2
            x, y = (at - half for at in place.middle)
            # The lattice is held where the window's middle is while the cells grow or shrink around it.
            begins = [(mid - at) / place.cell for mid, at in zip(place.middle, (place.x, place.y), strict=True)]
            shift = [round((SIDE / 2 - cells) * SHARP) for cells in begins]
            scores = self._map(place.band, cell, (x, y), SHARP)
            near = np.roll(scores, (AROUND - shift[1], AROUND - shift[0]), (0, 1))[: 2 * AROUND + 1, : 2 * AROUND + 1]
            down, across = np.unravel_index(near.argmax(), near.shape)
            if near[down, across] > best.score or best is place:
                step = cell / SHARP
                at = x + (shift[0] + across - AROUND) * step, y + (shift[1] + down - AROUND) * step
                best = Place(place.band, cell, *at, place.middle, float(near[down, across]))
        return best

    def _map(self, band: int, cell: float, corner: tuple[float, float], fine: int) -> np.ndarray:
        """How well the known cells agree at every shift of a window. (SIDE * fine, SIDE * fine) float32."""
        side = SIDE * fine
        total = np.zeros((side, side), np.float32)
        for part, known in zip(self._cut(band, cell, corner, (side, side), fine), _known(fine), strict=True):
            part = np.ascontiguousarray(part) / (float(np.linalg.norm(part)) + 1e-6)
            total += cv2.mulSpectrums(cv2.dft(part), known, 0, conjB=True)
        return cv2.idft(total, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)

    def _cut(self, band: int, cell: float, corner: tuple[float, float], size: tuple[int, int], fine: int) -> np.ndarray:
        """A part of a band, so many samples a cell. (PLANES, *size) float32, 0 beyond the frame."""
        step = cell / fine
        shift = [at + step / 2 - 0.5 for at in corner]
        there = np.array([[step, 0, shift[0]], [0, step, shift[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.moveaxis(cv2.warpAffine(self._sums[band], there, size[::-1], flags=flags), 2, 0)


def _flattened(planes: np.ndarray) -> np.ndarray:
    """Each sample against the texture around it, -1..1. (H, W, PLANES) float32."""
    reach = round(TEXTURE * CELL)
    flat = np.empty_like(planes)
    for of in range(PLANES):
        fine = without_coarse(np.ascontiguousarray(planes[..., of]), of, CELL)
        texture = cv2.sqrt(cv2.blur(fine * fine, (reach, reach)).clip(0)) + FLOOR[of]
        flat[..., of] = np.clip(fine / texture, -1, 1)
    return flat


def _spread(room: float, step: float) -> np.ndarray:
    """Starts from 0 to `room`, at most `step` apart; the middle where there is none."""
    return np.linspace(0, room, int(np.ceil(room / step)) + 1) if room > 0 else np.array([room / 2])


@cache
def _known(fine: int) -> np.ndarray:
    """The spectrum, as OpenCV packs it, of the cells known beforehand. (PLANES, SIDE * fine, SIDE * fine) float32."""
    known = signs(np.zeros(SENT, np.float32))
    drawn = [np.kron(known[of], wave(of, fine)) for of in range(PLANES)]
    return np.stack([cv2.dft(plane / float(np.linalg.norm(plane))) for plane in drawn])
