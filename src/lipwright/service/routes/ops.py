"""For those who run the service."""

from fastapi import APIRouter, Response
from pydantic import BaseModel

from lipwright import __version__
from lipwright.errors import InputError
from lipwright.service.routes.common import Service

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """Whether the service does its work."""

    status: str
    version: str
    missing: list[str] = []


@router.get("/health")
def health() -> Health:
    """Whether the process lives."""
    return Health(status="ok", version=__version__)


@router.get("/ready", responses={503: {"model": Health}})
def ready(service: Service, response: Response) -> Health:
    """Whether jobs are taken and worked on; 503 and what is missing where not."""
    missing = [f"a worker for {device}" for device in service.supervisor.missing()]
    try:
        service.store.counts()
    except Exception as exc:  # noqa: BLE001 - whatever the driver raises: the database is not there
        missing.append(f"the database ({type(exc).__name__})")
    try:
        service.intake.check_room()
    except InputError as exc:
        missing.append(str(exc))
    if missing:
        response.status_code = 503
    return Health(status="not ready" if missing else "ready", version=__version__, missing=missing)
