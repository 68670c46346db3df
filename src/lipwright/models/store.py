"""Where pulled models lie, and how they get there.

Every file has a `.pin.json` beside it: the sha256 it had when it was first pulled, taken or used. From then on a file
with another one is refused, whether or not anybody published a checksum.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from io import BufferedReader
from pathlib import Path

from platformdirs import user_data_path

from lipwright.errors import BackendError, InputError, OptionError, OutputError
from lipwright.models.catalog import ModelCard, card
from lipwright.progress import Progress, silent

VARIABLE = "LIPWRIGHT_MODELS"
POINTER = b"version https://git-lfs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A file that is in the store now.

    Args:
        name: of its card.
        path: where it lies.
        sha256: measured.
        bytes: its length.
        source: address or file it came from, empty when it lay there already.
        note: what the user should know of it.
    """

    name: str
    path: Path
    sha256: str
    bytes: int
    source: str = ""
    note: str = ""


class ModelStore:
    """A folder of published models in their published tree.

    Args:
        folder: None is the one named in LIPWRIGHT_MODELS, else one in the user's data folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(os.environ.get(VARIABLE) or user_data_path("lipwright") / "models")

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return self.place(name).is_file()

    def place(self, name: str) -> Path:
        """Where the file lies or would lie.

        Raises:
            BackendError: unknown name.
        """
        about = card(name)
        if about.group == "shipped":
            return Path(str(files("lipwright.models").joinpath(about.file)))
        return self.folder / about.folder / about.file

    def path(self, name: str) -> Path:
        """The file, checked against its pin; pinned where it has none. Reads the file only when it was touched.

        Raises:
            BackendError: unknown name, not there, or not what it was.
        """
        path, about = self.place(name), card(name)
        if not path.is_file():
            raise BackendError(f"{about.file} is not in {self.folder}; run `lipwright models pull {name}`")
        pinned = _read_pin(path)
        if about.group == "shipped" or (pinned and _stamp(path) == [pinned["bytes"], pinned["mtime"]]):
            return path
        if wrong := _not_weights(path):
            raise BackendError(f"{path} {wrong}; run `lipwright models pull {name}`")
        got = _digest(path)
        self._refuse_change(name, got)
        with suppress(OutputError):  # a store that others look after may be read-only
            _write_pin(path, got)
        return path

    def sha256(self, name: str) -> str:
        """Of a file as `path` finds it; reads the file only where no pin tells.

        Raises:
            BackendError: as of `path`.
        """
        path = self.path(name)
        if card(name).group == "shipped":
            return card(name).sha256[0]  # no other bytes are opened
        pinned = _read_pin(path)
        return pinned["sha256"] if pinned else _digest(path)

    def state(self, name: str) -> str:
        """`there`, `absent`, or `altered`: not what its card or its pin says. Reads the whole file."""
        path = self.place(name)
        if not path.is_file():
            return "absent"
        got = _digest(path)
        pinned = (_read_pin(path) or {}).get("sha256", got)
        return "altered" if _wrong(path, card(name), got) or pinned != got else "there"

    def pull(self, name: str, *, urls: Sequence[str] = (), progress: Progress = silent) -> Stored:
        """Download a model, unless it is there and whole. An unfinished download goes on where it stopped.

        Args:
            name: of its card.
            urls: addresses to try instead of the card's.
            progress: called with the file's name, bytes done and total.

        Raises:
            BackendError: unknown name, no address gives the file, or it is another file than the pinned one.
            OutputError: the file cannot be written.
        """
        about, path = card(name), self.place(name)
        if about.group == "shipped" or self.state(name) == "there":
            return Stored(name=name, path=path, sha256=_digest(path), bytes=path.stat().st_size)
        from lipwright.models.fetch import FetchError, discard, fetch

        part, failed = path.with_name(path.name + ".part"), []
        for url in urls or about.urls:
            try:
                fetch(url, part, lambda done, total: progress(about.file, done, total))
            except FetchError as error:
                failed.append(f"{url} ({error})")
                continue
            got = _digest(part)
            if wrong := _wrong(part, about, got):
                discard(part)
                failed.append(f"{url} ({wrong})")
                continue
            try:
                return self._settle(name, part, got, url)
            finally:
                discard(part)
        raise BackendError(
            f"{about.file} cannot be had from {'; '.join(failed) or 'anywhere known'}; check the network, name another "
            f"address with --url, or import the file with `lipwright models pull {name} --from FOLDER`"
        )

    def take(self, name: str, source: Path) -> Stored:
        """Copy a model from a folder: HeyGem's own tree, or files side by side.

        Raises:
            InputError: it is not there, or what is there is not the model.
            BackendError: unknown name, or it is another file than the pinned one.
            OutputError: the copy cannot be written.
        """
        about, path = card(name), self.place(name)
        found = _find(about, source)
        if found is None:
            raise InputError(f"{about.file} is neither in {source} nor in {source / about.folder}")
        got = _digest(found)
        if wrong := _wrong(found, about, got):
            raise InputError(f"{found} {wrong}; name the folder of a whole copy")
        if path.exists() and path.samefile(found):
            return self._settle(name, path, got, str(found))
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, part)
            return self._settle(name, part, got, str(found))
        except OSError as error:
            raise _unwritable(path, error) from error
        finally:
            with suppress(OSError):
                part.unlink()

    def remove(self, name: str) -> bool:
        """Delete a model, its pin, unfinished downloads and what was converted from it. Returns whether it was there.

        Raises:
            OptionError: it ships with the package.
            OutputError: it cannot be deleted.
        """
        about, path = card(name), self.place(name)
        if about.group == "shipped":
            raise OptionError(f"{name} is part of Lipwright and is not removed; `lipwright models list` shows the rest")
        there = path.is_file()
        made = path.parent.glob(f"{path.stem}.*.onnx") if path.suffix != ".onnx" else ()
        try:
            for each in (path, _pin(path), *path.parent.glob(f"{path.name}*.part*"), *made):
                each.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path} cannot be deleted: {error.strerror}") from error
        return there

    def _settle(self, name: str, part: Path, got: str, source: str) -> Stored:
        """Give a whole file, whose sha256 was found right, its name and its pin."""
        path = self.place(name)
        first = _read_pin(path) is None
        self._refuse_change(name, got)
        try:
            part.replace(path)
        except OSError as error:
            raise _unwritable(path, error) from error
        _write_pin(path, got)
        note = _note(card(name), path, got) if first else ""
        return Stored(name=name, path=path, sha256=got, bytes=path.stat().st_size, source=source, note=note)

    def _refuse_change(self, name: str, got: str) -> None:
        pinned = _read_pin(self.place(name))
        if pinned and pinned["sha256"] != got:
            raise BackendError(
                f"{card(name).file} has sha256 {got[:12]}…, it had {pinned['sha256'][:12]}… when it was first seen; "
                f"pull it again, or run `lipwright models remove {name}` first if the new file is what you want"
            )


def _find(about: ModelCard, source: Path) -> Path | None:
    folders = (source / about.folder, source)
    own = [folder / about.file for folder in folders]
    other = [folder / about.also_as for folder in folders] if about.also_as else []
    renamed = [path for path in other if path.is_file() and path.stat().st_size >= about.at_least]
    return next((path for path in (*own, *renamed) if path.is_file()), None)


def _wrong(path: Path, about: ModelCard, got: str) -> str | None:
    """What shows that this is not the model, without opening it; None where nothing does."""
    if wrong := _not_weights(path):
        return wrong
    length = path.stat().st_size
    if about.bytes and length != about.bytes:
        return f"has {length:,} bytes where {about.bytes:,} are expected"
    if about.sha256 and got not in about.sha256:
        return f"has sha256 {got[:12]}…, expected is {about.sha256[0][:12]}…"
    return None


def _not_weights(path: Path) -> str | None:
    with _reading(path) as file:
        begin = file.read(512)
    if not begin:
        return "is empty"
    if begin.startswith(POINTER):
        return "is a Git LFS pointer, not the weights it stands for"
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page, not weights"
    return None


def _note(about: ModelCard, path: Path, got: str) -> str:
    if about.sha256:
        return ""
    told = f"no checksum is published for {path.name}; its sha256 {got[:12]}… holds from now on"
    return f"{told} (a copy seen elsewhere has the same)" if got in about.seen_sha256 else told


def _digest(path: Path) -> str:
    with _reading(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _reading(path: Path) -> Iterator[BufferedReader]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise BackendError(f"{path} cannot be read: {error.strerror}; check its permissions and its disk") from error


def _pin(path: Path) -> Path:
    return path.with_name(path.name + ".pin.json")


def _stamp(path: Path) -> list[int]:
    facts = path.stat()
    return [facts.st_size, facts.st_mtime_ns]


def _read_pin(path: Path) -> dict | None:
    try:
        kept = json.loads(_pin(path).read_text("utf-8"))
        return {"sha256": str(kept["sha256"]), "bytes": kept["bytes"], "mtime": kept["mtime"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_pin(path: Path, sha256: str) -> None:
    length, changed = _stamp(path)
    part = _pin(path).with_name(f"{path.name}.{os.getpid()}.part.json")
    try:
        part.write_text(json.dumps({"sha256": sha256, "bytes": length, "mtime": changed}), "utf-8")
        part.replace(_pin(path))
    except OSError as error:
        raise _unwritable(_pin(path), error) from error


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}; free space, or name another folder with --models")
