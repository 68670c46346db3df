"""Short hashes of a file's parts, so that whoever finds it changed can be told what was.

They are no proof: that is the statement's own hash of the whole file. What signing itself moves is left out: the
statement's box, and where in the file the packets lie.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError

from lipwright.media.demuxers import ALONE
from lipwright.provenance.boxes import Box, read_content, top_boxes

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
PACKET_BYTES = 3  # of a packet's hash
MOST_FRAMES = 150_000  # hashes of the picture: at 25 frames a second 100 minutes, then each stands for several frames
MOST_SOUNDS = 30_000
SOUND_EACH = 8  # packets to one hash of the sound: 0.17 seconds of AAC
MOST_NAMED = 8  # stretches named one by one
_MOST_BYTES = 256 << 20  # of a box that is no picture or sound
_HOLDERS = frozenset({b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf"})
_MOVED = frozenset({b"stco", b"co64"})  # where packets lie
_TAGS = frozenset({b"udta", b"meta"})
_CALLED = {
    "xmp": "the XMP record",
    "tags": "the record in the file's tags",
    "moov": "the file's index (times, sizes and codecs)",
    "ftyp": "the file's type",
}


@dataclass(frozen=True, slots=True)
class _Track:
    """Hashes of one stream's packets in the order of the file, and when each begins, seconds."""

    hashes: list[bytes]
    times: np.ndarray

    def grouped(self, each: int) -> list[bytes]:
        """One hash for every `each` packets."""
        if each == 1:
            return self.hashes
        return [_short(b"".join(self.hashes[at : at + each])) for at in range(0, len(self.hashes), each)]


