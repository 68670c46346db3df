"""Removes what nobody needs any more: jobs after their time, uploads that no job uses, traces of the killed."""

import logging
import threading
import time
from pathlib import Path

from lipwright.avatar.store import AvatarStore
from lipwright.errors import LipwrightError
from lipwright.service.jobs import Avatar, Job, JobStore
from lipwright.service.logs import job_log_path
from lipwright.service.publish import discard
from lipwright.service.settings import Settings

ROUND_S = 60.0
STRAY_S = 24 * 3600.0  # a scratch file so old belongs to nobody

log = logging.getLogger(__name__)


class Housekeeper:
    """A thread of the server that cleans up from time to time.

    Args:
        store: the jobs.
        settings: of the service.
    """

    def __init__(self, store: JobStore, settings: Settings) -> None:
        self._store, self._settings = store, settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def tidy(self) -> None:
        """One round."""
        kept = time.time() - 3600 * self._settings.retention_hours
        for job in self._store.expired(kept):
            remove_job(self._store, self._settings, job)
            log.info("job %s: removed, its time is over", job.id)
        active = self._store.active()
        self._sweep("uploads", kept, {str(job.request.get(name)) for job in active for name in ("video", "audio")})
        for name in ("work", "tmp"):
            self._sweep(name, time.time() - STRAY_S, {f"{name}/{job.id}" for job in active})

    def _run(self) -> None:
        while not self._stop.wait(ROUND_S):
            try:
                self.tidy()
            except Exception:
                log.exception("cleaning up: tried again")

    def _sweep(self, folder: str, before: float, used: set[str]) -> None:
        for path in (self._settings.data_dir / folder).iterdir():
            if f"{folder}/{path.name}" not in used and _older(path, before):
                discard(path)


def remove_job(store: JobStore, settings: Settings, job: Job) -> bool:
    """Forget a job that has ended, with its result; False where it has not, or where an avatar that it made is kept.

    What lies in HeyGem's shared folder is its clients' and stays.
    """
    if not store.remove(job.id):
        return False
    discard(settings.data_dir / "results" / job.id)
    log_file = job_log_path(settings, job.id)
    for path in (log_file, log_file.with_name(f"{log_file.name}.1")):  # the second one where it was rotated
        discard(path)
    return True


def remove_avatar(store: JobStore, settings: Settings, avatar: Avatar) -> bool:
    """Forget an avatar with its footage and analysis; False where a job that has not ended uses it."""
    if not store.remove_avatar(avatar.id):
        return False
    discard(settings.data_dir / "avatars" / avatar.id)
    try:
        job = store.get(avatar.job)
        remove_job(store, settings, job)
        AvatarStore(settings.data_dir / "cache").remove(str(job.result.get("avatar_key", "")))
    except LipwrightError as exc:  # it was never analysed, or somebody removed that already
        log.debug("avatar %s: %s", avatar.id, exc)
    return True


def _older(path: Path, before: float) -> bool:
    try:
        return path.stat().st_mtime < before
    except OSError:
        return False
