"""How much something drawn over a moving face changes from frame to frame, the face itself held still."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from lipwright.post.align import PLACES, SIDE, similarity

INSIDE = np.s_[150:430, 130:382]  # of the square: from the brows to the chin


def flicker(layers: Sequence[np.ndarray], fives: Sequence[np.ndarray]) -> float:
    """Mean absolute change between neighbours, in the layers' own unit, inside the face.

    Args:
        layers: F masks or frames' lumas, (H, W) each, of the whole frame.
        fives: F times the (5, 2) points.
    """
    still = [
        cv2.warpAffine(
            layer.astype(np.float32), similarity(five, PLACES), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
        )[INSIDE]
        for layer, five in zip(layers, fives, strict=True)
    ]
    return float(np.mean([np.abs(after - before).mean() for before, after in pairwise(still)]))


def luma(frames: Sequence[np.ndarray]) -> list[np.ndarray]:
    """(H, W) uint8 of every (H, W, 3) uint8 RGB."""
    return [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
