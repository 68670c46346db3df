"""A square of a frame as a picture of its own, and what is drawn in it back onto the frame's pixel grid.

A square is (x, y, side) and covers the frame's pixels x to x + side - 1, all three in fractions of a pixel. So pixel
(0, 0) of a picture with n pixels a side is centred at x + side / (2 n) - 0.5.
"""

import cv2
import numpy as np


def placed(square: np.ndarray, size: int) -> np.ndarray:
    """The affine map from pixels of the picture to pixels of the frame. (3,) to (2, 3) float64."""
    x, y, side = (float(value) for value in square)
    scale = side / size
    return np.array(((scale, 0, x + scale / 2 - 0.5), (0, scale, y + scale / 2 - 0.5)))


def cut(frame: np.ndarray, square: np.ndarray, size: int) -> np.ndarray:
    """The square as a picture; beyond the frame its border pixels go on.

    Args:
        frame: (H, W, 3) uint8 RGB.
        square: (3,) x, y, side.
        size: pixels a side of the picture.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    whole = max(1, int(float(square[2]) / size))  # shrinking by more than two skips pixels: average first
    fine, how = size * whole, cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(frame, placed(square, fine), (fine, fine), flags=how, borderMode=cv2.BORDER_REPLICATE)
    return large if whole == 1 else cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def laid(picture: np.ndarray, onto: np.ndarray, area: tuple[int, int, int, int]) -> np.ndarray:
    """A picture's pixels on the frame's grid.

    Args:
        picture: (H, W, C) or (H, W), uint8 or float32.
        onto: (2, 3) from pixels of the picture to pixels of the frame, see `placed`.
        area: x, y, width and height of the part of the frame that is wanted.

    Returns:
        (height, width, C) or (height, width) of the same dtype; beyond the picture its border pixels go on.
    """
    x, y, width, height = area
    moved = onto - np.array(((0, 0, x), (0, 0, y)))
    flat = picture.ndim == 2
    how = cv2.INTER_LINEAR if flat else cv2.INTER_CUBIC
    return cv2.warpAffine(picture, moved, (width, height), flags=how, borderMode=cv2.BORDER_REPLICATE)


def inside(square: np.ndarray, size: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The part of a frame that a square covers: x, y, width, height of whole pixels; at least one.

    Args:
        square: (3,) x, y, side.
        size: height and width of the frame.
    """
    x, y, side = (float(value) for value in square)
    height, width = size[:2]
    x0, y0 = (int(np.clip(np.floor(v), 0, most - 1)) for v, most in ((x, width), (y, height)))
    x1, y1 = (int(np.clip(np.ceil(v + side), low + 1, most)) for v, low, most in ((x, x0, width), (y, y0, height)))
    return x0, y0, x1 - x0, y1 - y0
