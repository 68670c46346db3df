"""Ways to tamper with a marked MP4: each writes a changed copy of a whole file."""

import random
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import fuzz
import numpy as np

from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.provenance.boxes import Box, find_box, top_boxes

C2PA = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
Frame = Callable[[int, np.ndarray], np.ndarray]


def box_of(path: Path, uuid: bytes) -> Box:
    """The uuid box of that name."""
    return next(box for box in top_boxes(path) if box.uuid == uuid)


def flipped(source: Path, target: Path, at: int, mask: int = 0x01) -> Path:
    """One byte is another."""
    data = bytearray(source.read_bytes())
    data[at] ^= mask
    target.write_bytes(data)
    return target


def in_packet(source: Path, kind: str, number: int) -> int:
    """A byte in the middle of a packet: of frame `number` by its time, or of that sound packet."""
    with av.open(str(source)) as container:
        stream = container.streams.best(kind)
        packets = [(each.pts, each.pos, each.size) for each in container.demux(stream) if each.size]
    _, at, size = sorted(packets)[number]
    return at + size * 2 // 3


def in_text(source: Path, text: bytes, box: Box) -> int:
    """The last byte of a text that stands once in a box."""
    data = source.read_bytes()
    assert data.count(text, box.start, box.end) == 1, text
    return data.index(text, box.start, box.end) + len(text) - 1


def moov(source: Path) -> Box:
    """The box that holds index and tags."""
    return next(box for box in top_boxes(source) if box.kind == "moov")


def in_moov(source: Path, *kinds: str, offset: int) -> int:
    """A byte of the content of a box in `moov`."""
    box = find_box(source, "moov", *kinds)
    assert box is not None
    return box.content[0] + offset


def appended(source: Path, target: Path, kind: bytes, content: bytes) -> Path:
    """One more box at the end."""
    target.write_bytes(source.read_bytes() + (8 + len(content)).to_bytes(4, "big") + kind + content)
    return target


def blanked(source: Path, target: Path, box: Box) -> Path:
    """A box is made into empty space: it is gone, and nothing else has moved."""
    data = bytearray(source.read_bytes())
    data[box.start + 4 : box.start + 8] = b"free"
    data[box.start + 8 : box.end] = bytes(box.size - 8)
    target.write_bytes(data)
    return target


def without_last(source: Path, target: Path) -> Path:
    """The last box of the file is cut off."""
    target.write_bytes(source.read_bytes()[: top_boxes(source)[-1].start])
    return target


def remuxed(source: Path, target: Path, *, keep: Callable[[str, int], bool] = lambda *_: True) -> Path:
    """The same packets in a new file, or some of them; statement and XMP are lost, tags are kept."""
    with av.open(str(source)) as given, av.open(str(target), "w", options={"movflags": "use_metadata_tags"}) as made:
        made.metadata.update(given.metadata)
        streams = {each.index: made.add_stream_from_template(each) for each in given.streams}
        counts = dict.fromkeys(streams, 0)
        for packet in given.demux():
            if packet.size:
                number, counts[packet.stream.index] = counts[packet.stream.index], counts[packet.stream.index] + 1
                if keep(packet.stream.type, number):
                    packet.stream = streams[packet.stream.index]
                    made.mux(packet)
    return target


def encoded(source: Path, target: Path, change: Frame = lambda _, frame: frame, crf: int = 18) -> Path:
    """The picture encoded anew, frames changed on the way; no sound, statement, records or tags."""
    with open_clip(source) as clip:
        height, width = clip.facts.height, clip.facts.width
        options = EncodeOptions(crf=crf, preset="veryfast")
        with ClipWriter(target, width=width, height=height, fps=Fraction(clip.facts.fps), options=options) as sink:
            for number, frame in enumerate(clip.frames()):
                sink.write(change(number, frame))
    return target


def in_groups(frames: list[np.ndarray], target: Path, group: int) -> Path:
    """Frames encoded in groups that know nothing of each other: one changed frame changes no other group."""
    options = {"g": str(group), "bf": "0", "qp": "20", "x264-params": "scenecut=0:mbtree=0:rc-lookahead=0:threads=1"}
    with av.open(str(target), "w") as made:
        stream = made.add_stream("libx264", rate=25, options=options)
        stream.pix_fmt = "yuv420p"
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            made.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        made.mux(stream.encode(None))
    return target


def with_boxes(source: Path, target: Path, uuids: Iterable[bytes] = (C2PA, XMP)) -> Path:
    """Statement and records of one file put into another, in place."""
    data = source.read_bytes()
    with target.open("ab") as file:
        for uuid in uuids:
            box = box_of(source, uuid)
            file.write(data[box.start : box.end])
    return target


def mutants(source: Path, seed: int) -> Iterator[tuple[str, bytes]]:
    """Without end: what was done, and the damaged copy; every second one in a box that tells of the origin."""
    whole = source.read_bytes()
    telling = [(box.start, box.end) for box in top_boxes(source) if box.kind in ("uuid", "moov")]
    number = 0
    while True:
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - for repeatable damage
        harm = fuzz.HARMS[number // 2 % len(fuzz.HARMS)]
        begin, end = chance.choice(telling) if number % 2 else (0, len(whole))
        piece = bytearray(whole[begin:end])
        harm(piece, chance)
        yield f"{number} {harm.__name__} {begin}", whole[:begin] + piece + whole[end:]
        number += 1
