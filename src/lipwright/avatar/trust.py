"""How far each frame of footage can be trusted with another mouth.

Landmarks lie where a head is turned far away, where a face is a few pixels small or smeared by motion, and where a
hand, a cup or a microphone comes before the mouth. There the drive is relaxed towards the frame's own mouth, and at
trust 0 the frame is left as it is.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from lipwright.face.smooth import runs
from lipwright.facespace import FACE_OVAL, INNER_RING, STABLE, eye_distance, fit_pose, open_face
from lipwright.structures import FaceTrack

SEEN_EYES = 128.0  # eye distance, in pixels, that a face is looked at with at most
GRAIN, REBLUR = 0.8, 1.5  # Gaussians, pixels of that size: over the picture, and of the second blur
EDGE = 3.0  # times the mean step between pixels of a face: what counts as an edge
NATURAL = 0.012  # eye distances: blur that the edges of a sharp face have by themselves
TONE_BLUR = 0.02  # eye distances: over the picture before colours are read

TURNED = np.radians((38.0, 50.0))  # yaw: full trust up to the first, none from the second on
SMALL = (14.0, 26.0)  # pixels between the outer eye corners: none, full
BLURRED = (0.035, 0.075)  # blur in eye distances: full, none
COVERED = (0.16, 0.28)  # share of the skin around the mouth that has changed: full, none
AROUND = 0.45  # eye distances around the mouth in which skin is compared
STRANGE = 1.5  # deviation, in units of what is usual, from which a point counts as changed
STEADIEST, SPREAD = 0.3, 5.2  # the usual deviation: so many times the one that this share of the frames stays under
TO_XYZ = np.array(((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227)))
TO_XYZ = (TO_XYZ / np.array(((0.950456,), (1.0,), (1.088754,)))).astype(np.float32)  # by white
USUAL = np.array((5.0, 2.5, 2.5), np.float32)  # CIELAB: added to it
BRIEF = 5  # frames: changes of skin shorter than half of it do not count
GOOD = 0.5  # trust from which a frame tells what the person looks like
REACH = 3  # frames to each side over which trust falls and rises
PARTS = 8  # in which points are compared
FEWEST = 12  # frames without which nobody can tell what is usual


@dataclass(frozen=True, slots=True)
class Glance:
    """What one frame tells.

    Args:
        blur: (2,) float32 standard deviation of the blur along x and y beyond `NATURAL`, eye distances.
        skin: (N, 3) float16 CIELAB colours around the mouth, less the light on the upper face.
    """

    blur: np.ndarray
    skin: np.ndarray


def glance(frame: np.ndarray, mesh: np.ndarray) -> Glance:
    """Look at one face. (H, W, 3) uint8 RGB, (478, 2+) pixels."""
    outline = mesh[list(FACE_OVAL), :2]
    low = np.clip(np.floor(outline.min(0)).astype(int), 0, np.subtract(frame.shape[1::-1], 2))
    high = np.maximum(np.ceil(outline.max(0)).astype(int) + 1, low + 2)
    crop = frame[low[1] : high[1], low[0] : high[0]]
    eyes = float(eye_distance(mesh))
    scale = min(1.0, SEEN_EYES / max(eyes, 1.0))
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    points = ((mesh[:, :2] - low + 0.5) * scale - 0.5).astype(np.float32)
    hull = np.zeros(crop.shape[:2], np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.round(points[list(FACE_OVAL)]).astype(np.int32)), (1,))
    blur = _blur(crop, hull > 0) / max(eyes * scale, 1.0)
    return Glance(np.sqrt(np.maximum(np.square(blur) - NATURAL**2, 0)), _skin(crop, points))


def _blur(crop: np.ndarray, face: np.ndarray) -> np.ndarray:
    """Blur of the strongest edges along x and y, pixels. (H, W, 3) uint8 and (H, W) bool to (2,) float32.

    A picture blurred once more loses the less contrast at an edge, the softer that was (Zhuo and Sim, Pattern
    Recognition 44(9), 2011). Each direction by itself: motion smears only one.
    """
    once = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), GRAIN)
    twice = cv2.GaussianBlur(once, (0, 0), REBLUR)
    found = []
    for dx, dy in ((1, 0), (0, 1)):
        before, after = (np.abs(cv2.Sobel(picture, cv2.CV_32F, dx, dy))[face] for picture in (once, twice))
        strong = before >= min(EDGE * float(before.mean()), float(before.max()))
        ratio = float(np.median(before[strong] / np.maximum(after[strong], 1e-3)))
        variance = REBLUR**2 / max(ratio**2 - 1, 1e-2)
        found.append(np.sqrt(max(variance - GRAIN**2, 0.0)))
    return np.array(found, np.float32)


def _skin(crop: np.ndarray, points: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(crop, (0, 0), max(0.8, TONE_BLUR * float(eye_distance(points))))
    lower, upper = _compared()
    at = points[lower + upper]
    seen = cv2.remap(smooth, at[None, :, 0], at[None, :, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    colours = _lab(seen[0])
    return (colours[: len(lower)] - np.median(colours[len(lower) :], axis=0)).astype(np.float16)


def _lab(colours: np.ndarray) -> np.ndarray:
    """SRGB to CIELAB under D65. (N, 3) uint8 to (N, 3) float32; OpenCV takes twenty times as long for so few."""
    share = colours.astype(np.float32) / 255
    light = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    x, y, z = np.cbrt(np.maximum(light @ TO_XYZ.T, 0)).T
    dark = (light @ TO_XYZ.T).T
    x, y, z = (np.where(of > 0.008856, root, 7.787 * of + 16 / 116) for of, root in zip(dark, (x, y, z), strict=True))
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1).astype(np.float32)


@cache
def _compared() -> tuple[list[int], list[int]]:
    """Mesh points around the mouth, and of the upper face, where the light is read."""
    face = open_face()[:468, :2]
    away = np.linalg.norm((face - face[[13, 14]].mean(0)) * (1, 0.9), axis=1)
    lower = np.flatnonzero((away < AROUND) & (face[:, 1] > face[2, 1] - 0.02))
    upper = np.flatnonzero((face[:, 1] <= face[2, 1] - 0.15) & (face[:, 1] > face[9, 1]))
    return [int(i) for i in lower if i not in INNER_RING], upper.tolist()


def trust(track: FaceTrack, glances: dict[int, Glance]) -> np.ndarray:
    """Trust in every frame.

    Args:
        track: the face mesh of F frames.
        glances: of the frames that show the face, by number.

    Returns:
        (F,) float32 in 0..1, 0 where there is no face; it falls and rises over a few frames, never across a cut.
    """
    worth = np.zeros(len(track), np.float32)
    seen = np.flatnonzero(track.present)
    if not len(seen):
        return worth
    points = track.points[seen]
    yaw = np.abs(fit_pose(points[:, STABLE]).angles()[:, 0])
    blur = np.array([glances[number].blur.max() for number in seen])
    worth[seen] = (
        (1 - _ramp(yaw, *TURNED))
        * _ramp(eye_distance(points), *SMALL)
        * (1 - _ramp(blur, *BLURRED))
        * (1 - _ramp(_changed(np.stack([glances[number].skin for number in seen])), *COVERED))
    )
    for run in runs(track.present, track.cuts):
        worth[run] = _eased(worth[run])
    return worth


def relied_on(worth: np.ndarray) -> np.ndarray:
    """Frames that the person's looks and habits are taken from: those of high trust, or all if there is none.

    Args:
        worth: (F,) trust.

    Returns:
        (F,) bool.
    """
    good = worth >= GOOD
    return good if good.any() else np.ones_like(good)


def _changed(skin: np.ndarray) -> np.ndarray:
    """Share of the points around the mouth whose colour is not what it usually is. (K, N, 3) to (K,)."""
    if len(skin) < FEWEST:
        return np.zeros(len(skin))
    strange = np.zeros(len(skin), np.int32)
    for few in np.array_split(skin, PARTS, axis=1):  # of hours of footage not all at once
        away = np.abs(few - np.median(few, axis=0)).astype(np.float32)
        usual = SPREAD * np.quantile(away, STEADIEST, axis=0) + USUAL
        strange += (np.linalg.norm(away / usual, axis=2) > STRANGE).sum(1)
    share = strange / skin.shape[1]
    # A mouth torn open shades a cheek for a frame or two; what comes before a mouth stays longer.
    around = np.pad(share, BRIEF // 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(around, BRIEF), axis=1)


def _eased(worth: np.ndarray) -> np.ndarray:
    """The least around each frame, then the mean around it. (F,) to (F,)."""
    width = 2 * REACH + 1
    around = np.pad(worth, REACH, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(around, width).min(1)
    return np.lib.stride_tricks.sliding_window_view(np.pad(least, REACH, mode="edge"), width).mean(1)


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((values - low) / (high - low), 0, 1)
