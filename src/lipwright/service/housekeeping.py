"""Removes what nobody needs any more: jobs after their time, uploads that no job uses, traces of the killed."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path

from lipwright.avatar.store import AvatarStore
from lipwright.errors import LipwrightError
from lipwright.service.jobs import Avatar, Job, JobStore
from lipwright.service.logs import job_log_path
from lipwright.service.publish import discard, parts_folder
from lipwright.service.settings import Settings

ROUND_S = 60.0
STRAY_S = 24 * 3600.0  # a scratch file so old belongs to nobody
STRAYS_EVERY_S = 3600.0  # between two looks for what lost its record
MOST_AVATARS = 100_000  # whose analyses are told from those of other footage

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
        self._looked = -STRAYS_EVERY_S
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
        self._store.database.hold()
        kept = time.time() - 3600 * self._settings.retention_hours
        active = self._store.active()
        inputs = {str(job.request.get(name)) for job in active for name in ("video", "audio")}
        self._sweep("uploads", kept, inputs, lambda path: f"uploads/{path.name}")
        for folder in ("work", "tmp", "cache/parts"):
            self._sweep(folder, time.time() - STRAY_S, {job.id for job in active}, lambda path: path.name)
        if time.monotonic() - self._looked >= STRAYS_EVERY_S:
            self._strays(kept)
            self._looked = time.monotonic()
        for job in self._store.expired(kept):  # last: a full disk, on which nothing can be written, has room again
            remove_job(self._store, self._settings, job)
            log.info("job %s: removed, its time is over", job.id)

    def _strays(self, kept: float) -> None:
        """Remove files that a killed server left without a record, and analyses that no job has used for long.

        Avatars' footage is kept for good, so what looks like a stray of it may be another database's.
        """
        jobs = self._store.names()
        made = self._store.recent(kinds=["avatar"], limit=MOST_AVATARS)
        keys = {str(job.result.get("avatar_key")) for job in made}
        tuned = (self._settings.data_dir / "cache" / "avatars").glob("*.tuning.json")
        keys |= {path.name.partition(".")[0] for path in tuned}  # somebody took pains over these
        for folder, known in (("results", jobs), ("logs/jobs", jobs), ("cache/avatars", keys)):
            self._sweep(folder, kept, known, lambda path: path.name.partition(".")[0])

    def _run(self) -> None:
        while not self._stop.wait(ROUND_S):
            try:
                self.tidy()
            except Exception:
                log.exception("cleaning up: tried again")

    def _sweep(self, folder: str, before: float, used: Collection[str], name: Callable[[Path], str]) -> None:
        """Remove what is older and not in use; `name` is what `used` calls a file."""
        here = self._settings.data_dir / folder
        for path in here.iterdir() if here.is_dir() else ():
            if name(path) not in used and _older(path, before):
                discard(path)


def remove_job(store: JobStore, settings: Settings, job: Job) -> bool:
    """Forget a job that has ended, with its result; False where it has not, or where an avatar that it made is kept.

    What lies in HeyGem's shared folder is its clients' and stays.
    """
    if not store.remove(job.id):
        return False
    discard(settings.data_dir / "results" / job.id)
    discard(parts_folder(settings, job.id))
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
