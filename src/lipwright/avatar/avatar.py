"""What is kept of a person's footage."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lipwright.avatar.trust import relied_on
from lipwright.avatar.tuning import Tuning
from lipwright.errors import ShapeError
from lipwright.facespace import ANCHORS, DRIVE, FACE_OVAL, NOSE_BASE, STABLE, Pose, fit_pose
from lipwright.motion.style import SpeakerStyle, speaker_style
from lipwright.render.bank import MouthBank
from lipwright.render.teeth import Teeth
from lipwright.structures import FaceTrack


@dataclass(frozen=True)
class Avatar:
    """One person in one piece of footage.

    Args:
        name: the footage's file name.
        person: which of several faces was followed.
        track: the face mesh of every frame.
        bank: looks into the mouth.
        trust: (F,) float32 in 0..1, how far each frame can be given another mouth, see `lipwright.avatar.trust`.
        blur: (F, 2) float32 standard deviation of each frame's blur along x and y, eye distances; 0 without a face.
        path: where the footage lay when it was analysed, empty when unknown.
        tuning: what was fitted to this person, None until it was.
    """

    name: str
    person: str
    track: FaceTrack
    bank: MouthBank
    trust: np.ndarray
    blur: np.ndarray
    path: str = ""
    tuning: Tuning | None = None

    def __post_init__(self) -> None:
        for name, part, shape in (("trust", self.trust, (len(self.track),)), ("blur", self.blur, (len(self.track), 2))):
            if part.shape != shape:
                raise ShapeError(f"Avatar.{name}", expected=str(shape), got=part.shape)

    @cached_property
    def seen(self) -> np.ndarray:
        """(K,) frame numbers that show the face, increasing."""
        return np.flatnonzero(self.track.present)

    @cached_property
    def pose(self) -> Pose:
        """Head pose of the `seen` frames."""
        return fit_pose(self.track.points[self.seen][:, STABLE])

    @cached_property
    def nose(self) -> np.ndarray:
        """Where the nose meets the lip in face space, against its median. (K, 3) float32.

        One similarity for all poses leaves an error near the mouth that this point shares: measured over the clips, the
        skin under the nose wanders 1.2 % of the eye distance without and 0.2 % with this anchor.
        """
        base = self.pose.to_face(self.track.points[self.seen][:, NOSE_BASE]).mean(1)
        return base - np.median(base, axis=0)

    @cached_property
    def mouths(self) -> np.ndarray:
        """Drive points of the `seen` frames in face space, anchored at the nose. (K, 68, 3) float32."""
        return self.pose.to_face(self.track.points[self.seen][:, DRIVE]) - self.nose[:, None]

    @cached_property
    def telling(self) -> np.ndarray:
        """`mouths` of the frames that tell what this person's mouth is like. (K', 68, 3) float32."""
        return self.mouths[relied_on(self.trust)[self.seen]]

    @cached_property
    def style(self) -> SpeakerStyle:
        """The mouth's neutral and range: fitted, or read off the frames that tell."""
        fitted = self.tuning.style if self.tuning else None
        return fitted or speaker_style(self.telling)

    @property
    def teeth(self) -> Teeth:
        """How the teeth differ from those made by rule."""
        return self.tuning.teeth if self.tuning else Teeth()

    def outline(self, frame: int) -> np.ndarray:
        """The face's outline in a source frame that shows it. (36, 2) float32 pixels, a closed polygon."""
        return self.track.points[frame, list(FACE_OVAL), :2]

    def anchors(self, frame: int) -> np.ndarray:
        """Eye centres, nose tip and mouth corners in a source frame that shows the face, as face detectors give them.

        Returns:
            (5, 2) float32 pixels; of each pair the one on the picture's left first.
        """
        mesh = self.track.points[frame, :, :2]
        return np.stack([mesh[list(points)].mean(0) for points in ANCHORS])

    def place(self, mouths: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """Lay mouths of face space onto source frames that show the face.

        Args:
            mouths: (F, 68, 3) float32, face space, anchored at the nose.
            frames: (F,) source frame numbers, each one of `seen`.

        Returns:
            (F, 68, 2) float32 pixels.
        """
        at = np.searchsorted(self.seen, frames)
        return self.pose[at].to_frame(mouths + self.nose[at][:, None])[..., :2]

    def own_mouths(self, frames: np.ndarray) -> np.ndarray:
        """The mouths of source frames that show the face. (F,) to (F, 68, 3) float32, face space, anchored."""
        return self.mouths[np.searchsorted(self.seen, frames)]

    def angles(self, frames: np.ndarray) -> np.ndarray:
        """Yaw, pitch, roll of source frames that show the face. (F,) to (F, 3) float32 radians."""
        return self._angles[np.searchsorted(self.seen, frames)]

    @cached_property
    def _angles(self) -> np.ndarray:
        return self.pose.angles()
