"""HeyGem's HTTP interface, which existing clients talk to: every answer is 200 and says in itself what it means."""

import json
import logging
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from lipwright.errors import InputError
from lipwright.service import easy
from lipwright.service.jobs import ACTIVE, JobUnknown, QueueFull
from lipwright.service.jobs.record import CodeInUse
from lipwright.service.paths import for_client
from lipwright.service.routes.common import Parts, Service, asked_by

SPEECH = (
    "speech is not made here: this service moves lips to a sound that is given; let the client's own speech service "
    "answer this address"
)
BODY = {
    "type": "object",
    "required": list(easy.REQUIRED),
    "properties": {
        "audio_url": {"type": "string", "description": "http(s) address, or a path in the folder temp."},
        "video_url": {"type": "string", "description": "The same for the footage."},
        "code": {"type": "string", "description": "The client's name for the job."},
        "watermark_switch": {"description": "1: the configured watermark, bottom right."},
        "digital_auth": {"description": "1: the configured label that the speech is made, top right."},
        "chaofen": {"description": "1: the face is restored once the mouth is drawn."},
        "pn": {"description": "1, or nothing: footage plays forward and backward; else again from its beginning."},
    },
}

log = logging.getLogger(__name__)
router = APIRouter(tags=["HeyGem"])


class Answer(BaseModel):
    """What every answer looks like."""

    code: int
    data: dict[str, Any]
    msg: str | int
    success: bool


class EasyResponse(JSONResponse):
    """JSON as HeyGem writes it: keys sorted, indented, beyond ASCII."""

    media_type = "application/json; charset=utf-8"

    def render(self, content: object) -> bytes:
        """The body."""
        return json.dumps(content, sort_keys=True, indent=4, ensure_ascii=False).encode()


def answer(code: int, msg: str | int, data: dict[str, Any] | None = None, *, success: bool = True) -> EasyResponse:
    """An answer in the envelope all of them come in."""
    return EasyResponse({"code": code, "data": data or {}, "msg": msg, "success": success})


async def raw_body(request: Request) -> bytes:
    """The body, whatever the client calls its type: some call it nothing."""
    return await request.body()


@router.post(
    "/easy/submit",
    response_model=Answer,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": BODY}}}},
)
async def submit(service: Service, body: Annotated[bytes, Depends(raw_body)]) -> EasyResponse:
    """Ask for a job; it waits until its turn comes.

    The same request under the same code may be sent again. The code of a job that has ended may be used again.
    """
    return await service.at_length(_submitted, service, body)


def _submitted(service: Parts, body: bytes) -> EasyResponse:
    try:
        asked = easy.read_submitted(body)
        _accept(service, asked)
    except easy.NoJob as exc:
        return answer(easy.INCOMPLETE, _sentence(exc, service), success=False)
    except QueueFull:
        return answer(easy.BUSY, "忙碌中")
    except CodeInUse as exc:
        return answer(easy.DUPLICATE, str(exc), success=False)
    except InputError as exc:  # no JSON, no space
        return answer(easy.UNEXPECTED, f"系统异常: {_sentence(exc, service)}", success=False)
    except Exception:
        log.exception("easy: a request was not understood")
        return answer(easy.UNEXPECTED, "系统异常", success=False)
    return answer(easy.ACCEPTED, easy.ACCEPTED)


def _sentence(exc: InputError, service: Parts) -> str:
    """An error without the folders of this machine."""
    return for_client(str(exc), service.settings.data_dir)


def _accept(service: Parts, asked: easy.Submitted) -> None:
    if _under_way(service, asked):
        return
    job = easy.job_of(asked, service.settings, service.intake.check, asked_by())
    try:
        service.intake.add(job)
    except CodeInUse:  # sent twice at the same moment
        if not _under_way(service, asked):
            raise
        return
    for note in job.request["notes"]:
        log.warning("job %s: %s", job.id, note)


def _under_way(service: Parts, asked: easy.Submitted) -> bool:
    """Whether a job of this very request has not ended; a client that heard no answer asks again."""
    try:
        job = service.store.by_code(asked.code)
    except JobUnknown:
        return False
    if job.state in ACTIVE and not easy.same_request(job, asked):
        raise CodeInUse(f"another job with the code {asked.code!r} is under way; wait for it or choose another code")
    return job.state in ACTIVE


@router.get("/easy/query", response_model=Answer)
def query(service: Service, code: Annotated[str, Query(description="Of the job.")] = "") -> EasyResponse:
    """Where a job is, or what became of it; as often as asked."""
    code = code.strip()
    if not code:
        return answer(easy.INCOMPLETE, "code参数缺失", success=False)
    if not easy.is_code(code):  # a database need not be asked, and might not like its characters
        return answer(easy.UNKNOWN, "任务不存在")
    try:
        return answer(easy.ACCEPTED, "", easy.told(service.store.by_code(code)))
    except JobUnknown:
        return answer(easy.UNKNOWN, "任务不存在")
    except Exception:
        log.exception("easy: a job could not be told")
        return answer(easy.UNEXPECTED, "系统异常", success=False)


@router.post("/v1/preprocess_and_tran", include_in_schema=False, status_code=501)
@router.post("/v1/invoke", include_in_schema=False, status_code=501)
def speech() -> JSONResponse:
    """The desktop client's calls to its speech service, which is another program on another port."""
    return JSONResponse({"code": -1, "msg": SPEECH, "error": SPEECH, "kind": "unsupported"}, 501)
