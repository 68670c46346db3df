"""Jobs in the words that clients of hosted lip-sync services write: generations.

A model is an engine of ours by name; the names of other services' models mean the setting `easy_engine`, as these
clients cannot choose. `sync_mode` is our length mode of the same name. What has no meaning here is told in `notes`;
what would give another result than was asked for is refused.
"""

import hashlib
import hmac
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from lipwright.errors import OptionError
from lipwright.models.store import ModelStore
from lipwright.pipeline.engines import ENGINES
from lipwright.service.jobs import Job
from lipwright.service.schemas import JobRequest
from lipwright.service.settings import Settings

Status = Literal["PENDING", "PROCESSING", "COMPLETED", "FAILED", "REJECTED", "CANCELED"]
STATUSES: dict[str, Status] = {
    "fetching": "PENDING",
    "queued": "PENDING",
    "running": "PROCESSING",
    "done": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "CANCELED",
}
FOREIGN = re.compile(r"(lipsync|sync|react)-[\w.-]+", re.ASCII)  # models of the service whose shape this is


class GenerationInput(BaseModel):
    """Footage or sound of a generation."""

    model_config = ConfigDict(extra="allow")

    type: Literal["video", "image", "audio"]
    url: str = Field(min_length=1, max_length=4096, description="An http(s) address, or a path in the data folder.")


class GenerationOptions(BaseModel):
    """Options of a generation; further ones are taken, and `notes` says that they mean nothing here."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    sync_mode: Literal["bounce", "loop", "cut_off", "silence", "remap"] | None = None
    temperature: float | None = Field(default=None, ge=0, le=1, description="How far the mouth moves: 0.5 as heard.")
    occlusion_detection_enabled: bool | None = Field(
        default=None, description="Spare what covers the mouth (mask xseg)."
    )
    active_speaker_detection: dict[str, Any] | None = Field(default=None, description="The largest face speaks.")


class GenerationRequest(BaseModel):
    """A generation: footage, sound and how to bring them together."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(min_length=1, max_length=64, description="native, heygem, or a hosted model's name.")
    input: list[GenerationInput] = Field(min_length=2, max_length=2, description="One video or image, one audio.")
    options: GenerationOptions = Field(default_factory=lambda: GenerationOptions())
    webhookUrl: Annotated[str | None, Field(max_length=2048)] = None
    outputFileName: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]{1,200}$")] = None


class Generation(BaseModel):
    """A generation as it stands."""

    id: str
    status: Status
    model: str
    input: list[dict[str, Any]]
    options: dict[str, Any]
    webhookUrl: str | None
    outputFileName: str | None
    createdAt: str
    outputUrl: str | None
    outputDuration: float | None
    error: str | None
    error_code: str | None
    notes: list[str] = Field(description="How the request and its inputs were taken, one sentence each.")


class GenerationProblem(BaseModel):
    """Why a request cannot be served."""

    statusCode: int
    error: str
    message: str
    request_id: str


def job_request(asked: GenerationRequest, settings: Settings) -> tuple[JobRequest, list[str]]:
    """The job that a generation is, and notes on how its options were taken.

    Raises:
        OptionError: it asks for something that would be left out silently otherwise.
    """
    video = [part for part in asked.input if part.type in ("video", "image")]
    audio = [part for part in asked.input if part.type == "audio"]
    if (len(video), len(audio)) != (1, 1):
        raise OptionError("input: give one video or image and one audio")
    if (asked.model_extra or {}).get("segments") or any(_cut(part) for part in asked.input):
        raise OptionError("segments are not known here; cut the footage and ask for each part by itself")
    options, notes = _options(asked, settings)
    fields = {"video": video[0].url, "audio": audio[0].url, "options": options}
    job = JobRequest.model_validate(fields | {"webhook": asked.webhookUrl, "name": asked.outputFileName})
    return job, notes


def generation(job: Job, settings: Settings) -> Generation:
    """A job of this shape, for its client or its webhook."""
    asked = job.request["generation"]
    done = job.state == "done"
    created = datetime.fromtimestamp(job.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    link = f"{asked['base']}v2/generate/{job.id}/output?token={output_token(job.id, settings)}"
    cancelled = "the generation was cancelled" if job.state == "cancelled" else None
    return Generation(
        id=job.id,
        status=STATUSES[job.state],
        model=asked["model"],
        input=asked["input"],
        options=asked["options"],
        webhookUrl=job.webhook,
        outputFileName=asked.get("outputFileName"),
        createdAt=created,
        outputUrl=link if done else None,
        outputDuration=round(job.result["duration"], 3) if done else None,
        error=job.error or cancelled,
        error_code=job.error_kind or ("cancelled" if cancelled else None),
        notes=[*job.request["notes"], *job.result.get("notes", [])],
    )


def output_token(job: str, settings: Settings) -> str:
    """What stands in for a key in the address of a result: these clients fetch it as a plain link."""
    secret = cast(SecretStr, settings.webhook_secret).get_secret_value().encode()  # there once they are prepared
    return hmac.new(secret, f"output:{job}".encode(), hashlib.sha256).hexdigest()


def opens(token: str, job: str, settings: Settings) -> bool:
    """Whether this token is the one of the job's result."""
    return hmac.compare_digest(token.encode(), output_token(job, settings).encode())


def generation_problem(status: int, sentence: str, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body of a refusal in the words of this API, which says 400 to all that is wrong with a request."""
    status = 400 if status in (409, 415, 422) else status
    about = {"statusCode": status, "error": HTTPStatus(status).phrase}
    return status, about | {"message": sentence, "request_id": request_id}


def _cut(part: GenerationInput) -> bool:
    return any((part.model_extra or {}).get(name) for name in ("segments_secs", "segments_frames"))


def _options(asked: GenerationRequest, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    engine, notes = _engine(asked.model, settings)
    told, options = asked.options, {"engine": engine, "length": asked.options.sync_mode}
    speaker = told.active_speaker_detection or {}
    if speaker.get("coordinates") or speaker.get("bounding_boxes"):
        raise OptionError("a face is not chosen by its place here; POST /v1/jobs takes `person`, counted from the left")
    if speaker.get("auto_detect"):
        notes.append("active_speaker_detection: the largest face speaks")
    if told.temperature is not None:
        if "intensity" in ENGINES[engine].ignores:
            notes.append(f"temperature means nothing to the engine {engine}")
        else:
            options["intensity"] = 0.5 + told.temperature
    if told.occlusion_detection_enabled:
        if ModelStore(settings.models).has("xseg"):
            options["mask"] = "xseg"
        else:
            notes.append("occlusion_detection_enabled: the model xseg is not here; run `lipwright models pull xseg`")
    notes.extend(f"option {name} means nothing here" for name in sorted(told.model_extra or {}))
    return {name: value for name, value in options.items() if value is not None}, notes


def _engine(model: str, settings: Settings) -> tuple[str, list[str]]:
    if model in ENGINES:
        return model, []
    if FOREIGN.fullmatch(model):
        return settings.easy_engine, [f"model {model} is not here; the engine {settings.easy_engine} was used"]
    raise OptionError(f"model {model!r} is unknown; use one of {', '.join(sorted(ENGINES))}")
