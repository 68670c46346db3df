"""U5 and U13 to U15: what the detector, the landmarks, the head pose and the face attributes mean."""

import cv2
import numpy as np

from lipwright.doctor.verify.case import Case, Face, Seen, better
from lipwright.face.facemesh import overlap
from lipwright.face.headpose import HeadPose
from lipwright.face.pfpld import POINTS, face_box
from lipwright.face.scrfd import Detections
from lipwright.post.blur import FaceAttributes

# Differences too small to tell an order of channels by. The right one wins by little: with similar networks on the
# portrait and five clips by 0.002 to 0.017 of a score, and by 0.001 to 0.007 of the distance of the eyes.
LEAST_SCORE, LEAST_APART = 0.001, 0.0005
TURN = 20.0  # degrees the picture is turned each way
FOLLOWS = 10.0  # degrees between both turns under which an angle has not followed; all of it would be 40
LEAST_RISE = 0.01  # of the score of blur
BLUR = 0.05  # of the distance of the eyes: deviation of the Gaussian that a copy is blurred with


def detector_colours(case: Case) -> Seen:
    """U5: the surest face with both orders of the channels."""
    rgb, bgr = (case.detector.detect(picture) for picture in (case.picture, case.picture[..., ::-1]))
    best = [float(found.scores[0]) if len(found) else 0.0 for found in (rgb, bgr)]
    same = f", boxes overlap by {overlap(rgb.boxes[0], bgr.boxes[0]):.2f}" if len(rgb) and len(bgr) else ""
    return Seen(
        measured=f"best score {_score(rgb)} fed RGB, {_score(bgr)} fed BGR{same}",
        expected=f"RGB scores higher; by less than {LEAST_SCORE} this picture does not tell",
        agrees=better(best[0], best[1], LEAST_SCORE),
        constant="lipwright.face.scrfd:Scrfd",
    )


def _score(found: Detections) -> str:
    return f"{float(found.scores[0]):.3f}" if len(found) else "none"


def pose_order(case: Case) -> Seen:
    """U13: which angle follows when the picture is turned in its plane."""
    pose, face = HeadPose(case.models.pictures("head_pose")), case.face
    middle = ((face.points.min(0) + face.points.max(0)) / 2).tolist()
    turned = []
    for degrees in (TURN, -TURN):
        matrix = cv2.getRotationMatrix2D(middle, degrees, 1.0)
        size = (case.picture.shape[1], case.picture.shape[0])
        picture = cv2.warpAffine(case.picture, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        points = (face.points @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        turned.append(pose.angles(picture, points))
    moved = turned[0] - turned[1]
    names = ("yaw", "pitch", "roll")
    most = int(np.nanargmax(np.abs(moved)))
    follows = names[most] if abs(moved[most]) >= FOLLOWS else "none"
    told = ", ".join(f"{name} by {change:+.1f}" for name, change in zip(names, moved, strict=True))
    still = pose.angles(case.picture, face.points)
    upright = ", ".join(f"{name} {angle:+.1f}" for name, angle in zip(names, still, strict=True))
    return Seen(
        measured=f"from {TURN:g}° clockwise to {TURN:g}° anticlockwise {told}: {follows} follows; upright {upright}",
        expected="roll follows, the others do not; outputs are yaw, roll, pitch",
        agrees=follows == "roll",
        constant="lipwright.face.headpose:BINS" if follows != "none" else "",
    )


def landmark_output(case: Case) -> Seen:
    """U14: which output holds the points, and whether they lie as points of a face do."""
    model = case.models.pictures("pfpld")
    results = model(np.zeros((1, *model.size, 3), np.float32))
    places = [place for place, result in enumerate(results) if result.size == 2 * POINTS]
    points = case.face.points
    x0, y0, x1, y1 = face_box(case.face.box, (case.picture.shape[1], case.picture.shape[0]))
    within = np.mean(((points >= (x0, y0)) & (points <= (x1, y1))).all(1))
    above = points[36:48, 1].mean() < points[48:68, 1].mean()
    return Seen(
        measured=f"output {places} of {len(results)} has {2 * POINTS} values; {within:.0%} of the points within the "
        f"crop; eyes {'above' if above else 'below'} the mouth",
        expected="output [1], all points within the crop (0..1), eyes above the mouth",
        agrees=bool(places == [1] and within > 0.9 and above),
    )


def landmark_colours(case: Case) -> Seen:
    """U14: with which order of the channels the landmarks agree better with the detector's five points."""
    face = case.face
    swapped = case.landmarks.fit(np.ascontiguousarray(case.picture[..., ::-1]), face.box)
    bgr, rgb = _apart(face.points, face), _apart(swapped, face)
    return Seen(
        measured=f"from the detector's points {bgr:.4f} fed BGR, {rgb:.4f} fed RGB, of the distance of the eyes",
        expected=f"BGR is nearer; by less than {LEAST_APART} this picture does not tell",
        agrees=better(-bgr, -rgb, LEAST_APART),
        constant="lipwright.face.pfpld:Pfpld",
    )


def _apart(points: np.ndarray | None, face: Face) -> float:
    """Mean distance of eyes, nose tip and mouth corners from the detector's, of the distance of the eyes."""
    if points is None:
        return float("inf")
    own = np.stack([points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]])
    return float(np.linalg.norm(own - face.five, axis=1).mean() / face.eyes)


def blur_place(case: Case) -> Seen:
    """U15: whether the element taken for blur rises when the picture is blurred."""
    judge, face = FaceAttributes(case.models.pictures("face_attributes")), case.face
    sharp = judge.blur(case.picture, face.five)
    soft = judge.blur(cv2.GaussianBlur(case.picture, (0, 0), BLUR * face.eyes), face.five)
    return Seen(
        measured=f"element 8 is {sharp:.3f} of the picture, {soft:.3f} of a blurred copy",
        expected="it rises; option --blur-threshold is compared with it",
        agrees=soft > sharp + LEAST_RISE,
        constant="lipwright.post.blur:BLUR",
    )
