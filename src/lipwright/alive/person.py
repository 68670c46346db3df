"""Where the person ends and the background begins. Model: MediaPipe's selfie segmentation (Apache-2.0)."""

import cv2
import numpy as np

from lipwright.alive.fill import fill
from lipwright.face.facemesh import BLANK, import_mediapipe
from lipwright.media.quiet import quiet

ABOVE, BELOW, ASIDE = 3.0, 3.6, 3.2  # eye distances around the middle of the face that the model is shown
FINEST = 150.0  # pixels in an eye distance at which the edge is followed
EDGE_REACH, EDGE_CONTRAST = 0.07, 1e-4  # guided filter: radius in eye distances, and what counts as flat
FACE_SEEN = 0.7  # mean certainty on the face under which the model has not seen the person


def person(photo: np.ndarray, mesh: np.ndarray, unit: float) -> np.ndarray | None:
    """How much of each pixel belongs to the person.

    Args:
        photo: (H, W, 3) uint8 RGB.
        mesh: (478, 3) float32, the face.
        unit: pixels in an eye distance.

    Returns:
        (H, W) uint8, 0 background, 255 person; None where the model sees no person (a drawing, a statue)
        or MediaPipe has no model.
    """
    middle = mesh[:, :2].mean(0)
    reach = unit * np.array(((ASIDE, ABOVE), (ASIDE, BELOW)))
    x0, y0 = np.maximum(middle - reach[0], 0).astype(int)
    x1, y1 = np.minimum(middle + reach[1], photo.shape[1::-1]).astype(int)
    scale = min(1.0, FINEST / unit)
    view = cv2.resize(photo[y0:y1, x0:x1], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    seen = _segment(view)
    if seen is None:
        return None
    face = cv2.convexHull(((mesh[:, :2] - (x0, y0)) * scale).astype(np.int32))
    on_face = cv2.fillConvexPoly(np.zeros(seen.shape, np.uint8), face, (1,))
    if seen[on_face > 0].mean() < FACE_SEEN:
        return None
    radius = max(2, round(EDGE_REACH * unit * scale))
    edge = cv2.ximgproc.guidedFilter(view.astype(np.float32) / 255, seen, radius, EDGE_CONTRAST)
    # Rather a rim of background that goes along than hair that stays behind.
    soft = cv2.GaussianBlur(cv2.dilate(edge, np.ones((3, 3), np.uint8)), (0, 0), 0.012 * unit * scale)
    part = np.clip((soft - 0.08) / 0.5, 0, 1)
    matte = np.zeros(photo.shape[:2], np.uint8)
    whole = np.rint(255 * part * part * (3 - 2 * part)).astype(np.uint8)
    matte[y0:y1, x0:x1] = cv2.resize(whole, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    return matte


def background(photo: np.ndarray, matte: np.ndarray, unit: float) -> np.ndarray:
    """The photo continued behind the person's edge.

    Args:
        photo: (H, W, 3) uint8 RGB.
        matte: (H, W) uint8, see `person`.
        unit: pixels in an eye distance.

    Returns:
        (H, W, 3) uint8 RGB, equal to the photo where the matte is 0.
    """
    scale = min(1.0, FINEST / unit)
    size = tuple(max(1, round(n * scale)) for n in matte.shape[::-1])
    # Single samples: averages would carry the person's colour into the background.
    small, seen = (cv2.resize(part, size, interpolation=cv2.INTER_NEAREST) for part in (photo, matte))
    filled = fill(small.astype(np.float32), (seen == 0).astype(np.float32))
    smooth = cv2.resize(np.rint(filled).clip(0, 255).astype(np.uint8), matte.shape[::-1])
    share = np.minimum(matte.astype(np.float32) / 64, 1)  # no step where the photo itself begins
    return cv2.blendLinear(smooth, np.ascontiguousarray(photo), share, 1 - share)


def _segment(view: np.ndarray) -> np.ndarray | None:
    solutions = getattr(import_mediapipe(), "solutions", None)
    if solutions is None:  # a newer wheel, which carries no models: as if the model saw nobody
        return None
    with quiet(), solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as model:
        model.process(BLANK)
        return model.process(view).segmentation_mask
