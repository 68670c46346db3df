"""Records as clients see them."""

import time
from dataclasses import asdict

from lipwright.service.jobs import Avatar, Job, JobStore, JobUnknown
from lipwright.service.schemas import AvatarView, JobView

LEAST_TOLD = 3.0  # per cent; before that the time left is a guess
HIDDEN = ("place", "asked", "generation")  # how the service keeps a request


def job_view(job: Job, position: int | None = None) -> JobView:
    """A job as the API of version 1 shows it."""
    here = f"/v1/jobs/{job.id}"
    told = asdict(job) | {
        "progress": round(job.percent, 1),
        "seconds_left": _left(job),
        "position": position,
        "output_url": f"{here}/output" if job.state == "done" and job.kind != "avatar" else None,
        "source_url": f"{here}/source" if job.state not in ("fetching", "cancelled") else None,
        "name": job.request.get("name") or "",
        "request": {name: value for name, value in job.request.items() if name not in HIDDEN},
    }
    return JobView.model_validate(told)


def avatar_view(avatar: Avatar, store: JobStore) -> AvatarView:
    """An avatar as the API of version 1 shows it."""
    try:
        job = store.get(avatar.job)
        state = {"done": "ready", "failed": "failed", "cancelled": "failed"}.get(job.state, "building")
        error = job.error or ("cancelled" if job.state == "cancelled" else "")
    except JobUnknown:  # its record is only kept for a while
        state, error = "ready", ""
    picture = f"/v1/avatars/{avatar.id}/picture" if state == "ready" else None
    facts = dict.fromkeys(("width", "height", "frames", "duration")) | avatar.facts
    told = facts | asdict(avatar) | {"state": state, "error": error, "picture_url": picture}
    return AvatarView.model_validate(told)


def _left(job: Job) -> float | None:
    """Seconds until a running job ends, if it goes on as it did so far."""
    if job.state != "running" or job.started is None or job.percent < LEAST_TOLD:
        return None
    return round((time.time() - job.started) * (100 - job.percent) / job.percent, 1)
