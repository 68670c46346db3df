"""The square around a face that the mouth network sees, and pictures cut by it."""

import cv2
import numpy as np

from lipwright.errors import NoFaceError
from lipwright.face.smooth import runs, steady
from lipwright.structures import LandmarkTrack

WH_FRAMES = 100  # frames with a face that the mean shape is taken from; unverified
SIDE, ABOVE = 1.5, 0.15  # of the face's size: the square's side, and how far it begins over the brows; unverified
FRAMES = 2.0  # standard deviation of the Gaussian over the square's place and size
NOISE = 0.02  # of the face's size: a step of the square under which it is the landmarks' jitter
AREA_FROM = 2  # shrinking by this much or more averages pixels before the cut


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
        (F, 3) float32 x, y, side in pixels; x, y is the middle of the square's first pixel, as an index into the frame.
        NaN where there is no face.
    """
    low, high = track.points.min(1), track.points.max(1)
    size = (high[:, 0] - low[:, 0]) / np.float32(shape)
    placed = np.stack([(low[:, 0] + high[:, 0]) / 2, low[:, 1], size], axis=1)
    for run in runs(track.present, track.cuts):
        placed[run] = steady(placed[run], FRAMES, NOISE * placed[run, 2])
    middle, top, size = placed.T
    return np.stack([middle - SIDE / 2 * size, top - ABOVE * size, SIDE * size], axis=1)


def to_frame(square: np.ndarray, size: int) -> np.ndarray:
    """The affine map from pixels of a cut to pixels of the frame.

    Args:
        square: (3,) x, y, side, see `squares`.
        size: side of the cut in its own pixels.

    Returns:
        (2, 3) float64.
    """
    x, y, side = (float(value) for value in square)
    scale = side / size
    return np.array([[scale, 0, x + (scale - 1) / 2], [0, scale, y + (scale - 1) / 2]])


def to_cut(square: np.ndarray, size: int) -> np.ndarray:
    """The affine map from pixels of the frame to pixels of a cut; arguments as of `to_frame`."""
    return cv2.invertAffineTransform(to_frame(square, size))


def cut(frame: np.ndarray, square: np.ndarray, size: int) -> np.ndarray:
    """The square as a picture of its own: bicubic, averaged where it shrinks, border pixels repeated outside.

    Args:
        frame: (H, W, 3) uint8 RGB.
        square: (3,) x, y, side, see `squares`.
        size: side of the picture.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    place = to_frame(square, size)
    shrink = int(place[0, 0])
    if shrink >= AREA_FROM:
        frame, corner = _averaged(frame, square, shrink)
        place[:, 2] = (place[:, 2] - corner + 0.5) / shrink - 0.5
        place[:, :2] /= shrink
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, place, (size, size), flags=how, borderMode=cv2.BORDER_REPLICATE)


def _averaged(frame: np.ndarray, square: np.ndarray, shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """The frame around the square, blocks of `shrink` pixels averaged, and the frame pixel it begins at, (2,) x, y."""
    low = np.floor(square[:2]).astype(int) - 2 * shrink  # two more on each side for the bicubic kernel
    blocks = int(np.ceil(float(square[2]) / shrink)) + 5
    high = low + blocks * shrink
    x, y = (np.clip(np.arange(a, b), 0, edge - 1) for a, b, edge in zip(low, high, frame.shape[1::-1], strict=True))
    around = np.ascontiguousarray(frame[y[0] : y[-1] + 1, x[0] : x[-1] + 1])
    if len(x) != x[-1] - x[0] + 1 or len(y) != y[-1] - y[0] + 1:
        around = frame[np.ix_(y, x)]
    return cv2.resize(around, (blocks, blocks), interpolation=cv2.INTER_AREA), low
