"""Staging of the HeyGem engine: for each output frame the face's crop and the speech around it."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from lipwright.avatar.landmarks import LandmarkAvatar
from lipwright.motion.window import WindowDrive
from lipwright.pipeline.plan import FramePlan
from lipwright.pipeline.staging import Aim, Asked, fitting_renderer
from lipwright.render.base import Patch, RenderSpec, WindowRenderer, WindowShot
from lipwright.runtime import Models

MADE_HERE = RenderSpec(drive="window", crop="rectangle")
LIPS = (tuple(range(48, 60)), tuple(range(60, 68)))  # outer and inner ring of the 68 points
EYES = (36, 45)
NO_POINTS = np.zeros((0, 2), np.float32)


class WindowStaging:
    """Joins a `LandmarkAvatar` and a `WindowDrive`; see `lipwright.pipeline.staging.Staging`.

    Args:
        avatar: the person.
        drive: one window of speech per output frame.
        plan: source frames of the output frames.
        renderer: what draws.
        batch: frames drawn at a time.
    """

    def __init__(
        self, avatar: LandmarkAvatar, drive: WindowDrive, plan: FramePlan, renderer: WindowRenderer, batch: int
    ) -> None:
        self.batch = batch
        self._renderer, self._drive, self._plan = renderer, drive, plan
        self._points, self._present = avatar.track.points, avatar.track.present
        self._squares = avatar.squares

    @classmethod
    def open(
        cls, avatar: LandmarkAvatar, drive: WindowDrive, plan: FramePlan, *, renderer: str, models: Models, batch: int
    ) -> Self:
        """See `Staging.open`."""
        return cls(avatar, drive, plan, fitting_renderer(renderer, MADE_HERE).open(models), batch)

    def draw_all(self, asked: Sequence[Asked]) -> list[Patch | None]:
        """See `Staging.draw_all`."""
        patches: list[Patch | None] = [None] * len(asked)
        drawn = [index for index, one in enumerate(asked) if self._present[self._source(one.output, under=one.under)]]
        if drawn:
            made = self._renderer.render([self._shot(asked[index]) for index in drawn])
            for index, patch in zip(drawn, made, strict=True):
                patches[index] = patch
        return patches

    def aim(self, output: int, *, under: bool) -> Aim:
        """See `Staging.aim`."""
        return Aim(self._points[self._source(output, under=under)], NO_POINTS, LIPS, EYES)

    def _source(self, output: int, *, under: bool) -> int:
        return int((self._plan.under if under else self._plan.source)[output])

    def _shot(self, asked: Asked) -> WindowShot:
        source = self._source(asked.output, under=asked.under)
        window = self._drive.part(range(asked.output, asked.output + 1))[0]
        return WindowShot(asked.frame.rgb, self._points[source], self._squares[source], window)
