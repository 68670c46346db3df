"""Do the lips close where the sound says so."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipwright.errors import InputError, MediaError

LABIALS = ("m", "b", "p")
MARKS = "0123456789ʰʲʷːˀ̚"  # stress, length and release, as aligners write them behind a phone
CLOSED = 0.015  # of the eye distance


@dataclass(frozen=True, slots=True)
class Phone:
    """One speech sound; `start` and `end` in seconds, `label` as an aligner wrote it."""

    start: float
    end: float
    label: str

    @property
    def closes_lips(self) -> bool:
        """Whether it is an m, b or p, in ARPAbet or IPA."""
        return self.label.strip().lower().rstrip(MARKS) in LABIALS


def read_phones(path: Path) -> list[Phone]:
    """Read a CSV file with the columns `start_s`, `end_s` and `phone`.

    Raises:
        InputError: the file cannot be read, lacks a column, or holds no number where one belongs.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        return [Phone(float(row["start_s"]), float(row["end_s"]), str(row["phone"])) for row in rows]
    except OSError as exc:
        raise MediaError(f"the phones {path} cannot be read: {exc.strerror}") from exc
    except (KeyError, TypeError, ValueError, csv.Error) as exc:
        raise InputError(
            f"the phones {path} are not a CSV table with the columns start_s, end_s (seconds) and phone: {exc}"
        ) from exc


def closures(phones: list[Phone], opening: np.ndarray, fps: float) -> tuple[int, int]:
    """How many of the m, b and p are seen to close the lips, and how many are seen at all.

    Args:
        phones: what is said.
        opening: (F,) over eye distance, NaN where no face is seen; frame i at i / fps.
        fps: frames per second.
    """
    times = np.arange(len(opening)) / fps
    closed = seen = 0
    for phone in phones:
        if phone.closes_lips:
            near = opening[(times >= phone.start - 1 / fps) & (times <= phone.end + 1 / fps)]
            near = near[~np.isnan(near)]
            seen += bool(len(near))
            closed += bool(len(near)) and bool(near.min() <= CLOSED)
    return closed, seen
