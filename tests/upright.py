"""Five points on a frame, a frame whose every shift shows, and networks made of a function."""

import cv2
import numpy as np

from lipwright.post.align import PLACES


def placed(scale: float, angle: float, middle: tuple[float, float] = (300, 260)) -> np.ndarray:
    """The template's points on a frame: (5, 2)."""
    turn = scale * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    return (PLACES - PLACES.mean(0)) @ turn.T + middle


def waves(height: int = 520, width: int = 600, period: float = 40) -> np.ndarray:
    """A smooth picture without flat places, (H, W, 3) uint8."""
    y, x = np.mgrid[:height, :width] * 2 * np.pi / period
    return np.rint(127.5 + 100 * np.dstack((np.sin(x), np.sin(y), np.sin((x + y) / 2)))).astype(np.uint8)


def network(change):
    """A network out of a function from and to (512, 512, 3) float32 RGB in grey levels."""

    def look(pictures):
        made = change((pictures[0] + 1) * 127.5) / 127.5 - 1
        return [made.astype(np.float32).transpose(2, 0, 1)[None]]

    return look


def sharpened(face):
    return face + 1.5 * (face - cv2.GaussianBlur(face, (0, 0), 3))
