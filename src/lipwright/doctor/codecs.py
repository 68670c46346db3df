"""Whether FFmpeg's encoders and decoders run: one frame through each."""

from fractions import Fraction
from io import BytesIO
from typing import TYPE_CHECKING

from lipwright.doctor.finding import Finding

if TYPE_CHECKING:
    from av.container import OutputContainer

VIDEO = {"h264": "libx264", "hevc": "libx265", "vp9": "libvpx-vp9"}
AUDIO = {"aac": "aac", "opus": "libopus"}
"""Encoders by codec: those that `lipwright.media.options` may ask for."""
NEEDED = ("h264", "aac")  # what every job writes unless told otherwise


def codec(name: str) -> Finding:
    """Encode one grey frame or a moment of silence with the codec's encoder, into memory, and decode it again."""
    from av.codec.codec import UnknownCodecError
    from av.error import FFmpegError

    encoder = VIDEO.get(name) or AUDIO[name]
    try:
        decoder = _round_trip(encoder, video=name in VIDEO)
    except (UnknownCodecError, FFmpegError) as exc:
        problem = f"{encoder} does not run: {exc}"
    else:
        if decoder is not None:
            return Finding(detail=f"{encoder} encodes, {decoder} decodes")
        problem = f"nothing can be decoded of what {encoder} wrote"
    remedy = "install PyAV's own wheel: pip install --force-reinstall --only-binary av av"
    return Finding(status="fail" if name in NEEDED else "warn", detail=problem, remedy=remedy)


def _round_trip(encoder: str, *, video: bool) -> str | None:
    """Write and read back. Returns the decoder's name, None where nothing came back."""
    import av

    file = BytesIO()
    with av.open(file, "w", format="matroska") as sink:
        (_write_picture if video else _write_silence)(sink, encoder)
    file.seek(0)
    with av.open(file, "r") as source:
        stream = source.streams[0]
        came_back = any(True for _ in source.decode(stream))
        return stream.codec_context.codec.name if came_back else None


def _write_picture(sink: "OutputContainer", encoder: str) -> None:
    import av
    import numpy as np
    from av.video.stream import VideoStream

    quiet = {"x265-params": "log-level=none"} if encoder == "libx265" else {}
    stream = sink.add_stream(encoder, rate=25, options=quiet)
    assert isinstance(stream, VideoStream)  # noqa: S101 - of the table
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
    frame = av.VideoFrame.from_ndarray(np.full((96, 64), 128, np.uint8), format="yuv420p")
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    sink.mux(stream.encode(frame))
    sink.mux(stream.encode(None))


def _write_silence(sink: "OutputContainer", encoder: str) -> None:
    import av
    import numpy as np
    from av.audio.stream import AudioStream

    stream = sink.add_stream(encoder, rate=48000)
    assert isinstance(stream, AudioStream)  # noqa: S101 - of the table
    stream.codec_context.layout = "mono"
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), format="fltp", layout="mono")
    frame.pts, frame.sample_rate, frame.time_base = 0, 48000, Fraction(1, 48000)
    sink.mux(stream.encode(frame))
    sink.mux(stream.encode(None))
