"""Stored avatars."""

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from lipwright.service.housekeeping import remove_avatar
from lipwright.service.routes.common import Service, asked_by, body_of, problems, read_body
from lipwright.service.schemas import AvatarList, AvatarRequest, AvatarView
from lipwright.service.views import avatar_view

router = APIRouter(prefix="/v1/avatars", tags=["avatars"], responses=problems(401, 404, 422))


@router.post("", status_code=202, openapi_extra=body_of(AvatarRequest, "video"), responses=problems(413, 415, 429, 507))
async def make(request: Request, service: Service) -> AvatarView:
    """Keep a person's footage and analyse it, so that jobs on it begin at once."""
    async with read_body(request, AvatarRequest, "video") as asked:
        avatar = await service.at_length(service.intake.avatar, asked, asked_by())
    return await run_in_threadpool(avatar_view, avatar, service.store)


@router.get("")
def all_of_them(service: Service) -> AvatarList:
    """Avatars, newest first."""
    return AvatarList(avatars=[avatar_view(avatar, service.store) for avatar in service.store.avatars()])


@router.get("/{avatar_id}")
def one(avatar_id: str, service: Service) -> AvatarView:
    """An avatar as it stands."""
    return avatar_view(service.store.avatar(avatar_id), service.store)


@router.get("/{avatar_id}/picture", response_class=FileResponse)
def picture(avatar_id: str, service: Service) -> FileResponse:
    """A small picture of it (JPEG), once it is ready."""
    path = service.settings.data_dir / "avatars" / service.store.avatar(avatar_id).id / "picture.jpg"
    if not path.is_file():
        raise HTTPException(404, "the avatar has no picture yet; it is being made")
    return FileResponse(path, media_type="image/jpeg")


@router.delete("/{avatar_id}", status_code=204, responses=problems(409))
def remove(avatar_id: str, service: Service) -> Response:
    """Remove an avatar with its footage and analysis; not while a job uses it."""
    if not remove_avatar(service.store, service.settings, service.store.avatar(avatar_id)):
        raise HTTPException(409, "a job that has not ended uses this avatar; wait for it or cancel it")
    return Response(status_code=204)
