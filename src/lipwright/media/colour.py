"""Colour between the file and RGB: which matrix and range hold, and the conversions both ways.

Code points are those of ITU-T H.273, which FFmpeg shares: matrix 1 = BT.709, 5 and 6 = BT.601, 9 =
BT.2020.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import av
import cv2
import numpy as np
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation, VideoReformatter

BT709, BT601, BT2020 = 1, 6, 9
UNSPECIFIED = 2
_PQ, _HLG = 16, 18
_LIMITED, _FULL = 1, 2  # FFmpeg's colour ranges

# Kr and Kb of each matrix: the weights of red and blue in luma.
_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
    10: (0.2627, 0.0593),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """What a picture's YUV numbers mean, as H.273 code points.

    `matrix` is never unspecified: an untagged file gets BT.709 from 720 lines up and BT.601 below,
    as players do. `primaries` and `transfer` are 2 where the file does not say.
    """

    matrix: int
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    full_range: bool = False

    @classmethod
    def standard(cls, height: int) -> "ColourTags":
        """What an ordinary file of this many lines means, fully tagged."""
        code = BT709 if height >= 720 else BT601
        return cls(matrix=code, primaries=code, transfer=code)

    @classmethod
    def of(cls, frame: av.VideoFrame) -> "ColourTags":
        """What a decoded frame's tags say, gaps filled."""
        matrix = int(frame.colorspace)
        full = int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj")
        return cls(
            matrix=matrix if matrix in _LUMA else cls.standard(frame.height).matrix,
            primaries=int(frame.color_primaries),
            transfer=int(frame.color_trc),
            full_range=full,
        )

    @property
    def is_hdr(self) -> bool:
        """Whether the light is coded for high dynamic range (PQ or HLG)."""
        return self.transfer in (_PQ, _HLG)

    def put_on(self, frame: av.VideoFrame) -> None:
        """Say it on a frame."""
        frame.colorspace = self.matrix
        frame.color_range = _FULL if self.full_range else _LIMITED
        frame.color_primaries = self.primaries
        frame.color_trc = self.transfer

    def for_writing(self) -> "ColourTags":
        """The same colours with a matrix that every player reads."""
        if self.matrix == 10:  # constant luminance: written in the ordinary BT.2020 form
            return replace(self, matrix=BT2020)
        if self.matrix in (4, 7):  # two matrices of the analogue age
            return replace(self, matrix=BT601)
        return self


@cache
def yuv_to_rgb_matrix(tags: ColourTags) -> np.ndarray:
    """The affine map from 8-bit YUV to 8-bit RGB.

    Returns:
        (3, 4) float32: RGB = M[:, :3] @ (Y, U, V) + M[:, 3], all in 0..255.
    """
    red, blue = _LUMA[tags.matrix]
    green = 1 - red - blue
    luma, chroma, black = (1.0, 1.0, 0.0) if tags.full_range else (255 / 219, 255 / 224, 16.0)
    to_red, to_blue = 2 * (1 - red) * chroma, 2 * (1 - blue) * chroma
    turn = np.array(
        [
            [luma, 0, to_red],
            [luma, -to_blue * blue / green, -to_red * red / green],
            [luma, to_blue, 0],
        ]
    )
    shift = -turn @ np.array([black, 128, 128])
    return np.hstack([turn, shift[:, None]]).astype(np.float32)


@cache
def rgb_to_yuv_matrix(tags: ColourTags) -> np.ndarray:
    """The affine map from 8-bit RGB to 8-bit YUV: the inverse of `yuv_to_rgb_matrix`. (3, 4) float32."""
    there = yuv_to_rgb_matrix(tags).astype(np.float64)
    back = np.linalg.inv(there[:, :3])
    return np.hstack([back, -back @ there[:, 3:]]).astype(np.float32)


