"""The drawn area over the frame, and nothing else touched."""

from typing import TypeVar

import cv2
import numpy as np

from lipwright.media import Picture

Frame = TypeVar("Frame", np.ndarray, Picture)


def paste(frame: Frame, pixels: np.ndarray, mask: np.ndarray, x: int, y: int) -> Frame:
    """Blend a patch into a copy of the frame.

    Where the mask is 0 the result equals the frame bit for bit: patch and frame share the same pixel grid.

    Args:
        frame: (H, W, 3) uint8 RGB, or a picture; not written to.
        pixels: (h, w, 3) uint8 RGB patch.
        mask: (h, w) float32, 0..1.
        x, y: the patch's first pixel in the frame.

    Returns:
        Of the kind of `frame`.
    """
    if isinstance(frame, Picture):
        return frame.blended(pixels, mask, x, y)
    out = frame.copy()
    area = out[y : y + mask.shape[0], x : x + mask.shape[1]]
    area[:] = cv2.blendLinear(np.ascontiguousarray(area), pixels, 1 - mask, mask)
    return out


def dissolve(under: np.ndarray, over: np.ndarray, weight: float) -> np.ndarray:
    """Mix two frames, `weight` of the upper one. (H, W, 3) uint8 RGB each."""
    return cv2.addWeighted(over, float(weight), under, 1 - float(weight), 0)
