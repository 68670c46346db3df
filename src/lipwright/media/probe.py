"""What a file holds, learnt by walking its packets and decoding one frame."""

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.container import InputContainer
from av.error import ArgumentError, FFmpegError
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from lipwright.errors import MediaError
from lipwright.media import rates
from lipwright.media.colour import ColourTags
from lipwright.media.demuxers import ALONE
from lipwright.media.picture import OWN_CODECS, is_own, stands_left
from lipwright.media.whole import how_it_breaks_off, lacks_index, understates

_log = logging.getLogger(__name__)

_INTERLACED_ORDERS = range(2, 6)  # FFmpeg's AVFieldOrder: TT, BB, TB, BT
# Codecs whose packets never begin with so many zeros: one that does is a hole left by an unfinished download.
_NEVER_BLANK = frozenset({"h264", "hevc", "mpeg4", "mpeg2video", "mjpeg", "prores", "vp8", "vp9", "av1"})
_LONGEST_PAUSE_S = 60
_LEAST_SECONDS = 1  # of a file that breaks off; less is refused


@dataclass(frozen=True, slots=True)
class Upright:
    """How stored pictures are turned to stand upright: transpose first, then the flips."""

    transpose: bool = False
    flip_x: bool = False
    flip_y: bool = False

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "Upright":
        """Read a frame's display matrix; the nearest right angle counts."""
        data = frame.side_data.get("DISPLAYMATRIX")
        if data is None:
            return cls()
        a, b, _, c, d = struct.unpack("=9i", bytes(data))[:5]
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(transpose=True, flip_x=c < 0, flip_y=b < 0)
        return cls(flip_x=a < 0, flip_y=d < 0)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The upright picture; the same array where nothing is to be turned."""
        if self.transpose:
            picture = cv2.transpose(picture)
        if self.flip_x or self.flip_y:
            code = -1 if self.flip_x and self.flip_y else int(self.flip_x)
            picture = cv2.flip(picture, code)
        return picture

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height once upright."""
        return (height, width) if self.transpose else (width, height)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reel:
    """The video stream of a file, as its packets and first frame tell.

    Args:
        path: The file.
        stream: Index of the stream in the file.
        tick: Seconds per unit of `times`.
        times: (n,) int64, increasing presentation times of the source frames, one slot each.
        keys: Slots that decoding may start from, increasing; never empty.
        seek_to: For each of `keys`, the stream time to seek to.
        counted: The file's times are not to be trusted: frames are told apart by counting from the
            beginning.
        steady: The constant rate at which each frame has its own tick, or None.
        nominal: The rate to play at unless another is asked for.
        zero: Presentation time, in seconds, of the clip's frame 0 and of the sound's sample 0.
        lead: Frames at `steady` by which the sound begins before the picture; the first frame
            stands meanwhile.
        end: Presentation time in seconds at which the last frame ends.
        width: Of the picture with square pixels, before it is turned upright.
        height: As `width`.
        upright: How to turn the picture.
        interlaced: Frames hold two fields.
        own: Whether its frames can be handed on as they are, see `lipwright.media.picture`.
        colour: What the YUV numbers mean.
        has_sound: The file has a sound track.
        notes: What the user should know of how the file was taken, one sentence each.
    """

    path: Path
    stream: int
    tick: Fraction
    times: np.ndarray
    keys: np.ndarray
    seek_to: np.ndarray
    counted: bool
    steady: Fraction | None
    nominal: Fraction
    zero: Fraction
    lead: int
    end: Fraction
    width: int
    height: int
    upright: Upright
    interlaced: bool
    own: bool
    colour: ColourTags
    has_sound: bool
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.times)

    def schedule(self, fps: Fraction) -> np.ndarray:
        """(frames,) int64: the source slot each output frame at `fps` shows."""
        if fps == self.steady:
            return np.maximum(np.arange(len(self) + self.lead) - self.lead, 0)
        count = rates.frames_in(self.end - self.zero, fps)
        return rates.shown_at(self.times, self.tick, self.zero, fps, count)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what PyAV and the system raise while `path` is read into a `MediaError`."""
    try:
        yield
    except FileNotFoundError as exc:
        raise MediaError(f"{path} does not exist; check the name") from exc
    except PermissionError as exc:
        raise MediaError(f"{path} may not be read; check its permissions") from exc
    except (FFmpegError, OSError) as exc:
        reason = exc.strerror or type(exc).__name__
        raise MediaError(f"cannot read {path}: {reason}; is it a finished video, photo or sound file?") from exc


@contextmanager
def open_input(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        MediaError: It is missing, a folder, empty, or nothing that holds pictures or sound.
    """
    if path.is_dir():
        raise MediaError(f"{path} is a folder; give a video, photo or sound file in it")
    with reading(path):
        if path.stat().st_size == 0:
            raise MediaError(f"{path} is empty (0 bytes); was it copied completely?")
        options = ALONE | ({"ignore_length": "1"} if understates(path) else {})
        try:
            container = av.open(f"file:{path}", options=options, metadata_errors="replace")
        except FFmpegError as exc:
            if lacks_index(path):
                raise MediaError(
                    f"{path} is incomplete: the index, which stands at its end, is missing; copy or record it again"
                ) from exc
            if isinstance(exc, ArgumentError):  # a reader knew the file, and is not on the list
                raise MediaError(
                    f"{path} holds text, a playlist or another format that is not read here; "
                    "give the video, photo or sound file itself"
                ) from exc
            raise
    with container:
        yield container


