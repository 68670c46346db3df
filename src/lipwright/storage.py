"""Files that lie elsewhere: inputs and outputs named by URL.

Inputs come whole before they are used, outputs go only when they are complete. Object stores are fsspec's work, HTTP
is that of `lipwright.models.fetch`. Who may read and write is up to the environment, as each driver documents it.
"""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lipwright.errors import BackendError, InputError, LipwrightError, MediaError, OutputError
from lipwright.progress import Progress, silent

BLOCK = 1 << 22
HTTP = ("http", "https")
STORES = {"s3": "s3fs", "gs": "gcsfs"}
"""Object stores, and the package that fsspec needs for each."""

TORN = "a URL's host cannot be read, its brackets do not match; write it as scheme://host/path"  # it may hold secrets

_URL = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)  # two letters at least: C:// is a drive
_STRANGE = re.compile(r"[^\w.() -]")  # what some system does not take in a file's name
LONGEST_NAME = 80


def is_url(location: Path | str) -> bool:
    """Whether this names a file by URL rather than by path."""
    return isinstance(location, str) and _URL.match(location) is not None


def shown(location: Path | str) -> str:
    """The location as it may be shown and kept: of a URL, without what may be secret in it."""
    text = str(location)
    if not is_url(text):
        return text
    parts = urlsplit(text)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def check_source(location: Path | str) -> None:
    """Refuse what cannot be fetched, without looking for it.

    Raises:
        InputError: no such kind of URL is read.
        BackendError: the driver is not installed.
    """
    if _is_torn(location):
        raise InputError(TORN)
    scheme = _scheme(location)
    if scheme in ("", "file", *HTTP):
        return
    if scheme not in STORES:
        raise InputError(f"{shown(location)} cannot be read; give a path, or a URL of s3, gs, http, https or file")
    _driver(str(location))


def check_target(location: Path | str) -> None:
    """Refuse what cannot be published, without looking for it.

    Raises:
        OutputError: no such kind of URL is written.
        BackendError: the driver is not installed.
    """
    if _is_torn(location):
        raise OutputError(TORN)
    scheme = _scheme(location)
    if scheme in ("", "file"):
        return
    if scheme not in STORES:
        raise OutputError(f"{shown(location)} cannot be written; give a path, or a URL of s3, gs or file")
    _driver(str(location))


@contextmanager
def fetched(location: Path | str, progress: Progress = silent, folder: Path | None = None) -> Iterator[Path]:
    """The file as one of this machine; what was fetched goes when the block ends.

    Args:
        location: a path, which is given back as it is, or a URL of s3, gs, http, https or file.
        progress: told `("fetch", bytes, total)`.
        folder: where to put it; None: among the system's temporary files.

    Raises:
        InputError, BackendError: as of `check_source`.
        MediaError: the file is not there, may not be read, or came incomplete.
        OutputError: the disk is full.
    """
    check_source(location)
    if (local := _local(location)) is not None:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="lipwright-", dir=folder) as made:
        target = Path(made) / _name(str(location))
        _download(str(location), target, lambda done, total: progress("fetch", done, total))
        yield target


@contextmanager
def published(location: Path | str, progress: Progress = silent, folder: Path | None = None) -> Iterator[Path]:
    """A file to be written, which goes to its place when the block ends without an error.

    Args:
        location: a path, which is given back as it is, or a URL of s3, gs or file.
        progress: told `("publish", bytes, total)`.
        folder: where it is written first; None: among the system's temporary files, and there it stays, and is named,
            where it cannot be published.

    Raises:
        OutputError: no such kind of URL is written, or the file cannot be.
        BackendError: as of `check_target`.
    """
    check_target(location)
    if (local := _local(location)) is not None:
        yield local
        return
    made = Path(tempfile.mkdtemp(prefix="lipwright-", dir=folder))
    source, keep = made / _name(str(location)), False
    try:
        yield source
        try:
            _upload(source, str(location), progress)
        except OutputError as exc:
            keep = folder is None
            if not keep:
                raise
            raise OutputError(f"{exc}; the finished file is {source}") from exc
    finally:
        if not keep:
            shutil.rmtree(made, ignore_errors=True)


