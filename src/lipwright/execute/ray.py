"""Parts of jobs drawn by a Ray cluster: one actor per device, which keeps the job open; lost ones are replaced."""

import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lipwright.errors import BackendError, LipwrightError
from lipwright.execute.sent import PIECE, Drawer, SentJob
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.executor import Work
from lipwright.pipeline.job import needed_models

ANSWER_S = 10.0  # for a head to answer
CLOSE_S = 5.0  # for actors to clear up
WAIT_S = 120.0  # for a first actor to begin
MOST_TRIES = 4  # of one part, each on another actor
log = logging.getLogger(__name__)

GPUS = ("cuda", "tensorrt", "rocm")


def load_ray() -> ModuleType:
    """The module, told to keep to itself: it reports usage to its makers unless asked not to.

    Raises:
        BackendError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as exc:
        raise BackendError("Ray is not installed; pip install 'lipwright[ray]'") from exc
    return ray


def connect(address: str | None) -> ModuleType:
    """Join a cluster, once for this process; without an address, one of this process's own on this machine.

    Raises:
        BackendError: Ray is not installed, or no cluster answers there.
    """
    ray = load_ray()
    if not ray.is_initialized():
        _check_answers(address)
        own: dict[str, Any] = {} if address else {"include_dashboard": False}
        told_to_stop = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **own)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as exc:
            reason = str(exc).strip().partition("\n")[0]
            raise BackendError(f"no Ray cluster answers at {address} ({reason}); check the address") from exc
        if threading.current_thread() is threading.main_thread():  # Ray takes it, to end at once without a word
            signal.signal(signal.SIGTERM, told_to_stop)
        _keep_quiet(ray)
    return ray


def _keep_quiet(ray: ModuleType) -> None:
    """Ray prints how a machine ended on stdout, which is not its own; no setting turns that off."""
    worker: Any = getattr(getattr(ray, "_private", None), "worker", None)
    if hasattr(worker, "print_to_stdstream"):
        worker.print_to_stdstream = lambda data, **_: log.info("%s", data)


def _check_answers(address: str | None) -> None:
    """Refuse at once where nobody listens: Ray itself goes on asking for many minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if not host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError) as exc:
        raise BackendError(
            f"no Ray cluster answers at {address} ({exc}); give the HOST:PORT of its head, as `ray start` prints it"
        ) from exc


@dataclass(slots=True)
class _Hand:
    """An actor.

    Args:
        actor: Ray's handle.
        at: the number of the part it draws; None while it opens the job.
        begun: whether it was given a machine: it has answered.
    """

    actor: Any
    at: int | None = None
    begun: bool = False


class RayExecutor:
    """See `lipwright.pipeline.executor.Executor`.

    Args:
        address: of the cluster's head, e.g. `10.0.0.5:6379`; None: a cluster of this machine alone.
    """

    here = False

    def __init__(self, address: str | None = None) -> None:
        self._address = address

    def make(self, work: Work, missing: Sequence[int]) -> Generator[tuple[int, bytes], None, None]:
        """See `Executor.make`.

        Raises:
            BackendError: the cluster does not answer, has no free device, or loses one machine after another.
        """
        if not missing:
            return
        ray = connect(self._address)
        crew = _Crew(ray, SentJob.of(work), devices_of(ray, work.options), missing)
        try:
            for number in missing:
                yield number, crew.part(number)
        finally:
            crew.end()


