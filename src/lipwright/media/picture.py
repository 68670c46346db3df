"""One frame of a clip: RGB where somebody looks at it, the file's own numbers where nobody does."""

from dataclasses import dataclass
from functools import cached_property

import av
import cv2
import numpy as np

from lipwright.media.colour import ColourTags, ToRgb, planes_of, rgb_to_yuv_matrix, wide_chroma, yuv_to_rgb_matrix

OWN_FORMATS = ("yuv420p", "yuvj420p")
SCALERS_DIFFER = 4  # levels at most, on whatever processor; chroma that stands elsewhere makes dozens
SOME_ROWS = 32  # of chroma that tell where it stands
OWN_CODECS = ("h264", "hevc")  # which say where a chroma sample stands


class Stored:
    """A decoded frame of 8-bit 4:2:0; not written to.

    Args:
        frame: of even width and height, in one of `OWN_FORMATS`.
        tags: what its numbers mean.
    """

    def __init__(self, frame: av.VideoFrame, tags: ColourTags) -> None:
        self._frame, self.tags = frame, tags
        self._last = (0, 0, np.zeros((0, 0, 3), np.uint8))  # x, y, RGB: a patch lies in what its renderer looked at

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its RGB: height, width, 3."""
        return self._frame.height, self._frame.width, 3

    def part(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """RGB of a part, the same bits whatever the part. (height, width, 3) uint8, the caller's own."""
        left, top, known = self._last
        if left <= x and top <= y and x + width <= left + known.shape[1] and y + height <= top + known.shape[0]:
            return known[y - top : y - top + height, x - left : x - left + width].copy()
        made = self._made(x, y, width, height)
        self._last = x, y, made.copy()
        return made

    def _made(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        luma, *chroma = planes_of(self._frame)
        # Chroma samples that the part lies between, one more on each side than it covers.
        left, top = max(x // 2 - 1, 0), max(y // 2 - 1, 0)
        right, bottom = (x + width) // 2 + 2, (y + height) // 2 + 2
        x0, y0 = x - 2 * left, y - 2 * top
        wide = [wide_chroma(plane[top:bottom, left:right])[y0 : y0 + height, x0 : x0 + width] for plane in chroma]
        merged = cv2.merge([luma[y : y + height, x : x + width], *wide])
        return cv2.transform(merged, yuv_to_rgb_matrix(self.tags))

    def sparse(self, down: int, across: int) -> np.ndarray:
        """See `Picture.sparse`."""
        luma, *chroma = planes_of(self._frame)
        rows, columns = np.arange(0, luma.shape[0], down), np.arange(0, luma.shape[1], across)
        near = np.ix_(rows // 2, columns // 2)
        seen = [np.ascontiguousarray(luma[::down, ::across]), *(plane[near] for plane in chroma)]
        return cv2.transform(cv2.merge(seen), yuv_to_rgb_matrix(self.tags))

    def shrunk(self, box: tuple[int, int, int, int], scale: float, how: int) -> np.ndarray:
        """See `Picture.shrunk`: the planes are made smaller, and only what is left is converted."""
        x, y, width, height = box
        luma, *chroma = planes_of(self._frame)
        small = cv2.resize(luma[y : y + height, x : x + width], None, fx=scale, fy=scale, interpolation=how)
        parts = [plane[y // 2 : (y + height + 1) // 2, x // 2 : (x + width + 1) // 2] for plane in chroma]
        size = small.shape[::-1]
        merged = cv2.merge([small, *(cv2.resize(part, size, interpolation=how) for part in parts)])
        return cv2.transform(merged, yuv_to_rgb_matrix(self.tags))

    def copied(self, room: av.VideoFrame | None) -> av.VideoFrame:
        """A frame of the same numbers, the caller's own, without the decoder's notes on it; see `Picture.as_stored`."""
        copy = room or av.VideoFrame(self._frame.width, self._frame.height, "yuv420p")
        for there, here in zip(planes_of(copy), planes_of(self._frame), strict=True):
            there[:] = here
        self.tags.put_on(copy)
        return copy


@dataclass(frozen=True, slots=True)
class Laid:
    """Pixels over a part of a frame, with what lies below them already in them.

    Args:
        x, y: column and row of the first pixel; even.
        pixels: (h, w, 3) uint8 RGB; of even size where the frame is.
        changed: (h, w) uint8, 255 where they may differ from what lies below, else 0.
    """

    x: int
    y: int
    pixels: np.ndarray
    changed: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.x, self.y, self.pixels.shape[1], self.pixels.shape[0]

    def write(self, frame: av.VideoFrame, tags: ColourTags) -> None:
        """Put what is changed into the planes of a frame; a chroma sample is the mean of its four pixels."""
        turn, (_, _, width, height) = rgb_to_yuv_matrix(tags), self.box
        half = {"dsize": (width // 2, height // 2), "interpolation": cv2.INTER_AREA}
        small, some = cv2.resize(self.pixels, **half), cv2.resize(self.changed, **half)
        parts = cv2.transform(self.pixels, turn[:1]), *cv2.split(cv2.transform(small, turn[1:]))
        masks = self.changed, some, some
        for step, plane, part, mask in zip((1, 2, 2), planes_of(frame), parts, masks, strict=True):
            area = plane[self.y // step : (self.y + height) // step, self.x // step : (self.x + width) // step]
            cv2.copyTo(part, mask, area)  # the rest has the file's own numbers, which RGB would not give back


class Picture:
    """One frame. Nothing of it is ever changed: what is laid over it makes another one.

    Args:
        base: (H, W, 3) uint8 RGB, or a frame as it was decoded.
        laid: what lies over it, the later the higher.
    """

    def __init__(self, base: "np.ndarray | Stored", laid: tuple[Laid, ...] = ()) -> None:
        self._base, self._laid = base, laid

    @classmethod
    def of(cls, frame: "np.ndarray | Picture") -> "Picture":
        """The picture itself, or one of (H, W, 3) uint8 RGB."""
        return frame if isinstance(frame, Picture) else cls(frame)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of its RGB: height, width, 3."""
        height, width, _ = self._base.shape
        return height, width, 3

    def sparse(self, down: int, across: int) -> np.ndarray:
        """Every so many rows and columns of what it is laid on, about, (h, w, 3) uint8 RGB."""
        if isinstance(self._base, Stored):
            return self._base.sparse(down, across)
        return self._base[::down, ::across]

    @cached_property
    def rgb(self) -> np.ndarray:
        """All of it, made when it is first asked for. (H, W, 3) uint8 RGB."""
        if not self._laid and isinstance(self._base, np.ndarray):
            return self._base
        return self.part(0, 0, self.shape[1], self.shape[0])

    def part(self, x: int, y: int, width: int, height: int) -> np.ndarray:
        """A part that lies inside, the same bits as in the whole. (height, width, 3) uint8 RGB, the caller's own."""
        if isinstance(self._base, Stored):
            out = self._base.part(x, y, width, height)
        else:
            out = self._base[y : y + height, x : x + width].copy()
        for one in self._laid:
            across, down, wide, high = one.box
            left, right = max(x, across), min(x + width, across + wide)
            top, bottom = max(y, down), min(y + height, down + high)
            if left < right and top < bottom:
                seen = one.pixels[top - down : bottom - down, left - across : right - across]
                out[top - y : bottom - y, left - x : right - x] = seen
        return out

    def shrunk(self, box: tuple[int, int, int, int], scale: float, how: int) -> np.ndarray:
        """A part of what it is laid on made smaller, for a look at it. (h, w, 3) uint8 RGB.

        Args:
            box: x, y, width and height.
            scale: at most 1.
            how: OpenCV's interpolation.
        """
        if isinstance(self._base, Stored):
            return self._base.shrunk(box, scale, how)
        x, y, width, height = box
        return cv2.resize(self._base[y : y + height, x : x + width], None, fx=scale, fy=scale, interpolation=how)

    def blended(self, pixels: np.ndarray, mask: np.ndarray, x: int, y: int) -> "Picture":
        """With a patch over it.

        Where the mask is 0 the RGB is equal bit for bit, both share the same pixel grid; so are a file's own numbers,
        but for chroma samples that the mask touches.

        Args:
            pixels: (h, w, 3) uint8 RGB.
            mask: (h, w) float32, 0..1.
            x, y: the patch's first pixel in the frame.
        """
        (high, wide), (height, width, _) = mask.shape, self.shape
        # What lies over a file's own numbers covers whole chroma samples, where the frame has them.
        x0, y0, x1, y1 = (
            x - x % 2,
            y - y % 2,
            min(x + wide + (x + wide) % 2, width),
            min(y + high + (y + high) % 2, height),
        )
        whole = self.part(x0, y0, x1 - x0, y1 - y0)
        inner = slice(y - y0, y - y0 + high), slice(x - x0, x - x0 + wide)
        whole[inner] = cv2.blendLinear(np.ascontiguousarray(whole[inner]), pixels, 1 - mask, mask)
        changed = np.zeros(whole.shape[:2], np.uint8)
        changed[inner] = (mask > 0) * np.uint8(255)
        return Picture(self._base, (*self._laid, Laid(x0, y0, whole, changed)))

    def as_stored(self, tags: ColourTags, room: av.VideoFrame | None = None) -> av.VideoFrame | None:
        """The frame for an encoder, with the file's own numbers wherever nothing is laid over it; the caller's own.

        Args:
            tags: what the encoder's file will say of its numbers.
            room: a frame that came from here and is needed no more, to be used again.

        Returns:
            8-bit 4:2:0; None where the file's numbers are no such, or mean something else.
        """
        if not isinstance(self._base, Stored) or self._base.tags != tags:
            return None
        frame = self._base.copied(room)
        for one in self._laid:
            one.write(frame, tags)
        return frame


def is_own(frame: av.VideoFrame) -> bool:
    """Whether a decoded frame can be handed on as it is, if its chroma stands where `wide_chroma` has it."""
    return frame.format.name in OWN_FORMATS and not (frame.width % 2 or frame.height % 2)


def stands_left(frame: av.VideoFrame) -> bool:
    """Whether the chroma of a clip stands where `wide_chroma` has it: PyAV does not tell, but FFmpeg converts by it.

    Args:
        frame: of the clip, `is_own`; written to.
    """
    frame.make_writable()
    _, blue, _ = planes_of(frame)
    blue[:] = np.arange(blue.shape[0])[:, None] * 37 % 256 ^ np.arange(blue.shape[1]) * 101 % 256
    _, right, _ = planes_of(ToRgb(ColourTags.of(frame), frame.width, frame.height).widened(frame))
    some = min(SOME_ROWS, len(blue))
    made = wide_chroma(blue[: some + 1])[: 2 * some]
    return cv2.norm(made, np.ascontiguousarray(right[: 2 * some]), cv2.NORM_INF) <= SCALERS_DIFFER