def state_of(location: Path | str) -> tuple[Any, ...] | None:
    """What changes when the file does, None where there is none. Of an HTTP address nothing is asked: it never changes.

    Raises:
        InputError, BackendError: as of `check_source`.
        MediaError: the store does not answer.
    """
    check_source(location)
    if (local := _local(location)) is not None:
        try:
            facts = local.stat()
        except OSError:
            return None
        return facts.st_size, facts.st_mtime_ns
    if _scheme(location) in HTTP:
        return ()
    files, path = _driver(str(location))
    try:
        files.invalidate_cache(path)
        return files.size(path), str(files.ukey(path))
    except FileNotFoundError:
        return None
    except Exception as exc:  # the drivers' errors share no base class
        raise MediaError(f"{shown(location)} cannot be looked for: {_why(exc)}") from exc


def _is_torn(location: Path | str) -> bool:
    if is_url(location):
        try:
            urlsplit(str(location))
        except ValueError:
            return True
    return False


def _scheme(location: Path | str) -> str:
    found = _URL.match(location) if isinstance(location, str) else None
    return found[1].lower() if found else ""


def _local(location: Path | str) -> Path | None:
    """The path that is meant, None where the file lies elsewhere."""
    scheme = _scheme(location)
    if scheme == "file":
        import fsspec

        return Path(fsspec.core.url_to_fs(str(location))[1])
    return None if scheme else Path(location)


def _driver(url: str) -> tuple[Any, str]:
    """What reads and writes that store, and the file's name in it."""
    import fsspec  # a job on this machine's own files does without it

    package = STORES[_scheme(url)]
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as exc:
        raise BackendError(f"{shown(url)} needs {package}, which is not installed; pip install {package}") from exc
    except Exception as exc:  # a region that does not exist, credentials that cannot be parsed
        raise BackendError(f"{package} cannot be used: {_why(exc)}; check its settings in the environment") from exc


def _name(url: str) -> str:
    """A name for the file here: its own, as far as every system takes it."""
    name = _STRANGE.sub("_", unquote(urlsplit(url).path).rpartition("/")[2]).strip(". ")
    stem, dot, suffix = name.rpartition(".")
    return f"{(stem or suffix)[:LONGEST_NAME]}{(dot + suffix)[:10] if stem else ''}" or "file"


def _download(url: str, target: Path, report: Callable[[int, int | None], None]) -> None:
    from lipwright.models.fetch import FetchError, fetch

    try:
        if _scheme(url) in HTTP:
            fetch(url, target, report)
            return
        size = _copied(url, target, report)
    except FetchError as exc:
        raise MediaError(f"{shown(url)} cannot be fetched: {exc}") from exc
    except LipwrightError as exc:
        if isinstance(exc, OutputError):
            raise OutputError(f"{shown(url)} does not fit on this disk; free space on it") from exc
        raise
    except Exception as exc:  # the drivers' errors share no base class
        raise MediaError(f"{shown(url)} cannot be fetched: {_why(exc)}") from exc
    if target.stat().st_size != size:
        raise MediaError(f"{shown(url)} came with {target.stat().st_size} of {size} bytes; run again")


def _copied(url: str, target: Path, report: Callable[[int, int | None], None]) -> int:
    """Copy an object into a file. Returns the bytes it should have."""
    files, path = _driver(url)
    files.invalidate_cache(path)
    size = int(files.info(path)["size"])
    with files.open(path, "rb", block_size=BLOCK) as source:
        done = 0
        report(done, size)
        with target.open("wb") as file:
            while block := source.read(BLOCK):
                try:
                    file.write(block)
                except OSError as exc:
                    raise OutputError(f"{target} cannot be written: {exc.strerror}") from exc
                done += len(block)
                report(done, size)
    return size


def _upload(source: Path, url: str, progress: Progress) -> None:
    """Put a complete file in its place; a store shows an object when all of it is there."""
    files, path = _driver(url)
    size = source.stat().st_size
    progress("publish", 0, size)
    try:
        files.put_file(str(source), path)
        files.invalidate_cache(path)
        there = files.size(path)
    except Exception as exc:  # the drivers' errors share no base class
        raise OutputError(f"{shown(url)} cannot be written: {_why(exc)}") from exc
    if there != size:
        raise OutputError(f"{shown(url)} came out with {there} of {size} bytes")
    progress("publish", size, size)


def _why(exc: Exception) -> str:
    """A driver's error in a few words."""
    if isinstance(exc, FileNotFoundError):
        return "there is no such file, bucket or folder"
    if isinstance(exc, PermissionError):
        return "access denied; check the credentials in the environment"
    if "credentials" in str(exc).lower():
        return "no credentials; the environment must hold them, as the driver documents"
    return str(exc).strip().partition("\n")[0] or type(exc).__name__
