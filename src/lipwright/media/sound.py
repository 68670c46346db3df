"""Sound from any file, in step with the pictures of the same file."""

import logging
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from lipwright.errors import MediaError, OptionError
from lipwright.media.probe import has_video, knows_coding, open_input, reading, scan
from lipwright.media.whole import how_it_breaks_off
from lipwright.structures import Sound

_log = logging.getLogger(__name__)

# A jump of the clock by more than this is a gap in the recording; less is the container's rounding.
_JUMP_S = Fraction(1, 20)
# A longer gap than this is a broken clock, not a pause.
_LONGEST_GAP_S = 600
# Formats whose header gives the length of the sound; in others FFmpeg estimates it.
_HEADER_TELLS = frozenset({"flac", "aiff", "w64", "caf", "wav", "mov,mp4,m4a,3gp,3g2,mj2"})
_MUCH = Fraction(1, 20)  # share of a sound whose absence is worth a word


def read_sound(path: Path | str, rate: int = 16000) -> Sound:
    """Read the sound of a sound file, or the sound track of a video, mixed to mono.

    In a video, sample 0 sounds as frame 0 of `open_clip` appears: what comes earlier is dropped, a
    late start is filled with silence. In a sound file, sample 0 is the first that decodes. What
    decodes counts, not what the header promises; gaps in the recording are filled with silence.

    Args:
        path: Any sound or video file FFmpeg reads.
        rate: Samples per second wanted.

    Returns:
        The sound: (n,) float32 in -1..1, at `rate`.

    Raises:
        MediaError: The file cannot be read, has no sound track, or its sound track is empty.
        OptionError: `rate` is not in 1000..384000.
    """
    if not 1000 <= rate <= 384000:
        raise OptionError(f"rate must be 1000..384000 samples per second, got {rate}")
    path = Path(path)
    heard = bytearray()  # grows in place: a list of blocks would need twice the memory at its end
    with SoundReader(path, rate) as reader:
        for block in reader.mono():
            heard += block.tobytes()
    return Sound(np.frombuffer(heard, np.float32), rate)


