"""What only the drawn frame, its source and its mask can tell; asked while a job runs."""

import cv2
import numpy as np

from lipwright.evaluation.picture import LUMA
from lipwright.pipeline.job import Drawn

REACH = 2  # pixels to each side of the contour


class SeamWatch:
    """For `watch` of `lipwright.dub`: sees every drawn frame.

    Attributes:
        outside: largest absolute difference (0..255) from the planned source frame where the mask is 0; must be 0.
    """

    def __init__(self) -> None:
        self.outside = 0
        self._steps: list[float] = []

    def __call__(self, drawn: Drawn) -> None:
        """Take in one frame."""
        mask = drawn.mask()
        self.outside = max(self.outside, outside(drawn.frame, drawn.source, mask))
        step = seam_step(drawn.frame, drawn.source, mask)
        if step is not None:
            self._steps.append(step)

    @property
    def step(self) -> float:
        """Mean seam step of the frames drawn on, in 0..255; NaN if there are none."""
        return float(np.mean(self._steps)) if self._steps else float("nan")


def outside(frame: np.ndarray, source: np.ndarray, mask: np.ndarray) -> int:
    """Largest difference where the mask is 0. (H, W, 3) uint8 RGB twice, (H, W) float32."""
    change = cv2.absdiff(frame, source).max(axis=2)
    return int(change[mask == 0].max(initial=0))


def seam_step(frame: np.ndarray, source: np.ndarray, mask: np.ndarray) -> float | None:
    """Luma step across the mask's 50 % contour, less the step the source frame has there.

    Args:
        frame, source: (H, W, 3) uint8 RGB.
        mask: (H, W) float32 in 0..1.

    Returns:
        In 0..255; None where the mask has no contour inside the frame.
    """
    left, top, wide, high = cv2.boundingRect((mask >= 0.5).view(np.uint8))
    if not wide:
        return None
    room = 2 * REACH + 2
    area = np.s_[max(top - room, 0) : top + high + room, max(left - room, 0) : left + wide + room]
    inner, outer = _sides(mask[area])
    if not len(inner):
        return None
    return _step(frame[area], inner, outer) - _step(source[area], inner, outer)


def _sides(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points `REACH` pixels inside and outside the contour, along its normal. (N, 2) x and y each."""
    found, _ = cv2.findContours((mask >= 0.5).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    on = np.concatenate([np.asarray(contour)[:, 0] for contour in found])
    soft = cv2.GaussianBlur(mask, (0, 0), REACH)  # a hard mask has a normal, too
    across, down = (np.asarray(cv2.Sobel(soft, cv2.CV_32F, *axis, ksize=3)) for axis in ((1, 0), (0, 1)))
    rows, columns = on[:, 1].astype(np.intp), on[:, 0].astype(np.intp)
    slope = np.stack([across[rows, columns], down[rows, columns]], axis=1)
    steep = np.linalg.norm(slope, axis=1, keepdims=True)
    way = REACH * slope / np.maximum(steep, 1e-9)
    size = np.array(mask.shape[::-1]) - 1
    inner, outer = on + way, on - way
    seam = ((on > 0) & (on < size)).all(1)  # where the frame ends, there is no seam
    kept = seam & (steep[:, 0] > 0) & ((inner >= 0) & (inner <= size) & (outer >= 0) & (outer <= size)).all(1)
    return inner[kept].astype(np.float32), outer[kept].astype(np.float32)


def _step(picture: np.ndarray, inner: np.ndarray, outer: np.ndarray) -> float:
    luma = (picture @ LUMA).astype(np.float32)
    one, other = (cv2.remap(luma, points[:, :1], points[:, 1:], cv2.INTER_LINEAR) for points in (inner, outer))
    return float(np.abs(one - other).mean())
