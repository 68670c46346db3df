"""How a head is turned: WHENet, three angles by bins. Zhou and Gregson 2020, arXiv 2005.10353."""

import cv2
import numpy as np

from lipwright.errors import BackendError
from lipwright.runtime import PictureModel

MEAN = np.array((0.485, 0.456, 0.406), np.float32)  # RGB
DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
BINS = {"yaw": 120, "roll": 66, "pitch": 66}  # in the order of the outputs; roll before pitch is unverified
DEGREES = 3  # per bin; the middle of the bins is zero
GATE = {"yaw": (-70, 70), "pitch": (-70, 50), "roll": (-100, 100)}  # degrees; unverified
SIDE, ABOVE, BELOW = 0.8, 0.35, 1.25  # the crop around the landmarks' middle and top, in their height; unverified


class HeadPose:
    """The pose network over an opened model.

    Args:
        model: (B, H, W, 3) float32 RGB, ImageNet mean and deviation, to logits (B, 120), (B, 66), (B, 66) over bins of
            three degrees: yaw, roll, pitch.
    """

    def __init__(self, model: PictureModel) -> None:
        self._model = model

    def angles(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Yaw, pitch and roll of the head, degrees. (H, W, 3) uint8 RGB and (68, 2) frame pixels to (3,) float32.

        NaN where the crop around the points lies outside the frame.

        Raises:
            BackendError: the model's outputs are not those of WHENet.
        """
        x0, y0, x1, y1 = head_box(points, (frame.shape[1], frame.shape[0]))
        if x1 <= x0 or y1 <= y0:
            return np.full(3, np.nan, np.float32)
        height, width = self._model.size
        crop = cv2.resize(frame[y0:y1, x0:x1], (width, height), interpolation=cv2.INTER_LINEAR)
        outputs = self._model(((crop.astype(np.float32) / 255 - MEAN) / DEVIATION)[None])
        sizes = [output.size for output in outputs[:3]]
        if sizes != list(BINS.values()):
            raise BackendError(
                f"this head-pose model gives {sizes} values, WHENet gives {list(BINS.values())}; "
                "run `lipwright models pull head_pose`"
            )
        turned = {name: _expected(output.ravel()) for name, output in zip(BINS, outputs, strict=False)}
        return np.array([turned["yaw"], turned["pitch"], turned["roll"]], np.float32)


def head_box(points: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What the network sees of a head: whole pixels inside the frame.

    Args:
        points: (68, 2) frame pixels.
        size: width and height of the frame.

    Returns:
        x0, y0, x1, y1; x1 and y1 are the first column and row outside.
    """
    (left, top), (right, bottom) = points.min(0), points.max(0)
    middle, height = (left + right) / 2, bottom - top
    low = np.maximum((int(middle - SIDE * height), int(top - ABOVE * height)), 0)
    high = np.minimum((int(middle + SIDE * height), int(top + BELOW * height)), size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def usable(angles: np.ndarray) -> bool:
    """Whether a head faces the camera enough to be given a mouth. (3,) degrees yaw, pitch, roll; NaN is not."""
    return all(low < angle < high for angle, (low, high) in zip(angles, GATE.values(), strict=True))


def _expected(logits: np.ndarray) -> float:
    """Degrees: the mean bin under the softmax of the logits, bin 0 at one end of the range."""
    weights = np.exp(logits - logits.max(), dtype=np.float64)
    mean = float(weights @ np.arange(len(logits)) / weights.sum())
    return DEGREES * (mean - len(logits) / 2)
