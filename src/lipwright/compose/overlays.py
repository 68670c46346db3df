"""Pictures laid over every frame of a finished job: a watermark, a note that the speech is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lipwright.compose.blend import Frame, paste
from lipwright.errors import OptionError
from lipwright.media.photo import read_picture

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
MARGIN = 10  # pixels between a picture and the two edges it stands at


@dataclass(frozen=True, slots=True)
class Overlay:
    """A picture in a corner of the frame.

    Args:
        picture: a PNG, JPEG, WebP, BMP or TIFF; what is transparent in it stays so.
        corner: one of `CORNERS`.

    Raises:
        OptionError: there is no such corner.
    """

    picture: Path
    corner: str = "bottom-right"

    def __post_init__(self) -> None:
        if self.corner not in CORNERS:
            raise OptionError(f"an overlay's corner must be one of {', '.join(CORNERS)}, got {self.corner!r}")


def heygem_overlays(*, watermark: Path | None = None, digital_auth: Path | None = None) -> tuple[Overlay, ...]:
    """The two pictures that HeyGem knows, where HeyGem puts them; those that are None are left out."""
    pictures = ((watermark, "bottom-right"), (digital_auth, "top-right"))
    return tuple(Overlay(picture, corner) for picture, corner in pictures if picture is not None)


class Overlays:
    """Some pictures, read and fitted to frames of one size.

    Args:
        overlays: laid one over the other in this order where they meet.
        width, height: of the frames, pixels. A picture that does not fit within the margins is made smaller.

    Raises:
        MediaError: a picture cannot be read.
    """

    def __init__(self, overlays: Iterable[Overlay], width: int, height: int) -> None:
        self._placed = [_placed(overlay, width, height) for overlay in overlays]

    def over(self, frame: Frame) -> Frame:
        """The frame with the pictures, itself where there are none. (H, W, 3) uint8 RGB or a picture."""
        for pixels, alpha, x, y in self._placed:
            frame = paste(frame, pixels, alpha, x, y)
        return frame


def _placed(overlay: Overlay, width: int, height: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Pixels, alpha, and the place of the first pixel."""
    # A frame that is hardly larger than the margins still gets a picture that can be seen.
    across, down = min(MARGIN, width // 4), min(MARGIN, height // 4)
    pixels, alpha = _fitted(*read_picture(overlay.picture), width - 2 * across, height - 2 * down)
    high, wide = alpha.shape
    return pixels, alpha, *place(overlay.corner, wide, high, (width, height), (across, down))


def place(corner: str, wide: int, high: int, frame: tuple[int, int], margins: tuple[int, int]) -> tuple[int, int]:
    """First pixel, x and y, of what stands in a corner.

    Args:
        corner: one of `CORNERS`.
        wide, high: what stands there, pixels.
        frame: width and height of the frame, pixels.
        margins: pixels to the edges at the side, and above or below.
    """
    x = margins[0] if corner.endswith("left") else frame[0] - margins[0] - wide
    y = margins[1] if corner.startswith("top") else frame[1] - margins[1] - high
    return x, y


def _fitted(pixels: np.ndarray, alpha: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Made smaller, ratio kept, where it is wider or higher than this."""
    high, wide = alpha.shape
    zoom = min(1.0, width / wide, height / high)
    if zoom == 1:
        return pixels, alpha
    size = max(1, round(wide * zoom)), max(1, round(high * zoom))
    # What is transparent has a colour, too, and must not bleed into what is not: scaled as far as it is seen.
    seen = cv2.resize(pixels * alpha[:, :, None], size, interpolation=cv2.INTER_AREA)
    alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)
    pixels = np.rint(seen / np.maximum(alpha, 1e-6)[:, :, None]).clip(0, 255).astype(np.uint8)
    return pixels, alpha.clip(0, 1)
