"""How each engine looks at footage: what an avatar is made of, and what of the options it depends on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.files import AnyAvatar
from lipwright.avatar.landmarks import LandmarkAvatar, analyse_landmarks
from lipwright.face.base import open_tracker
from lipwright.face.chain import Chain, chain_models
from lipwright.facespace import STABLE
from lipwright.media import Clip, Picture, prefetch
from lipwright.progress import Progress, silent
from lipwright.runtime import Models

AHEAD = 4  # frames in flight between two stages

Play = Callable[[Iterable[int]], Iterator[Picture]]


class Analysis(Protocol):
    """One engine's look at footage.

    Attributes:
        marks: what its result depends on beside the footage: part of the avatar's name in the store.
    """

    marks: dict[str, str]

    def __init__(self, *, person: str, tracker: str, models: Models) -> None: ...

    def build(self, clip: Clip, progress: Progress) -> AnyAvatar:
        """The avatar.

        Raises:
            NoFaceError: the footage shows no usable face.
        """
        ...

    def bring_alive(self, photo: Clip, avatar: Any, needed: int) -> tuple[Play, AnyAvatar, int]:  # noqa: ANN401
        """A photo as footage: what plays it, the avatar that belongs to it, and how many frames it has."""
        ...


class MeshAnalysis:
    """The native engine's: a face mesh, looks into the mouth, how far each frame is to be trusted."""

    def __init__(self, *, person: str, tracker: str, models: Models) -> None:
        del models
        self._person, self._tracker = person, tracker
        self.marks = {"person": person, "tracker": tracker}

    def build(self, clip: Clip, progress: Progress) -> Avatar:
        """See `Analysis.build`."""
        facts = clip.facts
        decoded = clip.pictures(range(facts.frames))
        with open_tracker(self._tracker) as tracker, closing(prefetch(decoded, AHEAD)) as frames:
            made = analyse(
                frames, tracker, name=facts.path.name, person=self._person, total=facts.frames, progress=progress
            )
            return replace(made, path=str(facts.path.absolute()))

    def bring_alive(self, photo: Clip, avatar: Avatar, needed: int) -> tuple[Play, Avatar, int]:
        """See `Analysis.bring_alive`."""
        from lipwright.alive.footage import AliveFootage  # hardly any job needs it

        alive = AliveFootage(next(photo.frames()), avatar, photo.facts.fps, needed)
        return lambda order: map(Picture, alive.play(order)), alive.avatar, alive.frames


class LandmarkAnalysis:
    """The HeyGem engine's: detector, 68 landmarks and head pose of every frame."""

    def __init__(self, *, person: str, tracker: str, models: Models) -> None:
        self._person, self._tracker, self._models = person, tracker, models
        used = {name: models.mark(name) for name in chain_models(models)}
        self.marks = {"person": person, **used}

    def build(self, clip: Clip, progress: Progress) -> LandmarkAvatar:
        """See `Analysis.build`."""
        facts, chain = clip.facts, Chain.open(self._models)
        with closing(prefetch(clip.frames(), AHEAD)) as frames:
            made = analyse_landmarks(
                frames, chain, name=facts.path.name, person=self._person, total=facts.frames, progress=progress
            )
        return replace(made, path=str(facts.path.absolute()))

    def bring_alive(self, photo: Clip, avatar: LandmarkAvatar, needed: int) -> tuple[Play, LandmarkAvatar, int]:
        """See `Analysis.bring_alive`: the photo moves as the native engine's does, and the landmarks with its mesh."""
        mesh = MeshAnalysis(person=self._person, tracker=self._tracker, models=self._models)
        play, moved, frames = mesh.bring_alive(photo, mesh.build(photo, silent), needed)
        still = moved.track.points[:1, STABLE, :2]
        return play, avatar.moved(_affine(still[0], moved.track.points[:, STABLE, :2])), frames


def _affine(start: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """Least-squares affine maps between points. (N, 2) and (F, N, 2) to (F, 2, 3)."""
    known = np.concatenate([start, np.ones((len(start), 1))], 1)
    return np.stack([np.linalg.lstsq(known, points, rcond=None)[0].T for points in moved]).astype(np.float32)
