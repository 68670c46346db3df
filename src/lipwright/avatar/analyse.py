"""A person's footage to an avatar, in one pass over its frames."""

from collections.abc import Iterable

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.avatar.trust import Glance, glance, relied_on, trust
from lipwright.errors import NoFaceError
from lipwright.face.base import FaceTracker
from lipwright.face.track import PersonFollower, follow_person, to_track
from lipwright.facespace import DRIVE, STABLE, fit_pose
from lipwright.progress import Progress, silent
from lipwright.render.bank import MouthBank, build_bank, cut_mouth, skin_tone

MOST_CROPS = 640  # mouths kept while looking; at this many, every other one goes and twice as few are taken


def analyse(
    frames: Iterable[np.ndarray],
    tracker: FaceTracker,
    *,
    name: str,
    person: str = "largest",
    total: int | None = None,
    progress: Progress = silent,
) -> Avatar:
    """Follow one person through the frames and keep what a job needs.

    Memory is bounded by the mesh (5.7 kB a frame), colours around the mouth (0.8 kB a frame) and `MOST_CROPS` mouth
    crops.

    Args:
        frames: (H, W, 3) uint8 RGB, all of one size.
        tracker: finds and fits the face.
        name: what to call the footage in messages.
        person: which of several faces, see `lipwright.face.track.choose`.
        total: number of frames, for progress.
        progress: told after every frame.

    Raises:
        NoFaceError: nobody to be seen, or fewer people than `person` asks for.
    """
    meshes: list[np.ndarray | None] = []
    cuts: list[bool] = []
    glances: dict[int, Glance] = {}
    album, follower = _Album(), PersonFollower(tracker, person)
    for number, (frame, mesh, cut) in enumerate(follow_person(frames, follower)):
        meshes.append(mesh)
        cuts.append(cut)
        if mesh is not None:
            glances[number] = glance(frame, mesh)
            album.offer(number, frame, mesh)
        progress("analyse", number + 1, total)
    try:
        track = to_track(meshes, cuts, follower)
    except NoFaceError as exc:
        raise NoFaceError(f"{name}: {exc}") from None
    blur = np.zeros((len(track), 2), np.float32)
    for number, seen in glances.items():
        blur[number] = seen.blur
    worth = trust(track, glances)
    return Avatar(name, person, track, album.bank(track.points, blur, relied_on(worth)), worth, blur)


class _Album:
    """Mouth crops of evenly spaced frames, never more than `MOST_CROPS`."""

    def __init__(self) -> None:
        self._stride = 1
        self._kept: list[tuple[int, tuple[bytes, np.ndarray], np.ndarray]] = []

    def offer(self, number: int, frame: np.ndarray, mesh: np.ndarray) -> None:
        if number % self._stride:
            return
        self._kept.append((number, cut_mouth(frame, mesh), skin_tone(frame, mesh)))
        if len(self._kept) >= MOST_CROPS:
            self._stride *= 2
            self._kept = [entry for entry in self._kept if entry[0] % self._stride == 0]

    def bank(self, points: np.ndarray, blur: np.ndarray, good: np.ndarray) -> MouthBank:
        """Bank of the crops of good frames. (F, 478, 3) pixels, (F, 2) eye distances, (F,) bool."""
        kept = [entry for entry in self._kept if good[entry[0]]]
        frames = np.array([entry[0] for entry in kept], np.int32)
        meshes = points[frames]
        pose = fit_pose(meshes[:, STABLE])
        return build_bank(
            frames,
            meshes,
            pose.to_face(meshes[:, DRIVE]),
            pose.angles(),
            [entry[1] for entry in kept],
            np.array([entry[2] for entry in kept], np.float32).reshape(-1, 3),
            blur[frames],
        )
