"""What a worker does for each kind of job: the request as options of the library, and its result as facts."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2

from lipwright.errors import OptionError
from lipwright.media import open_clip
from lipwright.media.rates import FASTEST
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import load_avatar
from lipwright.pipeline.preview import preview
from lipwright.pipeline.run import dub
from lipwright.progress import Progress
from lipwright.service.jobs import Job
from lipwright.service.options import chosen_overlays, dub_options
from lipwright.service.publish import parts_folder
from lipwright.service.settings import Settings

THUMBNAIL = 320  # pixels, longer side


@dataclass(frozen=True, slots=True)
class Made:
    """What a job left in its scratch folder.

    Args:
        file: the finished file.
        place: where it belongs, relative to the data folder.
        facts: for the record.
    """

    file: Path
    place: str
    facts: dict[str, Any]


def make(job: Job, settings: Settings, device: str, scratch: Path, progress: Progress) -> Made:
    """Do a job.

    Args:
        job: whose inputs are here.
        settings: of the service.
        device: the worker's, as of `DubOptions`.
        scratch: an empty folder for what is made.
        progress: told `(stage, done, total)`; what it raises ends the job.

    Raises:
        LipwrightError: as `lipwright.dub`; and `OptionError` where the inputs are longer than the service takes.
    """
    options = dub_options(job.request.get("options", {}), settings, device)
    overlays = chosen_overlays(job.request.get("overlays", ()), settings)
    options = replace(options, overlays=overlays, parts=parts_folder(settings, job.id))
    return TASKS[job.kind](_Task(job, settings, options, scratch, progress))


@dataclass(frozen=True, slots=True)
class _Task:
    job: Job
    settings: Settings
    options: DubOptions
    scratch: Path
    progress: Progress

    def input(self, name: str) -> Path:
        return self.settings.data_dir / str(self.job.request[name])


def _dub(task: _Task) -> Made:
    place = f"results/{task.job.id}/result.mp4"
    if task.job.code is not None:  # else the code is another job's by now, and what is named by it, too
        place = task.job.request.get("place", place)
    file = task.scratch / "result.mp4"
    report = dub(task.input("video"), task.input("audio"), file, options=task.options, progress=_limited(task))
    with suppress(OSError):  # it is in use: the time it is kept begins anew
        os.utime(task.settings.data_dir / "cache" / "avatars" / f"{report.avatar_key}.npz")
    facts = report.as_dict()
    facts = {name: value for name, value in facts.items() if name not in ("output", "mask_video")}
    facts |= {"duration": float(report.frames / report.fps), "bytes": file.stat().st_size, "type": "video/mp4"}
    return Made(file, place, facts)


def _preview(task: _Task) -> Made:
    file = task.scratch / "preview.png"
    seconds = float(task.job.request.get("seconds") or 1)
    made = preview(
        task.input("video"), task.input("audio"), file, seconds, options=task.options, progress=_limited(task)
    )
    facts = {name: value for name, value in made.as_dict().items() if name != "picture"}
    return Made(file, f"results/{task.job.id}/preview.png", facts | {"bytes": file.stat().st_size, "type": "image/png"})


def _avatar(task: _Task) -> Made:
    with open_clip(task.input("video"), task.options.fps) as clip:
        _, key, reused = load_avatar(clip, task.options, _limited(task))
        facts = clip.facts
        picture = next(iter(clip.play([facts.frames // 2])))
    file = task.scratch / "picture.jpg"
    scale = min(1.0, THUMBNAIL / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    file.write_bytes(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[1].tobytes())
    told = {"avatar_key": key, "avatar_reused": reused, "frames": facts.frames, "fps": str(facts.fps)}
    return Made(file, f"avatars/{task.job.avatar}/picture.jpg", told | {"type": "image/jpeg"})


TASKS: dict[str, Callable[[_Task], Made]] = {"dub": _dub, "preview": _preview, "avatar": _avatar}


def _limited(task: _Task) -> Progress:
    """The job's progress, which refuses footage or sound that turns out longer than the service takes."""
    most = task.settings.max_seconds

    def tell(stage: str, done: int, total: int | None) -> None:
        if total is not None and total > most * FASTEST:
            raise OptionError(f"footage or sound is longer than the {most:g} seconds this service takes; cut it")
        task.progress(stage, done, total)

    return tell
