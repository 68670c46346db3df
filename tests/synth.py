"""Clips and sounds made by arithmetic: each frame carries its own number, robust to any codec."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

COLUMNS, ROWS = 4, 3  # twelve blocks, black or white: numbers up to 4095


def numbered(number: int, width: int = 96, height: int = 72) -> np.ndarray:
    """A picture that shows `number` as black and white blocks, most significant at the top left.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    bits = [(number >> (COLUMNS * ROWS - 1 - place)) & 1 for place in range(COLUMNS * ROWS)]
    blocks = np.array(bits, np.uint8).reshape(ROWS, COLUMNS) * 200 + 28
    down = np.arange(height) * ROWS // height
    across = np.arange(width) * COLUMNS // width
    return np.repeat(blocks[down][:, across][:, :, None], 3, axis=2)


def read_number(picture: np.ndarray) -> int:
    """The number a picture made by `numbered` shows, after any coding."""
    height, width = picture.shape[:2]
    number = 0
    for row in range(ROWS):
        for column in range(COLUMNS):
            y, x = (2 * row + 1) * height // (2 * ROWS), (2 * column + 1) * width // (2 * COLUMNS)
            number = 2 * number + int(picture[y - 2 : y + 3, x - 2 : x + 3].mean() > 128)
    return number


def chirp(seconds: float, rate: int, low: float = 200.0, high: float = 3000.0) -> np.ndarray:
    """A rising tone, whose shift against itself can be told to a fraction of a sample.

    Returns:
        (n,) float32 in -0.5..0.5.
    """
    time = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * (low * time + (high - low) * time**2 / (2 * seconds))
    return (0.5 * np.sin(phase)).astype(np.float32)


def shift_ms(sound: np.ndarray, reference: np.ndarray, rate: int) -> float:
    """By how many milliseconds `sound` lags `reference` (both mono at `rate`), by correlation."""
    size = 1 << (len(sound) + len(reference)).bit_length()
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size))
    lags = np.fft.irfft(product, size)
    best = int(np.argmax(lags))
    return 1000 * (best if best < size // 2 else best - size) / rate


def write_video(
    path: Path,
    pictures: Iterable[np.ndarray],
    *,
    rate: Fraction | int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    times: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    options: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
    sound_rate: int = 48000,
    sound_at: Fraction = Fraction(0),
    rotation: int = 0,
    shape: Fraction | None = None,
    tags: tuple[int, int] | None = None,
) -> Path:
    """Write a clip with PyAV alone, so that what is under test has no hand in it.

    Args:
        path: The container follows the suffix.
        pictures: (H, W, 3) uint8 RGB each, or ready frames' planes for other formats.
        rate: Frames per second.
        codec: FFmpeg's name of the encoder.
        pix_fmt: Stored pixel format.
        times: Presentation times in `time_base`, for a variable rate.
        time_base: Of `times`.
        options: For the encoder.
        sound: (n,) float32 mono, encoded with AAC, MP2 or Opus as the container likes.
        sound_rate: Of `sound`.
        sound_at: Seconds at which the sound begins.
        rotation: Degrees counterclockwise a player is to turn the pictures.
        shape: Pixel aspect ratio.
        tags: Matrix and range, H.273 and FFmpeg codes.
    """
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {"g": "12"})
        audio = None
        if sound is not None:
            name = {".webm": "libopus", ".mkv": "libopus", ".mpg": "mp2"}.get(path.suffix, "aac")
            audio = container.add_stream(name, rate=sound_rate)
            audio.codec_context.layout = "mono"
        for place, picture in enumerate(pictures):
            if place == 0:
                _prepare(stream, picture, pix_fmt, tags, shape, rotation)
                if times is not None:
                    stream.codec_context.time_base = time_base
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            kinds = {"format": pix_fmt}
            if tags is not None:
                kinds |= {"dst_colorspace": tags[0], "dst_color_range": tags[1]}
            frame = frame.reformat(**kinds, src_color_range=2)
            frame.pts = place if times is None else times[place]
            frame.time_base = 1 / Fraction(rate) if times is None else time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if audio is not None:
            for packet in _encoded(audio, sound, sound_rate, sound_at):
                container.mux(packet)
    return path


def write_sound(path: Path, samples: np.ndarray, rate: int, codec: str, channels: int = 1) -> Path:
    """Write (n,) float32 as a sound file; every channel holds the same."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = "mono" if channels == 1 else "stereo"
        for packet in _encoded(stream, samples, rate, Fraction(0), channels):
            container.mux(packet)
    return path


def _prepare(stream, picture, pix_fmt, tags, shape, rotation) -> None:
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = pix_fmt
    if tags is not None:
        stream.codec_context.colorspace, stream.codec_context.color_range = tags
    if shape is not None:
        stream.codec_context.sample_aspect_ratio = shape
    if rotation:
        stream.set_display_rotation(rotation)


def _encoded(stream, samples, rate, start, channels=1):
    size = 1024
    kind = "mono" if channels == 1 else "stereo"
    for at in range(0, len(samples), size):
        piece = np.repeat(samples[None, at : at + size], channels, axis=0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(piece), format="fltp", layout=kind)
        frame.sample_rate = rate
        frame.pts = at + round(start * rate)
        frame.time_base = Fraction(1, rate)
        yield from stream.encode(frame)
    yield from stream.encode(None)
