"""Whether a face is blurred, by the published face-attribute network."""

from collections.abc import Sequence

import numpy as np

from lipwright.post.align import Model, aligned

BLUR = 8  # place of the blur score among the ten
# Of the channels in the order in which the network takes them; that the first is blue is unverified.
MEAN = np.array((132.38155592, 110.99284567, 102.62942472), np.float32)
DEVIATION = np.array((68.5106407, 61.65929394, 58.61700102), np.float32)


class FaceAttributes:
    """Judges faces.

    Args:
        model: takes (1, 512, 512, 3) float32 BGR, mean and deviation taken out, and gives (1, 10) scores first.
    """

    def __init__(self, model: Model) -> None:
        self._model = model

    def blur(self, picture: np.ndarray, five: np.ndarray) -> float:
        """How blurred the face is; higher is worse.

        Args:
            picture: (H, W, 3) uint8 RGB.
            five: (5, 2) pixels: eyes, nose tip, mouth corners, image-left first.

        Raises:
            ShapeError: the points are not five, or not numbers.
        """
        crop, _ = aligned(picture, five)
        scores = self._model((crop[None, ..., ::-1] - MEAN) / DEVIATION)[0]
        return float(scores[0, BLUR])


def needs_restoring(blurs: Sequence[float], threshold: float) -> bool:
    """Whether footage is blurred: the median over sampled faces is above the threshold. Without any it is not."""
    return len(blurs) > 0 and float(np.median(blurs)) > threshold
