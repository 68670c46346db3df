"""What the database holds, as values."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from lipwright.errors import InputError

ACTIVE = ("fetching", "queued", "running")
FINAL = ("done", "failed", "cancelled")
KINDS = ("preview", "avatar", "dub")  # a preview is waited for by somebody who looks at the screen: it goes first


class JobUnknown(InputError):
    """There is no such job."""


class QueueFull(InputError):
    """No more jobs may wait."""


class CodeInUse(InputError):
    """A job of that code has not ended."""


def new_id() -> str:
    """A name that nobody guesses."""
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job, as it stands.

    Args:
        id: its name.
        kind: one of `KINDS`.
        api: whose request it was: `v1`, `v2` or `easy`.
        code: the name a HeyGem client gave it.
        state: `fetching` (inputs are downloaded), `queued`, `running`, and then one of `FINAL`.
        request: what was asked for; `video` and `audio` are paths relative to the data folder, or addresses.
        avatar: the stored avatar it uses or makes.
        stage, done, total: what is going on, as `lipwright.progress` tells; `fetch` before that.
        percent: of the whole, 0..100, never falling within one run.
        error: what went wrong, one sentence.
        error_kind: `input`, `output`, `backend`, `crash`, `limit` or `unexpected`.
        result: facts of the finished job.
        output: path of the result, relative to the data folder.
        webhook: address that is told when it ends.
        request_id: of the HTTP request that asked for it.
        created, started, finished, updated: seconds since 1970.
        crashes: how often a worker died over it.
        lease: the worker process that has it.
        cancel: whether it shall stop.
    """

    id: str = field(default_factory=new_id)
    kind: str = "dub"
    api: str = "v1"
    code: str | None = None
    state: str = "queued"
    request: dict[str, Any] = field(default_factory=dict)
    avatar: str | None = None
    stage: str = ""
    done: int = 0
    total: int | None = None
    percent: float = 0.0
    error: str = ""
    error_kind: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    webhook: str | None = None
    request_id: str = ""
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    updated: float | None = None
    crashes: int = 0
    lease: str | None = None
    cancel: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Avatar:
    """A person's footage that is kept, to be used by many jobs.

    Args:
        id: its name.
        name: what people call it.
        engine, person: how its footage is looked at, as of `DubOptions`.
        footage: path relative to the data folder.
        facts: of the footage, as the upload's.
        job: the job that analyses it.
        created: seconds since 1970.
    """

    id: str = field(default_factory=new_id)
    name: str = ""
    engine: str = "native"
    person: str = "largest"
    footage: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    job: str = ""
    created: float = field(default_factory=time.time)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """A message that is due.

    Args:
        job: what it is about, as it stands now.
        attempts: how often it was tried.
    """

    job: Job
    attempts: int

    @property
    def event_id(self) -> str:
        """The same at every attempt, so that a receiver can tell a repetition."""
        return f"evt_{self.job.id}_{int((self.job.finished or 0) * 1000)}"
