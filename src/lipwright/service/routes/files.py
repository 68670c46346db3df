"""Uploads, which jobs then name."""

from typing import Annotated

from fastapi import APIRouter, File, UploadFile

from lipwright.service.routes.common import Service, problems
from lipwright.service.schemas import FileView

router = APIRouter(prefix="/v1", tags=["files"], responses=problems(401, 413, 415, 422, 507))


@router.post("/files", status_code=201)
async def upload(
    file: Annotated[UploadFile, File(description="A video, photo or sound.")], service: Service
) -> FileView:
    """Upload a file. It is looked into, and kept for as long as the service is set to."""
    path, facts = await service.at_length(service.intake.keep_file, file.file, file.filename or "")
    return FileView(path=path, bytes=(service.settings.data_dir / path).stat().st_size, **facts)
