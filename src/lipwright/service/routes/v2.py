"""The API of hosted lip-sync services, for clients that are written for one: `POST /v2/generate` and what follows."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse

from lipwright.errors import OptionError
from lipwright.service.generations import (
    STATUSES,
    Generation,
    GenerationProblem,
    GenerationRequest,
    generation,
    job_request,
    opens,
)
from lipwright.service.jobs import Job, JobUnknown
from lipwright.service.routes.common import Parts, Service, asked_by
from lipwright.service.routes.jobs import output as job_output

API = "v2"  # whose jobs these are
MOST_LISTED = 100


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Answers that tell a `GenerationProblem`, for the OpenAPI document."""
    return {code: {"model": GenerationProblem} for code in (400, 403, 404, *codes)}


router = APIRouter(prefix="/v2", tags=["generations"], responses=problems(401))
links = APIRouter(prefix="/v2", tags=["generations"], responses=problems(409, 410))  # opened by a token, not a key


@router.post("/generate", status_code=201, responses=problems(413, 429, 507))
async def generate(asked: GenerationRequest, request: Request, service: Service) -> Generation:
    """Ask for a generation. A `url` may also be a path in the data folder, as `POST /v1/files` gives it."""
    wanted, notes = job_request(asked, service.settings)
    kept = asked.model_dump(include={"model", "input", "options", "outputFileName"}, exclude_none=True)
    kept["base"] = str(request.base_url)
    job = await service.at_length(service.intake.job, wanted, API, asked_by(), generation=kept, notes=notes)
    return generation(job, service.settings)


@router.get("/generate/{generation_id}")
def one(generation_id: str, service: Service) -> Generation:
    """A generation as it stands."""
    return generation(_job(generation_id, service), service.settings)


@router.get("/generations")
def recent(
    service: Service,
    status: Annotated[list[str], Query(description="Only these, one or several, separated by commas.")] = [],  # noqa: B006 - FastAPI copies it
    ids: Annotated[list[str], Query(description="Only these, as with `status`.")] = [],  # noqa: B006
) -> list[Generation]:
    """The latest hundred generations, newest first."""
    words, wanted = _words(status), _words(ids)
    known = sorted(set(STATUSES.values()) | {"REJECTED"})
    if unknown := [word for word in words if word not in known]:
        raise OptionError(f"status {unknown[0]!r} is unknown; use {', '.join(known)}")
    states = [state for state, word in STATUSES.items() if word in words]
    if words and not states:
        return []
    found = service.store.recent(states=states, ids=wanted, apis=[API], limit=MOST_LISTED)
    return [generation(job, service.settings) for job in found]


@links.get("/generate/{generation_id}/output", response_class=FileResponse)
def output(
    generation_id: str, service: Service, token: Annotated[str, Query(description="As `outputUrl` has it.")] = ""
) -> FileResponse:
    """The result; ranges of it where the client asks for them."""
    if not opens(token, generation_id, service.settings):
        raise HTTPException(403, "this address is not the generation's outputUrl; take it from GET /v2/generate/{id}")
    return job_output(_job(generation_id, service).id, service)


def _job(generation_id: str, service: Parts) -> Job:
    found = service.store.recent(ids=[generation_id], apis=[API])
    if not found:
        raise JobUnknown(f"there is no generation {generation_id!r}; GET /v2/generations lists them")
    return found[0]


def _words(given: list[str]) -> list[str]:
    return [word.strip() for part in given for word in part.split(",") if word.strip()]
