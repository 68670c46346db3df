"""Results take their name when they are whole and on the disk, not only in the system's memory."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from lipwright.errors import OutputError
from lipwright.service.settings import Settings


def publish(made: Path, place: Path) -> None:
    """Give a finished file its final name; what bore that name is replaced at once.

    When this returns, file and folder are synced to the disk: a power cut takes neither.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        sync(made)
        made.replace(place)
        for folder in (place.parent, place.parent.parent):
            _sync_folder(folder)
    except OSError as exc:
        raise OutputError(f"the result {place.name} cannot be kept: {exc.strerror}; free space on the disk") from exc


def parts_folder(settings: Settings, job: str) -> Path:
    """Where what is finished of a job is kept while it runs, so that another worker can go on from there."""
    return settings.data_dir / "cache" / "parts" / job


def sync(path: Path) -> None:
    """Write a file to the disk, and the entry of its folder that names it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Write a folder's own entries to the disk, where the system can be asked to."""
    with suppress(OSError):  # Windows opens no folders; NTFS keeps its entries in a journal
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def discard(path: Path) -> None:
    """Remove a file, or a folder with all in it; nothing where it is not there."""
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