def scan(path: Path) -> Reel:
    """Walk the packets of a video file. One that breaks off ends with its last whole frame.

    Raises:
        MediaError: It cannot be read, shows no frame, or breaks off within the first second.
    """
    with open_input(path) as container, reading(path):
        stream = find_video(container, path)
        walk = _Walk(container, stream)
        if walk.first is None:
            raise MediaError(f"no frame of {path} can be decoded; is it a finished video file?")
        broken = how_it_breaks_off(path) or walk.broken
        if broken:
            walk.keep_whole_frames()
        reel = _reel(path, container, stream, walk)
    if not broken:
        return reel
    seconds = float(reel.end - reel.zero)
    if seconds < _LEAST_SECONDS:
        raise MediaError(
            f"{path} {broken} and only {seconds:.2f} seconds of it decode, at least {_LEAST_SECONDS} is needed; "
            f"copy or download it again"
        )
    return replace(reel, notes=(f"{path.name} {broken}; the {seconds:.1f} seconds that decode are used",))


def has_video(container: InputContainer) -> bool:
    """Whether there is a stream of moving pictures (cover art is not)."""
    return any(not _is_cover(stream) for stream in container.streams.video)


def find_video(container: InputContainer, path: Path) -> VideoStream:
    """The stream a player would show.

    Raises:
        MediaError: There is none.
    """
    streams = [stream for stream in container.streams.video if not _is_cover(stream)]
    if not streams:
        if container.streams.audio:
            raise MediaError(f"{path} holds only sound; a video or photo is wanted here")
        raise MediaError(f"{path} holds no pictures; give a video or photo")
    streams = [stream for stream in streams if knows_coding(stream)]
    if not streams:
        raise MediaError(f"the pictures of {path} are coded in an unknown way; convert it to H.264")
    return max(streams, key=lambda stream: stream.width * stream.height)


def knows_coding(stream: Stream) -> bool:
    """Whether this FFmpeg has a decoder for a stream; PyAV gives it no codec context otherwise."""
    return stream.codec_context is not None


class _Walk:
    """One pass over the packets of a video stream, decoding until the first frame appears."""

    def __init__(self, container: InputContainer, stream: VideoStream) -> None:
        stream.thread_type = "SLICE"  # frame threads would want several packets before the first frame
        self.first: av.VideoFrame | None = None
        self.stamps: list[tuple[int | None, int | None]] = []
        self.keys: list[int] = []  # positions in `stamps`
        self.last_length: dict[int, int] = {}  # of the packet shown last: pts → duration
        self.broken = ""  # how the file breaks off, as far as its packets tell
        self._may_be_blank = stream.codec_context.name not in _NEVER_BLANK
        self._whole = 0  # stamps up to the last packet that is all there
        try:
            for packet in container.demux(stream):
                if self.first is None:
                    self._decode(packet)
                if packet.size and not packet.is_discard and not _is_hidden(packet):
                    self._note(packet)
        except FFmpegError as exc:
            self.broken = f"breaks off ({exc.strerror})"
        if not self.broken and self._whole < len(self.stamps):
            self.broken = f"ends in {len(self.stamps) - self._whole} frames without data"

    def keep_whole_frames(self) -> None:
        """Let the clip end before what is not all there.

        Frames are stored in the order of their decoding times, which never exceed those of showing: up to the last
        decoding time none is missing, beyond it some may be.
        """
        whole = self.stamps[: self._whole] or self.stamps
        last = max((dts for _, dts in whole if dts is not None), default=math.inf)
        kept = [place for place, (pts, _) in enumerate(whole) if pts is None or pts <= last] or [0]
        self.keys = [kept.index(place) for place in self.keys if place in kept]
        self.stamps = [whole[place] for place in kept]

    def _decode(self, packet: av.Packet) -> None:
        try:
            frames = packet.decode()
        except FFmpegError:
            return
        if frames and isinstance(frames[0], av.VideoFrame):
            self.first = frames[0]

    def _note(self, packet: av.Packet) -> None:
        if packet.is_keyframe:
            self.keys.append(len(self.stamps))
        self.stamps.append((packet.pts, packet.dts))
        blank = not (self._may_be_blank or any(memoryview(packet)[:16]))
        if not (packet.is_corrupt or blank):
            self._whole = len(self.stamps)
        if packet.pts is not None and packet.pts > max(self.last_length, default=packet.pts - 1):
            self.last_length = {packet.pts: packet.duration or 0}