class _Crew:
    """The actors of one job, what each is at, and what is done.

    Parts are begun in order and at most twice as many ahead as there are actors, so that memory does not grow.

    Args:
        ray: the module, connected.
        sent: the job.
        devices: how many there are, and what an actor asks Ray for.
        missing: numbers of the parts to make, increasing.
    """

    def __init__(
        self, ray: ModuleType, sent: SentJob, devices: tuple[int, dict[str, float]], missing: Sequence[int]
    ) -> None:
        self.ray, self.sent, self.devices = ray, sent, devices
        self.missing, self.todo, self.given = missing, deque(missing), 0
        self.done: dict[int, bytes] = {}
        self.tries: dict[int, int] = {}
        self.idle: list[Any] = []
        self.busy: dict[Any, _Hand] = {}  # by what Ray will answer
        self.lost = 0
        self._job = ray.put(sent)
        self._pieces: dict[str, list[Any]] = {}
        self._device = ""  # that the first actor draws on
        for _ in range(min(devices[0], len(missing))):
            self._hire()

    def part(self, number: int) -> bytes:
        """The part of this number, the next one nobody has asked for.

        Raises:
            LipwrightError: it cannot be made.
        """
        until = time.monotonic() + WAIT_S
        while number not in self.done:
            self._hand_out()
            ready, _ = self.ray.wait(list(self.busy), timeout=1.0)
            if ready:
                self._take(ready[0])
            elif not any(hand.begun for hand in self.busy.values()) and time.monotonic() > until:
                raise BackendError(
                    f"the Ray cluster gave no machine for {WAIT_S:.0f} seconds; is there a free {self._wanted()} in it?"
                )
        self.given += 1
        self._hand_out()
        return self.done.pop(number)

    def end(self) -> None:
        """Let the actors go; those that draw may end that first, within a moment."""
        actors = [*self.idle, *(hand.actor for hand in self.busy.values())]
        if actors:
            closed = [actor.close.remote() for actor in actors]
            self.ray.wait(closed, num_returns=len(closed), timeout=CLOSE_S)
        for actor in actors:
            self.ray.kill(actor)

    def _wanted(self) -> str:
        return "GPU" if "num_gpus" in self.devices[1] else "CPU"

    def _hire(self) -> None:
        made = self.ray.remote(Drawer).options(max_restarts=0, **self.devices[1])
        actor = made.remote(self._job)
        self.busy[actor.missing.remote()] = _Hand(actor)

    def _hand_out(self) -> None:
        while self.idle and self.todo and self.todo[0] in self.missing[: self.given + 2 * self.devices[0]]:
            actor, number = self.idle.pop(), self.todo.popleft()
            self.busy[actor.draw.remote(number)] = _Hand(actor, number, begun=True)

    def _take(self, answer: Any) -> None:  # noqa: ANN401 - Ray's
        hand = self.busy.pop(answer)
        hand.begun = True
        try:
            got = self.ray.get(answer)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as exc:
            self._replace(hand, exc)
            return
        except self.ray.exceptions.RayTaskError as exc:
            raise cause_of(exc) from exc
        if hand.at is not None:
            self.done[hand.at] = got
        elif isinstance(got, str):  # the job is open
            self._check_device(got)
        else:  # it is not yet: send what is not there
            for name in got:
                for piece in self._in_pieces(name):
                    hand.actor.take.remote(name, piece)
            self.busy[hand.actor.open.remote()] = hand
            return
        self.idle.append(hand.actor)

    def _check_device(self, name: str) -> None:
        """Refuse parts drawn on different kinds of devices, which do not fit together."""
        self._device = self._device or name
        if name != self._device:
            raise BackendError(
                f"one machine of the Ray cluster draws on {self._device}, another on {name}; say --device cpu, or see "
                "with `lipwright doctor` what the latter lacks"
            )

    def _replace(self, hand: _Hand, exc: Exception) -> None:
        """An actor is gone, with its machine or alone: its part is another's."""
        self.lost += 1
        if hand.at is not None:
            self.tries[hand.at] = self.tries.get(hand.at, 0) + 1
            self.todo = deque(sorted((hand.at, *self.todo)))
        if max(self.tries.values(), default=0) >= MOST_TRIES or self.lost > MOST_TRIES * self.devices[0]:
            raise BackendError(
                f"{self.lost} workers of the Ray cluster died at this job; its logs say why, most often it is memory"
            ) from exc
        self._hire()

    def _in_pieces(self, name: str) -> list[Any]:
        """An input in Ray's own store, which keeps it on disk where memory is short."""
        if name not in self._pieces:
            path: Path = getattr(self.sent, name).path
            with path.open("rb") as file:
                self._pieces[name] = [self.ray.put(piece) for piece in iter(lambda: file.read(PIECE), b"")]
        return self._pieces[name]


def devices_of(ray: ModuleType, options: DubOptions) -> tuple[int, dict[str, float]]:
    """How many devices the cluster has for jobs with these options, and what an actor asks of Ray for one."""
    there = ray.cluster_resources()
    gpus, wanted = int(there.get("GPU", 0)), options.device in GPUS or options.device == "auto"
    if needed_models(options) and wanted and (gpus or options.device != "auto"):
        return max(1, gpus), {"num_cpus": 1, "num_gpus": 1}
    return max(1, int(there.get("CPU", 0))), {"num_cpus": 1}


def cause_of(exc: Any) -> LipwrightError:  # noqa: ANN401 - Ray's
    """What an actor raised, if that is an error of ours, else one that tells of it."""
    cause = exc.cause
    if isinstance(cause, LipwrightError):
        return cause
    return BackendError(f"a worker of the Ray cluster met an unexpected {type(cause).__name__}: {cause}; report it")
