"""A piece of a video, encoded by itself: it begins with a key frame and refers to nothing outside."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from lipwright.errors import OptionError, ShapeError
from lipwright.media.colour import ColourTags, FromRgb
from lipwright.media.options import CODECS, EncodeOptions

# Both encoders give other packets with another number of threads, and would choose it by the machine's cores. More
# bring nothing on 16 cores, where drawing takes longer; on two, these take no longer than the encoders' own choice.
THREADS = {"libx264": 4, "libx265": 4}
UNDATED = 2  # frames: libx265 gives the packets of so few decoding times from memory that nobody has written to


Written = np.ndarray | av.VideoFrame
"""What an encoder is given."""


@dataclass(frozen=True, slots=True)
class Coded:
    """One encoded frame.

    Args:
        pts: its number in the segment.
        duration: frames it is shown, 0 where the encoder does not say.
        key: whether decoding can begin here.
        data: the packet.
    """

    pts: int
    duration: int
    key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """Encoded frames.

    Args:
        frames: how many.
        delay: frames that decoding must be ahead of showing, because some are stored before those they follow. A
            segment of one or two frames may need less than others of its kind.
        extradata: what a decoder must know before the first, as the container keeps it.
        packets: in decoding order.
    """

    frames: int
    delay: int
    extradata: bytes
    packets: tuple[Coded, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """Pictures of one video on their way into packets.

    Args:
        width, height: pixels.
        fps: frames per second, exact.
        options: codec and quality.
        colour: what the numbers in the file shall mean.

    Raises:
        OptionError: size or rate is out of range.
    """

    width: int
    height: int
    fps: Fraction
    options: EncodeOptions
    colour: ColourTags

    def __post_init__(self) -> None:
        if not (2 <= self.width <= 16384 and 2 <= self.height <= 16384):
            raise OptionError(f"width and height must be 2..16384, got {self.width} x {self.height}")
        if not 1 <= self.fps <= 240:
            raise OptionError(f"fps must be 1..240, got {self.fps}")

    @property
    def coded_size(self) -> tuple[int, int]:
        """Width and height in the file: H.264 and HEVC need even ones."""
        even = CODECS[self.options.codec].even
        return self.width + (even and self.width % 2), self.height + (even and self.height % 2)

    def settle(self, context: VideoCodecContext) -> None:
        """Tell an encoder that is not open yet."""
        context.width, context.height = self.coded_size
        context.pix_fmt = self.options.pixels
        context.framerate = self.fps
        context.time_base = 1 / self.fps
        context.thread_type = "AUTO"  # pyright: ignore[reportAttributeAccessIssue] - its setter takes words
        context.thread_count = THREADS.get(self.options.ffmpeg_name, 0)
        context.colorspace = self.colour.matrix
        context.color_primaries = self.colour.primaries
        context.color_trc = self.colour.transfer
        context.color_range = 2 if self.colour.full_range else 1

    def settings(self) -> dict[str, str]:
        """The encoder's own options."""
        return self.options.encoder_settings(self.width)

    def as_stored(self, picture: Written, to_yuv: FromRgb, where: str) -> av.VideoFrame:
        """A picture as the encoder takes it.

        Args:
            picture: (height, width, 3) uint8 RGB, not kept and not changed; or a frame of `Picture.as_stored`.
            to_yuv: converts RGB.
            where: it comes in, for messages.

        Raises:
            ShapeError: it is no picture of this video.
        """
        if isinstance(picture, av.VideoFrame):
            if (picture.width, picture.height, picture.format.name) != (self.width, self.height, "yuv420p"):
                got = f"{picture.width} x {picture.height} {picture.format.name}"
                raise ShapeError(where, expected=f"{self.width} x {self.height} yuv420p", got=got)
            return picture
        if picture.shape != (self.height, self.width, 3) or picture.dtype != np.uint8:
            got = f"{picture.shape} {picture.dtype}"
            raise ShapeError(where, expected=f"({self.height}, {self.width}, 3) uint8", got=got)
        return to_yuv(self._padded(picture))

    def _padded(self, picture: np.ndarray) -> np.ndarray:
        """The picture in its coded size: an odd width or height gains a copy of its last column or row."""
        width, height = self.coded_size
        right, below = width - self.width, height - self.height
        if right or below:
            return np.pad(picture, ((0, below), (0, right), (0, 0)), mode="edge")
        return np.ascontiguousarray(picture)


class SegmentEncoder:
    """Encodes one segment; let go of it when it is finished.

    Args:
        form: of the pictures.

    Raises:
        OSError, FFmpegError: as PyAV, where it lacks the encoder or that refuses.
    """

    def __init__(self, form: PictureFormat) -> None:
        self._form = form
        context = av.CodecContext.create(form.options.ffmpeg_name, "w")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - the table holds video encoders only
        context.options = form.settings()
        form.settle(context)
        context.flags |= Flags.global_header  # all our containers want it
        context.open()
        self._context = context
        self._to_yuv = FromRgb(form.colour)
        self._frames = self._delay = 0
        self._packets: list[Coded] = []

    @property
    def extradata(self) -> bytes:
        """See `Segment`; the same for encoders whose segments can be joined."""
        return self._context.extradata or b""

    def add(self, picture: Written) -> None:
        """Append one frame; see `PictureFormat.as_stored`."""
        frame = self._form.as_stored(picture, self._to_yuv, "SegmentEncoder.add")
        frame.pts, frame.time_base = self._frames, 1 / self._form.fps
        self._frames += 1
        self._take(self._context.encode(frame))

    def finish(self) -> Segment:
        """What was made of them."""
        self._take(self._context.encode(None))
        delay = self._delay if self._frames > UNDATED else 0  # nothing to reorder
        return Segment(self._frames, delay, self.extradata, tuple(self._packets))

    def _take(self, packets: list[Packet]) -> None:
        for packet in packets:
            assert packet.pts is not None  # noqa: S101 - encoders date all they give
            if not self._packets:
                self._delay = -(packet.dts or 0)
            self._packets.append(Coded(packet.pts, packet.duration or 0, packet.is_keyframe, bytes(packet)))
