"""What Prometheus reads: of jobs and workers from where they are kept, of requests from a middleware.

Jobs end in worker processes, which the server knows of only through the database; so what has ended since the last
look is counted at each look.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lipwright.service.jobs import FINAL, Job, JobStore
from lipwright.service.jobs.record import KINDS
from lipwright.service.jobs.store import WAITING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from lipwright.service.supervisor import Supervisor

LATE_S = 60.0  # a job that ended earlier than this before a look has been seen by the look before
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")  # others are one row: a client makes them up
QUIET = ("/health", "/ready", "/metrics")  # asked every few seconds: logged at `debug`
LONGEST_PATH = 200  # characters of a path in the log
REQUEST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10, 30)
JOB_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200)

access = logging.getLogger("lipwright.service.access")


class Metrics:
    """All figures of one server, in a registry of their own.

    Args:
        store: the jobs.
        supervisor: of the workers.
        data_dir: folder of all the service keeps.
        usage: tells how many bytes are in it.
    """

    def __init__(self, store: JobStore, supervisor: "Supervisor", data_dir: Path, usage: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "lipwright_request_seconds",
            "Time until the answer began, by route.",
            ("method", "route", "status"),
            buckets=REQUEST_S,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        for part in (_Ended(store), _Jobs(store), _Workers(supervisor), _Folder(data_dir, usage)):
            self.registry.register(part)


class RequestWatch:
    """Middleware, the outermost: times every request and logs one line about it, without its query and headers.

    Args:
        app: what answers.
        metrics: told the times.
    """

    def __init__(self, app: "ASGIApp", metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer as the app does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        status, answered, name = 500, None, ""

        async def watched(message: "Message") -> None:
            nonlocal status, answered, name
            if message["type"] == "http.response.start":
                status, answered = message["status"], time.perf_counter() - begun
                name = dict(message.get("headers", ())).get(b"x-request-id", b"").decode("latin-1")
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            whole = time.perf_counter() - begun
            self._tell(scope, status, whole if answered is None else answered, whole, name)

    def _tell(self, scope: "Scope", status: int, answered: float, whole: float, name: str) -> None:
        method = scope["method"] if scope["method"] in METHODS else "other"
        route = getattr(scope.get("route"), "path", "none")
        self._metrics.requests.labels(method, route, str(status)).observe(answered)
        path, ms = quote(scope["path"])[:LONGEST_PATH], round(1000 * whole, 1)
        access.log(
            logging.DEBUG if scope["path"] in QUIET else logging.INFO,
            "%s %s %d, %.1f ms",
            method,
            path,
            status,
            ms,
            extra={"request_id": name, "method": method, "path": path, "status": status, "ms": ms},
        )


class _Jobs(Collector):
    """What the database holds now."""

    def __init__(self, store: JobStore) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        counts = self._store.counts()
        held = GaugeMetricFamily("lipwright_jobs", "Jobs kept, by state and kind.", labels=("state", "kind"))
        for (state, kind), number in sorted(counts.items()):
            held.add_metric((state, kind), number)
        yield held
        waiting = sum(number for (state, _), number in counts.items() if state in WAITING)
        yield GaugeMetricFamily("lipwright_queue_length", "Jobs that wait.", value=waiting)
        since = self._store.oldest_waiting()
        oldest = 0.0 if since is None else max(0.0, time.time() - since)
        yield GaugeMetricFamily("lipwright_queue_oldest_seconds", "How long the oldest of them waits.", value=oldest)


class _Ended(Collector):
    """What has ended since the server started; one that is removed between two looks is not seen."""

    def __init__(self, store: JobStore) -> None:
        self._store, self._lock = store, Lock()
        self._count = Counter(
            "lipwright_jobs_ended", "Jobs that ended since the server started.", ("state", "kind"), registry=None
        )
        self._frames = Counter("lipwright_frames", "Frames drawn in jobs that are done.", registry=None)
        self._seconds = Histogram(
            "lipwright_job_seconds", "Time from a job's start to its end.", ("kind",), buckets=JOB_S, registry=None
        )
        for kind in KINDS:  # there from the start: a rate has something to begin with
            self._seconds.labels(kind)
            for state in FINAL:
                self._count.labels(state, kind)
        self._looked = time.time()
        self._seen = set(map(_key, store.ended_since(self._looked - LATE_S)))

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            now = time.time()
            ended = self._store.ended_since(self._looked - LATE_S)
            for job in ended:
                if _key(job) not in self._seen:
                    self._add(job)
            self._looked, self._seen = now, set(map(_key, ended))
        for part in (self._count, self._frames, self._seconds):
            yield from part.collect()

    def _add(self, job: Job) -> None:
        self._count.labels(job.state, job.kind).inc()
        self._frames.inc(job.result.get("frames", 0))
        if job.started is not None and job.finished is not None:
            self._seconds.labels(job.kind).observe(job.finished - job.started)


class _Workers(Collector):
    """The worker processes."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self._supervisor = supervisor

    def collect(self) -> Iterable[Metric]:
        up = GaugeMetricFamily("lipwright_worker_up", "Whether it takes jobs.", labels=("device", "takes"))
        crashes = CounterMetricFamily("lipwright_worker_crashes", "How many have died.", labels=("device", "takes"))
        for slot in self._supervisor.slots:
            place = (slot.name, "previews" if slot.lazy else "all")
            up.add_metric(place, float(slot.ready))
            crashes.add_metric(place, slot.crashes)
        return up, crashes


class _Folder(Collector):
    """The data folder and its disk."""

    def __init__(self, folder: Path, usage: Callable[[], int]) -> None:
        self._folder, self._usage = folder, usage

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("lipwright_data_bytes", "What the data folder holds.", value=self._usage())
        free = shutil.disk_usage(self._folder).free
        yield GaugeMetricFamily("lipwright_disk_free_bytes", "Free space on its disk.", value=free)


def _key(job: Job) -> tuple[str, float | None]:
    return job.id, job.finished
