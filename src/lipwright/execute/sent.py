"""A job on its way to other machines: what it takes to draw its parts there as here."""

import hashlib
import io
import os
import platform
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Self

import psutil

from lipwright.avatar.files import load, save
from lipwright.avatar.store import AvatarStore
from lipwright.avatar.tuning import Tuning
from lipwright.compose.overlays import Overlay
from lipwright.errors import BackendError, MediaError
from lipwright.media import open_clip
from lipwright.media.hardware import choose_encoder
from lipwright.media.segment import PictureFormat
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.executor import Work, encode_parts
from lipwright.pipeline.identity import software
from lipwright.pipeline.job import Drawn, Job, needed_models
from lipwright.pipeline.marks import PixelMark
from lipwright.runtime import Models

PIECE = 64 << 20  # bytes of a file that travel at a time


@dataclass(frozen=True, slots=True)
class SentFile:
    """An input, by its content.

    Args:
        path: where it lies on the machine that sends it, and on others if they share a disk.
        sha256: of the whole file, hexadecimal.
    """

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file as it is now.

        Raises:
            MediaError: it cannot be read.
        """
        try:
            return cls(path.absolute(), _sha256(path))
        except OSError as exc:
            raise MediaError(f"cannot read {path}: {exc.strerror}; is it still there?") from exc

    def here(self) -> bool:
        """Whether this machine has the same file under the same path."""
        try:
            return _sha256(self.path) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SentJob:
    """All that shapes the parts of a job, but for its two inputs' bytes and the published models.

    Args:
        video, audio: the inputs.
        options: without what only the sender needs, such as the key it signs with.
        small: pictures and fonts of the options, by their paths.
        avatar, tuning, avatar_key: the footage's analysis as a file, what was fitted to the person, its name.
        mark_id: what the pixels shall carry, None for no mark.
        form, ranges: how pictures are encoded, and into which parts.
        software: versions at the sender's.
        weights: sha256 of the published models that take part, by name.
    """

    video: SentFile
    audio: SentFile
    options: DubOptions
    small: dict[Path, bytes]
    avatar: bytes
    tuning: str | None
    avatar_key: str
    mark_id: bytes | None
    form: PictureFormat
    ranges: Sequence[range]
    software: dict[str, object]
    weights: dict[str, str]

    @classmethod
    def of(cls, work: Work) -> Self:
        """What a job's parts are made of.

        Raises:
            MediaError: an input cannot be read.
        """
        options, avatar, kept = work.options, work.job.avatar, io.BytesIO()
        save(kept, avatar)
        plain = replace(options, cache=None, parts=None, consent_note="", certificate=None, private_key=None)
        files = [overlay.picture for overlay in options.overlays]
        files += [options.label_font] if options.label_font else []
        return cls(
            video=SentFile.of(work.video),
            audio=SentFile.of(work.audio),
            options=plain,
            small={path: path.read_bytes() for path in files},
            avatar=kept.getvalue(),
            tuning=avatar.tuning and avatar.tuning.to_json(),
            avatar_key=work.job.avatar_key,
            mark_id=work.mark_id,
            form=work.form,
            ranges=tuple(work.ranges),
            software=software(work.form),
            weights=_weights(options),
        )


class Drawer:
    """Draws parts of one sent job, on whichever machine it is.

    Args:
        job: the job.
    """

    def __init__(self, job: SentJob) -> None:
        self._sent = job
        self._opened = ExitStack()
        self._folder = Path(self._opened.enter_context(own_folder()))
        self._taken: dict[str, Path] = {}

    def close(self) -> None:
        """Let go of the job, and of what lies in this machine's temporary folder."""
        self._opened.close()

    def missing(self) -> list[str]:
        """Which of `video` and `audio` must be sent; refuses to draw what would come out otherwise.

        Raises:
            BackendError: other versions or models are installed here, or the encoder does not work.
        """
        form = self._sent.form
        choose_encoder(form.options.encoder, form.options.codec)
        _check_same("versions", self._sent.software, software(form))
        _check_same("models", self._sent.weights, _weights(self._sent.options))
        files = {name: getattr(self._sent, name) for name in ("video", "audio")}
        self._taken = {name: file.path for name, file in files.items() if file.here()}
        return [name for name in files if name not in self._taken]

    def take(self, name: str, piece: bytes) -> None:
        """Get the next piece of an input."""
        sent: SentFile = getattr(self._sent, name)
        path = self._taken.setdefault(name, self._folder / f"{name}{sent.path.suffix}")
        with path.open("ab") as file:
            file.write(piece)

    def open(self) -> str:
        """Open the job; its models are loaded now, and once. Returns the name of their device, nothing without models.

        Raises:
            LipwrightError: as of `Job`.
        """
        for name, path in self._taken.items():
            if path.parent == self._folder and _sha256(path) != getattr(self._sent, name).sha256:
                raise BackendError(f"the {name} did not come whole to a machine of the cluster; is its disk full?")
        sent, cache = self._sent, self._folder / "cache"
        kept = self._folder / "avatar.npz"
        kept.write_bytes(sent.avatar)
        store = AvatarStore(cache)
        store.get(sent.avatar_key, lambda: load(kept))
        if sent.tuning:
            store.keep_tuning(sent.avatar_key, Tuning.from_json(sent.tuning))
        options = self._with_own_files(replace(sent.options, cache=cache))
        clip = self._opened.enter_context(open_clip(self._taken["video"], options.fps))
        mark = PixelMark(sent.mark_id, clip.facts) if sent.mark_id is not None else None
        self._job = Job(clip, self._taken["audio"], options, mark=mark)
        if not self._job.avatar_reused:
            raise BackendError("the footage's analysis is another one here; report it")
        return Models(options.models, options.device).device.name if needed_models(options) else ""

    def draw(self, number: int) -> bytes:
        """One part, as `Part.pack` has it."""
        sent = self._sent
        ((_, data),) = encode_parts(self._job, sent.ranges, range(number, number + 1), sent.form, _unseen)
        return data

    def _with_own_files(self, options: DubOptions) -> DubOptions:
        """The options with the paths that pictures and fonts have here."""
        own: dict[Path, Path] = {}
        for index, (path, data) in enumerate(self._sent.small.items()):
            own[path] = self._folder / f"{index}{path.suffix}"
            own[path].write_bytes(data)
        overlays = tuple(Overlay(own[overlay.picture], overlay.corner) for overlay in options.overlays)
        return replace(options, overlays=overlays, label_font=options.label_font and own[options.label_font])


def own_folder() -> TemporaryDirectory[str]:
    """A folder for what is sent; what processes left that were killed on this machine goes, inputs are large."""
    begin = f"lipwright-{platform.node()}-"
    for entry in Path(gettempdir()).iterdir():
        owner = entry.name.removeprefix(begin).partition("-")[0]
        if entry.name.startswith(begin) and owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(entry, ignore_errors=True)
    return TemporaryDirectory(prefix=f"{begin}{os.getpid()}-", ignore_cleanup_errors=True)


def _unseen(_: Drawn) -> None:
    """Nobody looks on."""


def _check_same(what: str, there: dict, here: dict) -> None:
    other = [name for name in there if here.get(name) != there[name]]
    if other:
        raise BackendError(
            f"a machine of the cluster has other {what} than this one ({', '.join(map(str, other))}): its parts would "
            "not fit; install the same on all"
        )


def _weights(options: DubOptions) -> dict[str, str]:
    models = Models(options.models, options.device)
    return {name: models.sha256(name) for name in needed_models(options)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
