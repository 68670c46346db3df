"""Parts of a job's result, each encoded by itself and kept until the job is done.

A part is one file, `<number>.part`, little-endian:

    8 bytes   LWPART and the version of this layout
    5 × u32   its first frame, its frames, how many of them were left as they are, the decoder's delay, packets
    u32, ...  length of the extradata, then the extradata
    packets   each: i64 number of the frame, u32 duration, u8 1 for a key frame, u32 length, then the data
    32 bytes  sha256 of all that
"""

import hashlib
import logging
import re
import shutil
import struct
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lipwright.errors import BackendError
from lipwright.media.partial import partial_name, remove_abandoned
from lipwright.media.segment import Coded, Segment

SECONDS, MOST_FRAMES = 10, 250  # of a part; x264 and x265 begin anew after 250 frames anyway, so that cutting is free
MAGIC = b"LWPART\0\1"
KEPT_S = 3 * 24 * 3600.0  # how long an unfinished job's parts lie untouched before another job clears them
ROOM = 1 << 30  # bytes that must stay free on the disk of the parts
_JOB = re.compile("[0-9a-f]{32}")  # the name of a job's folder
_HEAD, _PACKET, _DIGEST = struct.Struct("<8s6I"), struct.Struct("<qIBI"), 32

Make = Callable[[Sequence[int]], Generator[tuple[int, bytes], None, None]]
"""Makes the parts of these numbers, in their order."""

log = logging.getLogger(__name__)


def cut(frames: int, fps: Fraction) -> list[range]:
    """Output frames of each part of a job."""
    step = min(MOST_FRAMES, max(1, round(SECONDS * fps)))
    return [range(first, min(first + step, frames)) for first in range(0, frames, step)]


@dataclass(frozen=True, slots=True)
class Part:
    """A part.

    Args:
        first: its first output frame.
        passed: frames in it that were left as they are.
        segment: its pictures, encoded.
    """

    first: int
    passed: int
    segment: Segment

    def pack(self) -> bytes:
        """As the bytes of its file."""
        made = self.segment
        head = (self.first, made.frames, self.passed, made.delay, len(made.packets), len(made.extradata))
        pieces = [_HEAD.pack(MAGIC, *head), made.extradata]
        for coded in made.packets:
            pieces += [_PACKET.pack(coded.pts, coded.duration, coded.key, len(coded.data)), coded.data]
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        return b"".join([*pieces, digest.digest()])

    @classmethod
    def unpack(cls, data: bytes) -> "Part":
        """What `pack` gave.

        Raises:
            ValueError: it is cut, damaged, or another version's.
        """
        body = memoryview(data)[:-_DIGEST]
        if not data.startswith(MAGIC) or hashlib.sha256(body).digest() != data[-_DIGEST:]:
            raise ValueError("it is damaged, or was written by another version")
        _, first, frames, passed, delay, count, extra = _HEAD.unpack_from(body)
        at, packets = _HEAD.size + extra, []
        for _ in range(count):
            pts, duration, key, length = _PACKET.unpack_from(body, at)
            at += _PACKET.size + length
            packets.append(Coded(pts, duration, bool(key), bytes(body[at - length : at])))
        return cls(first, passed, Segment(frames, delay, bytes(body[_HEAD.size : _HEAD.size + extra]), tuple(packets)))


