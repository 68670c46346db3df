"""The HeyGem renderer: its generator redraws the lower face at 256 pixels from the frame and the speech around it.

The mask is the original's "lmk": jaw, nose base and an ellipse below the chin. What lies outside it keeps the frame's
own pixels at the frame's own resolution, and colour is matched along its border; the original does neither.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from lipwright.errors import BackendError
from lipwright.render.base import Patch, RenderSpec, WindowShot
from lipwright.render.square import cut, inside, laid, placed
from lipwright.runtime import Models, Network

INNER, RIM = 256, 5  # pixels the network sees, and the rim of the crop around them that it does not
CROP = INNER + 2 * RIM
JAW_FIRST, JAW_LAST, NOSE = 2, 14, 29  # points of the 68 that the hull is spanned by (unverified)
ELLIPSE_HEIGHT = 60  # pixels of the crop below the line between jaw points 5 and 11 (unverified)
DILATION = np.ones((6, 6), np.uint8)  # (unverified)
FEATHER = 17  # pixels of the crop, stack blur (unverified)
SEAM = (0.02, 0.6)  # shares of the mask between which frame and drawing should look the same
REACH = 20.0  # pixels of the crop over which a difference of colour at the seam is spread inwards
MOST_SHIFT = 24.0  # levels; a larger difference is no matter of colour


class DinetRenderer:
    """Draws with the published generator, several frames at a time; see `lipwright.render.base.WindowRenderer`.

    Args:
        network: the converted checkpoint.

    Raises:
        BackendError: it is another network.
    """

    needs = RenderSpec(drive="window", crop="rectangle")

    def __init__(self, network: Network) -> None:
        if [len(port.shape) for port in network.inputs] != [4, 3]:
            shapes = [port.shape for port in network.inputs]
            raise BackendError(
                f"{network.file} takes {shapes}, wanted pictures (B, 3, {INNER}, {INNER}) and speech (B, 256, 20); "
                "run `lipwright models pull dinet_v1`"
            )
        self._network = network

    @classmethod
    def open(cls, models: Models) -> "DinetRenderer":
        """Open the published generator.

        Raises:
            BackendError: it is missing, damaged or another model.
        """
        return cls(models.network("dinet_v1"))

    def render(self, shots: Sequence[WindowShot]) -> list[Patch]:
        """Draw the lower faces of some frames; each patch lies inside its frame."""
        crops = [cut(shot.frame, shot.square, CROP)[RIM:-RIM, RIM:-RIM] for shot in shots]
        inner = np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32) / 255
        speech = np.stack([shot.window.T for shot in shots])
        (drawn,) = self._network.run(inner, speech)
        if drawn.shape != inner.shape:
            raise BackendError(f"{self._network.file} gives {drawn.shape}, wanted {inner.shape}; it is another model")
        return [_patch(shot, crop, np.moveaxis(new, 0, 2)) for shot, crop, new in zip(shots, crops, drawn, strict=True)]


def _patch(shot: WindowShot, crop: np.ndarray, drawn: np.ndarray) -> Patch:
    onto = placed(shot.square, CROP)
    onto[:, 2] += onto[:, :2] @ (RIM, RIM)
    mask = landmark_mask((shot.points - onto[:, 2]) / onto[0, 0])
    picture = match_colour(np.clip(drawn, 0, 1) * np.float32(255), crop, mask)
    area = _narrowed(inside(shot.square, shot.frame.shape), mask, onto)
    whole = np.rint(np.clip(laid(picture, onto, area), 0, 255)).astype(np.uint8)
    return Patch(area[0], area[1], whole, np.clip(laid(mask, onto, area), 0, 1))


def landmark_mask(points: np.ndarray) -> np.ndarray:
    """Where the drawn face replaces the frame: hull of jaw and nose, rounded off below the chin, feathered.

    Args:
        points: (68, 2) float32 pixels of the inner crop.

    Returns:
        (256, 256) float32 in 0..1, 0 along the border.
    """
    canvas = np.zeros((CROP, CROP), np.uint8)
    moved = points + RIM
    hull = cv2.convexHull(np.rint(moved[[*range(JAW_FIRST, JAW_LAST + 1), NOSE]]).astype(np.int32))
    cv2.fillConvexPoly(canvas, hull, (255,))
    left, right = moved[5], moved[11]
    middle = np.rint((left + right) / 2).astype(int)
    half = max(1, round((float(right[0] - left[0]) + 3) / 2))
    cv2.ellipse(canvas, middle.tolist(), (half, ELLIPSE_HEIGHT), 0, 0, 180, (255,), cv2.FILLED)
    canvas = cv2.dilate(canvas, DILATION)
    rim = RIM + FEATHER // 2 + 1  # what is blurred must have come to nothing at the edge of the inner crop
    framed = np.zeros_like(canvas)
    framed[rim:-rim, rim:-rim] = canvas[rim:-rim, rim:-rim]
    return cv2.stackBlur(framed, (FEATHER, FEATHER))[RIM:-RIM, RIM:-RIM].astype(np.float32) / 255


def match_colour(drawn: np.ndarray, crop: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Take out of a drawing what differs in colour from the frame along the mask's border, fading inwards.

    Args:
        drawn: (256, 256, 3) float32 RGB, 0..255.
        crop: (256, 256, 3) uint8 RGB, the frame there.
        mask: (256, 256) float32 in 0..1.

    Returns:
        (256, 256, 3) float32 RGB.
    """
    seam = ((mask > SEAM[0]) & (mask < SEAM[1])).astype(np.float32)
    if not seam.any():
        return drawn
    difference = np.clip(crop - drawn, -MOST_SHIFT, MOST_SHIFT) * seam[..., None]
    usual = difference.sum((0, 1)) / seam.sum()
    near = cv2.GaussianBlur(seam, (0, 0), REACH)
    local = cv2.GaussianBlur(difference, (0, 0), REACH)
    prior = 0.05 * float(near.max())  # far from the seam its mean difference counts
    return drawn + (local + prior * usual) / (near + prior)[..., None]


def _narrowed(area: tuple[int, int, int, int], mask: np.ndarray, onto: np.ndarray) -> tuple[int, int, int, int]:
    """The part of an area of the frame that the mask of the inner crop reaches."""
    x, y, width, height = area
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(columns):
        return x, y, 1, 1
    low = np.floor(onto @ (columns[0] - 1, rows[0] - 1, 1)).astype(int)
    high = np.ceil(onto @ (columns[-1] + 1, rows[-1] + 1, 1)).astype(int) + 1
    x0, y0 = np.clip(low, (x, y), (x + width - 1, y + height - 1))
    x1, y1 = np.clip(high, (x0 + 1, y0 + 1), (x + width, y + height))
    return int(x0), int(y0), int(x1 - x0), int(y1 - y0)
