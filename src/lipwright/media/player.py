"""Source frames by slot, in any order, with bounded memory."""

import itertools
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.filter import Graph
from av.video.stream import VideoStream

from lipwright.errors import MediaError
from lipwright.media.probe import Reel, open_input

_log = logging.getLogger(__name__)

# Decoded frames held at most while a clip plays backward: 82 frames of 1080p.
BUDGET_BYTES = 128 << 20
# A step back of at most this many slots is taken for backward play; a longer one is a jump.
_STEP = 8
# A step forward beyond this many slots seeks when a key frame lies between.
_STRIDE = 32


class Player:
    """Serves the frames of a reel one by one; consecutive slots, forward or backward, cost least.

    Forward, each frame is decoded once and none is kept but the last. Backward, decoding starts at
    the key frame before a chunk as long as the budget allows, the chunk is kept and handed out from
    its end. Use as a context manager; hold one per thread.
    """

    def __init__(self, reel: Reel, budget_bytes: int = BUDGET_BYTES) -> None:
        self._reel = reel
        self._budget_bytes = budget_bytes
        self._decoder = Decoder(reel)
        self._run: Iterator[av.VideoFrame] = iter(())
        self._held: deque[av.VideoFrame] = deque()
        self._next = 0  # slot the run decodes next; those held end just before it
        self.most_held = 0  # for tests: the largest number of frames held at once

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self._held.clear()
        self._decoder.close()

    def frame(self, slot: int) -> av.VideoFrame:
        """The decoded frame of one slot.

        Raises:
            MediaError: The file can no longer be read.
        """
        oldest = self._next - len(self._held)
        if oldest <= slot < self._next:
            return self._held[slot - oldest]
        if slot < oldest:
            chunk = self._chunk() if oldest - slot <= _STEP else 1
            self._restart(max(0, slot + 1 - chunk))
        else:
            chunk = 1
            if not self._held or self._worth_seeking(slot):
                self._restart(slot)
        while self._next <= slot:
            while len(self._held) >= chunk:
                self._held.popleft()
            self._held.append(next(self._run))
            self._next += 1
            self.most_held = max(self.most_held, len(self._held))
        return self._held[-1]

    def _chunk(self) -> int:
        """Frames the budget allows for (at least two, or backward play would stand still)."""
        size = sum(plane.buffer_size for plane in self._held[-1].planes) if self._held else 1
        return max(2, self._budget_bytes // size)

    def _worth_seeking(self, slot: int) -> bool:
        """Whether a key frame lies on a long way forward."""
        if slot - self._next <= _STRIDE:
            return False
        keys = self._reel.keys
        return bool(keys[np.searchsorted(keys, slot, side="right") - 1] > self._next)

    def _restart(self, slot: int) -> None:
        self._held.clear()
        self._run = self._decoder.run(slot)
        self._next = slot


class Decoder:
    """Decodes a reel from a key frame on, naming each frame by its slot."""

    def __init__(self, reel: Reel) -> None:
        self._reel = reel
        self._open = ExitStack()
        self._container: InputContainer | None = None
        self._bad_keys: set[int] = set()
        self._warned = False

    def close(self) -> None:
        """Let go of the file."""
        self._container = None
        self._open.close()

    def run(self, start: int) -> Iterator[av.VideoFrame]:
        """One frame for each slot from `start` to the last, whatever the file is missing.

        A slot that decodes to nothing shows the frame before it; the first frame stands for any
        before it.
        """
        held: av.VideoFrame | None = None
        slot = start
        for found, frame in self._from_key_before(start):
            if found >= slot:
                for _ in range(slot, found):
                    yield frame if held is None else held
                yield frame
                slot = found + 1
            held = frame
        if held is None:
            raise MediaError(f"{self._reel.path} can no longer be decoded; did it change on disk?")
        if slot < len(self._reel) and not self._warned:
            self._warned = True
            missing = len(self._reel) - slot
            _log.warning("%s: the last %d frames do not decode", self._reel.path.name, missing)
        for _ in range(slot, len(self._reel)):
            yield held

    def _from_key_before(self, start: int) -> Iterator[tuple[int, av.VideoFrame]]:
        """Frames and their slots from the nearest good key frame at or before `start`."""
        # A deinterlacer looks at the frame before as well.
        reach = max(0, start - 1) if self._reel.interlaced else start
        nearest = int(np.searchsorted(self._reel.keys, reach, side="right")) - 1
        for key in range(nearest, -1, -1):
            if key in self._bad_keys:
                continue
            frames = self._decode_from(key)
            first = next(frames, None)
            # A key frame after which decoding takes a while to recover is of no use.
            if key == 0 or (first is not None and first[0] == self._reel.keys[key]):
                if first is not None:
                    numbered = itertools.chain([first], frames)
                    return self._deinterlaced(numbered) if self._reel.interlaced else numbered
                return iter(())
            self._bad_keys.add(key)
        return iter(())

    def _decode_from(self, key: int) -> Iterator[tuple[int, av.VideoFrame]]:
        stream = self._seek(key)
        first = int(self._reel.keys[key])
        times = self._reel.times
        before = first - 1
        for frame in _decoded(stream):
            if self._reel.counted or frame.pts is None:
                slot = before + 1
            else:
                slot = int(np.searchsorted(times, frame.pts, side="right")) - 1
            # Pictures that precede the key frame on screen but follow it in the file lack what they
            # refer to.
            if before < slot < len(self._reel):
                before = slot
                yield slot, frame

    def _seek(self, key: int) -> VideoStream:
        fresh = self._container is None
        if key == 0 and not fresh:
            self.close()  # the beginning is found most surely by opening the file again
            fresh = True
        if self._container is None:
            self._container = self._open.enter_context(open_input(self._reel.path))
        stream = self._container.streams[self._reel.stream]
        if not isinstance(stream, VideoStream):
            raise MediaError(f"{self._reel.path} has changed on disk; open it again")
        if fresh:
            stream.thread_type = "AUTO"
        if key:
            try:
                self._container.seek(int(self._reel.seek_to[key]), stream=stream)
            except FFmpegError:  # cannot seek: begin at the beginning and decode up to the key frame
                return self._seek(0)
        return stream

    def _deinterlaced(self, frames: Iterator[tuple[int, av.VideoFrame]]) -> Iterator[tuple[int, av.VideoFrame]]:
        """The same frames with their two fields made one; progressive ones pass untouched."""
        graph: Graph | None = None
        waiting: deque[int] = deque()  # the filter keeps count and order, one frame late
        for slot, frame in frames:
            if graph is None:
                graph = _deinterlacer(frame)
            waiting.append(slot)
            graph.vpush(frame)
            for done in _pulled(graph):
                yield waiting.popleft(), done
        if graph is not None:
            graph.vpush(None)
            for done in _pulled(graph):
                yield waiting.popleft(), done


def _decoded(stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Frames from where the container stands; damaged packets are left out."""
    packets = stream.container.demux(stream)  # type: ignore[attr-defined]
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        try:
            frames = packet.decode()
        except FFmpegError:
            continue
        yield from frames


def _deinterlacer(frame: av.VideoFrame) -> Graph:
    graph = Graph()
    source = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    fields = graph.add("bwdif", "mode=send_frame:parity=auto:deint=interlaced")
    graph.link_nodes(source, fields, graph.add("buffersink")).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.vpull()
        except (BlockingIOError, EOFError):  # wants another frame; has no more
            return
        yield frame
