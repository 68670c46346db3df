"""Holes in a picture filled from what surrounds them (push-pull: Gortler et al., SIGGRAPH 1996)."""

import cv2
import numpy as np


def fill(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Continue known values smoothly over the rest.

    Args:
        values: (H, W) or (H, W, C) float32; what is not known is not looked at.
        known: (H, W) float32 in 0..1, how much each is to be believed.

    Returns:
        Array like `values`; equal to it where `known` is 1.
    """
    share = known if values.ndim == 2 else known[..., None]
    if min(known.shape) < 2 or known.min() >= 1:
        return values
    weight, total = cv2.pyrDown(known), cv2.pyrDown(values * share)
    solid = np.minimum(4 * weight, 1)  # one known pixel in four is enough for a pixel of the smaller picture
    mean = total / np.maximum(weight if values.ndim == 2 else weight[..., None], 1e-6)
    small = fill(mean.astype(np.float32), solid)
    return share * values + (1 - share) * cv2.pyrUp(small, dstsize=known.shape[::-1])
