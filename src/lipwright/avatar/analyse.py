"""A person's footage to an avatar, in one pass over its frames."""

from collections.abc import Iterable
from contextlib import closing

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.avatar.trust import Glance, glance, relied_on, trust
from lipwright.errors import NoFaceError
from lipwright.face.base import FaceTracker
from lipwright.face.track import Frame, PersonFollower, follow_person, to_track
from lipwright.facespace import DRIVE, STABLE, fit_pose
from lipwright.media import Picture, prefetch
from lipwright.progress import Progress, silent
from lipwright.render.bank import MouthBank, build_bank, cut_mouth, skin_tone

AHEAD = 4  # frames in flight between the two threads
AROUND = 0.1  # of the face's size, around it: where it is looked at
MOST_CROPS = 640  # mouths kept while looking; at this many, every other one goes and twice as few are taken


def analyse(
    frames: Iterable[Frame],
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
        frames: (H, W, 3) uint8 RGB or pictures, all of one size; read ahead in a thread, where the face is followed.
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
    with closing(prefetch(follow_person(frames, follower), AHEAD)) as followed:
        for number, (frame, mesh, cut) in enumerate(followed):
            meshes.append(mesh)
            cuts.append(cut)
            if mesh is not None:
                face, corner = _face(Picture.of(frame), mesh)
                glances[number] = glance(face, mesh - corner)
                album.offer(number, face, mesh - corner, corner)
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


def _face(frame: Picture, mesh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a frame with a face, (H, W, 3) uint8 RGB, and where it begins, (3,) float32 pixels."""
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    room = AROUND * float((high - low).max())
    size = np.array(frame.shape[1::-1])
    x0, y0 = np.clip(np.floor(low - room).astype(int), 0, np.maximum(size - 2, 0))
    x1, y1 = np.clip(np.ceil(high + room).astype(int), (x0 + 1, y0 + 1), size)
    return frame.part(int(x0), int(y0), int(x1 - x0), int(y1 - y0)), np.array((x0, y0, 0), np.float32)


class _Album:
    """Mouth crops of evenly spaced frames, never more than `MOST_CROPS`."""

    def __init__(self) -> None:
        self._stride = 1
        self._kept: list[tuple[int, tuple[bytes, np.ndarray], np.ndarray]] = []

    def offer(self, number: int, face: np.ndarray, mesh: np.ndarray, corner: np.ndarray) -> None:
        """A part of a frame, its mesh, and (3,) where in the frame it begins."""
        if number % self._stride:
            return
        picture, (x, y, scale) = cut_mouth(face, mesh)
        place = np.array((x + corner[0], y + corner[1], scale), np.float32)
        self._kept.append((number, (picture, place), skin_tone(face, mesh)))
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
