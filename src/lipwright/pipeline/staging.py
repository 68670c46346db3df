"""Decides, before any pixel is drawn, everything that looks along time: target mouths and cavity choice.

After it, drawing a frame is a pure function of the frame and its entry here, in any order, anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.errors import BackendError, NoFaceError
from lipwright.facespace import DRIVE, EYE_CORNERS, INNER_RING, OUTER_RING, opening
from lipwright.media import Picture
from lipwright.motion.base import Drive
from lipwright.pipeline.plan import FramePlan
from lipwright.render.bank import Wanted, choose_views, ring_shape
from lipwright.render.base import Patch, Renderer, RenderSpec, Shot, load_renderer
from lipwright.runtime import Models

AT_ONCE, AHEAD = 5_000, 500  # frames whose looks into the mouth are chosen together, and looked ahead at meanwhile
BATCH = 250  # frames whose targets are made together
LEAST_TRUST = 0.05  # in a frame that is given another mouth
MADE_HERE = RenderSpec(drive="mouth", crop="mesh")


@dataclass(frozen=True, slots=True)
class Aim:
    """What one frame's mouth is drawn by; for those who look into a job.

    Args:
        mesh: (N, 2 or 3) float32 pixels, the face as tracked on the source frame.
        target: (M, 2) float32 pixels, where the drive points shall be; none where the engine has no such points.
        rings: rows of `mesh` around the mouth, closed polygons.
        eyes: rows of `mesh` at the outer corners of the eyes.
    """

    mesh: np.ndarray
    target: np.ndarray
    rings: tuple[tuple[int, ...], ...] = (OUTER_RING, INNER_RING)
    eyes: tuple[int, int] = EYE_CORNERS

    @property
    def size(self) -> float:
        """Distance of the eyes' outer corners, pixels."""
        left, right = self.eyes
        return float(np.linalg.norm(self.mesh[left, :2] - self.mesh[right, :2]))


@dataclass(frozen=True, slots=True)
class Asked:
    """A frame whose mouth is to be drawn.

    Args:
        frame: the planned source frame.
        output: number of the output frame.
        under: whether `frame` is the one that dissolves away.
    """

    frame: Picture
    output: int
    under: bool


class Staging(Protocol):
    """One engine's way from (avatar, drive, plan) to patches.

    Attributes:
        batch: how many frames it draws best at a time.
    """

    batch: int

    @classmethod
    def open(
        cls,
        avatar: Any,  # noqa: ANN401 - what the engine's own analysis makes
        drive: Any,  # noqa: ANN401 - what its own motion makes
        plan: FramePlan,
        *,
        renderer: str,
        models: Models,
        batch: int,
    ) -> Self:
        """Decide what looks along time.

        Args:
            avatar, drive: what the engine's analysis and motion made.
            plan: source frames of the output frames.
            renderer: row of `lipwright.render.base.RENDERERS`.
            models: opens published models.
            batch: how many frames may be drawn at a time.

        Raises:
            BackendError: there is no such renderer, it needs another drive, or a model of its is missing.
            NoFaceError: there is no frame that can be given another mouth.
        """
        ...

    def draw_all(self, asked: Sequence[Asked]) -> list[Patch | None]:
        """Draw some frames' mouths; None where the source frame shows no face that can be given another mouth."""
        ...

    def aim(self, output: int, *, under: bool) -> Aim:
        """What a frame that shows the face is drawn by; arguments as of `Asked`."""
        ...


def fitting_renderer(name: str, makes: RenderSpec) -> Any:  # noqa: ANN401 - see `load_renderer`
    """The renderer of that name, if it draws what a staging makes.

    Raises:
        BackendError: there is none, or it needs another drive.
    """
    renderer = load_renderer(name)
    if renderer.needs != makes:
        raise BackendError(f"renderer {name!r} needs {renderer.needs}, this staging makes {makes}")
    return renderer


class MouthStaging:
    """Staging of the native engine: the speaker's own neutral and range, placed on each frame's head pose.

    The cavity choice is made for all frames at once, targets when a frame near them is drawn: hours of sound need no
    room.

    Args:
        avatar: the person.
        drive: one mouth per output frame.
        plan: source frames of the output frames.
        renderer: row of `lipwright.render.base.RENDERERS`; one that draws target points on a mesh.

    Raises:
        BackendError: there is no such renderer, or it needs another drive.
        NoFaceError: there is no frame that can be given another mouth.
    """

    batch = 1

    @classmethod
    def open(cls, avatar: Avatar, drive: Drive, plan: FramePlan, *, renderer: str, models: Models, batch: int) -> Self:
        """See `Staging.open`; frames are drawn one by one, without published models."""
        del models, batch
        return cls(avatar, drive, plan, renderer)

    def __init__(self, avatar: Avatar, drive: Drive, plan: FramePlan, renderer: str) -> None:
        made = fitting_renderer(renderer, MADE_HERE)
        mouths = _Mouths(avatar, drive)
        self._over = _Layer(mouths, plan.source)
        self._under = _Layer(mouths, plan.under)
        check_drawn(avatar, self._over.drawn)
        self._points, self._blur = avatar.track.points, avatar.blur
        self._renderer = made(avatar.bank, avatar.teeth)

    def draw_all(self, asked: Sequence[Asked]) -> list[Patch | None]:
        """See `Staging.draw_all`."""
        return [self.draw(one.frame, one.output, under=one.under) for one in asked]

    def draw(self, frame: Picture, output: int, *, under: bool) -> Patch | None:
        """Draw one frame's mouth; arguments as of `Asked`. The renderer is given the face and what is around it."""
        layer = self._under if under else self._over
        if not layer.drawn[output]:
            return None
        aim, source = self.aim(output, under=under), layer.source[output]
        return draw_aimed(self._renderer, frame, aim, int(layer.views[output]), self._blur[source])

    def aim(self, output: int, *, under: bool) -> Aim:
        """See `Staging.aim`."""
        layer = self._under if under else self._over
        return Aim(self._points[layer.source[output]], layer.target(output))


