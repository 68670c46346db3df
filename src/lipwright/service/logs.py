"""Where the service's processes write what they do."""

from collections.abc import Iterator
from contextlib import contextmanager

from lipwright.service.jobs import Job
from lipwright.service.settings import Settings


def configure_logs(settings: Settings, process: str) -> None:
    """Set up a process's log."""
    del settings, process


@contextmanager
def job_log(settings: Settings, job: Job) -> Iterator[None]:
    """Also write what happens inside into the job's own log."""
    del settings, job
    yield
