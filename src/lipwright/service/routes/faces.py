"""Who is in an uploaded video or photo, for those who choose on a picture."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from lipwright.service.look import faces_told
from lipwright.service.paths import confined
from lipwright.service.routes.common import Service, problems

router = APIRouter(prefix="/v1", tags=["files"], responses=problems(401, 422))


class FacesRequest(BaseModel):
    """Footage to look at."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=4096, description="As POST /v1/files gives it.")


class FaceView(BaseModel):
    """One face."""

    person: str = Field(description="Give it as the option `person` of a job.")
    box: tuple[int, int, int, int] = Field(description="x, y, width and height, pixels of the picture.")


class FacesView(BaseModel):
    """A real frame and the faces on it, from left to right."""

    picture: str = Field(description="The frame, a JPEG as a data URL.")
    width: int
    height: int
    faces: list[FaceView]


@router.post("/faces")
async def look(asked: FacesRequest, service: Service) -> FacesView:
    """Look at some frames of a video or photo, and show the one with the most faces."""
    path = confined(service.settings.data_dir, asked.path)
    seen = await service.at_length(service.sniffer.run, faces_told, path)
    return FacesView.model_validate(seen)
