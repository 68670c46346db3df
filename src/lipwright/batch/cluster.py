"""The jobs of a batch on a Ray cluster: each is done whole, on one machine of it."""

import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from typing import Any

from lipwright.batch.crew import TRIES, Ended
from lipwright.batch.plan import BatchJob
from lipwright.batch.work import do_alone
from lipwright.errors import BackendError
from lipwright.execute.ray import WAIT_S, connect, devices_of

GRACE_S = 5.0  # for jobs to leave what they are at
AHEAD = 2  # jobs that wait at the cluster for each of its devices


class ClusterCrew:
    """Does jobs as `Crew` does, on a cluster; paths in them must mean the same on all its machines.

    Args:
        jobs: to be done.
        address: of the cluster's head; None: a cluster of this machine alone.

    Raises:
        BackendError: Ray is not installed, or no cluster answers there; while at work: it has no machine any more.
    """

    def __init__(self, jobs: Sequence[BatchJob], address: str | None) -> None:
        self._waiting = deque(jobs)
        self._ray = connect(address)
        self._task = self._ray.remote(do_alone)
        self._at: dict[Any, tuple[BatchJob, float]] = {}  # by what Ray will answer
        self._needs = {"CPU"}  # resources that the jobs ask for, by Ray's names
        self._seen = time.monotonic()  # when the cluster had them

    def work(self) -> Generator[Ended, None, None]:
        """See `Crew.work`."""
        try:
            while self._waiting or self._at:
                self._check_there()
                self._hand_out()
                ready, _ = self._ray.wait(list(self._at), timeout=1.0)
                for answer in ready:
                    yield self._taken(answer)
        finally:
            self._dismiss()

    def _hand_out(self) -> None:
        while self._waiting:
            devices, asks = devices_of(self._ray, self._waiting[0].options)
            if len(self._at) >= AHEAD * devices:
                return
            self._needs |= {"GPU"} if "num_gpus" in asks else set()
            job = self._waiting.popleft()
            self._at[self._task.options(max_retries=TRIES - 1, **asks).remote(job)] = job, time.monotonic()

    def _check_there(self) -> None:
        there = self._ray.cluster_resources()
        if all(there.get(name, 0) > 0 for name in self._needs):
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > WAIT_S:
            needs = " and ".join(sorted(self._needs))
            raise BackendError(f"the Ray cluster has had no {needs} for {WAIT_S:.0f} seconds; add a machine that has")

    def _taken(self, answer: Any) -> Ended:  # noqa: ANN401 - Ray's
        job, begun = self._at.pop(answer)
        try:
            message = self._ray.get(answer)
        except self._ray.exceptions.RayError as exc:  # its process or machine is gone, for the last time
            told = (
                f"the cluster lost this job {TRIES} times ({type(exc).__name__}); its logs say why, most often memory"
            )
            return Ended(job, None, told, seconds=time.monotonic() - begun)
        return Ended.of(job, message, time.monotonic() - begun)

    def _dismiss(self) -> None:
        """End what is under way: first ask, then wait a moment, then kill."""
        left = list(self._at)
        for force in (False, True):
            for answer in left:
                with suppress(self._ray.exceptions.RayError, ValueError):
                    self._ray.cancel(answer, force=force)
            if left:
                _, left = self._ray.wait(left, num_returns=len(left), timeout=GRACE_S)
        self._at.clear()
