"""Requests on their way into the queue: everything that can be refused is refused here, in one sentence."""

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from lipwright.errors import InputError, OptionError
from lipwright.models.store import ModelStore
from lipwright.pipeline.job import needed_models
from lipwright.service.fetch import check_url
from lipwright.service.jobs import Avatar, Job, JobStore
from lipwright.service.jobs.record import new_id
from lipwright.service.jobs.store import is_address
from lipwright.service.options import dub_options
from lipwright.service.paths import confined, for_client, stored_name
from lipwright.service.publish import discard, sync
from lipwright.service.schemas import AvatarRequest, JobRequest
from lipwright.service.settings import Settings
from lipwright.service.sniff import Sniffer

USAGE_S = 10.0  # between two looks at how much the data folder holds


class NoSpace(InputError):
    """The disk or the quota is full."""


class NotReady(InputError):
    """What the request names cannot be used at the moment."""


class Intake:
    """Accepts files, jobs and avatars.

    Args:
        settings: of the service, prepared.
        store: takes the jobs.
        sniffer: looks into files, in a process of its own.
    """

    def __init__(self, settings: Settings, store: JobStore, sniffer: Sniffer) -> None:
        self._settings, self._store, self._sniffer = settings, store, sniffer
        self._root = settings.data_dir
        self._usage = (-USAGE_S, 0)

    def keep_file(self, content: BinaryIO, name: str) -> tuple[str, dict[str, Any]]:
        """Keep an upload. Returns its path in the data folder, and its facts.

        Args:
            content: the bytes.
            name: what the client calls it.

        Raises:
            NoSpace: there is no room.
            MediaError: it is no video, photo or sound, or one that is too large.
        """
        place = self.store_file(content, name)
        try:
            return place, self.facts(self._root / place)
        except BaseException:
            discard(self._root / place)
            raise

    def store_file(self, content: BinaryIO, name: str) -> str:
        """Keep an upload, whatever it is. Returns its path in the data folder.

        Raises:
            NoSpace: there is no room.
        """
        self.check_room()
        place = f"uploads/{stored_name(name)}"
        path = self._root / place
        try:
            with path.open("xb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            sync(path)
        except BaseException:
            discard(path)
            raise
        return place

    def facts(self, path: Path) -> dict[str, Any]:
        """What a file holds: `kind`, `width`, `height`, `fps`, `frames`, `duration`, `has_sound`.

        Raises:
            MediaError: nothing that can be used, or more of it than the service takes.
        """
        return self._sniffer.facts(path)

    def check(self, path: Path, name: str) -> None:
        """Refuse a file that cannot be a job's `video` or `audio`.

        Raises:
            InputError: it cannot.
        """
        facts = self.facts(path)
        if name == "video" and facts["kind"] == "sound":
            raise OptionError(f"{path.name} holds sound only; give a video or photo as video")
        if name == "audio" and not facts["has_sound"]:
            raise OptionError(f"{path.name} holds no sound; give a sound file, or a video with sound, as audio")

    def input(self, text: str, name: str) -> str:
        """An input as a job has it: an address, or the path in the data folder of a file that can be used.

        Raises:
            InputError: there is no such file, or it is none that can be used.
        """
        if is_address(text):
            return check_url(text)
        if "://" in text:
            raise InputError(f"the address must begin with http:// or https://, got {text[:40]!r}")
        path = confined(self._root, text)
        self.check(path, name)
        return path.relative_to(self._root).as_posix()

    def add(self, job: Job, avatar: Avatar | None = None) -> Job:
        """Put a job into the queue, where there is room for it and for its result, and keep the avatar it makes.

        Raises:
            QueueFull, CodeInUse: see `JobStore.add`.
            NoSpace: there is no room.
        """
        self.check_room()
        again = 360 * self._settings.retention_hours  # a tenth of it; what does not change need not be looked into
        for name in ("video", "audio"):
            path = self._root / str(job.request.get(name))
            if path.parent.name == "uploads" and path.is_file() and time.time() - path.stat().st_mtime > again:
                os.utime(path)  # it is in use: the time it is kept begins anew
        return self._store.add(job, self._settings.queue_length, avatar)

    def job(self, asked: JobRequest, api: str = "v1", request_id: str = "", **more: Any) -> Job:  # noqa: ANN401 - JSON
        """Accept a job.

        Args:
            asked: the request.
            api: whose request it was.
            request_id: of the HTTP request.
            more: kept with the request.

        Raises:
            InputError: it cannot be done as asked.
        """
        options = asked.options.model_dump(exclude_none=True)
        if (asked.video is None) == (asked.avatar is None):
            raise OptionError("give either video or avatar, not both and not neither")
        if asked.avatar is not None:
            avatar = self._store.avatar(asked.avatar)
            video, options = avatar.footage, {"engine": avatar.engine, "person": avatar.person} | options
        else:
            video = self.input(str(asked.video), "video")
        self._check_engine(options)
        if asked.webhook is not None:
            check_url(asked.webhook)
        request = more | {
            "video": video,
            "audio": self.input(asked.audio, "audio"),
            "options": options,
            "name": asked.name,
        }
        if asked.kind == "preview":
            request["seconds"] = asked.seconds or 1.0
        state = "fetching" if any(is_address(request[name]) for name in ("video", "audio")) else "queued"
        job = Job(kind=asked.kind, api=api, state=state, request=request, avatar=asked.avatar)
        return self.add(replace(job, webhook=asked.webhook, request_id=request_id))

    def avatar(self, asked: AvatarRequest, request_id: str = "") -> Avatar:
        """Keep a person's footage and put its analysis into the queue.

        Raises:
            InputError: it cannot be done as asked.
        """
        options = {"engine": asked.engine, "person": asked.person}
        self._check_engine(options)
        if is_address(asked.video):
            raise OptionError("an avatar is made of a file; upload the footage first (POST /v1/files)")
        source = confined(self._root, asked.video)
        facts = self.facts(source)
        if facts["kind"] == "sound":
            raise OptionError("an avatar is made of a video or photo, this file holds sound only")
        self.check_room()
        avatar_id, name = new_id(), asked.name or for_client(source.stem, self._root)
        footage = f"avatars/{avatar_id}/footage{source.suffix}"
        request = {"video": footage, "options": options, "name": name}
        job = Job(kind="avatar", avatar=avatar_id, request_id=request_id, request=request)
        made = Avatar(id=avatar_id, name=name, footage=footage, facts=facts, job=job.id)
        made = replace(made, engine=asked.engine, person=asked.person)
        try:
            (self._root / footage).parent.mkdir()
            shutil.copyfile(source, self._root / footage)
            sync(self._root / footage)
            self.add(job, made)
        except BaseException:
            discard(self._root / "avatars" / avatar_id)
            raise
        return made

    def check_room(self) -> None:
        """Refuse what would fill the disk.

        Raises:
            NoSpace: the data folder holds its quota, or the disk has too little space left.
        """
        free, least = shutil.disk_usage(self._root).free, self._settings.least_free_bytes
        if free < least:
            raise NoSpace(f"the disk has {free / 1e9:.1f} GB left, {least / 1e9:.1f} GB are to stay free; delete jobs")
        quota = self._settings.disk_quota_bytes
        if quota is not None and (used := self.usage()) > quota:
            raise NoSpace(f"the service holds {used / 1e9:.2f} GB of the {quota / 1e9:.2f} GB it may; delete jobs")

    def usage(self) -> int:
        """Bytes in the data folder, a few seconds old at most."""
        at, used = self._usage
        if time.monotonic() - at >= USAGE_S:
            # Not `rglob`, which stumbles over folders that go while it looks, as those of running jobs do.
            used = sum(size_of(Path(folder, name)) for folder, _, names in os.walk(self._root) for name in names)
            self._usage = time.monotonic(), used
        return used

    def _check_engine(self, options: dict[str, Any]) -> None:
        made = dub_options(options, self._settings)
        models = ModelStore(self._settings.models)
        missing = [name for name in needed_models(made) if not models.has(name)]
        if missing:
            raise NotReady(
                f"these models are not here: {', '.join(missing)}; run `lipwright models pull {' '.join(missing)}`"
            )


def size_of(path: Path) -> int:
    """Bytes of a file; 0 for a link to a folder, and for what is gone by now."""
    try:
        return 0 if path.is_dir() else path.stat().st_size
    except OSError:
        return 0
