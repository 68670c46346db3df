"""Who draws and encodes the parts of a job: this process, or others."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from lipwright.media.segment import PictureFormat, SegmentEncoder
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import Drawn, Job
from lipwright.pipeline.parts import Part

EXECUTORS = {
    "local": "lipwright.pipeline.executor:Here",
    "ray": "lipwright.execute.ray:RayExecutor",
}
"""Rows: "module:class"."""

Seen = Callable[[Drawn], None]
"""Told of every frame once it is encoded, where that is this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job whose parts are to be made.

    Args:
        video, audio, options: as of `lipwright.dub`.
        job: the same, open in this process.
        form: how its pictures are encoded.
        ranges: output frames of each part.
        mark_id: what the pixels shall carry, None for no mark.
        seen: see `Seen`.
    """

    video: Path
    audio: Path
    options: DubOptions
    job: Job
    form: PictureFormat
    ranges: Sequence[range]
    mark_id: bytes | None
    seen: Seen


class Executor(Protocol):
    """Makes parts of jobs.

    Attributes:
        here: whether it draws in this process, so that each frame can be seen.
    """

    here: bool

    def make(self, work: Work, missing: Sequence[int]) -> Generator[tuple[int, bytes], None, None]:
        """Make the parts of these numbers, increasing, as `Part.pack` has them, in their order.

        Raises:
            LipwrightError: as of `lipwright.dub`.
        """
        ...


class Here:
    """Draws and encodes in this process."""

    here = True

    def make(self, work: Work, missing: Sequence[int]) -> Generator[tuple[int, bytes], None, None]:
        """See `Executor.make`."""
        for run in _runs(missing):
            yield from encode_parts(work.job, work.ranges, run, work.form, work.seen)


def encode_parts(
    job: Job, ranges: Sequence[range], run: range, form: PictureFormat, seen: Seen
) -> Generator[tuple[int, bytes], None, None]:
    """Parts that follow each other: drawn in one go, each encoded by an encoder of its own.

    Args:
        job: draws.
        ranges: output frames of each part.
        run: numbers of the parts.
        form: how pictures are encoded.
        seen: told of every frame.
    """
    with closing(job.pictures(range(ranges[run[0]].start, ranges[run[-1]].stop))) as pictures:
        for number in run:
            encoder, passed = SegmentEncoder(form), 0
            for _ in ranges[number]:
                shot, picture = next(pictures)
                encoder.add(picture)
                passed += not shot.patches
                seen(shot)
            yield number, Part(ranges[number].start, passed, encoder.finish()).pack()


def _runs(numbers: Sequence[int]) -> list[range]:
    """Increasing numbers as runs without a gap."""
    numbered = np.asarray(numbers, np.int64)
    pieces = np.split(numbered, np.flatnonzero(np.diff(numbered) > 1) + 1) if len(numbered) else []
    return [range(int(piece[0]), int(piece[-1]) + 1) for piece in pieces]
