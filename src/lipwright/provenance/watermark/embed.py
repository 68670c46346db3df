"""The mark put into a frame."""

from dataclasses import dataclass
from functools import lru_cache

import av
import cv2
import numpy as np

from lipwright.media.colour import ColourTags, rgb_to_yuv_matrix, yuv_to_rgb_matrix
from lipwright.media.colour import planes_of as samples_of
from lipwright.provenance.watermark.code import encode
from lipwright.provenance.watermark.pattern import (
    PLANES,
    SIDE,
    cell_size,
    planes_of,
    rgb_of,
    signs,
    wave,
    without_coarse,
)

WORK = 8  # samples along a cell while deciding how strong it becomes
LEAPS = 2.5  # pixels for each of those, from which one look at the picture would miss some
REACH = 1.5 * SIDE  # cells: no marked window is smaller. A fainter mark on more cells is read as well, and seen less
# Amplitudes, of 255. Brightness follows the texture that hides it, the blue difference the colour of skin.
TEXTURE, FAINT, STRONG = 1.8, 0.6, 5.5
EDGE = 2.0  # times as textured as the least around it, what is counted of a place at most
BLUE, SKIN, BLUEST = 0.8, 0.04, 2.0
DARK, LIGHT = 90.0, 230.0  # brightness below and above which blue is seen more easily
ENLARGED, LARGEST = 640.0, 1.5  # shorter side below which the mark grows, as encoding takes more of it; how far
YIELD, LEAST, MOST = 0.7, 0.2, 2.0  # how far the amplitude gives way to a picture that agrees with the bit already
STEP = 4  # steps of the change for each of 255
DITHER = np.array(((0, 3), (4, 1)), np.uint8)  # steps, 2 of them none: in chroma, half a level would be rounded away


@dataclass(frozen=True, slots=True)
class Area:
    """Pixels of a frame: the box around what was synthesised."""

    x: int
    y: int
    width: int
    height: int


