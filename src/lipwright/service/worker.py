"""A worker process: takes jobs one after another, and dies with its server.

Whatever happens in here, to the process or to its memory, costs one job at most; the supervisor sees to the rest.
"""

import ctypes
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing import current_process, parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil
from sqlalchemy.exc import SQLAlchemyError

from lipwright.errors import BackendError, InputError, LipwrightError, OutputError
from lipwright.service.jobs import Job, JobStore
from lipwright.service.logs import configure_logs, job_log
from lipwright.service.paths import for_client
from lipwright.service.publish import discard, parts_folder, publish
from lipwright.service.settings import Settings

IDLE_S = 0.1  # between two looks into the queue
TOLD_S = 0.25  # between two reports of progress
AWAY_S = 2.0  # between two tries to tell it while the database does not answer
NICE = 10  # those who ask the service something go first
SHARE_OF_ANALYSIS = 50.0  # per cent of a job whose footage is looked at first

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """The job shall stop, or is not ours any more."""


def work(settings: Settings, device: str, kinds: tuple[str, ...], lease: str, ready: Connection, idle: float) -> None:
    """Run jobs until the parent ends; the body of a process.

    Args:
        settings: of the service.
        device: what published models run on; `cuda:1` is the second GPU.
        kinds: of jobs to take.
        lease: this process's name in the database.
        ready: told something once jobs are taken.
        idle: end after so many seconds without a job; infinity: never.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _step_back()
    tempfile.tempdir = str(settings.data_dir / "tmp")
    configure_logs(settings, current_process().name)
    name, _, number = device.partition(":")
    if number:  # before ONNX Runtime is loaded, which then knows this one only
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu(int(number), os.environ.get("CUDA_VISIBLE_DEVICES", ""))
    from lipwright.service import tasks  # noqa: F401 - loads the libraries now, not in the first job

    with Worker(settings, name, lease) as worker:
        ready.send_bytes(b"ready")
        last = time.monotonic()
        while time.monotonic() - last < idle:
            job = worker.store.claim(lease, kinds)
            if job is None:
                time.sleep(IDLE_S)
                continue
            worker.run(job)
            _give_back()
            last = time.monotonic()


def gpu(number: int, shown: str) -> str:
    """What CUDA calls the GPU of that number among those an operator shows it; nothing where there are fewer."""
    names = [name.strip() for name in shown.split(",") if name.strip()]
    return "".join(names[number : number + 1]) if names else str(number)


class Worker:
    """Does jobs and says how they end; use as a context manager.

    Args:
        settings: of the service.
        device: as of `DubOptions`.
        lease: its name in the database.
    """

    def __init__(self, settings: Settings, device: str, lease: str) -> None:
        self.store = JobStore(settings.database)
        self._settings, self._device, self._lease = settings, device, lease

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()

    def run(self, job: Job) -> None:
        """Do one job. An error of the library's own ends the job; any other is a crash, and this process ends."""
        scratch = self._settings.data_dir / "work" / job.id
        with job_log(self._settings, job):
            try:
                log.info("job %s: %s begins", job.id, job.kind)
                _emptied(scratch)
                self._do(job, scratch)
                over = True
            except Cancelled:
                over = self.store.cancelled(job.id, self._lease)
                log.info("job %s: cancelled", job.id)
            except LipwrightError as exc:
                log.info("job %s: failed: %s", job.id, exc, exc_info=exc)
                over = self.store.fail(job.id, self._lease, self._told(exc), _kind(exc))
            except Exception as exc:
                log.exception("job %s: crashed", job.id)
                self.store.crashed(self._lease, _crash(exc))
                sys.exit(1)  # what is left of this process is not to be trusted; another goes on from the job's parts
            finally:
                discard(scratch)
            if over:  # else it is another worker's by now, which goes on from these
                discard(parts_folder(self._settings, job.id))

    def _do(self, job: Job, scratch: Path) -> None:
        from lipwright.service import tasks

        made = tasks.make(job, self._settings, self._device, scratch, Teller(self.store, job, self._lease))
        place = self._settings.data_dir / made.place
        if not self.store.wanted(job.id, self._lease):
            raise Cancelled
        publish(made.file, place)
        if not self.store.finish(job.id, self._lease, made.place, made.facts):
            discard(place)
            raise Cancelled
        log.info("job %s: done", job.id)

    def _told(self, exc: LipwrightError) -> str:
        """The error's sentence, without the folders of this machine."""
        return for_client(str(exc), self._settings.data_dir)


class Teller:
    """A job's progress on its way into the database.

    Args:
        store: the jobs.
        job: which.
        lease: the worker's.
    """

    def __init__(self, store: JobStore, job: Job, lease: str) -> None:
        self._store, self._id, self._lease = store, job.id, lease
        self._told, self._stage, self._looked, self._quiet_until = 0.0, "", False, 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """See `lipwright.progress`; asks at every frame whether to go on.

        Raises:
            Cancelled: the job shall stop.
        """
        now = time.monotonic()
        self._looked |= stage == "analyse"
        if now < self._quiet_until:
            return
        try:
            if stage == self._stage and now - self._told < TOLD_S:
                going = self._store.wanted(self._id, self._lease)
            else:
                percent = self._percent(stage, done, total)
                going = self._store.progress(self._id, self._lease, stage, done, total, percent)
                self._told, self._stage = now, stage
        except SQLAlchemyError as exc:  # an hour's work is not given up because the database restarts
            log.warning("job %s: its progress cannot be told: %s", self._id, exc)
            self._quiet_until = time.monotonic() + AWAY_S
            return
        if not going:
            raise Cancelled

    def _percent(self, stage: str, done: int, total: int | None) -> float:
        share = min(1.0, done / total) if total else 0.0
        if stage == "analyse":
            return SHARE_OF_ANALYSIS * share
        first = SHARE_OF_ANALYSIS if self._looked else 0.0
        return first + (100.0 - first) * share


def _emptied(scratch: Path) -> None:
    """Make the folder, and remove what a killed run left in it."""
    discard(scratch)
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder {scratch} cannot be made: {exc.strerror}; free space on the disk") from exc


def _kind(exc: LipwrightError) -> str:
    kinds = ((InputError, "input"), (OutputError, "output"), (BackendError, "backend"))
    return next((word for kind, word in kinds if isinstance(exc, kind)), "unexpected")


def _crash(exc: Exception) -> str:
    if isinstance(exc, MemoryError):
        return "the worker ran out of memory; use smaller footage or a machine with more"
    return f"the worker met an unexpected {type(exc).__name__}; its log says where"


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)  # at once: the jobs are the next server's


def _give_back() -> None:
    """Return what a job freed to the system; glibc keeps it in pieces, more with every hour of jobs."""
    with suppress(AttributeError, OSError, TypeError):  # other C libraries do so themselves
        ctypes.CDLL(None).malloc_trim(0)


def _step_back() -> None:
    below = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", NICE)  # Windows has classes, others numbers
    psutil.Process().nice(below)
