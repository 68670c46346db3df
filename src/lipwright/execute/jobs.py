"""Whole jobs done by a Ray cluster, one at a time on each device."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from lipwright.errors import BackendError, LipwrightError
from lipwright.execute.ray import cause_of, connect, devices_of
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.report import Report
from lipwright.pipeline.run import dub
from lipwright.storage import fetched, published

TRIES = 3  # of one job, each in another process


@dataclass(frozen=True, slots=True, kw_only=True)
class DubCall:
    """A job to be done elsewhere.

    Args:
        video, audio, output: as of `lipwright.dub`: URLs, or paths that all machines see as the same files.
        options: likewise; files and folders that they name must be there, too. Jobs of one run ask for one kind of
            device.
    """

    video: str
    audio: str
    output: str
    options: DubOptions


class Dubber:
    """Does jobs, on whichever machine it is."""

    def dub(self, call: DubCall) -> Report:
        """One job; what it cannot see it fetches, and what it makes goes to its place when it is complete.

        Raises:
            LipwrightError: as of `lipwright.dub`, `fetched` and `published`.
        """
        with fetched(call.video) as video, fetched(call.audio) as audio, published(call.output) as output:
            return dub(video, audio, output, options=call.options)


def run_jobs(jobs: Iterable[DubCall], *, address: str | None) -> Iterator[tuple[int, Report | LipwrightError]]:
    """Do jobs on a cluster, each on one device; those of a machine that is lost are done on another.

    Args:
        jobs: in the order they are begun; taken as devices become free.
        address: as of `RayExecutor`.

    Yields:
        The number of a job, from 0, and how it ended, as jobs end.

    Raises:
        BackendError: Ray is not installed, or the cluster does not answer.
    """
    ray = connect(address)
    crew = _Crew(ray, enumerate(jobs))
    try:
        yield from crew.ended()
    finally:
        crew.dismiss()


class _Crew:
    """Actors, one for each device, what each is at, and what was tried in vain."""

    def __init__(self, ray: ModuleType, jobs: Iterator[tuple[int, DubCall]]) -> None:
        self._ray, self._jobs = ray, jobs
        self._again: deque[tuple[int, DubCall]] = deque()
        self._tries: dict[int, int] = {}
        self._free: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, DubCall]] = {}  # by what Ray will answer

    def ended(self) -> Iterator[tuple[int, Report | LipwrightError]]:
        """All jobs, as they end."""
        while self._hand_out():
            (answer, *_), _ = self._ray.wait(list(self._busy), num_returns=1)
            actor, number, call = self._busy.pop(answer)
            try:
                ended: Report | LipwrightError | None = self._ray.get(answer)
                self._free.append(actor)
            except self._ray.exceptions.RayActorError:
                ended = self._lost(number, call)
            except self._ray.exceptions.RayTaskError as exc:
                ended = cause_of(exc)
                self._free.append(actor)
            if ended is not None:
                yield number, ended

    def dismiss(self) -> None:
        """Let the actors go."""
        for actor, _, _ in self._busy.values():
            self._ray.kill(actor)

    def _hand_out(self) -> bool:
        """Give every free device a job. Returns whether any is at work."""
        while job := self._again.popleft() if self._again else next(self._jobs, None):
            number, call = job
            count, asks = devices_of(self._ray, call.options)
            if len(self._busy) >= count:
                self._again.appendleft(job)
                break
            if not self._free:
                self._free.append(self._ray.remote(Dubber).options(max_restarts=0, **asks).remote())
            actor = self._free.pop()
            self._busy[actor.dub.remote(call)] = actor, number, call
        while self._free:  # there is no job for these, and one that replaces a lost actor may wait for their device
            self._ray.kill(self._free.pop())
        return bool(self._busy)

    def _lost(self, number: int, call: DubCall) -> LipwrightError | None:
        self._tries[number] = self._tries.get(number, 0) + 1
        if self._tries[number] < TRIES:
            self._again.append((number, call))
            return None
        return BackendError(f"{TRIES} workers of the Ray cluster died at this job; most often it is memory")
