"""Decides, before any pixel is drawn, everything that looks along time: target mouths and cavity choice.

After it, drawing a frame is a pure function of the frame and its entry here, in any order, anywhere.
"""

from typing import Protocol

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.errors import BackendError
from lipwright.motion.style import speaker_style
from lipwright.pipeline.plan import FramePlan
from lipwright.render.bank import choose_views
from lipwright.render.base import Patch, RenderSpec, Shot, load_renderer
from lipwright.structures import MouthDrive

AT_ONCE = 1_000  # frames
MADE_HERE = RenderSpec(drive="mouth", crop="mesh")


class Staging(Protocol):
    """One engine's way from (avatar, drive, plan) to patches."""

    def draw(self, frame: np.ndarray, output: int, *, under: bool) -> Patch | None:
        """Draw one frame's mouth.

        Args:
            frame: (H, W, 3) uint8 RGB, the planned source frame.
            output: number of the output frame.
            under: whether `frame` is the one that dissolves away.

        Returns:
            The patch, None where the source frame shows no face.
        """
        ...


class MouthStaging:
    """Staging of the native engine: the speaker's own neutral and range, placed on each frame's head pose.

    Args:
        avatar: the person.
        drive: one entry per output frame.
        plan: source frames of the output frames.
        renderer: row of `lipwright.render.base.RENDERERS`; one that draws target points on a mesh.

    Raises:
        BackendError: there is no such renderer, or it needs another drive.
    """

    def __init__(self, avatar: Avatar, drive: MouthDrive, plan: FramePlan, renderer: str) -> None:
        made = load_renderer(renderer)
        if made.needs != MADE_HERE:
            raise BackendError(f"renderer {renderer!r} needs {made.needs}, this staging makes {MADE_HERE}")
        mouths = speaker_style(avatar.mouths).mouths(drive)
        self._over = _Layer(avatar, mouths, plan.source)
        self._under = _Layer(avatar, mouths, plan.under)
        self._points = avatar.track.points
        self._renderer = made(avatar.bank)

    def draw(self, frame: np.ndarray, output: int, *, under: bool) -> Patch | None:
        """See `Staging.draw`."""
        layer = self._under if under else self._over
        if not layer.drawn[output]:
            return None
        mesh = self._points[layer.source[output]]
        return self._renderer.render(Shot(frame, mesh, layer.targets[output], int(layer.views[output])))


class _Layer:
    """Targets and cavity views of the output frames whose source frame shows the face; zeros elsewhere."""

    def __init__(self, avatar: Avatar, mouths: np.ndarray, source: np.ndarray) -> None:
        self.source = source
        self.drawn = (source >= 0) & avatar.track.present[source]
        self.targets = np.zeros((len(source), mouths.shape[1], 2), np.float32)
        self.views = np.full(len(source), -1, np.int32)
        if not self.drawn.any():
            return
        outputs = np.flatnonzero(self.drawn)
        for first in range(0, len(outputs), AT_ONCE):  # hours of sound: no more room than the result needs
            some = outputs[first : first + AT_ONCE]
            self.targets[some] = avatar.place(mouths[some], source[some])
        shown = source[outputs]
        starts = _starts(outputs, shown, np.cumsum(avatar.track.cuts))
        seen = mouths if self.drawn.all() else mouths[outputs]
        self.views[outputs] = choose_views(avatar.bank, seen, avatar.angles(shown), starts)


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
