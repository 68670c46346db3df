"""What HeyGem's clients say and hear: their requests as jobs, and jobs in their words."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lipwright.errors import InputError
from lipwright.models.store import ModelStore
from lipwright.service.fetch import check_url
from lipwright.service.jobs import Job
from lipwright.service.jobs.store import is_address
from lipwright.service.paths import confined, shown
from lipwright.service.settings import Settings

ACCEPTED, BUSY, INCOMPLETE, UNKNOWN, DUPLICATE, UNEXPECTED = 10000, 10001, 10002, 10004, 10005, 9999
RUNNING, DONE, FAILED = 1, 2, 3
CONTAINER = "/code/data"  # what the data folder is called in the published containers
TEMP = "temp"
REQUIRED = ("audio_url", "video_url", "code")
OVERLAYS = {"watermark_switch": "watermark", "digital_auth": "digital_auth"}  # field of a request, picture

_CODE = re.compile(r"[\w@+-][\w .@+-]{0,99}")
_LONGEST_CODE = 200  # bytes; file systems take 255, endings included


class NoRequest(InputError):
    """A body that holds no request."""


class NoJob(InputError):
    """A request that no job can be made of; the message is for the client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """A request for a job.

    Args:
        audio_url, video_url: http(s) addresses, or paths: relative ones start in the folder temp.
        code: the client's name for the job.
        watermark_switch, digital_auth: whether the configured pictures are laid over the result.
        chaofen: whether the face is restored once the mouth is drawn.
        pn: whether footage that is too short plays backward and forward, instead of from its beginning again.
    """

    audio_url: str
    video_url: str
    code: str
    watermark_switch: bool
    digital_auth: bool
    chaofen: bool
    pn: bool


def read_submitted(body: bytes) -> Submitted:
    """Read a request's body; a client may call its content what it likes.

    Raises:
        NoRequest: it is no JSON object.
        NoJob: a field is missing or cannot be used.
    """
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise NoRequest("the body is no JSON") from exc
    if not isinstance(asked, dict):
        raise NoRequest("the body is JSON, but no object of fields and values")
    texts = {name: _text(asked.get(name)) for name in REQUIRED}
    for name, text in texts.items():
        if not text:
            raise NoJob(f"{name}参数缺失")
    code = texts["code"]
    if not is_code(code):
        raise NoJob(
            f"code {shown(code)} cannot be part of a file's name; use up to 100 letters, digits, spaces and . _ - @ +, "
            "the first no dot, the last neither dot nor space"
        )
    return Submitted(
        **texts,
        watermark_switch=_flag(asked.get("watermark_switch"), default=False),
        digital_auth=_flag(asked.get("digital_auth"), default=False),
        chaofen=_flag(asked.get("chaofen"), default=False),
        pn=_flag(asked.get("pn"), default=True),
    )


def is_code(text: str) -> bool:
    """Whether a job may be called so: its result's file is."""
    return bool(_CODE.fullmatch(text)) and not text.endswith((" ", ".")) and len(text.encode()) <= _LONGEST_CODE


def _text(value: object) -> str:
    """A field's text; scripts send numbers as codes."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _flag(value: object, *, default: bool) -> bool:
    """Only what reads "1" is on; nothing at all is the default."""
    return default if value is None or value == "" else str(value) == "1"


def job_of(asked: Submitted, settings: Settings, check: Callable[[Path, str], object], request_id: str = "") -> Job:
    """The job that a request asks for. What the service cannot give is left out, and said in the job's notes.

    Args:
        asked: the request.
        settings: of the service.
        check: looks into an input that is here, and is to be `video` or `audio`; raises `InputError` where it cannot.
        request_id: of the HTTP request.

    Raises:
        NoJob: an input is not there, cannot be used, or would be replaced by the result.
    """
    place = f"{TEMP}/{asked.code}-r.mp4"
    inputs = {}
    for name in ("video", "audio"):
        try:
            inputs[name] = _input(asked, name, place, settings, check)
        except InputError as exc:
            raise NoJob(f"{name}_url: {exc}") from exc
    options, notes = _options(asked, settings)
    overlays = [name for field, name in OVERLAYS.items() if getattr(asked, field)]
    for name in [name for name in overlays if not getattr(settings, f"{name}_path")]:
        overlays.remove(name)
        notes.append(f"{name}: no picture is laid over the result; name one with the setting {name}_path")
    about = {"options": options, "overlays": overlays, "place": place, "notes": notes, "asked": asdict(asked)}
    request = inputs | about
    state = "fetching" if any(is_address(path) for path in inputs.values()) else "queued"
    return Job(api="easy", code=asked.code, state=state, request=request, request_id=request_id)


def _options(asked: Submitted, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Options of the job, and what of the request they leave out."""
    options: dict[str, Any] = {"engine": settings.easy_engine, "length": "bounce" if asked.pn else "loop"}
    if not asked.chaofen:
        return options, []
    if not ModelStore(settings.models).has("gfpgan"):
        return options, ["chaofen: the face is not restored; run `lipwright models pull gfpgan` first"]
    # Asked for by name: however sharp the face is.
    return options | {"restore": 1.0, "restore_when": "after", "blur_threshold": 0.0}, []


def _input(asked: Submitted, name: str, place: str, settings: Settings, check: Callable[[Path, str], object]) -> str:
    """An input as a job has it: an address, or a path relative to the data folder."""
    text = asked.video_url if name == "video" else asked.audio_url
    if is_address(text):
        check_url(text)
        return text
    path = confined(settings.data_dir, text, base=settings.data_dir / TEMP, mapped=CONTAINER)
    inside = path.relative_to(settings.data_dir.resolve()).as_posix()
    if inside == place:
        raise InputError(f"{shown(text)} would be replaced by the result; choose another code")
    check(path, name)
    return inside


def same_request(job: Job, asked: Submitted) -> bool:
    """Whether a job came of this very request."""
    return job.request.get("asked") == asdict(asked)


def told(job: Job) -> dict[str, Any]:
    """A job in the words of a HeyGem client."""
    status, progress, message = _state(job)
    about: dict[str, Any] = {"code": job.code, "status": status, "progress": progress, "result": "", "msg": message}
    if status == DONE:
        about |= {
            "result": f"/{Path(job.output).name}",
            "cost": round((job.finished or 0) - (job.started or 0), 2),
            "video_duration": round(1000 * job.result["duration"]),
            "width": job.result["width"],
            "height": job.result["height"],
        }
    return about


def _state(job: Job) -> tuple[int, int, str]:
    """Status, per cent and message."""
    if job.state == "done":
        return DONE, 100, "任务完成"
    if job.state == "failed":
        return FAILED, 0, job.error
    if job.state == "cancelled":
        return FAILED, 0, "任务已取消"
    if job.state == "fetching":
        return RUNNING, 0, ""
    share = min(1.0, job.done / job.total) if job.total else 0.0
    if job.stage != "render":  # footage that is looked at fills what lies between two of HeyGem's steps
        return RUNNING, 10 + int(10 * share), "文件下载完成"
    if share < 1:
        return RUNNING, 20 + int(70 * share), "音频特征提取完成"
    return RUNNING, 90, "视频处理完成"
