"""Pictures laid over every frame of a finished job: a watermark, a note that the speech is made."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lipwright.compose.blend import paste
from lipwright.errors import OptionError
from lipwright.media.photo import read_picture

CORNERS = ("top-left", "top-right", "bottom-left", "bottom-right")
MARGIN = 10  # pixels between a label and the two edges it stands at


@dataclass(frozen=True, slots=True)
class Label:
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
            raise OptionError(f"a label's corner must be one of {', '.join(CORNERS)}, got {self.corner!r}")


def parse_label(text: str) -> Label:
    """The label that PICTURE@CORNER stands for; without a corner it is bottom-right.

    Raises:
        OptionError: there is no such corner.
    """
    picture, at, corner = text.rpartition("@")
    return Label(Path(picture), corner) if at else Label(Path(text))


class Labels:
    """Some labels, read and fitted to frames of one size.

    Args:
        labels: laid one over the other in this order where they meet.
        width, height: of the frames, pixels. A picture that does not fit within the margins is made smaller.

    Raises:
        MediaError: a picture cannot be read.
    """

    def __init__(self, labels: Iterable[Label], width: int, height: int) -> None:
        self._placed = [_placed(label, width, height) for label in labels]

    def over(self, frame: np.ndarray) -> np.ndarray:
        """The frame with the labels; itself where there are none. (H, W, 3) uint8 RGB, not written to."""
        for pixels, alpha, x, y in self._placed:
            frame = paste(frame, pixels, alpha, x, y)
        return frame


def _placed(label: Label, width: int, height: int) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Pixels, alpha, and the place of the first pixel."""
    # A frame that is hardly larger than the margins still gets a label that can be seen.
    across, down = min(MARGIN, width // 4), min(MARGIN, height // 4)
    pixels, alpha = _fitted(*read_picture(label.picture), width - 2 * across, height - 2 * down)
    high, wide = alpha.shape
    x = across if label.corner.endswith("left") else width - across - wide
    y = down if label.corner.startswith("top") else height - down - high
    return pixels, alpha, x, y


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
