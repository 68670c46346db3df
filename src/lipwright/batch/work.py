"""A worker process of a batch: does the jobs it is handed, one after another, and ends with its parent.

This module and its package are light to import, so that the process is bound to its cores before the libraries that
count them are loaded.
"""

import os
import signal
import tempfile
import time
import traceback
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipwright.errors import LipwrightError
from lipwright.runtime.processes import keep_to

if TYPE_CHECKING:
    from lipwright.batch.plan import BatchJob, Location
    from lipwright.progress import Progress

TOLD_S = 0.25  # between two messages on how far a job is


def work(pipe: Connection, cores: list[int], folder: Path) -> None:
    """Do jobs until the other end of the pipe is closed; the body of a process.

    Sends `("at", stage, done, total)` on the way, and at a job's end `("done", facts)` or
    `("failed", sentence, traceback or "")`.

    Args:
        pipe: jobs come in, messages go out.
        cores: those it may use.
        folder: for what is fetched.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    keep_to(cores)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        os.environ[name] = str(len(cores))
    tempfile.tempdir = str(folder)
    import cv2

    from lipwright.runtime.kept import keep_models

    cv2.setNumThreads(len(cores))
    with keep_models(), _Footage(folder) as footage:
        while (job := _handed(pipe)) is not None:
            try:
                message = _done(job, footage, _Teller(pipe))
                pipe.send(message)
            except (KeyboardInterrupt, BrokenPipeError):  # the parent wants no more, or is gone
                return


def do_alone(job: "BatchJob") -> tuple[Any, ...]:
    """Do one job in whatever process this is, on one core. Returns what `work` sends at a job's end.

    Models stay open for the jobs that the process is given later.
    """
    import cv2

    from lipwright.progress import silent
    from lipwright.runtime.kept import keep_models_on

    cv2.setNumThreads(1)
    keep_models_on()
    made = tempfile.TemporaryDirectory(prefix="lipwright-", ignore_cleanup_errors=True)
    with made as folder, _Footage(Path(folder)) as footage:
        return _done(job, footage, silent)


def _handed(pipe: Connection) -> "BatchJob | None":
    try:
        return pipe.recv()
    except (EOFError, OSError):
        return None


def _done(job: "BatchJob", footage: "_Footage", tell: "Progress") -> tuple[Any, ...]:
    """What is to be said of a job that was tried."""
    try:
        return "done", perform(job, footage, tell)
    except LipwrightError as exc:
        return "failed", str(exc), ""
    except MemoryError:
        return "failed", "memory ran out; use smaller footage, fewer workers or a machine with more", ""
    except Exception as exc:  # noqa: BLE001 - one job's bug must not stop the others
        return "failed", f"unexpected {type(exc).__name__}: {exc}; report it", traceback.format_exc()


def perform(job: "BatchJob", footage: "_Footage", tell: "Progress") -> dict[str, Any]:
    """Do a job. Returns its report as plain values.

    Raises:
        LipwrightError: as of `dub`, `fetched` and `published`.
        KeyboardInterrupt: it is not wanted any more; nothing is left of it.
    """
    from lipwright.pipeline.run import dub
    from lipwright.storage import fetched, published, shown

    video = footage.here(job.video, tell)
    with fetched(job.audio, tell, footage.folder) as audio, published(job.output, tell, footage.folder) as output:
        report = dub(video, audio, output, options=job.options, progress=tell)
    facts = report.as_dict()
    facts["output"] = shown(job.output)
    return facts


class _Footage:
    """Footage that lies elsewhere stays here for the jobs that follow on it; use as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = ExitStack()
        self._location: Location | None = None
        self._path = Path()

    def __enter__(self) -> "_Footage":
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()

    def here(self, location: "Location", tell: "Progress") -> Path:
        from lipwright.storage import fetched

        if location != self._location:
            self._kept.close()
            self._location = None
            self._path = self._kept.enter_context(fetched(location, tell, self.folder))
            self._location = location
        return self._path


class _Teller:
    """A job's progress on its way to the parent; ends the job when the parent closed the pipe."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._stage, self._told = pipe, "", 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """See `lipwright.progress`.

        Raises:
            KeyboardInterrupt: the job shall stop.
        """
        if self._pipe.poll():  # nothing is sent to a worker that is at work: the pipe was closed
            raise KeyboardInterrupt
        now = time.monotonic()
        if stage != self._stage or now - self._told >= TOLD_S:
            self._stage, self._told = stage, now
            try:
                self._pipe.send(("at", stage, done, total))
            except OSError as exc:
                raise KeyboardInterrupt from exc