class SoundReader:
    """A sound track decoded and resampled piece by piece; use as a context manager.

    Args:
        path: Any sound or video file.
        rate: Samples per second wanted; None: the source's own if 44100 or 48000, else 48000.

    Attributes:
        rate: Samples per second of the blocks.
        channels: 1 or 2; more are mixed down to two.
        notes: What the user should know of how the file was taken, one sentence each; known after the last block.

    Raises:
        MediaError: The file cannot be read or has no sound track.
    """

    def __init__(self, path: Path, rate: int | None = None) -> None:
        self._path = path
        self.notes: list[str] = []
        self._open = ExitStack()
        try:
            container = self._open.enter_context(open_input(path))
            stream = _find_sound(container, path)
            self._container = container
            self._stream = stream
            self._zero = scan(path).zero if has_video(container) else None
        except BaseException:
            self._open.close()
            raise
        own = stream.codec_context.sample_rate
        self.rate = rate or (own if own in (44100, 48000) else 48000)
        self.channels = min(2, max(1, stream.codec_context.layout.nb_channels))

    def __enter__(self) -> "SoundReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def blocks(self) -> Generator[np.ndarray, None, None]:
        """The sound from time zero on; may be called once.

        Yields:
            (channels, n) float32, n > 0, every value a number.

        Raises:
            MediaError: The sound holds values that are not numbers.
        """
        given = 0  # samples handed out, dropped ones counted with a minus
        with reading(self._path):
            for starts_at, block in self._timed():
                if starts_at is not None:  # the beginning, or the far side of a gap
                    late = round(starts_at * self.rate) - given
                    if late > 0:
                        yield np.zeros((self.channels, late), np.float32)
                    given += late
                if not np.isfinite(block).all():
                    raise MediaError(
                        f"{self._path} holds values that are not numbers (NaN or infinity); write it as 16-bit PCM"
                    )
                fresh = block[:, max(0, -given) :] if given < 0 else block
                given += block.shape[1]
                if fresh.shape[1]:
                    yield fresh
        self._compare(Fraction(given, self.rate))

    def mono(self) -> Generator[np.ndarray, None, None]:
        """As `blocks`, mixed to one channel.

        Yields:
            (n,) float32 in -1..1, n > 0.

        Raises:
            MediaError: There is no sound in the track, or values that are not numbers.
        """
        empty = True
        for block in self.blocks():
            empty = False
            # The mean of the channels, so that a voice on one of two is not lost and none can overflow.
            yield block.mean(axis=0, dtype=np.float32).clip(-1, 1)
        if empty:
            raise MediaError(f"the sound of {self._path} is empty; give a file in which something is heard")

    def _compare(self, heard: Fraction) -> None:
        """Note what the header promised and the file does not hold."""
        broken = how_it_breaks_off(self._path)
        if not broken and self._container.format.name in _HEADER_TELLS:
            seconds = (self._stream.duration or 0) * (self._stream.time_base or Fraction(0))
            if heard < (1 - _MUCH) * seconds:
                broken = f"breaks off (its header gives {float(seconds):.1f} seconds of sound)"
        if broken:
            self.notes.append(f"{self._path.name} {broken}; the {float(heard):.1f} seconds of sound in it are used")

    def _timed(self) -> Iterator[tuple[Fraction | None, np.ndarray]]:
        """Resampled blocks; the first of each unbroken run comes with its time in seconds."""
        resampler: AudioResampler | None = None
        shape: tuple[object, ...] = ()
        expected: Fraction | None = None
        start: Fraction | None = None
        for frame in self._decoded():
            at = frame.pts * frame.time_base if frame.pts is not None and frame.time_base else None
            now = (frame.format.name, frame.layout.name, frame.sample_rate)
            if resampler is None or now != shape or _gap(expected, at):
                yield from self._resampled(resampler, None, start)
                resampler, shape = self._resampler(), now
                if at is None:
                    at = expected or Fraction(0)
                if self._zero is None:
                    self._zero = at
                expected, start = at, at - self._zero
            for block in self._resampled(resampler, frame, start):
                yield block
                start = None
            if expected is not None:
                expected += Fraction(frame.samples, frame.sample_rate)
        yield from self._resampled(resampler, None, start)

    def _decoded(self) -> Iterator[av.AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError as exc:
                _log.info("%s: the sound breaks off: %s", self._path.name, exc.strerror)
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except FFmpegError:  # a damaged packet; the gap it leaves is seen by the clock
                continue
            yield from (frame for frame in frames if frame.samples)

    def _resampler(self) -> AudioResampler:
        layout = "mono" if self.channels == 1 else "stereo"
        return AudioResampler(format="fltp", layout=layout, rate=self.rate)

    def _resampled(
        self, resampler: AudioResampler | None, frame: av.AudioFrame | None, start: Fraction | None
    ) -> Iterator[tuple[Fraction | None, np.ndarray]]:
        if resampler is None:
            return
        if frame is not None:
            frame.pts = None  # the clock has been read; the resampler is to join the pieces as they come
        for piece in resampler.resample(frame):
            if piece is None:  # flushed, but nothing had to be converted
                continue
            block = np.asarray(piece.to_ndarray(), np.float32)
            if block.shape[1]:
                yield start, block
                start = None


def _find_sound(container: InputContainer, path: Path) -> AudioStream:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream):
        raise MediaError(f"{path} has no sound track; give a file that has one")
    if not knows_coding(stream):
        raise MediaError(f"the sound of {path} is coded in an unknown way; convert it to WAV")
    return stream


def _gap(expected: Fraction | None, at: Fraction | None) -> bool:
    """Whether the clock jumped forward by more than rounding and less than nonsense."""
    if expected is None or at is None:
        return False
    return _JUMP_S < at - expected < _LONGEST_GAP_S
