"""Lists of jobs: a CSV table, JSON lines, or two folders."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipwright.batch.options import KINDS
from lipwright.errors import InputError

PLACES = ("video", "audio", "output")
PHOTO_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".wmv", ".flv")
SOUND_SUFFIXES = (".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".wma", ".aif", ".aiff", ".amr")


@dataclass(frozen=True, slots=True)
class Row:
    """One job as it was asked for.

    Args:
        where: which it is, for messages.
        words: `video`, `audio`, `output` and options by their names on the command line.
        folder: what relative paths in it are relative to.
    """

    where: str
    words: dict[str, str]
    folder: Path


def read_manifest(path: Path) -> list[Row]:
    """The jobs of a CSV table with a header (`.csv`) or of JSON lines (`.jsonl`, `.ndjson`).

    Columns are `video`, `audio`, `output`, and any option of `lipwright dub`; what is empty counts as not given.
    Relative paths are relative to the list.

    Raises:
        InputError: it cannot be read, names an unknown column, lacks one, or lists nothing.
    """
    read = {".csv": _table_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}.get(path.suffix.lower())
    if read is None:
        raise InputError(f"{path.name} must be a CSV table (.csv) or JSON lines (.jsonl)")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as exc:
        raise InputError(f"the list {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not UTF-8; save it as UTF-8") from exc
    folder = path.parent.absolute()
    rows = [Row(f"{path.name}, line {line}", _checked(words, path, line), folder) for line, words in read(path, text)]
    if not rows:
        raise InputError(f"{path} lists no job; one row is one job, with video, audio and output")
    return rows


def every_pair(videos: Path, audios: Path, outputs: Path | str) -> list[Row]:
    """Every video or photo of one folder with every sound of another, as `<video>.<audio>.mp4` in a third.

    Args:
        videos, audios: folders; what begins with a dot in them does not count.
        outputs: a folder, or a URL that stands for one.

    Raises:
        InputError: a folder cannot be read or holds nothing that fits.
    """
    seen = _files(videos, (*VIDEO_SUFFIXES, *PHOTO_SUFFIXES), "videos or photos")
    heard = _files(audios, (*SOUND_SUFFIXES, *VIDEO_SUFFIXES), "sounds")
    here, place = Path.cwd(), str(outputs).rstrip("/")
    return [
        Row(
            f"{video.name} × {audio.name}",
            {"video": str(video), "audio": str(audio), "output": f"{place}/{video.stem}.{audio.stem}.mp4"},
            here,
        )
        for video in seen
        for audio in heard
    ]


def _files(folder: Path, suffixes: tuple[str, ...], what: str) -> list[Path]:
    try:
        names = sorted(folder.iterdir())
    except OSError as exc:
        raise InputError(f"the folder {folder} cannot be read: {exc.strerror}") from exc
    found = [path for path in names if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    if not found:
        raise InputError(f"{folder} holds no {what}; their names end in {', '.join(suffixes)}")
    return found


def _table_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        names = [name.strip().replace("_", "-") for name in reader.fieldnames or ()]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"{path.name} has two columns {twice!r}; leave one")
        for row in reader:
            if None in row:
                raise InputError(f"{path.name}, line {reader.line_num} has more cells than the table has columns")
            yield reader.line_num, {str(name).strip(): value for name, value in row.items()}
    except csv.Error as exc:
        raise InputError(f"{path.name}, line {reader.line_num} is not CSV: {exc}") from exc


def _json_rows(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, entry in enumerate(text.splitlines(), 1):
        if not entry.strip():
            continue
        try:
            row = json.loads(entry)
        except ValueError as exc:
            raise InputError(f"{path.name}, line {line} is not JSON: {exc}") from exc
        if not isinstance(row, dict):
            raise InputError(f'{path.name}, line {line} must be an object such as {{"video": …}}')
        yield line, row


def _checked(row: dict[str, Any], path: Path, line: int) -> dict[str, str]:
    words = {name.replace("_", "-"): _word(value) for name, value in row.items()}
    words = {name: word for name, word in words.items() if word}
    unknown = [name for name in row if name.replace("_", "-") not in (*PLACES, *KINDS)]
    if unknown:
        raise InputError(
            f"{path.name}, line {line} has the unknown column {unknown[0]!r}; "
            f"known are {', '.join((*PLACES, *sorted(KINDS)))}"
        )
    if any("\0" in word for word in words.values()):
        raise InputError(f"{path.name}, line {line} holds a NUL character, which no name has; take it out")
    missing = [name for name in PLACES if name not in words]
    if missing:
        raise InputError(f"{path.name}, line {line} names no {missing[0]}; every job needs {', '.join(PLACES)}")
    return words


def _word(value: Any) -> str:  # noqa: ANN401 - whatever JSON holds
    if value is None:
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value).strip()
