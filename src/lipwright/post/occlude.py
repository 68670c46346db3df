"""Where a face is not covered by a hand, a microphone or hair (DeepFaceLab's XSeg; Perov et al. 2020)."""

import numpy as np

from lipwright.post.align import PLACES, Area, Model, aligned, feathered, laid_back

SIDE = 256
# The square the network sees, in pixels of the 512 square: a whole face from above the brows' top to under the chin,
# 4.2 times the distance of the eyes. Unverified: only the real file can tell which square suits it best.
MIDDLE, WIDTH = (256.0, 280.0), 575.0
SEEN = ((PLACES + 0.5 - MIDDLE) * (SIDE / WIDTH) + SIDE / 2 - 0.5).astype(np.float32)
SEEN.flags.writeable = False
LEAST = 0.1  # what is less counts as 0
REACH = 4  # pixels of the 256 square, 7 % of the distance of the eyes: width of the soft edge


class OcclusionMask:
    """Finds the visible part of a face.

    Args:
        model: takes (1, 256, 256, 3) float32 BGR in 0..1 and gives (1, 256, 256, 1) in 0..1 first, 1 = visible face.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def area(self, picture: np.ndarray, five: np.ndarray, area: Area) -> np.ndarray:
        """Where a rectangle of the picture shows the face uncovered.

        Args:
            picture: (H, W, 3) uint8 RGB.
            five: (5, 2) pixels: eyes, nose tip, mouth corners, image-left first; steady along time.
            area: the rectangle; it may lie partly outside the picture.

        Returns:
            (height, width) float32, 0..1, with a soft edge on the inside; 0 beyond the square the network sees.

        Raises:
            ShapeError: the points are not five, or not numbers.
        """
        crop, matrix = aligned(picture, five, SEEN, SIDE)
        seen = self._model(crop[None, ..., ::-1] / np.float32(255))[0][0, ..., 0]
        visible = np.where(seen < LEAST, np.float32(0), np.minimum(seen, 1))
        return np.clip(laid_back(feathered(visible, REACH), matrix, area), 0, 1)