def _reel(path: Path, container: InputContainer, stream: VideoStream, walk: _Walk) -> Reel:
    frame = walk.first
    assert frame is not None  # noqa: S101 - the caller has checked
    clock = _clock(container, stream, walk)
    tick = clock.tick
    end = (int(clock.times[-1]) + clock.last_length) * tick
    hints = _hints(stream)
    steady = rates.steady_rate(clock.times, tick, hints)
    nominal = rates.within_reason(steady or rates.nominal_rate(clock.times, tick, hints))
    start = int(clock.times[0]) * tick
    lead = _lead(container, start, nominal)
    if steady is not None:
        end = start + len(clock.times) / steady
    width, height = _square(frame, stream)
    colour = ColourTags.of(frame)
    if colour.is_hdr:
        _log.warning("%s is HDR; it is read as 8 bits and its tags are kept", path.name)
    return Reel(
        path=path,
        stream=stream.index,
        tick=tick,
        times=clock.times,
        keys=clock.keys,
        seek_to=clock.seek_to,
        counted=clock.counted,
        steady=steady,
        nominal=nominal,
        zero=start - lead / nominal,
        lead=lead,
        end=end,
        width=width,
        height=height,
        upright=Upright.of(frame),
        interlaced=frame.interlaced_frame or stream.codec_context.field_order in _INTERLACED_ORDERS,
        own=stream.codec_context.name in OWN_CODECS and is_own(frame) and stands_left(frame),
        colour=colour,
        has_sound=bool(container.streams.audio),
        notes=(),
    )


@dataclass(slots=True)
class _Clock:
    """When frames are shown, and where decoding may start."""

    tick: Fraction
    times: np.ndarray
    counted: bool
    last_length: int
    keys: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    seek_to: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))


def _clock(container: InputContainer, stream: VideoStream, walk: _Walk) -> _Clock:
    """Presentation times from the packets; by counting where the packets have none to trust."""
    shown = [pts for pts, _ in walk.stamps if pts is not None]
    times = np.unique(np.array(shown, dtype=np.int64))
    # AVI stores no presentation times: where pictures are reordered, FFmpeg's guess is the coding
    # order.
    guessed = container.format.name == "avi" and stream.codec_context.has_b_frames
    disordered = guessed and shown == sorted(shown)
    if len(times) < max(1, len(walk.stamps)) * 0.9 or disordered or stream.time_base is None or _jumps(times, stream):
        rate = next(iter(_hints(stream)), rates.DEFAULT)
        count = max(1, len(walk.stamps))
        return _Clock(1 / rate, np.arange(count, dtype=np.int64), counted=True, last_length=1)
    length = next(iter(walk.last_length.values()), 0)
    if length <= 0:
        length = int(np.median(np.diff(times))) if len(times) > 1 else 0
    clock = _Clock(stream.time_base, times, counted=False, last_length=length)
    by_shown = container.format.name.startswith("matroska")  # its index holds presentation times
    starts: dict[int, int] = {0: int(times[0])}
    for position in walk.keys:
        pts, dts = walk.stamps[position]
        if pts is not None:
            slot = int(np.searchsorted(times, pts))
            starts[slot] = pts if by_shown or dts is None else min(pts, dts)
    clock.keys = np.array(sorted(starts), dtype=np.int64)
    clock.seek_to = np.array([starts[slot] for slot in sorted(starts)], dtype=np.int64)
    return clock


def _jumps(times: np.ndarray, stream: VideoStream) -> bool:
    """Whether a clock is broken: it leaps by more than any pause between two frames of footage."""
    longest = float(np.diff(times).max(initial=0) * (stream.time_base or 0))
    if longest > _LONGEST_PAUSE_S:
        _log.warning("a frame comes %.0f seconds after the one before; frames are counted instead", longest)
    return longest > _LONGEST_PAUSE_S


def _hints(stream: VideoStream) -> list[Fraction]:
    """Rates the container claims, likeliest first; absurd ones (a clock's own rate) left out."""
    claims = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [Fraction(claim) for claim in claims if claim and 1 <= claim <= 1000]


def _lead(container: InputContainer, start: Fraction, rate: Fraction) -> int:
    """Whole frames by which the sound begins before the picture."""
    sound = container.streams.best("audio")
    if sound is None or sound.start_time is None or sound.time_base is None:
        return 0
    return max(0, round((start - sound.start_time * sound.time_base) * rate))


def _square(frame: av.VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """Size with square pixels: the height stays, the width is stretched."""
    shape = stream.sample_aspect_ratio or Fraction(1)
    if not Fraction(1, 4) <= shape <= 4:  # a broken header
        shape = Fraction(1)
    return max(1, round(frame.width * shape)), frame.height


def _is_cover(stream: VideoStream) -> bool:
    return bool(stream.disposition & Disposition.attached_pic)


def _is_hidden(packet: av.Packet) -> bool:
    """Whether a VP8 packet is one of those that are decoded but never shown."""
    return packet.stream.codec_context.name == "vp8" and not bytes(packet)[0] & 0x10
