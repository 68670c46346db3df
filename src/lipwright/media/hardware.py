"""Encoders in graphics hardware: which there are, how they are told what software is told, and which work here."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
from av.codec.codec import UnknownCodecError
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from lipwright.errors import BackendError

SOFTWARE, AUTO = "software", "auto"
TRIED = 256, 256  # pixels of the trial: some encoders refuse smaller pictures
SLOWEST = 8  # the number of x264's slowest preset, counted from 0
LAMBDA = 118  # FFmpeg's unit of a fixed quality


@dataclass(frozen=True, slots=True)
class Hardware:
    """One row of `HARDWARE`.

    Args:
        encoders: FFmpeg's name by codec.
        settings: FFmpeg's options from x264's crf (0..51) and the number of x264's preset (0..8), constant quality and
            no frame stored before one it follows, so that parts of a job can be joined.
        needs: what a machine must have.
        pixels: FFmpeg's name of the format it takes.
    """

    encoders: dict[str, str]
    settings: Callable[[int, int], dict[str, str]]
    needs: str
    pixels: str = "yuv420p"


def _both(suffix: str) -> dict[str, str]:
    return {codec: f"{codec}_{suffix}" for codec in ("h264", "hevc")}


def _nvenc(crf: int, speed: int) -> dict[str, str]:
    preset = f"p{1 + round(6 * speed / SLOWEST)}"
    return {"rc": "vbr", "cq": str(max(1, crf)), "b": "0", "preset": preset, "tune": "hq", "bf": "0"}


def _videotoolbox(crf: int, speed: int) -> dict[str, str]:
    quality = round(100 - 1.9 * crf)  # of 100, the best
    fast = {"prio_speed": "1"} if speed <= SLOWEST // 2 else {}
    return {"flags": "+qscale", "global_quality": str(LAMBDA * max(1, quality)), "bf": "0", **fast}


def _qsv(crf: int, speed: int) -> dict[str, str]:
    names = ("veryfast", "veryfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
    return {"global_quality": str(max(1, crf)), "preset": names[speed], "bf": "0"}


def _amf(crf: int, speed: int) -> dict[str, str]:
    quality = ("speed", "balanced", "quality")[min(speed // 3, 2)]
    return {"rc": "cqp", "qp_i": str(crf), "qp_p": str(crf), "quality": quality, "bf": "0"}


HARDWARE = {
    "nvenc": Hardware(_both("nvenc"), _nvenc, "an NVIDIA GPU with its driver"),
    "videotoolbox": Hardware(_both("videotoolbox"), _videotoolbox, "a Mac with Apple silicon"),
    "qsv": Hardware(_both("qsv"), _qsv, "an Intel GPU with its oneVPL runtime", "nv12"),
    "amf": Hardware(_both("amf"), _amf, "an AMD GPU with its driver"),
}
"""In the order in which `auto` tries them. VAAPI is missing: PyAV's wheels are built without it."""

ENCODERS = (SOFTWARE, *HARDWARE)


@cache
def why_not(name: str, codec: str) -> str:
    """What keeps a row of `HARDWARE` from encoding here, found by opening it; empty where nothing does."""
    encoder = HARDWARE[name].encoders.get(codec)
    if encoder is None:
        return f"it does not make {codec}"
    try:
        context = av.CodecContext.create(encoder, "w")
        assert isinstance(context, VideoCodecContext)  # noqa: S101 - the table holds video encoders only
        context.width, context.height = TRIED
        context.pix_fmt = HARDWARE[name].pixels
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.options = HARDWARE[name].settings(18, 2)
        context.open()
    except UnknownCodecError:
        return f"this PyAV has no {encoder}"
    except (FFmpegError, OSError) as exc:
        return f"{encoder} cannot be opened ({exc.strerror or type(exc).__name__})"
    return ""


def choose_encoder(name: str, codec: str) -> str:
    """The row that is meant by a row's name or `auto`: the first hardware that works here, `software` without any.

    Raises:
        BackendError: it does not work here.
    """
    if name == AUTO:
        return next((row for row in HARDWARE if not why_not(row, codec)), SOFTWARE)
    if name in HARDWARE and (reason := why_not(name, codec)):
        raise BackendError(
            f"encoder {name} does not work here: {reason}; it needs {HARDWARE[name].needs}. Use software, or auto"
        )
    return name
