"""68 landmarks on a face box: PFPLD, a 98-point network. Guo et al. 2019, arXiv 1902.10859; points of WFLW."""

import cv2
import numpy as np

from lipwright.errors import BackendError, ShapeError
from lipwright.runtime import PictureModel

POINTS = 98
WIDER, TALLER = 0.1, 0.1  # the crop beyond the detector's box: at each side and below; unverified


def _mapping() -> np.ndarray:
    """(68, 2) of the 98 points; each of the 68 is the mean of its two."""
    one = [*range(0, 33, 2), *range(33, 38), *range(42, 47), *range(51, 60)]
    eyes = [(60, 60), (60, 62), (62, 64), (64, 64), (64, 66), (60, 66)]
    eyes += [(68, 68), (68, 70), (70, 72), (72, 72), (72, 74), (68, 74)]
    return np.array([(i, i) for i in one] + eyes + [(i, i) for i in range(76, 96)])


PAIRS = _mapping()


def to_68(points: np.ndarray) -> np.ndarray:
    """The 98 points of WFLW to the usual 68. (..., 98, 2) to (..., 68, 2) float32.

    Raises:
        ShapeError: the array has another shape.
    """
    if points.shape[-2:] != (POINTS, 2):
        raise ShapeError("points", expected=f"(..., {POINTS}, 2)", got=points.shape)
    return points[..., PAIRS, :].mean(-2).astype(np.float32)


def face_box(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """What the network sees of a detected face: wider at both sides and taller below, whole pixels inside the frame.

    Args:
        box: (4,) x0, y0, x1, y1 of the detector, frame pixels.
        size: width and height of the frame.

    Returns:
        x0, y0, x1, y1; x1 and y1 are the first column and row outside. Empty where the box lies outside the frame.
    """
    x0, y0, x1, y1 = (float(edge) for edge in box)
    x0 -= WIDER * (x1 - x0)
    x1 += WIDER * (x1 - x0)  # of the width that was just widened
    y1 += TALLER * (y1 - y0)
    low = np.maximum((int(x0), int(y0)), 0)
    high = np.minimum((int(x1), int(y1)), size)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


class Pfpld:
    """The landmark network over an opened model.

    Args:
        model: (B, H, W, 3) float32 BGR, pixels / 255, to pose (B, 3) and landmarks (B, 196), x and y in turn, 0..1.
    """

    def __init__(self, model: PictureModel) -> None:
        self._model = model

    def fit(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray | None:
        """Landmarks of the face in a detector's box.

        Args:
            frame: (H, W, 3) uint8 RGB.
            box: (4,) x0, y0, x1, y1, frame pixels.

        Returns:
            (68, 2) float32 frame pixels, None where the box lies outside the frame.

        Raises:
            BackendError: the model's outputs are not those of PFPLD.
        """
        x0, y0, x1, y1 = face_box(box, (frame.shape[1], frame.shape[0]))
        if x1 <= x0 or y1 <= y0:
            return None
        height, width = self._model.size
        crop = cv2.resize(frame[y0:y1, x0:x1, ::-1], (width, height), interpolation=cv2.INTER_LINEAR)
        outputs = self._model((crop.astype(np.float32) / 255)[None])
        if len(outputs) < 2 or outputs[1].size != 2 * POINTS:
            got = ", ".join(str(output.shape) for output in outputs)
            raise BackendError(
                f"this landmark model gives {got}; PFPLD's second output has {2 * POINTS} values; "
                "run `lipwright models pull pfpld`"
            )
        span, corner = np.array(((x1 - x0, y1 - y0), (x0, y0)), np.float32)
        return to_68(outputs[1].reshape(POINTS, 2)) * span + corner
