"""Those who look on while a job is drawn."""

from collections.abc import Callable
from fractions import Fraction

from lipwright.media import ClipWriter
from lipwright.pipeline.job import Drawn, Job
from lipwright.pipeline.overlay import explained
from lipwright.progress import Progress


class Seeing:
    """Shows a job's frames to those who look on, and says how far it is.

    Args:
        job: draws them.
        fps: of the result.
        progress: told how many are done.
        watch: given each frame drawn here, or None.
        mask: written with what they are drawn by, or None.
    """

    def __init__(
        self,
        job: Job,
        fps: Fraction,
        progress: Progress,
        watch: Callable[[Drawn], None] | None,
        mask: ClipWriter | None,
    ) -> None:
        self._job, self._fps, self._progress, self._watch, self._mask = job, fps, progress, watch, mask
        self._done = 0

    def frame(self, shot: Drawn) -> None:
        """A frame was drawn and encoded."""
        if self._mask is not None:
            self._mask.write(self._job.marked(explained(shot, float(shot.output / self._fps)), shot))
        if self._watch is not None:
            self._watch(shot)
        self.until(shot.output + 1)

    def until(self, done: int) -> None:
        """So many frames are there."""
        if done > self._done:
            self._done = done
            self._progress("render", done, len(self._job.plan))
