"""Whether a file is all there, by the sizes that its own outermost boxes give: cheap, before anything is decoded."""

import string
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO

ISO_FIRST = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"})
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
UNKNOWN_RIFF = 0x7FFF0000  # sizes from here on, and 0, are those of a stream whose end was not known
MOST_BOXES = 100_000
PRINTABLE = frozenset(string.printable.encode())


def missing_bytes(path: Path) -> int:
    """Bytes that an MP4, MOV, Matroska, WebM, AVI or WAV file announces beyond its end; 0 for any other.

    Raises:
        OSError: the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[4:8] in ISO_FIRST:
            return max([0, *(end - size for _, end in _iso_boxes(file, size))])
        if head[:4] == b"RIFF":
            chunks = _wav_chunks(file, size) if head[8:] == b"WAVE" else _riff_chunks(file, 0, size)
            return max([0, *(end - size for _, end in chunks)])
        if head[:4] == EBML:
            return max(0, _segment_end(file) - size)
    return 0


def how_it_breaks_off(path: Path) -> str:
    """Words on what a file lacks by the sizes it gives, empty where it lacks nothing."""
    missing = missing_bytes(path)
    if not missing:
        return ""
    size = path.stat().st_size
    return f"is incomplete ({size / 1e6:.3g} of {(size + missing) / 1e6:.3g} MB are there)"


def lacks_index(path: Path) -> bool:
    """Whether an MP4 or MOV file has no `moov` box, without which nothing in it can be found."""
    with path.open("rb") as file:
        if file.read(8)[4:] not in ISO_FIRST:
            return False
        return all(kind != b"moov" for kind, _ in _iso_boxes(file, path.stat().st_size))


def understates(path: Path) -> bool:
    """Whether a WAV file goes on after its `data` chunk with something that is no other chunk: more sound."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return False
        end = next((end for kind, end in _wav_chunks(file, size) if kind == b"data"), size)
        file.seek(end)
        follows = file.read(4)
    return size - end > end // 10 and any(follows) and not PRINTABLE.issuperset(follows)


def _iso_boxes(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each outermost box."""
    at = 0
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:], "big")
        elif length == 0:  # as far as the file goes
            length = size - at
        if length < 8:
            return
        at += length
        yield head[4:8], at


def _riff_chunks(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of each chunk from `at` on."""
    for _ in range(MOST_BOXES):
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        if len(head) < 8 or not PRINTABLE.issuperset(head[:4]):
            return
        if length == 0 or length >= UNKNOWN_RIFF:
            length = size - at - 8
        at += 8 + length
        yield head[:4], at
        at += length & 1


def _wav_chunks(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int]]:
    """Kind and end of the chunks of a WAV file, up to its sound: what follows is not looked at."""
    for kind, end in islice(_riff_chunks(file, 12, size), 100):
        yield kind, end
        if kind == b"data":
            return


def _segment_end(file: BinaryIO) -> int:
    """Where a Matroska file's segment ends; 0 where it does not say."""
    file.seek(4)
    length, _ = _variable(file)
    file.seek(length, 1)
    if file.read(4) != SEGMENT:
        return 0
    length, bits = _variable(file)
    return 0 if length == (1 << bits) - 1 else file.tell() + length


def _variable(file: BinaryIO) -> tuple[int, int]:
    """Matroska's number of variable length, and how many bits it has room for."""
    first = file.read(1) or b"\0"
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    return int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1), bits
