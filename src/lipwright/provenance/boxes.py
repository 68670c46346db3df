"""The boxes of MP4 and MOV files: found without trusting the sizes they give, and one more put at the end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lipwright.errors import OutputError
from lipwright.media.whole import ISO_FIRST, MOST_BOXES

UUID = b"uuid"
_UUID_BYTES = 16
_LONGEST = 2**32 - 1  # bytes of a box whose size is a 32-bit number


@dataclass(frozen=True, slots=True)
class Box:
    """A box as it lies in the file.

    Args:
        kind: its four letters; bytes beyond ASCII as Latin-1.
        start: first byte of its header.
        size: bytes from there to its end, header included; never beyond the end of what holds it.
        header: bytes before its content.
        uuid: the 16 bytes that say what a box of kind `uuid` is, else None.
        whole: whether all the bytes that its size announces are there.
    """

    kind: str
    start: int
    size: int
    header: int
    uuid: bytes | None = None
    whole: bool = True

    @property
    def end(self) -> int:
        """The byte after its last."""
        return self.start + self.size

    @property
    def content(self) -> tuple[int, int]:
        """First byte of its content, and how many there are."""
        return self.start + self.header, self.size - self.header


def top_boxes(path: Path) -> list[Box]:
    """The outermost boxes, in the order of the file; none where it is no MP4 or MOV.

    What follows a box that lies about its size cannot be found: such a box is the last one told.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(8)[4:] not in ISO_FIRST:
            return []
        return list(_boxes(file, 0, path.stat().st_size))


def find_box(path: Path, *kinds: str) -> Box | None:
    """The first box that lies in the first box … of these kinds, the outermost named first.

    Raises:
        OSError: the file cannot be read.
    """
    found = next((box for box in top_boxes(path) if box.kind == kinds[0]), None)
    with path.open("rb") as file:
        for kind in kinds[1:]:
            if found is None:
                return None
            start, size = found.content
            found = next((box for box in _boxes(file, start, start + size) if box.kind == kind), None)
    return found


def read_content(path: Path, box: Box, most: int) -> bytes:
    """What a box holds, `most` bytes of it.

    Raises:
        OSError: the file cannot be read.
    """
    start, size = box.content
    with path.open("rb") as file:
        file.seek(start)
        return file.read(min(size, most))


def append_uuid(path: Path, uuid: bytes, payload: bytes) -> None:
    """Put a `uuid` box after the last box of a file.

    Args:
        path: an MP4 or MOV file.
        uuid: its 16 bytes.
        payload: what the box holds.

    Raises:
        OutputError: the file is none that can take the box, or cannot be written.
    """
    size = 8 + len(uuid) + len(payload)
    if len(uuid) != _UUID_BYTES or size > _LONGEST:
        raise ValueError(f"a uuid box has a name of 16 bytes and less than 4 GiB, got {len(uuid)} and {size}")
    try:
        boxes = top_boxes(path)
        # A last box that goes as far as the file does would swallow the new one.
        if not boxes or not boxes[-1].whole or _open_ended(path, boxes[-1]) or boxes[-1].end != path.stat().st_size:
            raise OutputError(f"{path} is no complete MP4 or MOV file: nothing can be put after its last box")
        with path.open("ab") as file:
            file.write(size.to_bytes(4, "big") + UUID + uuid + payload)
    except OSError as exc:
        raise OutputError(f"cannot write {path}: {exc.strerror}; free some space or choose another folder") from exc


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[Box]:
    for _ in range(MOST_BOXES):
        if end - at < 8:
            return
        file.seek(at)
        head = file.read(min(32, end - at))
        size, header = int.from_bytes(head[:4], "big"), 8
        if size == 0:
            size = end - at
        elif size == 1:
            size, header = int.from_bytes(head[8:16], "big"), 16
        kind, uuid = head[4:8], None
        if kind == UUID:
            uuid, header = head[header : header + _UUID_BYTES], header + _UUID_BYTES
        if size < header or len(head) < header:
            return
        yield Box(kind.decode("latin-1"), at, min(size, end - at), header, uuid, size <= end - at)
        at += size


def _open_ended(path: Path, box: Box) -> bool:
    with path.open("rb") as file:
        file.seek(box.start)
        return file.read(4) == bytes(4)
