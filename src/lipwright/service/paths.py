"""Names of files that clients give, confined to the data folder."""

import os
import re
import secrets
import stat
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import category

from lipwright.errors import InputError

LONGEST = 1024  # characters
_LONGEST_PART = 255  # bytes; what common file systems take
_SHOWN = 80
_OWN_LETTERS = 40  # of a client's name that are kept
_ODD = re.compile(r"[^\w .-]")
_STORED = re.compile(r"(?:uploads[/\\])?\b[0-9a-f]{32}-")
_MEDIA = re.compile(
    r"\.(3g2|3gp|aac|ac3|aiff?|amr|apng|avi|bmp|caf|flac|flv|gif|jpe?g|m2ts|m4a|m4v|mkv|mov|mp3|mp4|mpe?g|mts|mxf|oga|ogg|"
    r"ogv|opus|png|tiff?|ts|wav|webm|webp|wma|wmv)"
)
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, halves of a pair, ends of lines
# At the top of the data folder; compared in lower case, as some file systems do.
_OWN_FOLDERS = frozenset({"logs", "work", "tmp", "cache"})
_OWN_FILES = ("lipwright.db*", "*.secret", "*.toml", "*.ini", "*.log", "*.lock")


def confined(root: Path, name: str, *, base: Path | None = None, mapped: str = "") -> Path:
    """The file in the data folder that a client means.

    What is returned has no symbolic links left in it: one that is changed later leads nowhere else.

    Args:
        root: the data folder.
        name: what the client gave: relative, or absolute and inside the data folder.
        base: the folder in `root` that relative names start from; default: `root` itself.
        mapped: a prefix that means `root`, such as the name the folder has in a client's container.

    Raises:
        InputError: there is no such file there, it is none of the client's business, or the name is no name.
    """
    _check_name(name)
    real_root = Path(os.path.realpath(root))
    wanted = _placed(name, real_root, root, base, mapped)
    if ".." in wanted.parts or not _lies_in(wanted, (real_root, root)):  # before the file system is asked anything
        raise _outside(name)
    try:
        path = Path(os.path.realpath(wanted, strict=True))
        kind = path.stat().st_mode
    except (OSError, ValueError) as exc:
        raise InputError(
            f"there is no file {shown(name)} in the data folder; check the name, or upload the file"
        ) from exc
    if not path.is_relative_to(real_root):
        raise _outside(name)
    if _is_own(path.relative_to(real_root)):
        raise InputError(f"{shown(name)} is a file of the service itself; give a video, photo or sound file")
    if stat.S_ISDIR(kind):
        raise InputError(f"{shown(name)} is a folder; give a video, photo or sound file in it")
    if not stat.S_ISREG(kind):
        raise InputError(f"{shown(name)} is no ordinary file; give a video, photo or sound file")
    return path


def media_suffix(name: str) -> str:
    """The ending of a name where it is one of a video, photo or sound, else nothing.

    Files are served as what their ending says; `.html` and `.svg` would be run by browsers as this service's own.
    """
    suffix = PurePosixPath(name).suffix.lower()
    return suffix if _MEDIA.fullmatch(suffix) else ""


def stored_name(name: str) -> str:
    """What a client's file is called here: something nobody guesses, then what is harmless of its own name."""
    own = _ODD.sub("", PurePosixPath(name.replace("\\", "/")).stem)[:_OWN_LETTERS].strip(" .-")
    return f"{secrets.token_hex(16)}{f'-{own}' if own else ''}{media_suffix(name)}"


def for_client(text: str, root: Path) -> str:
    """A message without the folders of this machine; uploaded files are called as their clients called them."""
    return _STORED.sub("", text.replace(f"{root}{os.sep}", ""))


def shown(name: str) -> str:
    """A client's word as it may stand in a message or a log: in quotes, on one line, cut when long."""
    quoted = repr(name)
    return quoted if len(quoted) <= _SHOWN else f"{quoted[: _SHOWN - 2]}…{quoted[-1]}"


def _check_name(name: str) -> None:
    if not name.strip():
        raise InputError("the name of the file is empty; give a path in the data folder or an http(s) address")
    if any(category(letter) in _NOT_IN_NAMES for letter in name):
        raise InputError(f"{shown(name)} holds characters that no file name has; give a path in the data folder")
    parts = PurePosixPath(name).parts
    if len(name) > LONGEST or any(len(part.encode()) > _LONGEST_PART for part in parts):
        raise InputError(f"the name {shown(name)} is too long; rename the file")
    windows = PureWindowsPath(name)
    if os.name == "nt":
        # "file.db::$DATA" and "con" are other names of other things; network shares are asked with the user's password.
        odd = windows.drive.startswith("\\") or ":" in name[len(windows.drive) :] or windows.is_reserved()
    else:
        odd = "\\" in name or bool(windows.drive)
    if odd:
        raise InputError(f"{shown(name)} is no path in the data folder; give one with / between its folders")


def _placed(name: str, real_root: Path, root: Path, base: Path | None, mapped: str) -> Path:
    """Where the name points, by its letters alone."""
    inside = PurePosixPath(name)
    if mapped and inside.is_relative_to(mapped) and not Path(name).is_relative_to(root):
        return real_root / inside.relative_to(mapped)
    path = Path(name)
    if path.is_absolute() or path.drive or path.root:
        return path
    return Path(os.path.realpath(base or root)) / path


def _lies_in(path: Path, folders: tuple[Path, ...]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _is_own(path: Path) -> bool:
    """Whether the service keeps its own things there; `path` is relative to the data folder."""
    first = path.parts[0].lower() if path.parts else ""
    if first in _OWN_FOLDERS:
        return True
    return len(path.parts) == 1 and any(fnmatchcase(first, pattern) for pattern in _OWN_FILES)


def _outside(name: str) -> InputError:
    return InputError(f"{shown(name)} is not in the data folder; upload the file, or put it there")
