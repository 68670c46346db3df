"""A folder of clips and its list."""

import csv
from dataclasses import dataclass
from pathlib import Path

from lipwright.errors import InputError, MediaError
from lipwright.media import open_clip

NAME = "MANIFEST.csv"
APART = 7  # rows between a clip and the sound it is given: neighbours are often alike


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedClip:
    """One row of a manifest.

    Args:
        file: the clip, relative to the folder.
        path: where it lies.
        person: who is seen.
        use: which part of the collection it belongs to, empty where not told.
        sync_ok: whether its own sound and picture are known to be in step (`yes`, `weak`, `no`), empty where not told.
        sound: file of the speech that belongs to it, None where there is none.
    """

    file: str
    path: Path
    person: str
    use: str
    sync_ok: str
    sound: Path | None


def read_manifest(folder: Path, use: str | None = None) -> list[ListedClip]:
    """The clips that DIR/MANIFEST.csv lists; docs/evaluation.md describes its columns.

    Args:
        folder: holds the manifest and the clips.
        use: keep only rows whose column `use` says this.

    Raises:
        InputError: there is no manifest, it cannot be read, or no row is left.
    """
    path = folder / NAME
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except OSError as exc:
        raise MediaError(
            f"{path} cannot be read: {exc.strerror}; a suite is a folder of clips with a {NAME} beside them"
        ) from exc
    except (csv.Error, UnicodeDecodeError) as exc:
        raise InputError(f"{path} is not a CSV table in UTF-8: {exc}") from exc
    if not rows or not all(row.get("file") for row in rows):
        raise InputError(f"{path} must name a clip in the column `file` of every row")
    kept = [_listed(folder, row) for row in rows if use is None or row.get("use") == use]
    if not kept:
        raise InputError(f"{path} lists no clip whose `use` is {use!r}; leave out --use to take every clip")
    return kept


def _listed(folder: Path, row: dict[str, str]) -> ListedClip:
    path = folder / row["file"]
    sound = path if _has_speech(path, row) else None
    if row.get("pair_audio"):
        sound = folder / row["pair_audio"]
    return ListedClip(
        file=row["file"],
        path=path,
        person=row.get("person_id") or row["file"],
        use=row.get("use") or "",
        sync_ok=row.get("sync_ok") or "",
        sound=sound,
    )


def _has_speech(path: Path, row: dict[str, str]) -> bool:
    if row.get("kind") == "silent":  # footage alone: whatever sounds is not what the person says
        return False
    if row.get("has_audio"):
        return row["has_audio"] != "no"
    try:
        with open_clip(path) as clip:
            return clip.facts.has_sound
    except MediaError:
        return True  # the job will say what is wrong with it


def foreign_sound(clips: list[ListedClip], number: int) -> ListedClip | None:
    """A clip with speech of another person than clip `number` shows; the same for the same list."""
    for step in range(len(clips)):
        other = clips[(number + APART + step) % len(clips)]
        if other.sound is not None and other.person != clips[number].person:
            return other
    return None