class PartStore:
    """The finished parts of one job, on disk so that the same job goes on from them; use as a context manager.

    They are deleted when its block ends, and kept when an error ends it; the error then has a note that says so.
    Several processes may do the same job at once: their parts are the same.

    Args:
        folder: of this job's parts alone, made when the first is kept; None keeps nothing.
        ranges: output frames of each part.

    Attributes:
        there: how many parts were there when the job began.
        kept: how many are there now.
        notes: what the user should know, one sentence each.
    """

    def __init__(self, folder: Path | None, ranges: Sequence[range]) -> None:
        self.notes: list[str] = []
        self._folder, self._ranges = folder, ranges
        self._found = [number for number in range(len(ranges)) if folder and self._path(folder, number).is_file()]
        self.there = self.kept = len(self._found)
        if self._found:
            self.notes.append(f"{self.there} of {len(ranges)} parts were there already, from a run that was cut off")

    def __enter__(self) -> "PartStore":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, trace: object) -> None:
        if exc is None:
            self.remove()
        elif self.kept:
            exc.add_note(f"{self.kept} of {len(self._ranges)} parts are kept: the same job goes on from there")

    def filled(self, make: Make) -> Generator[Part, None, None]:
        """All parts in their order: those that are there, the others made and kept.

        Raises:
            BackendError: what was made is another part than the one asked for.
        """
        missing = [number for number in range(len(self._ranges)) if number not in self._found]
        made = make(missing)
        try:
            for number in range(len(self._ranges)):
                part = None if number in missing else self._load(number)
                if part is None and number not in missing:  # lost meanwhile, or damaged
                    made.close()
                    missing = [number, *(other for other in missing if other > number)]
                    made = make(missing)
                yield part or self._next(made, number)
        finally:
            made.close()

    def remove(self) -> None:
        """The job is done, or will never be: delete its parts; never raises."""
        self.kept = 0
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @staticmethod
    def _path(folder: Path, number: int) -> Path:
        return folder / f"{number:06d}.part"

    def _load(self, number: int) -> Part | None:
        assert self._folder is not None  # noqa: S101 - only found parts are loaded
        path, wanted = self._path(self._folder, number), self._ranges[number]
        try:
            part = Part.unpack(path.read_bytes())
        except FileNotFoundError:  # another process has done the same job meanwhile
            log.info("%s is gone and is made again", path)
        except (OSError, ValueError) as exc:
            log.warning("part %d of the job cannot be used (%s) and is made again", number + 1, exc)
        else:
            if (part.first, part.segment.frames) == (wanted.start, len(wanted)):
                return part
            log.warning("part %d of the job holds other frames and is made again", number + 1)
        self.kept -= 1
        return None

    def _next(self, made: Generator[tuple[int, bytes], None, None], number: int) -> Part:
        got, data = next(made)
        part, wanted = Part.unpack(data), self._ranges[number]
        if (got, part.first, part.segment.frames) != (number, wanted.start, len(wanted)):
            raise BackendError(f"part {number + 1} was asked for, the executor gave part {got + 1}; report it")
        self._keep(number, data)
        return part

    def _keep(self, number: int, data: bytes) -> None:
        if self._folder is None:
            return
        path, partial = self._path(self._folder, number), None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if (free := shutil.disk_usage(self._folder).free) < ROOM + len(data):
                self._give_up(f"only {free / 1e6:.0f} MB are free in {self._folder.parent}")
                return
            remove_abandoned(path)
            partial = partial_name(path)
            partial.write_bytes(data)
            partial.replace(path)
            self.kept += 1
        except FileNotFoundError:  # another process has done the same job meanwhile, and cleared up
            log.info("%s was not kept: its folder is gone", path)
        except OSError as exc:
            self._give_up(f"{self._folder.parent} cannot be written: {exc.strerror}")
        finally:
            if partial is not None:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)

    def _give_up(self, reason: str) -> None:
        """Do without the store from now on; what it holds is the disk's again."""
        self.notes.append(f"finished parts of this job were not kept ({reason}): had it been cut off, it began anew")
        self.remove()
        self._folder = None


def clear_old(folder: Path, *, before: float | None = None) -> None:
    """Delete the parts of jobs that nobody went on with, and nothing else that lies there; never raises.

    Args:
        folder: that holds the folders of jobs.
        before: those not touched since this time, seconds since 1970; default: `KEPT_S` ago.
    """
    before = time.time() - KEPT_S if before is None else before
    with suppress(OSError):
        for entry in folder.iterdir():
            with suppress(OSError):
                if _JOB.fullmatch(entry.name) and entry.is_dir() and entry.stat().st_mtime < before:
                    for path in entry.glob("*.part"):
                        path.unlink(missing_ok=True)
                    entry.rmdir()
