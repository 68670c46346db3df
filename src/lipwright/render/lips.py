"""Lips that close over a mouth that stands open in the frame, and open where it is closed.

A tracked inner lip point lies on the teeth's side of the lip's edge, by a hundredth or two of the eye distance. As long
as a mouth is moved a little, that cancels; where an open one is to close, a line of teeth and dark would be left
between the lips. So the closing lips are rolled in by that much, as real ones are, and meet in a shaded line.
All of it grows with how much the mouth closes: a mouth already closed in the frame is left as it is. Lips that part
turn out instead.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lipwright.render.mesh import LOWER_LINE, UPPER_LINE

ROLL = 0.019  # eye distances of each lip that are rolled in
ROLLED_OUT = 0.012  # eye distances of each lip that opening turns out
REACH = 3  # times that, of the lip's height, is stretched to take their place
CLOSING = 0.05  # eye distances by which a mouth closes, from which all of it is done
NEARLY = (0.015, 0.045)  # eye distances: lips less apart are rolled in whole, lips further apart not at all
MEET = (0.004, 0.012)  # eye distances: lips less apart meet, lips further apart stay where they are
SHADE, SHADE_WIDTH = 0.16, 0.006  # light that the line swallows; its standard deviation in eye distances
FILL_WIDTH, FILL_FROM = 2.2, 3.5  # of that deviation: how far teeth are painted over, and whence the lips' colour comes
BESIDE = np.array((0, 0.6, 0.8, *(0,) * 5, 0.8, 0.6, 0))  # of the roll in the middle, at least, from corner to corner
TAPER = 0.12  # of the mouth's width, over which the line fades in from each corner


@dataclass(frozen=True, slots=True)
class Seam:
    """The line where the lips of a frame close.

    Args:
        places: (11, 2) float32 pixels, its points from corner to corner.
        halves: (11,) float32 pixels, half the gap that is left at each.
        rolls: (11,) float32 pixels, how far the lips are rolled in at each.
        down: (2,) float32 unit vector down the face.
        closed: 0..1, how much of a closed seam it is.
        width: pixels, the shaded line's standard deviation.
    """

    places: np.ndarray
    halves: np.ndarray
    rolls: np.ndarray
    down: np.ndarray
    closed: float
    width: float


def close_lips(mesh: np.ndarray, target: np.ndarray, eyes: float) -> tuple[np.ndarray, Seam | None]:
    """Let lips meet that are to be all but closed.

    Args:
        mesh: (478, 2) float32 pixels, the frame's own mesh.
        target: (478, 2) float32 pixels, the wanted one, its lips not crossed.
        eyes: distance of the outer eye corners, pixels.

    Returns:
        The target with its lips met, and where they are to be drawn closed, None where nothing closes.
    """
    upper, lower = list(UPPER_LINE), list(LOWER_LINE)
    down = target[152] - target[168]
    down = down / max(float(np.linalg.norm(down)), 1e-6)
    was, gaps = ((points[lower] - points[upper]) @ down / eyes for points in (mesh, target))
    closes = np.clip((was - gaps) / CLOSING, 0, 1)
    share, gap = float(closes[4:7].mean()), float(gaps[4:7].mean())
    near = 1 - _step(gap, *NEARLY)
    if share * near == 0:
        return target, None
    met = share * (1 - _step(gap, *MEET))
    out = target.copy()
    middle = (target[upper] + target[lower]) / 2
    for line in (upper, lower):
        out[line] += met * (middle - target[line])
    halves = np.maximum(gaps, 0) * (0.5 * (1 - met) * eyes)
    # Beside the corners, where no gap tells it, there is as much dark to be rolled in as further on.
    rolls = np.maximum(closes, share * BESIDE) * (near * ROLL * eyes)
    return out, Seam(middle, halves, rolls, down, met, SHADE_WIDTH * eyes)


def roll_out(mesh: np.ndarray, target: np.ndarray, eyes: float) -> np.ndarray:
    """Let lips that part show more of themselves. (478, 2) pixels each to (478, 2).

    Lips that are closed in the frame hide their inner side; opened as they are they would be too thin, and the tracker
    would read the mouth as more open than it was to be.

    Args:
        mesh: the frame's own mesh.
        target: the wanted one.
        eyes: distance of the outer eye corners, pixels.
    """
    upper, lower = list(UPPER_LINE), list(LOWER_LINE)
    was, gaps = (np.linalg.norm(points[lower] - points[upper], axis=1) / eyes for points in (mesh, target))
    shown = ROLLED_OUT * (np.clip(gaps / CLOSING, 0, 1) - np.clip(was / CLOSING, 0, 1))
    share = np.clip(shown / np.maximum(gaps, 1e-6), 0, 1 / 3)[:, None]
    out = target.copy()
    out[upper] += share * (target[lower] - target[upper])
    out[lower] += share * (target[upper] - target[lower])
    return out


def _step(value: float, low: float, high: float) -> float:
    return float(np.clip((value - low) / (high - low), 0, 1))


def roll_in(maps: tuple[np.ndarray, np.ndarray], seam: Seam, origin: np.ndarray) -> None:
    """Bend a sampling map so that the lips at a seam come from a little further inside the lip, in place.

    Args:
        maps: two (H, W) float32, see `lipwright.render.mesh.sampling_map`.
        seam: where.
        origin: (2,) frame x and y of the maps' first pixel.
    """
    reach = REACH * float(seam.rolls.max())
    where = _around(seam, origin, reach + float(seam.halves.max()), maps[0].shape)
    along, off = _places(seam, origin, where)
    roll = np.interp(along, *_course(seam, seam.rolls)).astype(np.float32)
    beyond = np.abs(off) - np.interp(along, *_course(seam, seam.halves)).astype(np.float32)
    # Monotonic: the lip is stretched by 3/2 over the reach, never folded.
    bend = np.sign(off) * np.clip(roll - np.maximum(beyond, 0) / REACH, 0, None)
    for values, axis in zip(maps, seam.down, strict=True):
        values[where] += bend * axis


def shade_seam(pixels: np.ndarray, seam: Seam, origin: np.ndarray) -> None:
    """Draw the line in which closed lips meet, in place; teeth left in it take the colour of the lips beside.

    Args:
        pixels: (H, W, 3) uint8 RGB.
        seam: where.
        origin: (2,) frame x and y of the first pixel.
    """
    if seam.closed == 0:
        return
    spread = max(seam.width, 0.7)
    wide, away = FILL_WIDTH * seam.width, FILL_FROM * seam.width
    where = _around(seam, origin, 3 * spread + away, pixels.shape)
    area = pixels[where]
    if not area.size:
        return
    along, off = _places(seam, origin, where)
    course, _ = _course(seam, seam.halves)
    ends = np.minimum(along - course[0], course[-1] - along) / max(float(course[-1] - course[0]), 1e-6)
    there = seam.closed * np.clip(ends / TAPER, 0, 1)
    fill = (there * np.exp(-np.square(np.square(off / wide)))).astype(np.float32)
    light = (1 - SHADE * there * np.exp(-np.square(off / spread) / 2)).astype(np.float32)
    # Each lip goes on in its own colour up to where they meet.
    lips = np.where((off < 0)[..., None], _beside(area, seam.down * -away), _beside(area, seam.down * away))
    soft = cv2.GaussianBlur(lips, (0, 0), spread).astype(np.float32)
    area[:] = (area + (soft - area) * fill[..., None]) * light[..., None] + 0.5


def _beside(area: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The picture that lies off by a shift, (2,) pixels."""
    move = np.column_stack([np.eye(2), shift])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(area, move, area.shape[1::-1], flags=how, borderMode=cv2.BORDER_REPLICATE)


