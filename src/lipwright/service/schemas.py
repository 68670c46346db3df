"""What requests and answers look like on the wire."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(max_length=200, pattern="^[^\\x00]*$", description="What people call it.")]
Source = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4096,
        description="An http(s) address, or a path in the data folder as POST /v1/files gives.",
    ),
]
Engine = Literal["native", "heygem"]
Person = Annotated[
    str,
    Field(
        pattern=r"^(largest|center|left|right|[1-9][0-9]?)$",
        description="Which face: largest, center, left, right, or a number from the left.",
    ),
]


class JobOptions(BaseModel):
    """Options of a job; what is left out has the service's default."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    engine: Engine | None = None
    length: Literal["bounce", "loop", "cut_off", "silence", "remap"] | None = None
    person: Person | None = None
    intensity: float | None = Field(None, ge=0, le=2, description="How far the mouth moves from rest; 1 as heard.")
    still: bool | None = Field(None, description="Leave a photo's head and eyes as they are.")
    mask: Literal["landmark", "parse", "xseg"] | None = None
    restore: float | None = Field(None, ge=0, le=1)
    restore_when: Literal["before", "after"] | None = None
    blur_threshold: float | None = Field(None, ge=0, le=1)
    batch_size: int | None = Field(None, ge=1, le=64)
    marks: bool | None = Field(None, description="Say in the result what made it; false only where the service allows.")
    consent_note: str | None = Field(None, max_length=1000, description="What the shown person agreed to; is signed.")
    label: Literal["off", "start", "always"] | None = Field(None, description="Visible text that says it is made.")
    label_text: str | None = Field(None, max_length=200)
    label_language: str | None = Field(None, max_length=35, description="Of its sentence: en, zh, zh-Hant …")
    label_corner: Literal["top-left", "top-right", "bottom-left", "bottom-right"] | None = None
    fps: str | None = Field(None, max_length=20, description="Frames per second such as 25, 29.97 or 30000/1001.")
    codec: Literal["h264", "hevc", "vp9"] | None = None
    crf: int | None = Field(None, ge=0, le=63)
    preset: str | None = Field(None, max_length=20)


class JobRequest(BaseModel):
    """A job: somebody's footage (`video` or `avatar`) and what they shall say (`audio`)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["dub", "preview"] = "dub"
    video: Source | None = None
    avatar: str | None = Field(None, max_length=64, description="Name of a stored avatar, in place of `video`.")
    audio: Source
    options: JobOptions = JobOptions()  # pyright: ignore[reportCallIssue] - all fields have defaults
    seconds: float | None = Field(None, gt=0, le=3600, description="How much of the result a preview looks at.")
    webhook: str | None = Field(None, max_length=2048, description="http(s) address that is told when the job ends.")
    name: Name | None = None


class AvatarRequest(BaseModel):
    """Footage of a person that is to be kept and analysed."""

    model_config = ConfigDict(extra="forbid")

    video: Source
    name: Name = ""
    engine: Engine = "native"
    person: Person = "largest"


class JobView(BaseModel):
    """A job as it stands."""

    id: str
    kind: str
    state: Literal["fetching", "queued", "running", "done", "failed", "cancelled"]
    stage: str = Field(description="fetch, analyse or render.")
    done: int
    total: int | None
    progress: float = Field(description="Per cent of the whole.")
    seconds_left: float | None
    position: int | None = Field(description="How many jobs come before it while it waits.")
    error: str
    error_kind: str
    result: dict[str, Any]
    output_url: str | None
    source_url: str | None
    name: str
    avatar: str | None
    request: dict[str, Any]
    created: float
    started: float | None
    finished: float | None


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobView]
    next: str | None = Field(description="Give it as `before` for the jobs that follow.")


class AvatarView(BaseModel):
    """A stored avatar."""

    id: str
    name: str
    engine: str
    person: str
    state: Literal["building", "ready", "failed"]
    error: str
    job: str
    width: int | None
    height: int | None
    frames: int | None
    duration: float | None
    created: float
    picture_url: str | None


class AvatarList(BaseModel):
    """Avatars, newest first."""

    avatars: list[AvatarView]


class FileView(BaseModel):
    """An uploaded file."""

    path: str = Field(description="Give it as `video` or `audio` of a job.")
    bytes: int
    kind: Literal["video", "photo", "sound"]
    width: int | None = None
    height: int | None = None
    fps: str | None = None
    frames: int | None = None
    duration: float | None = None
    has_sound: bool | None = None


class VerifyRequest(BaseModel):
    """A file to be checked."""

    model_config = ConfigDict(extra="forbid")

    file: str = Field(min_length=1, max_length=4096, description="A path in the data folder.")


class CheckedFile(BaseModel):
    """The file that was checked."""

    name: str
    bytes: int
    kind: Literal["video", "photo", "sound", "other"]


class FindingView(BaseModel):
    """One sentence on a file's origin."""

    code: str = Field(description="Always the same for the same sentence.")
    text: str = Field(description="The sentence, in English.")
    about: dict[str, str] = Field(description="What the sentence names; a stranger's text, to be shown as such.")


class LayerView(BaseModel):
    """What was found in one place."""

    name: Literal["statement", "mark", "records"]
    state: Literal["holds", "found", "changed", "absent", "unknown"]
    findings: list[FindingView]


class VerdictView(BaseModel):
    """What a file says of its origin, and whether it holds."""

    file: CheckedFile
    conclusion: Literal["holds", "changed", "marked", "nothing_found"]
    summary: FindingView
    agree: bool | None = Field(description="Whether the picture's mark is the one that the statement names.")
    layers: list[LayerView]
    statement: dict[str, Any] | None = Field(description="The signed statement (C2PA).")
    watermark: dict[str, Any] | None = Field(description="What the picture carries.")
    records: dict[str, Any] | None = Field(description="XMP, AIGC and tags.")


class Problem(BaseModel):
    """Why a request cannot be served."""

    error: str
    kind: str
    request_id: str
