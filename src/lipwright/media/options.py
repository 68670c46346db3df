"""How a clip is encoded: the options, and the tables behind them."""

from dataclasses import dataclass

import cv2

from lipwright.errors import OptionError
from lipwright.media.hardware import ENCODERS, HARDWARE, SOFTWARE

AVX512 = 13  # OpenCV's number of it, which its Python names leave out
PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
)


@dataclass(frozen=True, slots=True)
class Codec:
    """One row of `CODECS`: how to ask FFmpeg for it."""

    encoder: str
    worst_crf: int
    tag: str | None = None
    even: bool = True  # the encoder takes even widths and heights only


CODECS = {
    "h264": Codec("libx264", 51),
    "hevc": Codec("libx265", 51, tag="hvc1"),  # the tag Apple's players ask for
    "vp9": Codec("libvpx-vp9", 63, even=False),
}

# suffix → (FFmpeg's name of the container, sound codec, video codecs it takes)
CONTAINERS = {
    ".mp4": ("mp4", "aac", ("h264", "hevc", "vp9")),
    ".m4v": ("mp4", "aac", ("h264", "hevc")),
    ".mov": ("mov", "aac", ("h264", "hevc")),
    ".mkv": ("matroska", "aac", ("h264", "hevc", "vp9")),
    ".webm": ("webm", "libopus", ("vp9",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How `ClipWriter` encodes.

    Args:
        codec: A name in `CODECS`: h264, hevc or vp9.
        crf: Constant quality, lower is better; each codec has its own scale (h264: 18 is visually
            lossless). Hardware's own constant quality is set to what comes nearest.
        preset: Speed against size, by x264's names; other encoders get their nearest.
        sound_kbps: Bit rate of the sound, both channels together.
        encoder: `software`, or a name in `lipwright.media.hardware.HARDWARE`: faster, larger files, and other packets
            on other hardware.
    """

    codec: str = "h264"
    crf: int = 18
    preset: str = "veryfast"
    sound_kbps: int = 192
    encoder: str = SOFTWARE

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise OptionError(f"codec must be one of {', '.join(CODECS)}, got {self.codec!r}")
        worst = CODECS[self.codec].worst_crf
        if not 0 <= self.crf <= worst:
            raise OptionError(f"crf must be 0..{worst} for {self.codec}, got {self.crf}")
        if self.preset not in PRESETS:
            raise OptionError(f"preset must be one of {', '.join(PRESETS)}, got {self.preset!r}")
        if not 32 <= self.sound_kbps <= 512:
            raise OptionError(f"sound_kbps must be 32..512, got {self.sound_kbps}")
        if self.encoder not in ENCODERS:
            raise OptionError(f"encoder must be one of {', '.join(ENCODERS)}, got {self.encoder!r}")
        if self.encoder in HARDWARE and self.codec not in HARDWARE[self.encoder].encoders:
            known = ", ".join(HARDWARE[self.encoder].encoders)
            raise OptionError(f"encoder {self.encoder} makes {known}, got codec {self.codec}; use encoder software")

    @property
    def ffmpeg_name(self) -> str:
        """FFmpeg's name of the encoder."""
        if self.encoder == SOFTWARE:
            return CODECS[self.codec].encoder
        return HARDWARE[self.encoder].encoders[self.codec]

    @property
    def pixels(self) -> str:
        """FFmpeg's name of the pixel format the encoder takes."""
        return "yuv420p" if self.encoder == SOFTWARE else HARDWARE[self.encoder].pixels

    def encoder_settings(self, width: int) -> dict[str, str]:
        """The options in the words of the codec's own encoder, for pictures of this width in pixels."""
        speed = PRESETS.index(self.preset)
        crf = str(self.crf)
        if self.encoder != SOFTWARE:
            return HARDWARE[self.encoder].settings(self.crf, speed)
        if self.codec == "vp9":
            slow = str(max(0, 8 - speed))
            return {"crf": crf, "b": "0", "deadline": "good", "cpu-used": slow, "row-mt": "1"}
        settings = {"crf": crf, "preset": self.preset}
        if self.codec == "hevc":
            return settings | {"x265-params": "log-level=none"}
        if -(-width // 16) % 8 and cv2.checkHardwareSupport(AVX512):
            # x264's AVX-512 code weighs macroblocks by eights and reads beyond the end of other rows: what it
            # finds there differs from run to run, and so do the packets.
            settings["x264-params"] = "asm=AVX2"
        return settings
