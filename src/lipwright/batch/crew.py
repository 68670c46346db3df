"""The workers of a batch: started, handed jobs, and replaced when they die."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from lipwright.batch.plan import BatchJob
from lipwright.batch.work import work
from lipwright.media.partial import remove_abandoned
from lipwright.progress import Progress
from lipwright.runtime.processes import how_ended, share_of, usable_cores

TRIES = 2  # a job whose worker dies is tried once more
GRACE_S = 5.0  # for workers to leave what they are at
SPAWN = multiprocessing.get_context("spawn")  # never forked: libraries have threads of their own


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Args:
        job: which.
        facts: its report as plain values, None where it failed.
        error: why it failed, a sentence.
        trace: where in the program, if that was unexpected.
        seconds: from when it was handed out.
    """

    job: BatchJob
    facts: dict[str, Any] | None
    error: str = ""
    trace: str = ""
    seconds: float = 0.0


@dataclass(slots=True)
class Worker:
    """A place for a worker process, and what it is at."""

    place: int
    process: Any = None
    pipe: Any = None  # pipes have another class on Windows
    job: BatchJob | None = None
    footage: tuple[object, ...] = ()
    begun: float = 0.0


@dataclass(slots=True)
class Crew:
    """Worker processes and the jobs they share.

    Jobs on the same footage go to one worker one after another, or wait while another looks at it for the first time;
    else they go in the order of the list.

    Args:
        jobs: to be done.
        count: workers.
        folder: where what is fetched goes.
        progress: told `("worker N", done, total)` of what each is at.
    """

    jobs: Iterable[BatchJob]
    count: int
    folder: Path
    progress: Progress
    _waiting: deque[BatchJob] = field(init=False)
    _workers: list[Worker] = field(init=False)
    _deaths: dict[int, int] = field(default_factory=dict)
    _seen: set[tuple[object, ...]] = field(default_factory=set)  # footage that has been looked at

    def __post_init__(self) -> None:
        self._waiting = deque(self.jobs)
        self._workers = [Worker(place) for place in range(min(self.count, len(self._waiting)))]

    def work(self) -> Generator[Ended, None, None]:
        """Do all jobs. Closing the generator ends the workers within seconds; what they were at leaves nothing."""
        try:
            while True:
                for worker in self._workers:
                    self._hand(worker)
                at_work: dict[Any, Worker] = {worker.pipe: worker for worker in self._workers if worker.job is not None}
                if not at_work:
                    return
                for pipe in wait(at_work):
                    yield from self._heard(at_work[pipe])
        finally:
            self._dismiss()

    def _hand(self, worker: Worker) -> None:
        """Give a free worker a job, if there is one for it; start its process, if there is none."""
        if worker.job is not None or (job := self._next(worker)) is None:
            return
        if worker.process is None:
            self._start(worker)
        worker.job, worker.footage, worker.begun = job, job.footage, time.monotonic()
        try:
            worker.pipe.send(job)
        except OSError:  # it died: hearing it will tell
            return

    def _next(self, worker: Worker) -> BatchJob | None:
        looked_at = {other.footage for other in self._workers if other.job is not None} - self._seen
        own = (job for job in self._waiting if job.footage == worker.footage)
        free = (job for job in self._waiting if job.footage not in looked_at)
        job = next(own, None) or next(free, None)
        if job is not None:
            self._waiting.remove(job)
        return job

    def _start(self, worker: Worker) -> None:
        worker.pipe, theirs = SPAWN.Pipe()
        cores = share_of(usable_cores(), worker.place, len(self._workers))
        arguments = (theirs, cores, self.folder)
        worker.process = SPAWN.Process(target=work, args=arguments, name=f"batch-{worker.place + 1}", daemon=True)
        with _deaf():
            worker.process.start()
        theirs.close()

    def _heard(self, worker: Worker) -> Iterator[Ended]:
        """Take what a worker says; nothing more to come means that it died."""
        assert worker.job is not None  # noqa: S101 - it is at work
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._died(worker)
            return
        if message[0] == "at":
            _, stage, done, total = message
            if stage == "render":
                self._seen.add(worker.footage)
            self.progress(f"worker {worker.place + 1}", done, total)
            return
        job, seconds, worker.job = worker.job, time.monotonic() - worker.begun, None
        if message[0] == "done":
            yield Ended(job, message[1], seconds=seconds)
        else:
            yield Ended(job, None, message[1], message[2], seconds)

    def _died(self, worker: Worker) -> Iterator[Ended]:
        job, seconds = worker.job, time.monotonic() - worker.begun
        assert job is not None  # noqa: S101 - only who is at work is heard
        worker.process.join()
        how = how_ended(worker.process.exitcode)
        self._clear(worker)
        deaths = self._deaths[job.number] = self._deaths.get(job.number, 0) + 1
        if deaths < TRIES:
            self._waiting.appendleft(job)
        else:
            yield Ended(job, None, f"{how}, for the second time at this job; it is not tried again", seconds=seconds)

    def _clear(self, worker: Worker) -> None:
        """Forget a process that has ended, and remove what it left half done."""
        if worker.pipe is not None:
            worker.pipe.close()
        worker.process.close()
        for output in worker.job.outputs() if worker.job is not None else ():
            if isinstance(output, Path):
                remove_abandoned(output)
        worker.process = worker.pipe = worker.job = None
        worker.footage = ()

    def _dismiss(self) -> None:
        """End all workers: first ask, then wait a moment, then kill."""
        there = [worker for worker in self._workers if worker.process is not None]
        for worker in there:
            worker.pipe.close()  # it asks them to end
        try:
            end = time.monotonic() + GRACE_S
            for worker in there:
                worker.process.join(max(0.0, end - time.monotonic()))
        finally:  # also when interrupted again
            for worker in there:
                worker.process.kill()
                worker.process.join()
                self._clear(worker)


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started in this block never hear Ctrl-C, not even before they are asked not to, where that is known."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
