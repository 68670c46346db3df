"""What a frame was drawn by, drawn over it: where it may differ from its source, tracked lips, target points.

Blue is the mask, its yellow line where source and drawing weigh the same; green are the tracked lips, red the points
where the sound wants lips and jaw.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from lipwright.pipeline.job import Drawn
from lipwright.pipeline.staging import Aim

TINT, CONTOUR, LIPS, TARGET, PASSED = (40, 110, 255), (255, 220, 0), (60, 255, 120), (255, 50, 50), (255, 140, 0)
TINT_SHARE = 0.35
FINE = 4  # bits of a pixel's fraction that OpenCV is told
UNTOUCHED = "no usable face: left as it is"


def overlay(picture: np.ndarray, mask: np.ndarray, aims: Sequence[Aim]) -> np.ndarray:
    """A copy of a drawn frame with its mask tinted, the mask's 50 % contour, tracked lips and target points.

    Args:
        picture: (H, W, 3) uint8 RGB.
        mask: (H, W) float32 in 0..1.
        aims: what was drawn by, in the picture's pixels.
    """
    share = TINT_SHARE * mask[..., None]
    out = np.rint(picture * (1 - share) + np.array(TINT, np.float32) * share).astype(np.uint8)
    size = max((aim.size for aim in aims), default=0.0)
    thick = max(1, round(size / 150))
    contours, _ = cv2.findContours((mask >= 0.5).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(out, contours, -1, CONTOUR, thick, cv2.LINE_AA)
    for aim in aims:
        for ring in aim.rings:
            closed = _fine(aim.mesh[[*ring, ring[0]], :2])
            cv2.polylines(out, [closed], False, LIPS, thick, cv2.LINE_AA, FINE)  # noqa: FBT003 - OpenCV's order
        for x, y in _fine(aim.target).tolist():
            cv2.circle(out, (x, y), round(max(0.8, size / 110) * 2**FINE), TARGET, cv2.FILLED, cv2.LINE_AA, FINE)
    return out


def explained(shot: Drawn, seconds: float) -> np.ndarray:
    """A drawn frame with everything of `overlay`, its number and time; one that was left as it is says so, framed.

    Args:
        shot: the frame.
        seconds: when it is shown.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    out = overlay(shot.frame, shot.mask(), shot.aims)
    text = f"{shot.output}  {seconds:.2f} s"
    if not shot.patches:
        height, width = out.shape[:2]
        cv2.rectangle(out, (0, 0), (width - 1, height - 1), PASSED, max(2, height // 60))
        text = f"{text}  {UNTOUCHED}"
    label(out, text)
    return out


def label(picture: np.ndarray, text: str) -> None:
    """Put a line into the picture's upper left corner, as large as its height suggests; ASCII only."""
    scale = max(0.35, picture.shape[0] / 1000)
    thick = max(1, round(1.5 * scale))
    (_, high), low = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
    for colour, width in (((0, 0, 0), 3 * thick), ((255, 255, 255), thick)):
        cv2.putText(picture, text, (high, 2 * high + low), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width, cv2.LINE_AA)


def _fine(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 2**FINE).astype(np.int32)