def _around(seam: Seam, origin: np.ndarray, reach: float, size: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns of an area that hold everything within `reach` pixels of the seam."""
    low = np.clip(np.floor(seam.places.min(0) - origin - reach), 0, size[1::-1]).astype(int)
    high = np.clip(np.ceil(seam.places.max(0) - origin + reach) + 1, 0, size[1::-1]).astype(int)
    return slice(low[1], high[1]), slice(low[0], high[0])


def _places(seam: Seam, origin: np.ndarray, where: tuple[slice, slice]) -> tuple[np.ndarray, np.ndarray]:
    """How far along the seam each pixel lies and how far off it down the face. Two (H, W) float32, pixels."""
    rows, columns = where
    x = np.arange(columns.start, columns.stop, dtype=np.float32) + np.float32(origin[0])
    y = (np.arange(rows.start, rows.stop, dtype=np.float32) + np.float32(origin[1]))[:, None]
    along = x * seam.down[1] - y * seam.down[0]
    line = np.interp(along, *_course(seam, seam.places @ seam.down))
    return along, (x * seam.down[0] + y * seam.down[1] - line).astype(np.float32)


def _course(seam: Seam, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places along the seam, increasing, and what is there: what `np.interp` takes."""
    along = seam.places[:, 0] * seam.down[1] - seam.places[:, 1] * seam.down[0]
    return np.maximum.accumulate(along), values
