"""Where the skin, mouth, nose, eyes and glasses of a face are (BiSeNet; Yu et al. 2018, trained on CelebAMask-HQ)."""

import numpy as np

from lipwright.post.align import Area, Model, aligned, feathered, laid_back

MEAN = np.array((0.485, 0.456, 0.406), np.float32)
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
# Of the 19 classes: skin, brows, eyes, glasses, nose, mouth, lips. Not: background, ears and what hangs there, neck,
# cloth, hair, hat.
FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
LEAST = 0.1  # a share so small counts as 0
REACH = 8  # pixels of the 512 square, 6 % of the distance of the eyes: width of the soft edge


class FaceParser:
    """Finds the face's own regions.

    Args:
        model: takes (1, 512, 512, 3) float32 RGB, ImageNet mean and deviation taken out, and gives (1, 19, 512, 512)
            class scores first.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def area(self, picture: np.ndarray, five: np.ndarray, area: Area) -> np.ndarray:
        """Where a rectangle of the picture shows the face itself.

        The classes' shares are summed instead of the best one taken: a pixel between two classes then does not jump
        from frame to frame.

        Args:
            picture: (H, W, 3) uint8 RGB.
            five: (5, 2) pixels: eyes, nose tip, mouth corners, image-left first; steady along time.
            area: the rectangle; it may lie partly outside the picture.

        Returns:
            (height, width) float32, 0..1, with a soft edge on the inside; 0 beyond the square the network sees.

        Raises:
            ShapeError: the points are not five, or not numbers.
        """
        crop, matrix = aligned(picture, five)
        scores = self._model(((crop / np.float32(255) - MEAN) / DEVIATION)[None])[0][0]
        shares = np.exp(scores - scores.max(0))
        face = shares[list(FACE)].sum(0) / shares.sum(0)
        face[face < LEAST] = 0
        return np.clip(laid_back(feathered(face, REACH), matrix, area), 0, 1)
