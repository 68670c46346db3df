"""A photo brought to life: footage of one period, and the avatar that belongs to it."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from fractions import Fraction

import numpy as np

from lipwright.alive.eyes import find_eyes
from lipwright.alive.head import Head
from lipwright.alive.layers import Layers
from lipwright.alive.person import person
from lipwright.alive.sway import sway
from lipwright.avatar.avatar import Avatar
from lipwright.structures import FaceTrack


class AliveFootage:
    """Frames drawn from one photo, each a pure function of its number.

    Args:
        photo: (H, W, 3) uint8 RGB.
        avatar: the photo's analysis.
        fps: of the footage.
        needed: frames that will be asked for; no more than a period are made.

    Attributes:
        frames: how many there are; played again from the first they go on without a seam.
        avatar: the analysis of these frames; the same mouth, the same bank.
        lids: (frames,) float32, how far the eyes are closed, 0 as in the photo to 1.
    """

    def __init__(self, photo: np.ndarray, avatar: Avatar, fps: Fraction, needed: int) -> None:
        mesh = avatar.track.points[0]
        self._photo = photo
        self._sway = sway(fps)
        self.frames = min(len(self._sway), needed)
        self.lids = self._sway.lids[: self.frames]
        self._head = Head(mesh, avatar.pose, photo.shape[:2])
        self._eyes = find_eyes(photo, mesh, float(avatar.angles(np.zeros(1, int))[0, 0]), self._head.unit)
        points = self._head.move(self._blinking(mesh), self._sway.poses[: self.frames])
        track = FaceTrack(points, np.arange(self.frames) == 0)
        same = {name: np.repeat(part, self.frames, 0) for name, part in _arrays(avatar)}
        self.avatar = replace(avatar, track=track, **same)
        self._layers = Layers(photo, person(photo, mesh, self._head.unit), self._head)

    def play(self, order: Iterable[int]) -> Iterator[np.ndarray]:
        """Frames by number, in any order; see `lipwright.media.Clip.play`.

        Yields:
            (H, W, 3) uint8 RGB, each array the caller's own; the photo's own bits where nothing moves.
        """
        return (self._draw(number) for number in order)

    def _draw(self, number: int) -> np.ndarray:
        frame, photo = self._photo.copy(), self._photo
        closed = float(self.lids[number])
        if closed and self._eyes:
            photo = photo.copy()
            for eye in self._eyes:
                eye.close(photo, closed)
        self._layers.draw(frame, photo, self._head.sources(self._sway.poses[number]))
        return frame

    def _blinking(self, mesh: np.ndarray) -> np.ndarray:
        """The mesh with its lids as they are in each frame. (478, 3) to (N, 478, 3)."""
        meshes = np.repeat(mesh[None], self.frames, 0)
        for eye in self._eyes:
            for point, way in eye.points.items():
                meshes[:, point, :2] += self.lids[:, None] * way * eye.down
        return meshes


def _arrays(avatar: Avatar) -> Iterator[tuple[str, np.ndarray]]:
    """What an avatar keeps of each frame besides its mesh."""
    for field in fields(avatar):
        part = getattr(avatar, field.name)
        if isinstance(part, np.ndarray):
            yield field.name, part
