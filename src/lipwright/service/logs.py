"""The service's log: JSON lines in a file per process and per job, sentences on a terminal.

Every process has a file of its own, so that none rotates a file another one writes. Third parties are heard from
`warning` on only: what they say below it holds headers and addresses. Query strings never reach a log.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from multiprocessing import current_process
from pathlib import Path

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter
from rich.console import Console
from rich.logging import RichHandler

from lipwright.errors import OptionError
from lipwright.service.context import job_id, request_id
from lipwright.service.jobs.record import Job
from lipwright.service.settings import Settings

# What a URL may give away: who signs in, and all that follows "?" or "#".
_SECRETS = re.compile(r"""(?P<begin>\bhttps?://)(?:[^\s/?#@"'\\]*@)?(?P<place>[^\s?#"'\\<>]*)(?:[?#][^\s"'\\<>]*)?""")
_OURS = ("lipwright", "uvicorn")
_NAME = "lipwright.service"  # of our handlers: others, such as a test's, are left alone

log = logging.getLogger(__name__)


def configure_logs(settings: Settings, process: str) -> None:
    """Send this process's log to its file and to the error stream, in place of where it went before.

    A terminal gets sentences; anything else that reads the stream, such as a container's log, the file's JSON lines.

    Args:
        settings: where the file lies, how large it grows, what is logged.
        process: the process's name, `server` or that of a worker, on every line and in the file's name.

    Raises:
        OptionError: the file cannot be written.
    """
    path = log_path(settings, process)
    try:
        file = _open(path, settings.log_bytes, settings.log_count)
    except OSError as exc:
        raise OptionError(f"the log {path} cannot be written: {exc.strerror}; set another log_file") from exc
    current_process().name = process
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if handler.name == _NAME]:
        root.removeHandler(old)
        old.close()
    for handler in (file, _screen()):
        handler.name = _NAME
        handler.addFilter(_mark)
        root.addHandler(handler)
    root.setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level.upper())))
    for name in _OURS:
        logging.getLogger(name).setLevel(settings.log_level.upper())
    logging.getLogger("uvicorn.access").disabled = True  # it tells query strings; ours is in `metrics.py`
    logging.raiseExceptions = False  # a full disk must not fill the screen with tracebacks


def log_path(settings: Settings, process: str) -> Path:
    """The file of a process: the configured one is the server's, the others lie beside it."""
    if settings.log_file is None:
        return settings.data_dir / "logs" / f"{process}.log"
    if process == "server":
        return settings.log_file
    return settings.log_file.with_name(f"{settings.log_file.stem}.{process}{settings.log_file.suffix}")


def job_log_path(settings: Settings, job: str) -> Path:
    """The file in which all that happened to a job is kept."""
    return settings.data_dir / "logs" / "jobs" / f"{job}.log"


@contextmanager
def job_log(settings: Settings, job: Job) -> Iterator[None]:
    """Mark what is logged in this context as the job's and its request's, and write it into the job's own file, too.

    A job tried again finds its earlier lines there. Where the file cannot be written, the job goes on without one.
    """
    path = job_log_path(settings, job.id)
    try:
        file = _open(path, settings.log_bytes, count=1)
    except OSError as exc:
        file = logging.NullHandler()
        log.warning("the job's log %s cannot be written: %s", path.name, exc.strerror)
    file.addFilter(lambda _record: job_id.get() == job.id)
    file.addFilter(_mark)
    logging.getLogger().addHandler(file)
    tokens = job_id.set(job.id), request_id.set(job.request_id)
    try:
        yield
    finally:
        job_id.reset(tokens[0])
        request_id.reset(tokens[1])
        logging.getLogger().removeHandler(file)
        file.close()


def without_secrets(text: str) -> str:
    """The text with the user name, password, query and fragment of every web address left out."""
    return _SECRETS.sub(r"\g<begin>\g<place>", text)


def _open(path: Path, most: int, count: int) -> logging.Handler:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = RotatingFileHandler(path, maxBytes=most, backupCount=count, encoding="utf-8", errors="backslashreplace")
    file.setFormatter(_Lines())
    return file


def _screen() -> logging.Handler:
    console = Console(stderr=True)
    if not console.is_terminal:
        stream = logging.StreamHandler()
        stream.setFormatter(_Lines())
        return stream
    screen = RichHandler(console=console, show_path=False)
    screen.setFormatter(_Sentences("%(message)s"))
    return screen


def _mark(record: logging.LogRecord) -> bool:
    """Add what is being worked on. Returns True: a filter says what is kept."""
    for name, value in (("request_id", request_id.get()), ("job", job_id.get())):
        if value and not hasattr(record, name):
            setattr(record, name, value)
    return True


class _Lines(JsonFormatter):
    """One JSON object a line: time, level, logger, process, message, request and job, an error's traceback."""

    def __init__(self) -> None:
        super().__init__(
            ["levelname", "name", "processName", "message"],
            rename_fields={"levelname": "level", "name": "logger", "processName": "process"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
            timestamp="time",
            json_ensure_ascii=False,
        )

    def format(self, record: logging.LogRecord) -> str:
        """Without what a web address may give away."""
        return without_secrets(super().format(record))


class _Sentences(logging.Formatter):
    """What a person reads on a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Without what a web address may give away."""
        return without_secrets(super().format(record))
