"""Frames and sound in, a finished file out."""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.audio.stream import AudioStream
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from lipwright.errors import MediaError, OptionError, OutputError
from lipwright.media.colour import ColourTags, FromRgb
from lipwright.media.hardware import choose_encoder
from lipwright.media.options import CODECS, CONTAINERS, EncodeOptions
from lipwright.media.partial import partial_name, remove_abandoned
from lipwright.media.segment import PictureFormat, Segment
from lipwright.media.sound import SoundReader

__all__ = ["ClipWriter", "EncodeOptions"]


class ClipWriter:
    """Writes a video file; use as a context manager.

    The file grows under a hidden name in the same folder and takes its own name when the block ends
    without an error; otherwise it is removed, and an older file of that name stays as it was. What a
    killed process left of the same file is removed; of several writers at once the last to finish counts.
    Memory does not grow with length.

    H.264 and HEVC need even sizes: an odd width or height gains one column or row, a copy of
    the last, rather than being resampled or cut.

    Args:
        path: The file to make: .mp4, .m4v, .mov, .mkv or .webm.
        width: Of the pictures, pixels.
        height: Of the pictures, pixels.
        fps: Frames per second, kept exactly.
        sound: A sound file, or a video whose sound track is wanted; begins with the first frame,
            and is cut or filled with silence to end with the last. None: no sound track.
        options: Codec and quality.
        colour: The source's `Clip.colour`, to keep its matrix, range and tags; None: the standard
            for this height.
        tags: Metadata of the file by name; MP4 and MOV keep it under exactly these names.
        seal: Given the complete file under its hidden name, to finish it in place; what it raises
            discards the file.

    Raises:
        BackendError: The encoder does not work on this machine.
        OptionError: Size or rate is out of range, or the container does not take the codec.
        OutputError: The folder is missing or not writable, or the codec is not in this PyAV.
        MediaError: The sound cannot be read.
    """

    def __init__(  # noqa: PLR0913 - the facts of a file, by keyword
        self,
        path: Path | str,
        *,
        width: int,
        height: int,
        fps: Fraction,
        sound: Path | str | None = None,
        options: EncodeOptions | None = None,
        colour: ColourTags | None = None,
        tags: Mapping[str, str] | None = None,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames_written = 0
        self.form = PictureFormat(
            width=width,
            height=height,
            fps=Fraction(fps),
            options=options or EncodeOptions(),
            colour=(colour or ColourTags.standard(height)).for_writing(),
        )
        self._sound_path = None if sound is None else Path(sound)
        self._tags = dict(tags or {})
        self._seal = seal
        self._check()
        self._partial = partial_name(self.path)
        self._container: OutputContainer | None = None
        self._sound: _SoundTrack | None = None
        self._delay = 0
        self._encodes = False  # whether the track's own encoder holds pictures

    def __enter__(self) -> "ClipWriter":
        if self._container is not None:
            raise OutputError(f"{self.path} is being written already; make a new ClipWriter")
        try:
            self._begin()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, picture: np.ndarray | av.VideoFrame) -> None:
        """Append one frame.

        Args:
            picture: (height, width, 3) uint8 RGB, not kept and not changed; or a frame of `Picture.as_stored`.

        Raises:
            ShapeError: The picture has another shape or dtype.
            OutputError: The file cannot be written, for instance because the disk is full.
        """
        container = self._opened()
        with self._writing():
            frame = self.form.as_stored(picture, self._to_yuv, "ClipWriter.write")
            frame.pts = self.frames_written
            frame.time_base = 1 / self.form.fps
            container.mux(self._video.encode(frame))
            self._encodes = True
            self.frames_written += 1
            self._hear(self.frames_written)

    def append(self, segment: Segment) -> None:
        """Append frames that were encoded by themselves, with the same settings: packets are copied as they are.

        Not after `write`, whose encoder still holds frames.

        Raises:
            OutputError: They were encoded with other settings, or the file cannot be written.
        """
        container = self._opened()
        if self._encodes or segment.extradata != (self._video.codec_context.extradata or b""):
            raise OutputError(f"{self.path} cannot be joined: a part of it was encoded otherwise; do the job again")
        if not self.frames_written:
            self._delay = segment.delay
        with self._writing():
            for number, coded in enumerate(segment.packets):
                packet = Packet(coded.data)
                packet.stream, packet.time_base = self._video, 1 / self.form.fps
                packet.pts, packet.dts = self.frames_written + coded.pts, self.frames_written + number - self._delay
                packet.duration, packet.is_keyframe = coded.duration, coded.key
                container.mux(packet)
                self._hear(self.frames_written + number + 1)
            self.frames_written += segment.frames

    def _opened(self) -> OutputContainer:
        if self._container is None:
            raise OutputError(f"{self.path} is not open; write frames inside the `with` block")
        return self._container

    def _hear(self, frames: int) -> None:
        """Write the sound as far as the picture goes, so that the two lie side by side in the file."""
        if self._sound is not None:
            self._sound.write_until(frames / self.form.fps)

    def _check(self) -> None:
        row = CONTAINERS.get(self.path.suffix.lower())
        if row is None:
            known = ", ".join(CONTAINERS)
            raise OptionError(f"cannot write {self.path.name}: the name must end in {known}")
        self._format, self._sound_codec, takes = row
        got = self.form.options.codec
        if got not in takes:
            raise OptionError(f"{self.path.suffix} takes {', '.join(takes)}, got {got}")
        choose_encoder(self.form.options.encoder, got)

    def _begin(self) -> None:
        if not self.path.parent.is_dir():
            raise OutputError(f"the folder {self.path.parent} does not exist; create it first")
        if self.path.is_dir():
            raise OutputError(f"{self.path} is a folder; give the name of a file")
        remove_abandoned(self.path)
        if self._sound_path is not None:
            self._sound = _SoundTrack(self._sound_path)
        with self._writing():
            self._container = av.open(
                f"file:{self._partial}", "w", format=self._format, container_options=self._container_options()
            )
            self._container.metadata.update(self._tags)
            self._video = self._add_video(self._container)
            if self._sound is not None:
                self._sound.join(self._container, self._sound_codec, self.form.options.sound_kbps)
            self._container.start_encoding()  # what cannot be written is told now, not after the first segment
        self._to_yuv = FromRgb(self.form.colour)

    def _container_options(self) -> dict[str, str]:
        if self._format not in ("mp4", "mov"):
            return {}
        # Without the second one, only the handful of names that FFmpeg knows would be kept.
        return {"movflags": "+faststart" + "+use_metadata_tags" * bool(self._tags)}

    def _add_video(self, container: OutputContainer) -> VideoStream:
        """The track, with an encoder that says what is in it; where segments are appended, it is given no picture."""
        codec = CODECS[self.form.options.codec]
        stream = container.add_stream(self.form.options.ffmpeg_name, rate=self.form.fps, options=self.form.settings())
        assert isinstance(stream, VideoStream)  # noqa: S101 - the table holds video encoders only
        self.form.settle(stream.codec_context)
        if codec.tag is not None and self._format != "matroska":
            stream.codec_context.codec_tag = codec.tag
        stream.codec_context.open()
        return stream

    def _finish(self) -> None:
        if self._container is None or not self.frames_written:
            raise OutputError(f"no frame was written to {self.path}; nothing is kept")
        with self._writing():
            if self._sound is not None:
                self._sound.finish(self.frames_written / self.form.fps)
            if self._encodes:
                self._container.mux(self._video.encode(None))
            self._container.close()
            self._verify()
            if self._seal is not None:
                self._seal(self._partial)
            self._partial.replace(self.path)
        if self._sound is not None:
            self._sound.close()

    def _verify(self) -> None:
        """Look at the finished file: FFmpeg does not report every failed write."""
        with av.open(f"file:{self._partial}") as container:
            counted = container.streams.video[0].frames
        if self._format in ("mp4", "mov") and counted != self.frames_written:
            got = f"{counted} of {self.frames_written} frames"
            raise OutputError(f"{self.path} came out with {got}; is the disk full?")

    def _discard(self) -> None:
        """Remove what was written; never raises."""
        if self._sound is not None:
            self._sound.close()
        if self._container is not None:
            with suppress(FFmpegError, OSError, ValueError):
                self._container.close()
        with suppress(OSError):
            self._partial.unlink()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what PyAV and the system raise into an `OutputError` of one sentence."""
        try:
            yield
        except UnknownCodecError as exc:
            raise OutputError(
                f"this PyAV has no encoder {exc}; choose another codec or install PyAV's own wheel"
            ) from exc
        except (FFmpegError, OSError) as exc:
            raise OutputError(f"cannot write {self.path}: {_reason(exc)}") from exc


class _SoundTrack:
    """The sound of a file being written: decoded, resampled and encoded as the picture advances."""

    def __init__(self, path: Path) -> None:
        self._reader = SoundReader(path)
        self._blocks = self._reader.blocks()
        self._rest = np.zeros((self._reader.channels, 0), np.float32)
        self._encoded = 0  # samples handed to the encoder
        self._heard = False
        self._path = path

    def join(self, container: OutputContainer, codec: str, kbps: int) -> None:
        """Add the track to a container, before anything is written to it."""
        if codec == "libopus" and self._reader.rate != 48000:  # Opus knows no 44.1 kHz
            self._reader.rate = 48000
        self._container = container
        stream = container.add_stream(codec, rate=self._reader.rate)
        assert isinstance(stream, AudioStream)  # noqa: S101 - the table holds sound encoders only
        stream.codec_context.layout = self._layout
        stream.codec_context.bit_rate = kbps * 1000 * self._reader.channels // 2
        stream.codec_context.open()
        self._stream = stream
        self._step = stream.codec_context.frame_size or 1024

    def write_until(self, seconds: Fraction) -> None:
        """Encode whole encoder frames up to a time."""
        end = round(seconds * self._reader.rate)
        while self._encoded + self._step <= end:
            self._encode(self._take(self._step))

    def finish(self, seconds: Fraction) -> None:
        """Encode the rest, so that the track lasts exactly this long, and flush."""
        self.write_until(seconds)
        left = round(seconds * self._reader.rate) - self._encoded
        if left > 0:
            self._encode(self._take(left))
        self._container.mux(self._stream.encode(None))

    def close(self) -> None:
        """Let go of the source."""
        self._blocks.close()
        self._reader.__exit__()

    @property
    def _layout(self) -> str:
        return "mono" if self._reader.channels == 1 else "stereo"

    def _take(self, count: int) -> np.ndarray:
        """The next samples, silence once the source has ended."""
        parts, have = [self._rest], self._rest.shape[1]
        while have < count:
            block = next(self._blocks, None)
            if block is None:
                if not self._heard:
                    raise MediaError(f"the sound of {self._path} is empty; give another file")
                block = np.zeros((self._reader.channels, count - have), np.float32)
            self._heard = True
            parts.append(block)
            have += block.shape[1]
        joined = np.concatenate(parts, axis=1)
        self._rest = joined[:, count:]
        return joined[:, :count]

    def _encode(self, block: np.ndarray) -> None:
        pixels = np.ascontiguousarray(block.clip(-1, 1))
        frame = av.AudioFrame.from_ndarray(pixels, format="fltp", layout=self._layout)
        frame.sample_rate = self._reader.rate
        frame.pts = self._encoded
        frame.time_base = Fraction(1, self._reader.rate)
        self._encoded += block.shape[1]
        self._container.mux(self._stream.encode(frame))


def _reason(exc: FFmpegError | OSError) -> str:
    """What went wrong and what to do."""
    if exc.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "the disk is full; free some space or choose another folder"
    reason = exc.strerror or type(exc).__name__
    if isinstance(exc, PermissionError):
        return f"{reason}; is it open in another program, or the folder read-only?"
    return f"{reason}; choose another folder"
