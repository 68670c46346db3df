"""Files that grow under a hidden name of their own and take their real one when they are complete."""

import os
import platform
import zlib
from contextlib import suppress
from itertools import count
from pathlib import Path

_made = count()


def partial_name(path: Path) -> Path:
    """A hidden name beside `path` that no other job uses, also not one that writes the same file at this moment."""
    return path.with_name(f"{_stem(path)}.{os.getpid()}.{next(_made)}.partial{path.suffix}")


def second_name(partial: Path) -> Path:
    """Beside a name of `partial_name` another, which `remove_abandoned` clears away like the first."""
    return partial.with_name(
        partial.name.removesuffix(partial.suffix).removesuffix(".partial") + f".2.partial{partial.suffix}"
    )


def remove_abandoned(path: Path) -> None:
    """Remove what killed processes on this machine left of `path`; never raises."""
    begin, end = _stem(path) + ".", f".partial{path.suffix}"
    with suppress(OSError):
        for entry in path.parent.iterdir():
            if entry.name.startswith(begin) and entry.name.endswith(end):
                owner = entry.name[len(begin) :].partition(".")[0]
                if owner.isdecimal() and not _alive(int(owner)):
                    with suppress(OSError):
                        entry.unlink()


def _stem(path: Path) -> str:
    """Short whatever the name's length; the same for the same name on the same machine."""
    mark = zlib.crc32(os.fsencode(path.name) + platform.node().encode())
    return f".{path.stem[:32]}-{mark:08x}"


def _alive(process: int) -> bool:
    if os.name == "nt":
        return process == os.getpid()  # Windows itself refuses to delete a file that is being written
    try:
        os.kill(process, 0)  # signal 0 only asks
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
