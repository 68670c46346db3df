"""The mark read from a file, whatever became of it on the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from lipwright.media import open_clip
from lipwright.provenance.watermark.code import CRC, PATHS, Word, decode
from lipwright.provenance.watermark.pattern import PLANES, SIDE, data, sync
from lipwright.provenance.watermark.survey import Place, Survey

SECONDS = 12.0  # of a file, in ROUNDS stretches
ROUNDS = 3  # readings, each of all frames so far
FRAMES = 32  # added in a round
PLACES = 24  # looked at in a round
WINDOWS = (9, 13, 18, 26)  # cells, along each side of what is taken for marked
# Each word tried is one of PATHS that pass by chance once in 2**CRC: this bounds a reading of a file without a mark.
CHANCE = ROUNDS * (PLACES + 1) * PATHS / 2**CRC


@dataclass(frozen=True, slots=True)
class WatermarkReading:
    """What was read.

    Args:
        identifier: 8 bytes; None: no mark was found.
        corrected: signs of 400 that were received wrong and put right.
        frames: how many were looked at.
        chance: how likely at most a file without a mark gives any identifier; calculated.
    """

    identifier: bytes | None
    corrected: int
    frames: int
    chance: float = CHANCE


def read_watermark(path: Path | str, *, seconds: float | None = SECONDS) -> WatermarkReading:
    """Read the mark of a video or photo; a bounded number of frames is decoded.

    Args:
        path: any file that `lipwright.media.open_clip` reads.
        seconds: how much of it to look at, in three stretches; None: spread over all of it.

    Raises:
        MediaError: the file cannot be read.
    """
    with open_clip(path) as clip:
        return _read(clip.play(part) for part in _stretches(clip.facts.frames, float(clip.facts.fps), seconds))


def read_watermark_frames(frames: Iterable[np.ndarray]) -> WatermarkReading:
    """Read the mark of pictures that follow one another, all of one size.

    Args:
        frames: (H, W, 3) uint8 RGB each; no more than 96 are looked at.
    """
    coming = iter(frames)
    return _read(islice(coming, FRAMES) for _ in range(ROUNDS))


def _stretches(frames: int, fps: float, seconds: float | None) -> Iterator[list[int]]:
    """Numbers of the frames to look at, by round."""
    length = frames if seconds is None else min(frames, max(1, round(seconds * fps)))
    part = -(-length // ROUNDS)
    numbers = np.unique(np.linspace(0, part - 1, min(FRAMES, part)).round().astype(int))
    for start in dict.fromkeys(np.linspace(0, max(frames - part, 0), ROUNDS).round().astype(int).tolist()):
        yield (start + numbers).tolist()


def _read(rounds: Iterable[Iterable[np.ndarray]]) -> WatermarkReading:
    survey = Survey()
    for frames in rounds:
        before = survey.frames
        for frame in frames:
            survey.add(frame)
        if survey.frames == before:
            break
        word = _found(survey)
        if word is not None:
            return WatermarkReading(word.identifier, word.corrected, survey.frames)
    return WatermarkReading(None, 0, survey.frames)


def _found(survey: Survey) -> Word | None:
    first = _words(survey, [survey.untouched()])
    return next(chain((word for word in first if word), _searched(survey)), None)


def _searched(survey: Survey) -> Iterator[Word]:
    yield from (word for word in _words(survey, survey.places(PLACES)) if word)


def _words(survey: Survey, places: list[Place]) -> list[Word | None]:
    return decode(np.stack([_received(*survey.cells(place)) for place in places]))


def _received(cells: np.ndarray, row: int, column: int) -> np.ndarray:
    """The coded signs of a lattice as received.

    Args:
        cells: (PLANES, rows, columns) float32.
        row, column: of the repetition, of the first cell.

    Returns:
        (SENT,) float32: the sign is the guess, the size how sure it is, 0 unknown.
    """
    known = np.zeros((PLANES, SIDE, SIDE), np.float32)
    places, signs = sync()
    known.reshape(-1)[places] = signs
    down, across = (np.arange(size) + start for size, start in zip(cells.shape[1:], (row, column), strict=True))
    known = known.take(down, 1, mode="wrap").take(across, 2, mode="wrap")
    folded = np.zeros((PLANES, SIDE, SIDE), np.float32)
    marked = _marked(cells * known, cells * (known != 0))
    for of in range(PLANES):
        here = cells[of][marked]
        agree = (cells[of] * known[of])[marked & (known[of] != 0)]
        noise = float(here.std()) + 1e-6 if len(here) else 1.0
        weight = max(float(agree.mean()) if len(agree) else 0.0, 0.1 * noise) / noise**2
        rows, columns = np.nonzero(marked)
        np.add.at(folded[of], (down[rows] % SIDE, across[columns] % SIDE), weight * here)
    return folded.reshape(-1)[data()]


def _marked(agreement: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """The rectangle of cells that most probably carries the mark. (rows, columns) bool."""
    rows, columns = agreement.shape[1:]
    marked = np.zeros((rows, columns), bool)
    best = -1.0
    for height in sorted({min(size, rows) for size in WINDOWS}):
        for width in sorted({min(size, columns) for size in WINDOWS}):
            if not (height and width):
                continue
            score = _boxed(agreement.sum(0), height, width) / np.sqrt(_boxed((sure**2).sum(0), height, width) + 1e-6)
            at = np.unravel_index(score.argmax(), score.shape)
            if score[at] > best:
                best = float(score[at])
                marked[:] = False
                marked[at[0] : at[0] + height, at[1] : at[1] + width] = True
    return marked


def _boxed(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sums over every rectangle of a size. (rows, columns) to (rows - height + 1, columns - width + 1)."""
    sums = cv2.integral(values.astype(np.float64))
    return sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
