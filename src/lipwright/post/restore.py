"""A blurred face restored by a network trained on faces (GFPGAN; Wang et al. 2021), at the frame's own resolution.

What the network adds to its crop is laid on the frame, not the crop itself: an unchanged face stays what it was, and
whatever the frame holds beyond the network's 512 pixels is kept. Of what it adds, only detail counts. Colour and light
stay the frame's own, so that a tone which the network chooses anew in every frame cannot flicker.
"""

from functools import cache

import cv2
import numpy as np

from lipwright.errors import OptionError
from lipwright.post.align import SIDE, Area, Model, aligned, cut, laid_back

# The mask, pixels of the 512 square: all unverified against the published engine.
HALF_AXES = (160, 220)  # across, along the face
EDGE = 20
SOFT = 201

TONE = 119  # width of the blur, pixels of the square, whose part of a change is tone; eyes are 137 apart
DETAIL = (2.0, 1.2)  # deviation under which something is detail: pixels of the square, and of the frame if that is more
AROUND = 59  # width of the blur over which detail is weighed, pixels of the square
GRAIN = 0.4  # grey levels: detail so weak may go
LEAST = 0.8  # share of the frame's own detail under which the network's face does not count


class Restorer:
    """Restores a face.

    Args:
        model: takes (1, 512, 512, 3) float32 RGB in -1..1 and gives (1, 3, 512, 512) of the same kind first.
        strength: 0 leaves the face, 1 adds all the network's detail.

    Raises:
        OptionError: the strength is not within 0..1.
    """

    def __init__(self, model: Model, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise OptionError(f"the strength of restoring must be 0 to 1, got {strength}")
        self._model, self._strength = model, strength

    def restore(self, picture: np.ndarray, five: np.ndarray, area: Area) -> np.ndarray:
        """A rectangle of the picture, the face in it restored.

        Args:
            picture: (H, W, 3) uint8 RGB; not written to.
            five: (5, 2) pixels: eyes, nose tip, mouth corners, image-left first; steady along time.
            area: the rectangle; outside the picture its border goes on.

        Returns:
            (height, width, 3) uint8 RGB; equal to the picture bit for bit where the face's ellipse does not reach, and
            everywhere at strength 0.

        Raises:
            ShapeError: the points are not five, or not numbers.
        """
        own = cut(picture, area)
        if self._strength == 0:
            return own
        crop, matrix = aligned(picture, five)
        scale = float(np.linalg.norm(matrix[:, 0]))
        change = laid_back(self._strength * self._change(crop, scale), matrix, area)
        return np.clip(np.rint(own + change), 0, 255).astype(np.uint8)

    def _change(self, crop: np.ndarray, scale: float) -> np.ndarray:
        """What is added to the square, (512, 512, 3) float32 grey levels; scale: its pixels per pixel of the frame."""
        before = crop.astype(np.float32)
        made = self._model(before[None] / 127.5 - 1)[0][0].transpose(1, 2, 0)
        after = np.clip((made + 1) * 127.5, 0, 255)
        change = after - before
        change -= cv2.stackBlur(change, (TONE, TONE))
        return change * (ellipse() * worth(before, after, max(DETAIL[0], DETAIL[1] * scale)))[..., None]


def worth(before: np.ndarray, after: np.ndarray, finer: float) -> np.ndarray:
    """How far a restored face counts: not where it holds less detail than the frame did.

    Args:
        before, after: (H, W, 3) float32 RGB, grey levels.
        finer: deviation of the Gaussian, pixels, that leaves no detail.

    Returns:
        (H, W) float32, 0..1.
    """
    share = _detail(after, finer) / np.maximum(_detail(before, finer) - GRAIN, 1e-3)
    return np.clip((share - LEAST) / (1 - LEAST), 0, 1)


def _detail(picture: np.ndarray, finer: float) -> np.ndarray:
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    fine = luma - cv2.GaussianBlur(luma, (0, 0), finer)
    return np.sqrt(np.maximum(cv2.stackBlur(fine * fine, (AROUND, AROUND)), 0))


@cache
def ellipse() -> np.ndarray:
    """Where a restored face counts, (512, 512) float32, 0..1, read-only: 0 at the border, 1 in the middle."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.ellipse(mask, (SIDE // 2, SIDE // 2), HALF_AXES, 0, 0, 360, (1.0,), -1)
    mask[:EDGE] = mask[-EDGE:] = mask[:, :EDGE] = mask[:, -EDGE:] = 0
    mask = cv2.stackBlur(mask, (SOFT, SOFT))
    # So wide a blur passes the border; taken down to 0 there, it leaves no step in the frame.
    rim = max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max())
    mask = np.clip((mask - rim) / (mask.max() - rim), 0, 1)
    mask.flags.writeable = False
    return mask
