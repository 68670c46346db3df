"""Measures of one picture against another, in the mouth box; definitions in docs/evaluation.md."""

from dataclasses import dataclass
from math import ceil

import cv2
import numpy as np

from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, OUTER_RING, STABLE, eye_distance, template

CROP, EYES = 160, 140.0  # the aligned crop's side, and the eye distance in it
EYE_LINE = -20.0  # pixels of the crop under its upper edge: from the nose to the chin, a mouth wide open fits in
FINEST = 16  # times that a crop is drawn larger at most
LIPS = 40  # the first 40 drive points
LUMA = np.array((0.299, 0.587, 0.114))


@dataclass(frozen=True, slots=True)
class MouthScores:
    """One drawn mouth against the real one.

    Args:
        landmark_error: mean distance of the 40 lip points, % of eye distance.
        opening_error: difference in inner-lip opening, % of eye distance.
        psnr: dB, in the mouth box.
        ssim: luma, in the mouth box.
        sharpness: variance of the Laplacian, drawn over real.
    """

    landmark_error: float
    opening_error: float
    psnr: float
    ssim: float
    sharpness: float


def landmark_error(mesh: np.ndarray, target: np.ndarray) -> float:
    """Mean distance of the lip points in % of eye distance. (478, 2+) mesh against (68, 2+) drive points."""
    lips = mesh[list(DRIVE[:LIPS]), :2]
    return 100 * float(np.linalg.norm(lips - target[:LIPS, :2], axis=1).mean() / eye_distance(mesh))


def opening_error(mesh: np.ndarray, target: np.ndarray) -> float:
    """Difference in opening in % of eye distance. (478, 2+) mesh against (68, 2+) drive points."""
    top, bottom = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)
    wanted = np.linalg.norm(target[top, :2] - target[bottom, :2])
    got = np.linalg.norm(mesh[LIP_TOP, :2] - mesh[LIP_BOTTOM, :2])
    return 100 * float(abs(got - wanted) / eye_distance(mesh))


def aligned(frame: np.ndarray, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The face laid on a fixed square by its stable points.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mesh: (478, 2+) pixels.

    Returns:
        (160, 160, 3) uint8 RGB with 140 px between the outer eye corners, and the mesh in it, (478, 2).
    """
    place = template()[:, :2] * EYES
    corners = place[[STABLE.index(33), STABLE.index(263)]].mean(0)
    place = (place - corners + (CROP / 2, EYE_LINE)).astype(np.float32)
    matrix, _ = cv2.estimateAffinePartial2D(mesh[list(STABLE), :2].astype(np.float32), place, method=cv2.LMEDS)
    finer = ceil(1 / max(float(np.linalg.norm(matrix[:, 0])), 1 / FINEST))  # a large face is averaged, not sampled
    large = matrix * finer
    large[:, 2] += (finer - 1) / 2
    how = cv2.INTER_LINEAR if finer > 1 else cv2.INTER_CUBIC
    crop = cv2.warpAffine(frame, large, (CROP * finer, CROP * finer), flags=how)
    if finer > 1:
        crop = cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA)
    return crop, mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2]


def mouth_box(mesh: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns of the mouth in an aligned crop. (478, 2) crop pixels."""
    lips = mesh[list(OUTER_RING)]
    (x0, y0), (x1, y1) = lips.min(0), lips.max(0)
    side, above = 0.12 * (x1 - x0), 0.2 * (y1 - y0) + 3
    rows = slice(max(0, int(y0 - above)), min(CROP, int(np.ceil(y1 + above))))
    return rows, slice(max(0, int(x0 - side)), min(CROP, int(np.ceil(x1 + side))))


def mouth_scores(
    drawn: tuple[np.ndarray, np.ndarray], real: tuple[np.ndarray, np.ndarray], tracked: np.ndarray, target: np.ndarray
) -> MouthScores | None:
    """Score a drawn mouth; None where the real one lies outside the crop.

    Args:
        drawn: aligned crop (160, 160, 3) uint8 RGB, and the mesh in it (478, 2), of the drawn frame: see `aligned`.
        real: the same of the real frame.
        tracked: (478, 2+) mesh found in the drawn frame, frame pixels.
        target: (68, 2) frame pixels, where the drive points were to be.
    """
    box = mouth_box(real[1])
    if not real[0][box].size:
        return None
    a, b = drawn[0][box].astype(np.float64), real[0][box].astype(np.float64)
    return MouthScores(
        landmark_error(tracked, target),
        opening_error(tracked, target),
        psnr(a, b),
        ssim(a @ LUMA, b @ LUMA),
        sharpness(a) / max(sharpness(b), 1e-6),
    )


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two pictures in 0..255, dB."""
    return float(10 * np.log10(255**2 / max(float(np.square(a - b).mean()), 1e-9)))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004), Gaussian 11×11, sigma 1.5. (H, W) float in 0..255 each."""

    def blur(values: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = blur(a), blur(b)
    var_a, var_b, both = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
    upper = (2 * mean_a * mean_b + c1) * (2 * both + c2)
    return float((upper / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def sharpness(picture: np.ndarray) -> float:
    """Variance of the 3×3 Laplacian of luma. (H, W, 3) float RGB."""
    return float(cv2.Laplacian(picture @ LUMA, cv2.CV_64F, ksize=1).var())
