"""A person's footage as the landmark engines know it, in one pass over its frames."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lipwright.errors import NoFaceError
from lipwright.face.chain import Chain, LandmarkFollower, Look, follow_landmarks, to_landmark_track
from lipwright.face.rectangle import squares, wh
from lipwright.progress import Progress, silent
from lipwright.structures import LandmarkTrack


@dataclass(frozen=True)
class LandmarkAvatar:
    """One person in one piece of footage.

    Args:
        name: the footage's file name.
        person: which of several faces was followed.
        track: landmarks of every frame, smoothed.
        wh: width over height of the face, see `lipwright.face.rectangle.wh`.
        path: where the footage lay when it was analysed, empty when unknown.
        tuning: nothing is fitted to a person here.
    """

    name: str
    person: str
    track: LandmarkTrack
    wh: float
    path: str = ""
    tuning: None = None

    @cached_property
    def squares(self) -> np.ndarray:
        """Where the renderer's crop lies in each frame; see `lipwright.face.rectangle.squares`. (F, 3) float32."""
        return squares(self.track, self.wh)

    def outline(self, frame: int) -> np.ndarray:
        """Jaw and brows in a source frame that shows the face. (27, 2) float32 pixels."""
        return self.track.points[frame, :27]

    def anchors(self, frame: int) -> np.ndarray:
        """Eyes, nose tip and mouth corners in a source frame that shows the face. (5, 2) float32 pixels."""
        return self.track.anchors[frame]

    def moved(self, maps: np.ndarray) -> "LandmarkAvatar":
        """The first frame's face under affine maps, one a frame. (F, 2, 3) from its pixels to those of each frame."""
        track, turn = self.track, maps[:, :, :2].transpose(0, 2, 1)
        count = len(maps)
        points, anchors = (part[0] @ turn + maps[:, None, :, 2] for part in (track.points, track.anchors))
        angles = np.repeat(track.angles[:1], count, 0)
        return replace(self, track=LandmarkTrack(points, anchors, angles, np.arange(count) == 0))


def analyse_landmarks(
    frames: Iterable[np.ndarray],
    chain: Chain,
    *,
    name: str,
    person: str = "largest",
    total: int | None = None,
    progress: Progress = silent,
) -> LandmarkAvatar:
    """Follow one person through the frames; 0.6 kB a frame are kept.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        chain: the networks.
        name: what to call the footage in messages.
        person: which of several faces, see `lipwright.face.track.choose`.
        total: number of frames, for progress.
        progress: told after every frame.

    Raises:
        NoFaceError: nobody to be seen from the front, or fewer people than `person` asks for.
    """
    looks: list[Look | None] = []
    cuts: list[bool] = []
    follower = LandmarkFollower(chain, person)
    for number, (_, look, cut) in enumerate(follow_landmarks(frames, follower)):
        looks.append(look)
        cuts.append(cut)
        progress("analyse", number + 1, total)
    try:
        track = to_landmark_track(looks, cuts, follower)
    except NoFaceError as exc:
        raise NoFaceError(f"{name}: {exc}") from None
    return LandmarkAvatar(name, person, track, wh(track))
