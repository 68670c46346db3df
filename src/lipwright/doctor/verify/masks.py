"""U18 and U19: which way round the occlusion mask is, and which colours the parser and the restorer want."""

import cv2
import numpy as np

from lipwright.doctor.verify.case import Case, Seen, better
from lipwright.post import occlude, parse
from lipwright.post.align import aligned

SKIN = 1  # class of the parser
LEAST_SHARE, LEAST_LEVELS = 0.01, 0.1  # differences of a share and of grey levels that tell nothing


def xseg_layout(case: Case) -> Seen:
    """U18: where the channels are."""
    shape = list(case.models.pictures("xseg").network.inputs[0].shape)
    return Seen(
        part="layout", measured=f"input {shape}", expected="channels last, [1, 256, 256, 3]", agrees=shape[3] == 3
    )


def xseg_polarity(case: Case) -> Seen:
    """U18: whether the mask is 1 on the face."""
    crop, matrix = aligned(case.picture, case.face.five, occlude.SEEN, occlude.SIDE)
    mask = case.models.pictures("xseg")(crop[None, ..., ::-1] / np.float32(255))[0][0, ..., 0]
    hull = _hull(case, matrix, occlude.SIDE)
    inside, outside = float(mask[hull].mean()), float(mask[~hull].mean())
    return Seen(
        part="polarity",
        measured=f"mean {inside:.3f} inside the hull of the landmarks, {outside:.3f} outside; "
        f"values {mask.min():.2f}..{mask.max():.2f}",
        expected="larger inside: 1 is the visible face",
        agrees=inside > outside + LEAST_SHARE,
        constant="lipwright.post.occlude:OcclusionMask",
    )


def parser_colours(case: Case) -> Seen:
    """U19: with which order of the channels more of the face is skin."""
    crop, matrix = aligned(case.picture, case.face.five)
    hull, shares = _hull(case, matrix, len(crop)), []
    for picture in (crop, crop[..., ::-1]):
        scores = case.models.pictures("face_parsing")(
            ((picture / np.float32(255) - parse.MEAN) / parse.DEVIATION)[None]
        )
        shares.append(float((scores[0][0].argmax(0) == SKIN)[hull].mean()))
    return Seen(
        measured=f"skin is {shares[0]:.1%} of the landmarks' hull fed RGB, {shares[1]:.1%} fed BGR",
        expected=f"more with RGB; by less than {LEAST_SHARE:.0%} this picture does not tell",
        agrees=better(shares[0], shares[1], LEAST_SHARE),
        constant="lipwright.post.parse:FaceParser",
    )


def restorer_colours(case: Case) -> Seen:
    """U19: with which order of the channels the restored face is nearer to what it was."""
    crop, _ = aligned(case.picture, case.face.five)
    apart = []
    for picture in (crop, crop[..., ::-1]):
        before = picture.astype(np.float32)
        made = case.models.pictures("gfpgan")(before[None] / 127.5 - 1)[0][0].transpose(1, 2, 0)
        apart.append(float(np.abs(np.clip((made + 1) * 127.5, 0, 255) - before).mean()))
    return Seen(
        measured=f"differs from its input by {apart[0]:.2f} grey levels fed RGB, {apart[1]:.2f} fed BGR",
        expected=f"less with RGB; by less than {LEAST_LEVELS} this picture does not tell",
        agrees=better(-apart[0], -apart[1], LEAST_LEVELS),
        constant="lipwright.post.restore:Restorer",
    )


def _hull(case: Case, matrix: np.ndarray, side: int) -> np.ndarray:
    """The landmarks' hull in a square that was cut by that matrix, (side, side) bool."""
    points = case.face.points @ matrix[:, :2].T + matrix[:, 2]
    mask = np.zeros((side, side), np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), (1,))
    return mask.astype(bool)