def draw_aimed(renderer: Renderer, frame: Picture, aim: Aim, view: int, blur: np.ndarray) -> Patch:
    """Draw one frame's mouth. The renderer is given the face and what is around it.

    Args:
        renderer: draws target points on a mesh.
        frame: the source frame.
        aim: its face, and where the drive points shall be.
        view: entry of the mouth bank, -1 for none.
        blur: (2,) float32 of the frame, see `Avatar.blur`.
    """
    x, y, width, height = renderer.area(aim.mesh, aim.target, frame.shape)
    mesh, target = aim.mesh - np.array((x, y, 0), np.float32), aim.target - np.array((x, y), np.float32)
    patch = renderer.render(Shot(frame.part(x, y, width, height), mesh, target, view, blur))
    return replace(patch, x=patch.x + x, y=patch.y + y)


def check_drawn(avatar: Avatar, drawn: np.ndarray) -> None:
    """Refuse footage that nothing can be done with; `drawn` tells which frames can be given another mouth.

    Raises:
        NoFaceError: none can.
    """
    if not drawn.any():
        raise NoFaceError(
            f"{avatar.name}: no frame can be given another mouth: the face is too small, turned too far, "
            "smeared or covered; use footage that shows it larger and from the front"
        )


def trusted(avatar: Avatar, mouths: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Mouths relaxed towards the source frames' own as far as these are not to be trusted with others.

    Args:
        avatar: the person.
        mouths: (F, 68, 3) float32 face space.
        source: (F,) the frames they go onto, which show the face.

    Returns:
        (F, 68, 3) float32 face space.
    """
    trust = avatar.trust[source][:, None, None]
    return np.where(trust < 1, avatar.own_mouths(source) * (1 - trust) + mouths * trust, mouths)


class _Mouths:
    """The speaker's mouths as they go onto source frames."""

    def __init__(self, avatar: Avatar, drive: Drive) -> None:
        self.avatar = avatar
        self._drive = drive
        self._style = avatar.style

    def on(self, outputs: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Mouths of output frames, relaxed towards the source frame's own as far as that is not to be trusted.

        Args:
            outputs: (F,) increasing, close together.
            source: (F,) their source frames, which show the face.

        Returns:
            (F, 68, 3) float32 face space.
        """
        first = int(outputs[0])
        mouths = self._style.mouths(self._drive.part(range(first, int(outputs[-1]) + 1)))[outputs - first]
        return trusted(self.avatar, mouths, source)


class _Layer:
    """Which output frames are drawn, with which look into the mouth, and their targets."""

    def __init__(self, mouths: _Mouths, source: np.ndarray) -> None:
        avatar = mouths.avatar
        self.source = source
        self.drawn = (source >= 0) & (avatar.trust[source] >= LEAST_TRUST)
        self.views = np.full(len(source), -1, np.int32)
        self._mouths = mouths
        self._targets = (range(0), np.zeros((0, len(DRIVE), 2), np.float32))  # of the outputs asked for last
        outputs = np.flatnonzero(self.drawn)
        starts = _starts(outputs, source[outputs], np.cumsum(avatar.track.cuts)) if len(outputs) else self.drawn[:0]
        before = -1
        for first in range(0, len(outputs), AT_ONCE):
            some = slice(first, first + AT_ONCE + AHEAD)
            chosen = choose_views(avatar.bank, self._wanted(outputs[some], starts[some]), before)[:AT_ONCE]
            self.views[outputs[first : first + AT_ONCE]] = chosen
            before = int(chosen[-1])

    def target(self, output: int) -> np.ndarray:
        """Where a drawn frame's drive points shall be. (68, 2) float32 pixels."""
        known, targets = self._targets
        if output not in known:
            known = range(output - output % BATCH, min(output - output % BATCH + BATCH, len(self.source)))
            targets = np.zeros((len(known), len(DRIVE), 2), np.float32)
            some = known.start + np.flatnonzero(self.drawn[known.start : known.stop])
            shown = self.source[some]
            targets[some - known.start] = self._mouths.avatar.place(self._mouths.on(some, shown), shown)
            self._targets = known, targets
        return targets[output - known.start]

    def _wanted(self, outputs: np.ndarray, starts: np.ndarray) -> Wanted:
        avatar, shown = self._mouths.avatar, self.source[outputs]
        parts = [self._mouths.on(outputs[i : i + BATCH], shown[i : i + BATCH]) for i in range(0, len(outputs), BATCH)]
        return Wanted(
            rings=np.concatenate([ring_shape(part) for part in parts]),
            openings=np.concatenate([opening(part) for part in parts]),
            angles=avatar.angles(shown),
            blurs=avatar.blur[shown],
            starts=starts,
        )


def _starts(outputs: np.ndarray, shown: np.ndarray, shots: np.ndarray) -> np.ndarray:
    """Output frames that a viewer does not see as the continuation of the one before: nothing needs to be smooth there.

    Args:
        outputs: (F,) output frame numbers, increasing.
        shown: (F,) their source frames.
        shots: (S,) number of the shot that each source frame belongs to.

    Returns:
        (F,) bool.
    """
    strides = np.abs(np.diff(shown, prepend=shown[0]))
    jumps = strides > 2 * max(1, int(np.median(strides)))  # footage sped up to the sound strides evenly
    return jumps | (np.diff(outputs, prepend=outputs[0]) > 1) | (np.diff(shots[shown], prepend=-1) != 0)
