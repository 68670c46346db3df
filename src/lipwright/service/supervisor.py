"""Keeps the worker processes: starts them, sees how they die, and takes their jobs from them."""

import logging
import math
import multiprocessing
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from lipwright.runtime.processes import how_ended
from lipwright.service.jobs import JobStore
from lipwright.service.jobs.record import KINDS, new_id
from lipwright.service.settings import Settings
from lipwright.service.worker import work

LOOK_S = 0.5  # between two looks at a worker that lives
QUICK_DEATH_S, PAUSE_S = 5.0, 2.0  # a worker that dies sooner is started again only after a pause
PREVIEW_IDLE_S = 120.0
SPAWN = multiprocessing.get_context("spawn")

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Slot:
    """A place for one worker process.

    Args:
        device: what it works on.
        name: of the place, in figures and in the log's file name; several on one device have one each.
        kinds: jobs it takes.
        lazy: there only while such jobs come.
        ready: whether it takes jobs.
        crashes: how many have died.
        lease: of the worker that is there.
    """

    device: str
    name: str
    kinds: tuple[str, ...] = KINDS
    lazy: bool = False
    ready: bool = False
    crashes: int = 0
    lease: str = ""


@dataclass(slots=True)
class Supervisor:
    """One worker per device, and one more for previews alone, so that who looks need not wait for long jobs.

    Args:
        store: the jobs.
        settings: of the service.
    """

    store: JobStore
    settings: Settings
    slots: list[Slot] = field(init=False)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        devices = self.settings.devices
        self.slots = []
        for place, device in enumerate(devices):
            earlier = devices[:place].count(device)
            self.slots.append(Slot(device, f"{device}-{earlier + 1}" if earlier else device))
        self.slots.append(Slot(devices[0], devices[0], ("preview",), lazy=True))

    def start(self) -> None:
        """Put back what an earlier server left unfinished, then let workers begin."""
        found = self.store.recover()
        if found:
            log.info("%d unfinished jobs are taken up again", found)
        self._threads = [threading.Thread(target=self._keep, args=(slot,), daemon=True) for slot in self.slots]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all workers at once; their jobs wait for the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.store.recover()

    def missing(self) -> list[str]:
        """Devices without a worker that takes jobs."""
        return [slot.name for slot in self.slots if not slot.lazy and not slot.ready]

    def _keep(self, slot: Slot) -> None:
        """Have a worker in that place until the service stops; the body of a thread."""
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                if slot.lazy and not self.store.waiting(slot.kinds):
                    self._stop.wait(LOOK_S)
                    continue
                self._watch(slot, new_id())
            except Exception:  # the database may be away for a while; the place must not stay empty for that
                log.exception("worker for %s: not watched any more", slot.device)
            finally:
                slot.ready = False
            if time.monotonic() - begun < QUICK_DEATH_S:
                self._stop.wait(PAUSE_S)

    def _watch(self, slot: Slot, lease: str) -> None:
        """One worker's life, and what becomes of the job it leaves."""
        inbox, outbox = SPAWN.Pipe(duplex=False)
        idle = PREVIEW_IDLE_S if slot.lazy else math.inf
        arguments = (self.settings, slot.device, slot.kinds, lease, outbox, idle)
        name = "preview" if slot.lazy else f"worker-{slot.name.replace(':', '')}"  # no colon: of its log, too
        slot.lease = lease
        process = SPAWN.Process(target=work, args=arguments, name=name, daemon=True)
        process.start()
        outbox.close()
        reason = ""
        try:
            while process.is_alive() and not self._stop.is_set():
                wait([process.sentinel], LOOK_S)
                slot.ready = slot.ready or _received(inbox)
                if self._stalled(lease):
                    reason = f"the worker told nothing for {self.settings.stall_seconds:g} seconds and was stopped"
                    break
        finally:
            process.kill()
            process.join()
            inbox.close()
        if self._stop.is_set():
            return  # its job is no crash: `stop` puts it back
        if process.exitcode or reason:
            slot.crashes += 1
            log.error("worker for %s: %s", slot.device, reason or how_ended(process.exitcode))
        self._take_back(lease, reason or how_ended(process.exitcode))
        process.close()

    def _stalled(self, lease: str) -> bool:
        """Whether the worker is to be stopped; not because the database cannot be asked right now."""
        try:
            if strays := self.store.reclaim([slot.lease for slot in self.slots]):
                log.warning("%d jobs of workers that are not ours are queued again", strays)
            return self.store.stalled(lease, self.settings.stall_seconds)
        except SQLAlchemyError as exc:
            log.warning("the database does not answer: %s", exc)
            return False

    def _take_back(self, lease: str, reason: str) -> None:
        """Take its job from a worker that is dead. Nobody else would: it is tried until the database answers."""
        while not self._stop.is_set():  # the next start takes back all there is
            try:
                job = self.store.crashed(lease, reason)
            except SQLAlchemyError:
                log.exception("a dead worker's job is not taken back yet")
                self._stop.wait(PAUSE_S)
                continue
            if job is not None:
                log.warning("job %s: %s", job.id, job.error or "queued again")
            return


def _received(inbox: Any) -> bool:  # noqa: ANN401 - pipes have another class on Windows
    """Whether the worker has said that it is ready."""
    try:
        return inbox.poll() and bool(inbox.recv_bytes())
    except EOFError:  # it died before it was ready
        return False