class Watermark:
    """The mark of one file.

    Args:
        identifier: 8 bytes.
        width, height: of the frames, pixels.
    """

    def __init__(self, identifier: bytes, width: int, height: int) -> None:
        self._signs = signs(encode(identifier))
        self._cell = cell_size(width, height)
        self._columns, self._rows = int(width / self._cell), int(height / self._cell)
        self._reach = REACH * self._cell
        self._gain = float(np.clip(np.sqrt(ENLARGED / min(width, height)), 1, LARGEST))

    def over(self, frame: np.ndarray, area: Area | None) -> np.ndarray:
        """A frame with the mark in and around an area. Depends on nothing but the arguments.

        Args:
            frame: (H, W, 3) uint8 RGB; not written to.
            area: what was synthesised; None: nothing, the frame is given back as it is.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        window = self._window(area)
        if window is None:
            return frame
        out = frame.copy()
        pixels = out[window.part(1)]
        _add(pixels, self._change(_shrunk(pixels, window), window))
        return out

    def into(self, frame: av.VideoFrame, area: Area | None) -> None:
        """The same mark put into a frame's own numbers, a third of the work.

        Args:
            frame: 8-bit 4:2:0 with its colour tags; written to.
            area: what was synthesised; None: nothing, the frame stays as it is.
        """
        window = self._window(area)
        if window is None:
            return
        luma, *chroma = samples_of(frame)
        parts = [luma[window.part(1)], *(plane[window.part(2)] for plane in chroma)]
        tags = ColourTags.of(frame)
        small = cv2.transform(cv2.merge([_shrunk(part, window) for part in parts]), yuv_to_rgb_matrix(tags))
        change = cv2.transform(self._change(small, window), rgb_to_yuv_matrix(tags)[:, :3].copy())
        for part, of, dithered in zip(parts, cv2.split(change), (False, True, True), strict=True):
            _add(part, of, dithered=dithered)

    def _window(self, area: Area | None) -> "_Window | None":
        if area is None or not (self._columns and self._rows):
            return None
        left, right, across = self._span(area.x, area.width, self._columns)
        top, bottom, down = self._span(area.y, area.height, self._rows)
        if left >= right or top >= bottom:
            return None
        edges = [round(number * self._cell) for number in (left, right, top, bottom)]
        return _Window(left, top, np.outer(down, across), *edges)

    def _span(self, start: int, length: int, cells: int) -> tuple[int, int, np.ndarray]:
        """First and end cell of the window along one axis, and how strong each of them is: the ends fade."""
        middle, half = start + length / 2, max(length, self._reach) / 2
        half = min(half, cells * self._cell / 2)
        middle = min(max(middle, half), cells * self._cell - half)
        low, high = (middle - half) / self._cell, (middle + half) / self._cell
        first, end = int(low), min(int(np.ceil(high)), cells)
        at = np.arange(first, end) + 0.5
        fade = np.minimum(at - low, high - at) + 0.5
        at_edge = np.array([low < 0.5, high > cells - 0.5])  # a frame's edge hides the window's
        fade = np.where(at_edge[(at > (low + high) / 2).astype(int)], 1.0, fade)
        return first, end, np.clip(fade, 0, 1).astype(np.float32)

    def _change(self, small: np.ndarray, window: "_Window") -> np.ndarray:
        """What is added to a window, in its work picture. (rows * WORK, columns * WORK, 3) uint8 to float32, RGB."""
        fade = window.fade
        rows, columns = fade.shape
        planes = planes_of(small)
        wanted = self._signs.take(np.arange(window.row, window.row + rows), 1, mode="wrap")
        wanted = wanted.take(np.arange(window.column, window.column + columns), 2, mode="wrap")
        waves = []
        for of in range(PLANES):
            fine = without_coarse(np.ascontiguousarray(planes[..., of]), of, WORK)
            repeated = _waves(of, rows, columns)
            there = _by_cell(fine * repeated) / float(np.mean(wave(of, WORK) ** 2))
            limit = self._gain * (_brightness_limit(fine) if of == 0 else _blue_limit(small, planes))
            needed = np.clip(1 - YIELD * wanted[of] * there / limit, LEAST, MOST)
            height = limit * needed * wanted[of] * fade
            waves.append(repeated * cv2.resize(height, None, fx=WORK, fy=WORK, interpolation=cv2.INTER_NEAREST))
        return rgb_of(*waves)


@dataclass(frozen=True, slots=True)
class _Window:
    """What is marked of a frame: first cell, how strong each cell is, and its edges in pixels."""

    column: int
    row: int
    fade: np.ndarray
    left: int
    right: int
    top: int
    bottom: int

    def part(self, pixels: int) -> tuple[slice, slice]:
        """Where it lies in a plane with a sample for so many pixels along each axis."""
        return slice(self.top // pixels, self.bottom // pixels), slice(self.left // pixels, self.right // pixels)


def _shrunk(pixels: np.ndarray, window: _Window) -> np.ndarray:
    """The work picture of a window. (H, W[, 3]) uint8 to (rows * WORK, columns * WORK[, 3]) uint8."""
    high, wide = (WORK * cells for cells in window.fade.shape)
    if pixels.shape[0] > LEAPS * high:
        # Two steps, a third of the time of one: what is missed between the samples does not matter here.
        pixels = cv2.resize(pixels, (2 * wide, 2 * high), interpolation=cv2.INTER_LINEAR)
        return cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_AREA)
    return cv2.resize(pixels, (wide, high), interpolation=cv2.INTER_LINEAR)


@lru_cache(maxsize=8)
def _dither(size: tuple[int, int]) -> np.ndarray:
    """`DITHER` over and over. (H, W) uint8, not to be written to."""
    (high, wide), (tall, broad) = size, DITHER.shape
    return np.tile(DITHER, (-(-high // tall), -(-wide // broad)))[:high, :wide]


@lru_cache(maxsize=8)
def _waves(of: int, rows: int, columns: int) -> np.ndarray:
    """The wave of a plane in each cell. (rows * WORK, columns * WORK) float32, not to be written to."""
    return np.tile(wave(of, WORK), (rows, columns))


def _add(pixels: np.ndarray, change: np.ndarray, *, dithered: bool = False) -> None:
    """Add what a work picture holds to a window, in place. (H, W[, 3]) uint8, (h, w[, 3]) float32."""
    steps, none = cv2.convertScaleAbs(change, alpha=STEP, beta=128), 128
    steps = cv2.resize(steps, pixels.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    if dithered:
        steps, none = cv2.add(steps, _dither(pixels.shape)), none + 2
    cv2.addWeighted(pixels, 1, steps, 1 / STEP, -none / STEP, dst=pixels)


def _by_cell(samples: np.ndarray) -> np.ndarray:
    """The mean of every cell. (rows * WORK, columns * WORK[, 2]) to (rows, columns[, 2]) float32."""
    return cv2.resize(samples, None, fx=1 / WORK, fy=1 / WORK, interpolation=cv2.INTER_AREA)


def _brightness_limit(fine: np.ndarray) -> np.ndarray:
    """How strong the wave in brightness may be: texture all over the cell, no single edge. (rows, columns) float32."""
    texture = cv2.resize(np.abs(fine), None, fx=2 / WORK, fy=2 / WORK, interpolation=cv2.INTER_AREA)
    texture = np.minimum(texture, EDGE * cv2.erode(texture, np.ones((3, 3), np.uint8)))
    texture = cv2.resize(texture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return np.clip(TEXTURE * texture, FAINT, STRONG)


def _blue_limit(small: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """How strong the wave in the blue difference may be: more on skin, less on grey, on blue, in dark and on white."""
    bright, blue = cv2.split(_by_cell(planes))
    red = 0.713 * (_by_cell(np.ascontiguousarray(small[..., 0])).astype(np.float32) - bright)
    skin = np.maximum(0.8 * red - 0.6 * blue, 0)
    least = np.minimum(bright / DARK, (255 - bright) / (255 - LIGHT))
    return np.minimum(BLUE + SKIN * skin, BLUEST) * np.clip(least, 0.4, 1)
