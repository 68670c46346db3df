"""Avatars on disk, keyed by the footage's content and the options that shaped the analysis.

One `.npz` file per avatar (`lipwright.avatar.files`). What was fitted to the person
lies beside it as `.tuning.json`. An avatar that cannot be read is rebuilt, one that was written by another version is
left to `remove`.
"""

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lipwright.avatar.files import AnyAvatar, load, save
from lipwright.avatar.folder import CACHE_VARIABLE, default_cache
from lipwright.avatar.tuning import Tuning
from lipwright.errors import InputError, OutputError
from lipwright.media.partial import partial_name, remove_abandoned

FORMAT = 2
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAvatar:
    """A line of the list.

    Args:
        key: its name in the store.
        footage: file name of the footage it was made of.
        person: which face.
        frames: length of the footage.
        size: bytes on disk.
        path: where the footage lay, empty when unknown.
        tuned: whether something was fitted to the person.
        kind: `mesh` of the native engine, `landmarks` of the HeyGem engine.
    """

    key: str
    footage: str
    person: str
    frames: int
    size: int
    path: str = ""
    tuned: bool = False
    kind: str = "mesh"


class AvatarStore:
    """The folder of avatars.

    Args:
        folder: cache folder; created when the first avatar is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or default_cache()) / "avatars"

    def key(self, footage: Path, **options: str) -> str:
        """Name of the avatar of this content under these options. Reads the whole file once."""
        digest = hashlib.sha256()
        with footage.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
        digest.update(json.dumps([FORMAT, options], sort_keys=True).encode())
        return digest.hexdigest()[:20]

    def get(self, key: str, build: Callable[[], AnyAvatar], notes: list[str] | None = None) -> tuple[AnyAvatar, bool]:
        """The avatar of that key, built and kept when there is none. Returns it and whether it was there.

        Args:
            key: see `key`.
            build: makes the avatar.
            notes: for callers who can do without the store: gets a sentence where it fails them.

        Raises:
            OutputError: a new avatar cannot be written, and there are no `notes`.
        """
        kept = self.find(key, notes)
        if kept is not None:
            return kept, True
        avatar = build()
        try:
            self._write(self.folder / f"{key}.npz", avatar)
        except OutputError as exc:
            if notes is None:
                raise
            notes.append(str(exc))
        return avatar, False

    def find(self, key: str, notes: list[str] | None = None) -> AnyAvatar | None:
        """The avatar of that key, None where there is none that can be read; the log or `notes` say so."""
        path = self.folder / f"{key}.npz"
        try:
            return load(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Exception as exc:  # whatever is wrong with the file, the cure is the same
            log.debug("%s", path, exc_info=True)
            sentence = f"the stored avatar {path.name} cannot be read ({type(exc).__name__}); it is built again"
            log.warning("%s", sentence) if notes is None else notes.append(sentence)
            return None

    def tuning(self, key: str, notes: list[str] | None = None) -> Tuning | None:
        """What was fitted to the person of that avatar, None where nothing that can be used was."""
        path = self._tuning(key)
        try:
            return Tuning.from_json(path.read_text("utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            log.debug("%s", path, exc_info=True)
            sentence = f"{path.name} cannot be used ({exc}); run `lipwright avatar tune {key}` again"
            log.warning("%s", sentence) if notes is None else notes.append(sentence)
            return None

    def keep_tuning(self, key: str, tuning: Tuning) -> None:
        """Keep what was fitted; from now on jobs on that avatar use it.

        Raises:
            OutputError: it cannot be written.
        """
        self._keep(self._tuning(key), lambda file: file.write(tuning.to_json().encode()))

    def forget_tuning(self, key: str) -> None:
        """Delete what was fitted, if anything was.

        Raises:
            OutputError: it cannot be deleted.
        """
        _delete(self._tuning(key))

    def _tuning(self, key: str) -> Path:
        return self.folder / f"{key}.tuning.json"

    def _write(self, path: Path, avatar: AnyAvatar) -> None:
        self._keep(path, lambda file: save(file, avatar))

    def _keep(self, path: Path, save: Callable[[BinaryIO], object]) -> None:
        part = partial_name(path.with_suffix(".part"))  # of its own: two jobs may keep the same avatar at once
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_abandoned(path.with_suffix(".part"))
            with part.open("wb") as file:
                save(file)
            part.replace(path)
        except OSError as exc:
            raise OutputError(
                f"the avatar cannot be kept in {self.folder}: {exc.strerror}; free space or set {CACHE_VARIABLE}"
            ) from exc
        finally:
            with suppress(OSError):
                part.unlink()

    def list(self) -> list[StoredAvatar]:
        """All readable avatars, newest first."""
        found = []
        for path in self.folder.glob("*.npz"):
            try:
                facts = path.stat()
                with path.open("rb") as file, np.load(file) as stored:
                    about = json.loads(str(stored["about"]))
                tuned = self._tuning(path.stem).exists()
                found.append((facts.st_mtime, StoredAvatar(key=path.stem, size=facts.st_size, tuned=tuned, **about)))
            except Exception as exc:  # noqa: BLE001 - one bad file must not hide the others
                log.warning("%s is not a readable avatar: %s", path.name, exc)
        return [avatar for _, avatar in sorted(found, key=lambda entry: -entry[0])]

    def resolve(self, key: str) -> StoredAvatar:
        """The avatar of that key, or of the only key that begins like that.

        Raises:
            InputError: none or several begin like that.
        """
        found = [avatar for avatar in self.list() if key and avatar.key.startswith(key)]
        if len(found) != 1:
            raise InputError(
                f"{key!r} is no file, and {len(found)} avatars begin like that; `lipwright avatar list` shows the keys"
            )
        return found[0]

    def remove(self, key: str) -> None:
        """Delete one avatar by its key or an unambiguous beginning of it, and what was fitted to it.

        Raises:
            InputError: none or several begin like that.
            OutputError: the file cannot be deleted.
        """
        paths = [path for path in self.folder.glob("*.npz") if key and path.stem.startswith(key)]
        if len(paths) != 1:
            raise InputError(
                f"{len(paths)} avatars begin with {key!r}; `lipwright avatar list` shows the keys, name one in full"
            )
        _delete(paths[0])
        self.forget_tuning(paths[0].stem)


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as exc:
        raise OutputError(f"{path} cannot be deleted: {exc.strerror}") from exc
