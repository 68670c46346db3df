"""The square around a face that the mouth network sees."""

import numpy as np

from lipwright.errors import NoFaceError
from lipwright.face.smooth import runs, steady
from lipwright.structures import LandmarkTrack

WH_FRAMES = 100  # frames with a face that the mean shape is taken from; unverified
SIDE, ABOVE = 1.5, 0.15  # of the face's size: the square's side, and how far it begins over the brows; unverified
FRAMES = 2.0  # standard deviation of the Gaussian over the square's place and size
NOISE = 0.02  # of the face's size: a step of the square under which it is the landmarks' jitter


def wh(track: LandmarkTrack) -> float:
    """Width over height of the landmarks' bounding rectangle, the mean over the first 100 frames with a face.

    Raises:
        NoFaceError: no frame shows the face.
    """
    seen = np.flatnonzero(track.present)[:WH_FRAMES]
    if not len(seen):
        raise NoFaceError("the track shows no face; use footage where the face is in view")
    spans = np.ptp(track.points[seen], axis=1)
    return float(np.mean(spans[:, 0] / spans[:, 1]))


def squares(track: LandmarkTrack, shape: float) -> np.ndarray:
    """Where the face's square lies in each frame.

    The original takes it from each frame alone, rounds it to whole pixels and cuts it off at the frame's border, where
    it is then stretched: the face trembles, jumps by a pixel and changes its shape as it nears the border. Here place
    and size are fractions, smoothed within each run of frames, and the square stays one: what lies outside of the
    frame is filled with its border's pixels when the square is cut.

    Args:
        track: the face.
        shape: its width over its height, see `wh`.

    Returns:
        (F, 3) float32 x, y, side in pixels, as of `lipwright.render.square`.
        NaN where there is no face.
    """
    low, high = track.points.min(1), track.points.max(1)
    size = (high[:, 0] - low[:, 0]) / np.float32(shape)
    placed = np.stack([(low[:, 0] + high[:, 0]) / 2, low[:, 1], size], axis=1)
    for run in runs(track.present, track.cuts):
        placed[run] = steady(placed[run], FRAMES, NOISE * placed[run, 2])
    middle, top, size = placed.T
    return np.stack([middle - SIDE / 2 * size, top - ABOVE * size, SIDE * size], axis=1)
