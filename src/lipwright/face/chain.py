"""The published chain of networks over a clip: a face, its landmarks, how the head is turned; follows one person."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from lipwright.errors import NoFaceError
from lipwright.face.headpose import HeadPose, usable
from lipwright.face.pfpld import Pfpld
from lipwright.face.scrfd import Scrfd
from lipwright.face.smooth import smooth_landmarks
from lipwright.face.track import LOST_AFTER, SMALLEST_EYES, CutDetector, check_person, choose, nearest, nobody, sudden
from lipwright.runtime import Models
from lipwright.structures import LandmarkTrack

STABLE = (*range(27, 31), *range(36, 48))  # of the 68: the bridge of the nose and the eyes
STABLE_ANCHORS = (0, 1, 2)  # of the five: eyes and nose
OUTER_CORNERS = (36, 45)  # of the eyes, among the 68


@dataclass(frozen=True, slots=True)
class Chain:
    """The three networks of the chain."""

    detector: Scrfd
    landmarks: Pfpld
    pose: HeadPose

    @classmethod
    def open(cls, models: Models) -> "Chain":
        """Open the published files.

        Raises:
            BackendError: one is missing or another model.
        """
        detector, landmarks, pose = (models.pictures(name) for name in chain_models(models))
        return cls(Scrfd(detector), Pfpld(landmarks), HeadPose(pose))


def chain_models(models: Models) -> tuple[str, str, str]:
    """The published models of the chain, by the names on their cards: the larger detector where it was pulled."""
    return "scrfd_10g" if models.store.has("scrfd_10g") else "scrfd", "pfpld", "head_pose"


@dataclass(frozen=True, slots=True)
class Look:
    """One face in one frame.

    Args:
        points: (68, 2) float32 frame pixels.
        anchors: (5, 2) float32 frame pixels, see `lipwright.face.scrfd.Detections`.
        angles: (3,) float32 degrees: yaw, pitch, roll.
    """

    points: np.ndarray
    anchors: np.ndarray
    angles: np.ndarray


class LandmarkFollower:
    """Follows one person, frame after frame; every frame is searched.

    Args:
        chain: the networks.
        person: which of several faces, see `lipwright.face.track.choose`.

    Attributes:
        most_faces: the largest number of faces in one frame.
        turned_away: frames that show the person, but with the head turned too far.

    Raises:
        OptionError: `person` is not understood.
    """

    def __init__(self, chain: Chain, person: str) -> None:
        check_person(person)
        self._chain, self.person = chain, person
        self._last: np.ndarray | None = None  # the person's last box since the last cut
        self._absent = 0  # frames since it
        self.most_faces = 0
        self.turned_away = 0

    def follow(self, frame: np.ndarray, *, cut: bool) -> Look | None:
        """The person in this frame. (H, W, 3) uint8 RGB; None where absent, too small or turned away."""
        if cut:
            self._last = None
        self._absent += 1
        faces = self._chain.detector.detect(frame)
        self.most_faces = max(self.most_faces, len(faces))
        number = self._choose(faces.boxes, (frame.shape[1], frame.shape[0]))
        if number is None:
            return None
        box = faces.boxes[number]
        self._last, self._absent = box, 0
        # The original fits landmarks twice to the same box, before and after the gate: the same points.
        points = self._chain.landmarks.fit(frame, box)
        if points is None or _eyes(points) < SMALLEST_EYES:
            return None
        angles = self._chain.pose.angles(frame, points)
        if not usable(angles):
            self.turned_away += 1
            return None
        return Look(points, faces.points[number], angles)

    def _choose(self, boxes: np.ndarray, size: tuple[int, int]) -> int | None:
        if self._last is None or (self.most_faces == 1 and self._absent > LOST_AFTER):
            return choose(boxes, self.person, size)
        return nearest(boxes, self._last)


def follow_landmarks(
    frames: Iterable[np.ndarray], follower: LandmarkFollower
) -> Iterator[tuple[np.ndarray, Look | None, bool]]:
    """Yield (frame, look or None, cut) for each frame; the points are not smoothed yet."""
    is_cut = CutDetector()
    for frame in frames:
        cut = is_cut(frame)
        yield frame, follower.follow(frame, cut=cut), cut


def to_landmark_track(looks: list[Look | None], cuts: list[bool], follower: LandmarkFollower) -> LandmarkTrack:
    """Smooth the points within each shot and check that there is a face at all.

    Args:
        looks: of every frame, None where absent.
        cuts: True where a shot starts.
        follower: who made them, asked why there are none.

    Raises:
        NoFaceError: no frame shows the wanted person, or none from the front.
    """
    track = as_seen(looks, cuts)
    if not track.present.any():
        raise _why(follower, len(looks))
    starts = track.cuts | sudden(track.points[:, STABLE], _eyes(track.points))
    return smooth_track(replace(track, cuts=starts))


def as_seen(looks: list[Look | None], cuts: list[bool]) -> LandmarkTrack:
    """The looks of all frames as a track, not smoothed."""
    points, anchors, angles = (np.full((len(looks), *shape), np.nan, np.float32) for shape in ((68, 2), (5, 2), (3,)))
    for number, look in enumerate(looks):
        if look is not None:
            points[number], anchors[number], angles[number] = look.points, look.anchors, look.angles
    return LandmarkTrack(points, anchors, angles, np.array(cuts, bool))


def smooth_track(track: LandmarkTrack) -> LandmarkTrack:
    """The track with points and anchors smoothed within each shot; the angles are only asked of single frames."""
    points = smooth_landmarks(track.points, STABLE, track.cuts)
    return replace(track, points=points, anchors=smooth_landmarks(track.anchors, STABLE_ANCHORS, track.cuts))


def _why(follower: LandmarkFollower, frames: int) -> NoFaceError:
    if follower.turned_away:
        return NoFaceError(
            f"the face ({follower.person}) is turned too far from the camera in all of the {follower.turned_away} "
            f"frames that show it; use footage that shows it from the front"
        )
    return nobody(follower.person, follower.most_faces, frames)


def _eyes(points: np.ndarray) -> np.ndarray:
    """Distance of the outer eye corners. (..., 68, 2) to (...)."""
    left, right = (points[..., corner, :] for corner in OUTER_CORNERS)
    return np.linalg.norm(left - right, axis=-1)