def hash_parts(path: Path) -> dict[str, Any]:
    """Hashes of all parts of an MP4 or MOV file, plain values for JSON; about three bytes a frame.

    Raises:
        OSError: it cannot be read.
        FFmpegError: it is no video.
    """
    video, sound = _tracks(path)
    each = -(-len(video.hashes) // MOST_FRAMES) or 1
    found: dict[str, Any] = {"records": _records(path), "video": _packed(video, each)}
    if sound is not None:
        fewer = -(-len(sound.hashes) // (SOUND_EACH * MOST_SOUNDS)) or 1
        found["sound"] = _packed(sound, SOUND_EACH * fewer)
    return found


def changes(path: Path, signed: dict[str, Any]) -> list[str]:
    """What differs from what was signed, one sentence each; none where all parts are as they were.

    Args:
        path: the file as it is now.
        signed: what `hash_parts` gave, as the statement holds it; whatever else stands there names nothing.

    Raises:
        OSError: the file cannot be read.
    """
    told = _changed_records(_records(path), signed.get("records"))
    try:
        video, sound = _tracks(path)
    except FFmpegError:
        return [*told, "the picture cannot be read any more: the file is damaged"]
    told += _changed_picture(video, _unpacked(signed.get("video")))
    return told + _changed_sound(sound, _unpacked(signed.get("sound")))


def _short(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=PACKET_BYTES).digest()


def _tracks(path: Path) -> tuple[_Track, _Track | None]:
    """The first picture and the first sound of a file."""
    with av.open(f"file:{path}", options=dict(ALONE), metadata_errors="replace") as container:
        if not container.streams.video:
            raise FFmpegError(0, "no picture")
        streams = [container.streams.video[0], *container.streams.audio[:1]]
        hashes: list[list[bytes]] = [[] for _ in streams]
        times: list[list[float]] = [[] for _ in streams]
        number = {stream.index: place for place, stream in enumerate(streams)}
        for packet in container.demux(streams):
            if packet.size:
                place = number[packet.stream_index]
                hashes[place].append(_short(memoryview(packet)))
                at = packet.pts if packet.pts is not None else packet.dts
                times[place].append(float((at or 0) * (packet.time_base or 0)))
    video, *sound = (_Track(each, np.array(when)) for each, when in zip(hashes, times, strict=True))
    return video, sound[0] if sound else None


def _packed(track: _Track, each: int) -> dict[str, Any]:
    hashes = base64.b64encode(b"".join(track.grouped(each))).decode()
    return {"packets": len(track.hashes), "each": each, "hashes": hashes}


def _unpacked(kept: object) -> tuple[int, int, list[bytes]] | None:
    """Packets, packets to a hash, and the hashes; None where nothing of the kind stands there."""
    if not isinstance(kept, dict):
        return None
    count, each, text = kept.get("packets"), kept.get("each"), kept.get("hashes")
    if not (isinstance(count, int) and isinstance(each, int) and each > 0 and isinstance(text, str)):
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return count, each, [raw[at : at + PACKET_BYTES] for at in range(0, len(raw), PACKET_BYTES)]


def _changed_picture(track: _Track, kept: tuple[int, int, list[bytes]] | None) -> list[str]:
    if kept is None:
        return []
    count, each, signed = kept
    found, now = track.grouped(each), len(track.hashes)
    if found == signed and now == count:
        return []
    begin, end = _same_ends(found, signed)
    if now != count:
        return [_another_length(now, count, track, begin * each, spliced=begin >= end)]
    different = [at for at, (a, b) in enumerate(zip(found, signed, strict=False)) if a != b]
    if len(different) == len(signed):
        return [f"the picture was encoded again: none of its {now} frames is as it was signed"]
    rank = np.empty(now, int)
    rank[np.argsort(track.times, kind="stable")] = np.arange(now)  # packets lie in the order of decoding
    frames = sorted(int(rank[packet]) for at in different for packet in range(at * each, min(now, (at + 1) * each)))
    shown = np.sort(track.times) - track.times.min()
    return _listed([_frames(first, last, shown) for first, last in _stretches(frames)], "stretches of the picture")


def _another_length(now: int, count: int, track: _Track, at: int, *, spliced: bool) -> str:
    """A picture with more or fewer frames than were signed, which begins to differ at packet `at`."""
    where = float(track.times[at] - track.times.min()) if at < now else float(np.ptp(track.times)) if now else 0.0
    if spliced and now < count:
        return f"{count - now} frames were cut out of the picture at {where:.2f} s"
    if spliced:
        return f"{now - count} frames were put into the picture at {where:.2f} s"
    return f"the picture has {now} frames where {count} were signed; they differ from {where:.2f} s on"


def _same_ends(found: list[bytes], signed: list[bytes]) -> tuple[int, int]:
    """How many hashes from the beginning are the same, and up to which one of the shorter list the rest is not."""
    most = min(len(found), len(signed))
    begin = next((at for at in range(most) if found[at] != signed[at]), most)
    tail = next((at for at in range(most) if found[-1 - at] != signed[-1 - at]), most)
    return begin, most - tail


def _frames(first: int, last: int, shown: np.ndarray) -> str:
    if first == last:
        return f"frame {first} ({shown[first]:.2f} s) was changed"
    return f"frames {first} to {last} ({shown[first]:.2f} to {shown[last]:.2f} s) were changed"


def _changed_sound(track: _Track | None, kept: tuple[int, int, list[bytes]] | None) -> list[str]:
    if kept is None:
        return [] if track is None else ["a sound was added"]
    if track is None or not track.hashes:  # a file that is cut off may have a sound that nothing is left of
        return ["the sound was removed"]
    count, each, signed = kept
    found, now = track.grouped(each), len(track.hashes)
    if found == signed and now == count:
        return []
    begins = np.maximum(track.times[::each], 0)
    if now != count:
        begin = min(_same_ends(found, signed)[0], len(begins) - 1)
        return [f"the sound from {begins[begin]:.2f} s on is not the one that was signed"]
    different = [at for at, (a, b) in enumerate(zip(found, signed, strict=False)) if a != b]
    if len(different) == len(signed):
        return ["the sound was replaced or encoded again: nothing of it is as it was signed"]
    ends = np.append(begins[1:], track.times[-1])
    told = [
        f"the sound from {begins[first]:.2f} s to {ends[last]:.2f} s was changed"
        for first, last in _stretches(different)
    ]
    return _listed(told, "stretches of the sound")


def _stretches(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of consecutive numbers."""
    for _, run in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
        whole = [number for _, number in run]
        yield whole[0], whole[-1]


def _listed(told: list[str], what: str) -> list[str]:
    more = len(told) - MOST_NAMED
    return told if more <= 0 else [*told[:MOST_NAMED], f"{more} more {what} were changed"]


def _records(path: Path) -> dict[str, str]:
    """Hashes of everything that is no picture or sound, by what it is."""
    found: dict[str, str] = {}
    for box in top_boxes(path):
        if box.kind == "mdat" or box.uuid == C2PA_UUID:
            continue
        content = read_content(path, box, _MOST_BYTES)
        if box.kind == "moov":
            index, tags = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
            for held, piece in _pieces(content):
                (tags if held else index).update(piece)
            parts = {"moov": index.hexdigest(), "tags": tags.hexdigest()}
        else:
            parts = {_name(box): hashlib.blake2b(content, digest_size=8).hexdigest()}
        for name, digest in parts.items():
            found[_free_name(name, found)] = digest
    return found


def _name(box: Box) -> str:
    if box.uuid is None:
        return box.kind
    return "xmp" if box.uuid == XMP_UUID else f"uuid {box.uuid.hex()}"


def _free_name(name: str, taken: Iterable[str]) -> str:
    same = sum(1 for other in taken if other.partition(" #")[0] == name)
    return f"{name} #{same + 1}" if same else name


def _pieces(content: bytes) -> Iterator[tuple[bool, bytes]]:
    """What a `moov` box holds but for where packets lie: whether a piece belongs to the tags, and the piece.

    Sizes of boxes that hold others are left out: they change with what is left out in them.
    """
    stack = [(0, len(content), False)]
    while stack:
        at, end, tags = stack.pop()
        if end - at < 8:
            yield tags, content[at:end]
            continue
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if not 8 <= size <= end - at:
            yield tags, content[at:end]
            continue
        stack.append((at + size, end, tags))
        held = tags or kind in _TAGS
        yield held, kind
        if kind in _HOLDERS and not held:
            stack.append((at + 8, at + size, held))
        elif kind not in _MOVED or held:
            yield held, content[at + 8 : at + size]


def _changed_records(now: dict[str, str], kept: object) -> list[str]:
    if not isinstance(kept, dict):
        return []
    told = []
    for name in dict.fromkeys([*kept, *now]):
        if now.get(name) != kept.get(name):
            how = "was removed" if name not in now else "was added" if name not in kept else "was changed"
            told.append(f"{_called(name)} {how}")
    return told


def _called(name: str) -> str:
    kind, _, number = name.partition(" #")
    return _CALLED.get(kind, f"a box of kind {kind!r}") + (f" (number {number})" if number else "")