def planes_of(frame: av.VideoFrame) -> list[np.ndarray]:
    """The planes of a frame of 8 bits a sample, in its own memory. (h, w) uint8 each."""
    return [
        np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


def wide_chroma(plane: np.ndarray) -> np.ndarray:
    """A plane of 4:2:0 at full size, bilinear and rounded once. (h, w) to (2 h, 2 w) uint8.

    A sample stands above the even columns and between two rows, as H.264 and HEVC have it by default and FFmpeg takes
    it: the numbers are those of FFmpeg's own scaler.
    """
    height, width = plane.shape
    around = cv2.copyMakeBorder(plane, 1, 1, 0, 1, cv2.BORDER_REPLICATE).astype(np.uint16)
    across = np.empty((height + 2, 2 * width), np.uint16)  # twice the numbers
    np.left_shift(around[:, :-1], 1, out=across[:, ::2])
    np.add(around[:, :-1], around[:, 1:], out=across[:, 1::2])
    near = across[1:-1] * 3 + 4
    wide = np.empty((2 * height, 2 * width), np.uint16)
    np.add(near, across[:-2], out=wide[::2])
    np.add(near, across[2:], out=wide[1::2])
    wide >>= 3
    return wide.astype(np.uint8)


class ToRgb:
    """Turns decoded frames of one clip into RGB; hold one per thread.

    FFmpeg's own fast YUV → RGB path rounds down (1.3 levels of green on average); its exact path
    costs 25 ms for a 1080p frame. Here FFmpeg only raises the chroma to full size and the matrix is
    applied with rounding: within one level, 4.5 ms.
    """

    def __init__(self, tags: ColourTags, width: int, height: int) -> None:
        self._matrix = yuv_to_rgb_matrix(tags)
        self._size = width, height
        self._scaler = VideoReformatter()
        # Equal colours on both sides: FFmpeg then leaves the numbers alone.
        same = _LIMITED if not tags.full_range else _FULL
        self._same: dict[str, Any] = {
            "src_colorspace": 1,
            "dst_colorspace": 1,
            "src_color_range": same,
            "dst_color_range": same,
        }

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """One frame as (height, width, 3) uint8 RGB, C-contiguous, owned by the caller."""
        if not _is_yuv(frame.format):
            flat = self._scaler.reformat(frame, *self._size, "rgb24", interpolation=self._kernel(frame))
            return np.ascontiguousarray(flat.to_ndarray())
        return cv2.transform(cv2.merge(planes_of(self.widened(frame))), self._matrix)

    def widened(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A YUV frame with 8 bits and chroma for every pixel."""
        return self._scaler.reformat(frame, *self._size, "yuv444p", interpolation=self._kernel(frame), **self._same)

    def _kernel(self, frame: av.VideoFrame) -> Interpolation:
        """Bicubic only where the size changes (pixels that are not square); chroma alone is raised by bilinear."""
        same = (frame.width, frame.height) == self._size
        return Interpolation.BILINEAR if same else Interpolation.BICUBIC


class FromRgb:
    """Turns RGB pictures of one size into tagged YUV frames for an encoder; hold one per thread."""

    def __init__(self, tags: ColourTags, pix_fmt: str = "yuv420p") -> None:
        self._tags = tags
        self._scaler = VideoReformatter()
        matrix = {5: BT601, 6: BT601}.get(tags.matrix, tags.matrix)
        # Area averaging: a chroma sample is the mean of the pixels it stands for.
        self._how: dict[str, Any] = {
            "format": pix_fmt,
            "dst_colorspace": 5 if matrix == BT601 else matrix,
            "src_color_range": _FULL,
            "dst_color_range": _FULL if tags.full_range else _LIMITED,
            "interpolation": Interpolation.AREA,
        }

    def __call__(self, picture: np.ndarray) -> av.VideoFrame:
        """One picture, (H, W, 3) uint8 RGB with contiguous rows, as a YUV frame."""
        flat = av.VideoFrame.from_numpy_buffer(picture, format="rgb24")
        frame = self._scaler.reformat(flat, **self._how)
        self._tags.put_on(frame)
        return frame


def _is_yuv(pixels: VideoFormat) -> bool:
    return not pixels.is_rgb and not pixels.has_palette and len(pixels.components) >= 3
