"""Jobs of the service's own API."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from lipwright.service.housekeeping import remove_job
from lipwright.service.jobs import FINAL, Job, JobUnknown
from lipwright.service.jobs.store import is_address
from lipwright.service.paths import for_client
from lipwright.service.routes.common import (
    Parts,
    Service,
    asked_by,
    body_of,
    problems,
    problems_beside_events,
    read_body,
)
from lipwright.service.schemas import JobList, JobRequest, JobView
from lipwright.service.views import job_view

LOOK_S = 0.25  # between two looks at a job whose events are followed
State = Literal["fetching", "queued", "running", "done", "failed", "cancelled"]

router = APIRouter(prefix="/v1/jobs", tags=["jobs"], responses=problems(401, 404, 422))


@router.post(
    "",
    status_code=202,
    openapi_extra=body_of(JobRequest, "video", "audio"),
    responses=problems(413, 415, 429, 507),
)
async def submit(request: Request, service: Service) -> JobView:
    """Ask for a job: `video` (or `avatar`) and `audio` are uploaded files, addresses, or paths in the data folder."""
    async with read_body(request, JobRequest, "video", "audio") as asked:
        job = await service.at_length(service.intake.job, asked, request_id=asked_by())
    return await run_in_threadpool(_view, service, job)


@router.get("")
def recent(
    service: Service,
    state: Annotated[list[State], Query(description="Only these; may be given several times.")] = [],  # noqa: B006 - FastAPI copies it
    kind: Annotated[list[Literal["dub", "preview", "avatar"]], Query()] = [],  # noqa: B006
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[str | None, Query(max_length=64)] = None,
) -> JobList:
    """Jobs, newest first."""
    found = service.store.recent(states=state, kinds=kind, limit=limit + 1, before=before)
    shown, places = found[:limit], service.store.positions()
    views = [job_view(job, places.get(job.id)) for job in shown]
    return JobList(jobs=views, next=shown[-1].id if len(found) > limit else None)


@router.get("/{job_id}")
def one(job_id: str, service: Service) -> JobView:
    """A job as it stands."""
    return _view(service, service.store.get(job_id))


@router.delete(
    "/{job_id}",
    status_code=202,
    responses={204: {"description": "It had ended and is removed."}} | problems(409),
)
def stop(job_id: str, service: Service) -> JobView | None:
    """Cancel a job that has not ended (202); remove one that has, with its result (204)."""
    job = service.store.get(job_id)
    if job.state in FINAL:
        if remove_job(service.store, service.settings, job):
            return Response(status_code=204)  # pyright: ignore[reportReturnType] - FastAPI passes responses on
        if service.store.get(job_id).state in FINAL:  # else it was just put into the queue again
            raise HTTPException(409, f"the job belongs to the avatar {job.avatar}; DELETE /v1/avatars/{job.avatar}")
    return _view(service, service.store.cancel(job_id))


@router.post("/{job_id}/retry", status_code=202, responses=problems(409, 410))
def retry(job_id: str, service: Service) -> JobView:
    """Put a failed or cancelled job into the queue again."""
    for name in ("video", "audio"):
        source = str(service.store.get(job_id).request.get(name, ""))
        if not is_address(source) and not (service.settings.data_dir / source).exists():
            raise HTTPException(410, f"the job's {name} was removed from the data folder; ask for a new job with it")
    if not service.store.retry(job_id):
        raise HTTPException(
            409, f"the job is {service.store.get(job_id).state}; only a failed or cancelled one is retried"
        )
    return _view(service, service.store.get(job_id))


@router.get("/{job_id}/output", response_class=FileResponse, responses=problems(409, 410))
def output(
    job_id: str,
    service: Service,
    *,
    download: Annotated[bool, Query(description="Offer it to be saved.")] = False,
) -> FileResponse:
    """The result; ranges of it where the client asks for them."""
    job = service.store.get(job_id)
    if job.state != "done":
        raise HTTPException(
            409, f"the job is {job.state}; there is no result" + (f": {job.error}" if job.error else "")
        )
    path = service.settings.data_dir / job.output
    if not path.is_file():
        raise HTTPException(410, "the result was removed from the data folder; run the job again")
    footage = for_client(Path(job.request["video"]).stem, service.settings.data_dir)
    name = f"{job.request.get('name') or footage}{path.suffix}"
    return FileResponse(
        path,
        media_type=job.result["type"],
        filename=name if download else None,
        headers={"Cache-Control": "private, no-cache"},
    )


@router.get("/{job_id}/source", response_class=FileResponse, responses=problems(410))
def source(job_id: str, service: Service) -> FileResponse:
    """The footage of a job."""
    path = service.settings.data_dir / str(service.store.get(job_id).request["video"])
    if not path.is_file():
        raise HTTPException(410, "the footage was removed from the data folder, or has not arrived yet")
    return FileResponse(path, headers={"Cache-Control": "private, no-cache"})


def _known(job_id: str, service: Service) -> None:
    """Answer 404 while there can be an answer: once events are sent it is too late."""
    service.store.get(job_id)


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    dependencies=[Depends(_known)],
    responses=problems_beside_events(401, 404, 422),
)
async def events(job_id: str, service: Service) -> AsyncIterator[ServerSentEvent]:
    """Follow a job: an event `job` with its view at each change, until it has ended."""
    told = None
    while True:
        try:
            view = await run_in_threadpool(lambda: _view(service, service.store.get(job_id)))
        except JobUnknown:  # removed meanwhile
            return
        shown = view.model_dump(exclude={"seconds_left"})
        if shown != told:
            told = shown
            yield ServerSentEvent(event="job", data=view)
        if view.state in FINAL:
            return
        await asyncio.sleep(LOOK_S)


def _view(service: Parts, job: Job) -> JobView:
    return job_view(job, service.store.position(job))
