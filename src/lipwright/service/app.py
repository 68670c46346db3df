"""The application: its parts, its routes, and how errors look."""

import errno
import logging
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from filelock import FileLock, Timeout
from pydantic import ValidationError
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lipwright import __version__
from lipwright.compose.caption import Caption
from lipwright.errors import BackendError, InputError, LipwrightError, MediaError, OptionError, OutputError
from lipwright.provenance.certificates import FOLDER_VARIABLE, open_signer
from lipwright.provenance.statement import check_signer
from lipwright.service.context import request_id
from lipwright.service.fetcher import Fetcher
from lipwright.service.generations import generation, generation_problem
from lipwright.service.guard import Access, protect
from lipwright.service.housekeeping import Housekeeper
from lipwright.service.intake import Intake, NoSpace, NotReady
from lipwright.service.jobs import CodeInUse, Job, JobStore, JobUnknown, QueueFull
from lipwright.service.keys import KeyRing
from lipwright.service.metrics import Metrics, RequestWatch
from lipwright.service.paths import for_client
from lipwright.service.routes import avatars, easy, faces, files, jobs, metrics, ops, page, v2, verify
from lipwright.service.routes.common import Parts
from lipwright.service.settings import Settings
from lipwright.service.sniff import Sniffer
from lipwright.service.supervisor import Supervisor
from lipwright.service.views import job_view
from lipwright.service.webhooks import WebhookSender

RETRY_AFTER_S = "10"
KEYED = (files.router, faces.router, verify.router, jobs.router, avatars.router, v2.router, metrics.router)
OPEN = (v2.links, ops.router, page.router)
# The first row that fits counts.
STATUS: tuple[tuple[type[LipwrightError], int], ...] = (
    (JobUnknown, 404),
    (CodeInUse, 409),
    (QueueFull, 429),
    (NoSpace, 507),
    (NotReady, 422),
    (MediaError, 415),
    (InputError, 422),
    (OutputError, 507),
    (BackendError, 503),
)

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application. Workers live while its lifespan lasts.

    Raises:
        OptionError: the database cannot be opened, the secret for webhooks is none, the certificate cannot sign, or no
            font has the label's letters.
        OutputError: the data folder cannot be used.
    """
    settings = settings.prepared()
    tempfile.tempdir = str(settings.data_dir / "tmp")  # uploads on their way lie there, and count
    # MediaPipe loads Matplotlib, which lists the fonts it finds in the user's folders; this is for children, too.
    os.environ.setdefault("MPLCONFIGDIR", str(settings.data_dir / "cache" / "matplotlib"))
    # The certificate that signs results where no other is named; workers ask for it.
    os.environ.setdefault(FOLDER_VARIABLE, str(settings.data_dir / "signing"))
    # Else glibc's malloc keeps a heap for each short-lived thread of a decoder: a worker grows by half in an hour.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    _check_marks(settings)
    store = JobStore(settings.database)
    sniffer = Sniffer(most_seconds=settings.max_seconds)
    intake = Intake(settings, store, sniffer)
    parts = Parts(settings, store, intake, sniffer, Supervisor(store, settings))
    # FastAPI's own page of documentation would have browsers load its parts from elsewhere.
    app = FastAPIOffline(redoc_url=None, title="Lipwright", version=__version__, lifespan=_lifespan)
    app.state.parts = parts
    app.state.helpers = [
        parts.supervisor,
        Fetcher(store, settings, intake),
        Housekeeper(store, settings),
        _webhooks(parts),
    ]
    app.state.metrics = Metrics(store, parts.supervisor, settings.data_dir, intake.usage)
    access = Access(KeyRing(store.database.engine), loopback=settings.loopback, easy_remote=settings.easy_remote)
    for router in KEYED:
        app.include_router(router, dependencies=access.keyed)
    app.include_router(easy.router, dependencies=access.local)
    for router in OPEN:
        app.include_router(router)
    protect(app, settings, access)
    app.add_middleware(RequestWatch, metrics=app.state.metrics)
    app.add_exception_handler(LipwrightError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(SQLAlchemyError, _database)
    app.add_exception_handler(OSError, _system)
    app.add_exception_handler(Exception, _unexpected)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    parts: Parts = app.state.parts
    helpers = app.state.helpers
    await run_in_threadpool(parts.store.database.hold)
    parts.sniffer.start()
    for helper in helpers:
        await run_in_threadpool(helper.start)
    try:
        yield
    finally:
        for helper in reversed(helpers):
            await run_in_threadpool(helper.stop)
        parts.sniffer.close()
        parts.store.close()


def _check_marks(settings: Settings) -> None:
    """Refuse at the start what would fail every job."""
    if settings.certificate is not None:
        check_signer(open_signer(settings.certificate, settings.private_key))
    if settings.label != "off" or settings.label_text or settings.label_font:
        text, language, font = settings.label_text, settings.label_language, settings.label_font
        Caption(1920, 1080, text=text, language=language, size=settings.label_size, font=font)


def _webhooks(parts: Parts) -> WebhookSender:
    """Tells of jobs in the shape of the API they came by."""
    settings = parts.settings

    def body(job: Job) -> dict[str, Any]:
        view = generation(job, settings) if job.api == "v2" else job_view(job)
        return view.model_dump(mode="json")

    assert settings.webhook_secret is not None  # noqa: S101 - `prepared` sees to it
    secret = settings.webhook_secret.get_secret_value()
    return WebhookSender(parts.store, body, secret=secret, allow_private=settings.allow_private_urls)


def only_one(settings: Settings) -> FileLock:
    """Hold the data folder for this server; the system lets go of it however the process ends.

    Raises:
        OptionError: another server has it.
    """
    lock = FileLock(settings.data_dir / "server.lock", blocking=False)
    try:
        lock.acquire()
    except Timeout as exc:
        raise OptionError(
            f"another lipwright server uses {settings.data_dir}; stop it, or name another folder with --data-dir"
        ) from exc
    return lock


def problem(
    request: Request, status: int, error: str, kind: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An answer that says why there is no other, in the words of the API that was asked."""
    if request.url.path.startswith("/v2/"):
        status, told = generation_problem(status, error, request_id.get())
        return JSONResponse(told, status_code=status, headers=headers)
    told = {"error": error, "kind": kind, "request_id": request_id.get()}
    return JSONResponse(told, status_code=status, headers=headers)


