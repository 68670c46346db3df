"""A free detector: what a file says of its origin, and whether it holds. Nothing of it is kept."""

from fastapi import APIRouter, Request

from lipwright.service.paths import confined, for_client
from lipwright.service.routes.common import Service, body_of, problems, read_body
from lipwright.service.schemas import VerdictView, VerifyRequest
from lipwright.service.verified import verdict_told

router = APIRouter(prefix="/v1", tags=["files"], responses=problems(401, 413, 415, 422, 507))


@router.post("/verify", openapi_extra=body_of(VerifyRequest, "file"))
async def check(request: Request, service: Service) -> VerdictView:
    """Check a file, of this tool or another: an upload, which is removed afterwards, or a path in the data folder."""
    async with read_body(request, VerifyRequest, "file", briefly=True) as asked:
        root = service.settings.data_dir
        path = confined(root, asked.file)
        told = await service.at_length(service.sniffer.run, verdict_told, path, for_client(path.name, root))
    return VerdictView.model_validate(told)
