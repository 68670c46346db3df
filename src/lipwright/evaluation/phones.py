"""Do the lips close where the sound says so."""

import csv
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
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
    def plain(self) -> str:
        """The label in lower case, without stress, length and release."""
        return self.label.strip().lower().rstrip(MARKS)

    @property
    def closes_lips(self) -> bool:
        """Whether it is an m, b or p, in ARPAbet or IPA."""
        return self.plain in LABIALS


def read_phones(path: Path) -> list[Phone]:
    """Read a CSV file with the columns `start_s`, `end_s` and `phone`, or a Praat TextGrid (by its suffix).

    Raises:
        InputError: the file cannot be read, lacks a column or tier, or holds no number where one belongs.
    """
    if path.suffix.lower() == ".textgrid":
        return read_textgrid(path)
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


def read_textgrid(path: Path) -> list[Phone]:
    """Phones of a Praat TextGrid, long or short text form: the interval tier named `phones`, or the last one.

    Both forms hold the same values in the same order; the long one has words between them, which are skipped
    (file format: the Praat manual, "TextGrid file formats").

    Raises:
        InputError: the file cannot be read, or is no TextGrid with an interval tier.
    """
    try:
        stored = path.read_bytes()
    except OSError as exc:
        raise MediaError(f"the phones {path} cannot be read: {exc.strerror}") from exc
    try:
        text = stored.decode("utf-16" if stored[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
        tiers = _tiers(iter(_values(text)))
        return tiers["phones"] if "phones" in tiers else list(tiers.values())[-1]
    except (ValueError, IndexError, StopIteration) as exc:
        raise InputError(f"the phones {path} are not a Praat TextGrid with an interval tier; save one as text") from exc


def _values(text: str) -> list[str]:
    """The quoted texts, with their opening quote, and the free-standing numbers and flags of a Praat text file."""
    found = re.finditer(r'"((?:[^"]|"")*)"|(?<!\S)(<exists>|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?!\S)', text)
    return [match[2] or '"' + match[1].replace('""', '"') for match in found]


def _tiers(values: Iterator[str]) -> dict[str, list[Phone]]:
    """The interval tiers by name, in order."""
    if (next(values), next(values)) != ('"ooTextFile', '"TextGrid'):
        raise ValueError("another kind of file")
    _, _, flag, count = (next(values) for _ in range(4))
    if flag != "<exists>":
        raise ValueError("no tiers")
    tiers: dict[str, list[Phone]] = {}
    for _ in range(int(count)):
        kind, name, _, _, entries = (next(values) for _ in range(5))
        if kind == '"IntervalTier':
            marks = [(float(next(values)), float(next(values)), next(values)[1:]) for _ in range(int(entries))]
            tiers[name[1:]] = [Phone(*mark) for mark in marks]
        else:
            for _ in range(2 * int(entries)):
                next(values)
    return tiers


def closures(phones: list[Phone], opening: np.ndarray, fps: float) -> dict[str, dict[str, int]]:
    """Of each of m, b and p, how many are `seen`, and how many of these are seen to close the lips (`closed`).

    Args:
        phones: what is said.
        opening: (F,) over eye distance, NaN where no face is seen; frame i at i / fps.
        fps: frames per second.
    """
    times = np.arange(len(opening)) / fps
    counts = {label: {"seen": 0, "closed": 0} for label in LABIALS}
    for phone in phones:
        if phone.closes_lips:
            near = opening[(times >= phone.start - 1 / fps) & (times <= phone.end + 1 / fps)]
            near = near[~np.isnan(near)]
            counts[phone.plain]["seen"] += bool(len(near))
            counts[phone.plain]["closed"] += bool(len(near)) and bool(near.min() <= CLOSED)
    return counts