async def _ours(request: Request, exc: Exception) -> JSONResponse:
    status = next((code for kind, code in STATUS if isinstance(exc, kind)), 500)
    settings: Settings = request.app.state.parts.settings
    sentence = for_client(str(exc), settings.data_dir)
    headers = {"Retry-After": RETRY_AFTER_S} if status in (429, 503) else None
    return problem(request, status, sentence, type(exc).__name__, headers)


async def _invalid(request: Request, exc: Any) -> JSONResponse:  # noqa: ANN401 - what it is registered for
    told = "; ".join(f"{'.'.join(map(str, error['loc'])) or 'body'}: {error['msg']}" for error in exc.errors())
    return problem(request, 422, told, "invalid")


async def _plain(request: Request, exc: Any) -> JSONResponse:  # noqa: ANN401 - what it is registered for
    return problem(request, exc.status_code, str(exc.detail), "http", dict(exc.headers or {}))


async def _database(request: Request, exc: Exception) -> JSONResponse:
    if isinstance(exc, DataError):  # PostgreSQL has texts without the character 0, SQLite takes them all
        return problem(request, 422, "the request holds characters that cannot be stored; leave them out", "invalid")
    log.error("%s %s: the database fails", request.method, request.url.path, exc_info=exc)
    sentence = "the database does not answer; the server's log says more; try again later"
    return problem(request, 503, sentence, "database", {"Retry-After": RETRY_AFTER_S})


async def _system(request: Request, exc: Any) -> JSONResponse:  # noqa: ANN401 - what it is registered for
    if exc.errno in (errno.ENOSPC, errno.EDQUOT):  # while an upload came in
        return problem(request, 507, "the disk is full; delete jobs, or free space", "NoSpace")
    return await _unexpected(request, exc)


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=exc)
    return problem(request, 500, f"unexpected {type(exc).__name__}; the server's log says more", "unexpected")
