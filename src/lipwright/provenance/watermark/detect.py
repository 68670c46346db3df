"""The mark read from a file, whatever became of it on the way."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np

from lipwright.media import open_clip
from lipwright.provenance.watermark.code import CRC, PATHS, SENT, Word, decode
from lipwright.provenance.watermark.pattern import PLANES, SIDE, data, signs
from lipwright.provenance.watermark.survey import Place, Survey

SECONDS = 12.0  # of a file, in ROUNDS stretches
ROUNDS = 3  # readings, each of all frames so far
FRAMES = 32  # added in a round
PLACES = 24  # looked at in a round
AROUND = 4.0  # cells, the spread of what speaks for a cell
DOUBT = 0.05  # agreement that counts for nothing
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


def _stretches(frames: int, fps: float, seconds: float | None) -> list[list[int]]:
    """Numbers of the frames to look at, by round: of a short file all over it, of a long one its parts."""
    length = frames if seconds is None else min(frames, max(1, round(seconds * fps)))
    numbers = np.unique(np.linspace(0, length - 1, min(ROUNDS * FRAMES, length)).round().astype(int))
    if length == frames:
        return [numbers[start::ROUNDS].tolist() for start in range(min(ROUNDS, len(numbers)))]
    parts = np.array_split(numbers, ROUNDS)
    starts = np.linspace(0, frames - length, ROUNDS).round().astype(int)
    return [(start + part).tolist() for start, part in zip(starts, parts, strict=True)]


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

    Every cell counts by how well the known cells around it agree: where nothing is marked they do by chance only.

    Args:
        cells: (PLANES, rows, columns) float32.
        row, column: of the repetition, of the first cell.

    Returns:
        (SENT,) float32: the sign is the guess, the size how sure it is, 0 unknown.
    """
    down, across = (np.arange(size) + start for size, start in zip(cells.shape[1:], (row, column), strict=True))
    known = signs(np.zeros(SENT, np.float32)).take(down, 1, mode="wrap").take(across, 2, mode="wrap")
    level = np.stack([_levelled(plane) for plane in cells])
    agreement, counted = (np.stack([_around(plane) for plane in both]) for both in (level * known, np.abs(known)))
    weight = _share(agreement, counted) + _share(agreement.sum(0), counted.sum(0))
    level *= np.maximum(weight / 2 - DOUBT, 0) ** 1.5
    folded = np.zeros((PLANES, SIDE, SIDE), np.float32)
    for of in range(PLANES):
        np.add.at(folded[of], (down[:, None] % SIDE, across[None] % SIDE), level[of])
    return folded.reshape(-1)[data()]


def _levelled(plane: np.ndarray) -> np.ndarray:
    """Cells against those around them, so that none outvotes others. (rows, columns) float32."""
    power = cv2.blur(plane * plane, (5, 5), borderType=cv2.BORDER_REFLECT)
    return np.clip(plane / (np.sqrt(power) + 0.05), -2, 2)


def _around(plane: np.ndarray) -> np.ndarray:
    """The mean around every cell, as far as the mark's window reaches. (rows, columns) float32."""
    return cv2.GaussianBlur(plane, (0, 0), AROUND, borderType=cv2.BORDER_CONSTANT)


def _share(agreement: np.ndarray, counted: np.ndarray) -> np.ndarray:
    return agreement / (counted + 0.05)
