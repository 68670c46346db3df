"""Downloads the inputs of jobs that came as addresses, before the jobs wait for a worker."""

import logging
import threading
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from lipwright.errors import LipwrightError
from lipwright.service.fetch import FetchLimit, FetchLimits, download
from lipwright.service.intake import Intake
from lipwright.service.jobs import Job, JobStore
from lipwright.service.jobs.record import new_id
from lipwright.service.jobs.store import is_address
from lipwright.service.publish import discard, sync
from lipwright.service.settings import Settings

AT_ONCE = 16  # a slow address holds one of them for `fetch_seconds`
LOOK_S = 0.3

log = logging.getLogger(__name__)


class Fetcher:
    """Threads of the server that download.

    Args:
        store: the jobs.
        settings: of the service.
        intake: looks into what arrived.
    """

    def __init__(self, store: JobStore, settings: Settings, intake: Intake) -> None:
        self._store, self._settings, self._intake = store, settings, intake
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(AT_ONCE)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Break off what is under way; it begins anew at the next start."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        lease = new_id()
        while not self._stop.is_set():
            try:
                job = self._store.claim_fetch(lease)
                if job is not None:
                    self._fetch(job, lease)
                    continue
            except Exception:
                log.exception("downloads: tried again")
            self._stop.wait(LOOK_S)

    def _fetch(self, job: Job, lease: str) -> None:
        arrived: dict[str, Any] = {}
        try:
            for name in ("video", "audio"):
                url = job.request.get(name)
                if is_address(url):
                    arrived[name] = self._one(str(url), job, name)
        except LipwrightError as exc:
            if not self._stop.is_set():
                kind = "limit" if isinstance(exc, FetchLimit) else "input"
                self._store.fail(job.id, lease, str(exc), kind, "fetching")
            self._drop(arrived)
            return
        except SQLAlchemyError:  # the job is this lease's as before, and begins anew
            self._drop(arrived)
            raise
        except BaseException:
            self._store.fail(
                job.id, lease, "the download met an unexpected error; the log says more", "unexpected", "fetching"
            )
            self._drop(arrived)
            raise
        if not self._store.fetched(job.id, lease, job.request | arrived):
            self._drop(arrived)

    def _one(self, url: str, job: Job, name: str) -> str:
        settings = self._settings
        limits = FetchLimits(most_bytes=settings.max_upload_bytes, seconds=settings.fetch_seconds)

        def cancelled() -> bool:
            return self._stop.is_set() or self._store.get(job.id).state != "fetching"

        path = download(
            url,
            settings.data_dir / "uploads",
            limits=limits,
            allow_private=settings.allow_private_urls,
            cancelled=cancelled,
        )
        try:
            self._intake.check(path, name)
            sync(path)
        except BaseException:
            discard(path)
            raise
        return path.relative_to(settings.data_dir).as_posix()

    def _drop(self, arrived: dict[str, Any]) -> None:
        for place in arrived.values():
            discard(self._settings.data_dir / place)
