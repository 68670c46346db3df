"""One clip and one sound on their way through the stages, up to the frames that an encoder is given."""

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from lipwright import registry
from lipwright.avatar.store import AnyAvatar, AvatarStore
from lipwright.compose.blend import dissolve, paste
from lipwright.media import Clip, Picture, prefetch
from lipwright.media.segment import Written
from lipwright.pipeline.analysis import AHEAD, Analysis
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.finish import Finish
from lipwright.pipeline.hearing import read_speech
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.staging import Aim, Asked, Staging
from lipwright.pipeline.touch import Touch
from lipwright.progress import Progress, silent
from lipwright.render.base import Patch
from lipwright.runtime import Models
from lipwright.runtime.kept import models_of


class Mark(Protocol):
    """Puts the mark into a frame, around what was drawn in it."""

    def over(self, frame: np.ndarray, patches: Sequence[Patch]) -> np.ndarray:
        """A marked copy. (H, W, 3) uint8 RGB; itself where nothing was drawn."""
        ...

    def into(self, frame: av.VideoFrame, patches: Sequence[Patch]) -> None:
        """Mark a frame of 8-bit 4:2:0 in place."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """One output frame and what it was made of.

    Args:
        output: number of the output frame.
        planned: the planned source frame; a cross-dissolve is itself the planned frame.
        drawn: what an encoder is given, but for pictures, label and mark.
        patches: what was drawn, none where the source frame shows no face, two in a cross-dissolve.
        aims: what each of the patches was drawn by.
    """

    output: int
    planned: Picture
    drawn: Picture
    patches: tuple[Patch, ...]
    aims: tuple[Aim, ...] = ()

    @property
    def source(self) -> np.ndarray:
        """`planned` as (H, W, 3) uint8 RGB."""
        return self.planned.rgb

    @property
    def frame(self) -> np.ndarray:
        """`drawn` as (H, W, 3) uint8 RGB."""
        return self.drawn.rgb

    def mask(self) -> np.ndarray:
        """Where the frame may differ from its source: (H, W) float32 in 0..1, 0 = equal bit for bit."""
        mask = np.zeros(self.drawn.shape[:2], np.float32)
        for patch in self.patches:
            height, width = patch.mask.shape
            area = mask[patch.y : patch.y + height, patch.x : patch.x + width]
            np.maximum(area, patch.mask, out=area)
        return mask


class Clock:
    """Wall-clock seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block as one stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.perf_counter() - start, 3)


class Job:
    """Everything decided before the first pixel is drawn; then the output frames, in any order.

    Args:
        clip: the footage.
        audio: a sound file, or a video whose sound is meant.
        options: see `DubOptions`.
        progress: told `("analyse", done, total)`.
        clock: takes the time of the stages.
        mark: puts the mark into a finished frame around what was drawn; None leaves it as it is.

    Attributes:
        plan: which source frame serves which output frame.
        avatar: the analysis of the footage.
        avatar_key, avatar_reused: its name in the store, and whether it was there already.
        passed: output frames so far that show no usable face and were left as they are.
        notes: what the user should know of how the inputs were taken, one sentence each.

    Raises:
        InputError: the footage, the sound or an option cannot be used.
        BackendError: a part of the engine is missing.
    """

    def __init__(
        self,
        clip: Clip,
        audio: Path,
        options: DubOptions,
        progress: Progress = silent,
        clock: Clock | None = None,
        mark: Mark | None = None,
    ) -> None:
        clock = clock or Clock()
        engine = ENGINES[options.engine]
        self._play = clip.pictures
        self._colour = clip.colour.for_writing()
        self.notes: list[str] = []
        self._finish = Finish(options, clip.facts)
        self._mark = mark
        with clock("models"):
            models = open_models(options)
            self.notes += models.notes
        with clock("sound"):
            once = options.length == "cut_off" and not clip.facts.is_photo
            sound = read_speech(audio, engine, models, clip.facts.duration if once else None)
            self.notes += [*clip.notes, *sound.notes]
        with clock("avatar"):
            found = load_avatar(clip, options, progress, self.notes, models=models)
            self.avatar, self.avatar_key, self.avatar_reused = found
            if self.avatar.tuning is not None:
                self.notes.append("the mouth is tuned to this person (`lipwright avatar tune`)")
        with clock("motion"):
            self.plan = plan_frames(options.length, clip.facts.frames, sound.duration, clip.facts.fps)
            drive = sound.motion.drive(sound.code, clip.facts.fps, len(self.plan), options.intensity)
        with clock("stage"):
            if clip.facts.is_photo and not options.still:
                self._bring_alive(clip, options, models)
            stage: type[Staging] = registry.resolve(engine.stage)
            opened = {"renderer": engine.renderer, "models": models, "batch": options.batch_size}
            self._staging = stage.open(self.avatar, drive, self.plan, **opened)
            self._touch = Touch.of(options, self.avatar, clip, models, self.notes)
        self.passed = 0

    def _bring_alive(self, clip: Clip, options: DubOptions, models: Models) -> None:
        look = _analysis(options, models)
        self._play, self.avatar, frames = look.bring_alive(clip, self.avatar, len(self.plan))
        self.plan = replace(self.plan, source=np.arange(len(self.plan), dtype=np.int32) % frames)

    def finished(self, shot: Drawn) -> np.ndarray:
        """The drawn frame as it is written: with pictures, label and mark. (H, W, 3) uint8 RGB."""
        return self.marked(self._finish.over(shot.drawn, shot.output).rgb, shot)

    def marked(self, picture: np.ndarray, shot: Drawn) -> np.ndarray:
        """A picture of the drawn frame with the mark, itself where nothing was drawn. (H, W, 3) uint8 RGB."""
        return self._mark.over(picture, shot.patches) if self._mark is not None else picture

    def pictures(self, outputs: Iterable[int] | None = None) -> Generator[tuple[Drawn, Written], None, None]:
        """Output frames as they are written, drawn ahead of the consumer; asked for in pieces or whole, the same bytes.

        Args:
            outputs: which, in the order wanted; None: all of them, in order.

        Yields:
            The drawn frame, and what `ClipWriter.write` is to be given: everything laid over it, with the file's own
            numbers where nothing is; `finished` where the file keeps no such numbers. Good until the next is asked for.
        """
        with closing(prefetch(self._written(outputs), AHEAD)) as written:
            yield from written

    def _written(self, outputs: Iterable[int] | None) -> Generator[tuple[Drawn, Written], None, None]:
        # As many as lie on the belt, one on each side of it, and one more: a new frame of this size is a thousand page
        # faults.
        room: deque[av.VideoFrame | None] = deque([None] * (AHEAD + 3))
        with closing(self.shots(outputs)) as shots:
            for shot in shots:
                picture = self._finish.over(shot.drawn, shot.output)
                frame = picture.as_stored(self._colour, room.popleft())
                room.append(frame)
                if frame is not None and self._mark is not None:
                    self._mark.into(frame, shot.patches)
                yield shot, self.marked(picture.rgb, shot) if frame is None else frame

    def shots(self, outputs: Iterable[int] | None = None) -> Generator[Drawn, None, None]:
        """Draw output frames.

        Args:
            outputs: which, in the order wanted; None: all of them, in order.
        """
        wanted = np.arange(len(self.plan)) if outputs is None else np.fromiter(outputs, np.int64)
        under = self.plan.under[wanted]
        with (
            closing(prefetch(self._play(self.plan.source[wanted].tolist()), AHEAD)) as sources,
            closing(prefetch(self._play(under[under >= 0].tolist()), AHEAD)) as fading,
        ):
            whole = zip(wanted.tolist(), sources, strict=True)
            while group := list(islice(whole, self._staging.batch)):
                yield from self._group(group, fading)

    def _group(self, group: list[tuple[int, Picture]], fading: Iterator[Picture]) -> Iterator[Drawn]:
        """Some output frames and their sources; those in a cross-dissolve take the frame beneath from `fading`."""
        asked = [Asked(source, output, under=False) for output, source in group]
        below = [Asked(next(fading), one.output, under=True) for one in asked if self.plan.under[one.output] >= 0]
        over, under = iter(self._drawn(asked)), iter(self._drawn(below))
        for shot in over:
            self.passed += not shot.patches
            mixed = self.plan.under[shot.output] >= 0
            yield _mixed(next(under), shot, self.plan.weight[shot.output]) if mixed else shot

    def _drawn(self, asked: list[Asked]) -> list[Drawn]:
        sources = [int((self.plan.under if one.under else self.plan.source)[one.output]) for one in asked]
        seen = [replace(one, frame=self._touch.before(one.frame, at)) for one, at in zip(asked, sources, strict=True)]
        patches = self._staging.draw_all(seen)
        return [self._composed(*part) for part in zip(asked, sources, patches, strict=True)]

    def _composed(self, asked: Asked, source: int, patch: Patch | None) -> Drawn:
        if patch is None:
            return Drawn(asked.output, asked.frame, asked.frame, ())
        patch = self._touch.after(asked.frame, source, patch)
        frame = paste(asked.frame, patch.pixels, patch.mask, patch.x, patch.y)
        return Drawn(asked.output, asked.frame, frame, (patch,), (self._staging.aim(asked.output, under=asked.under),))


def _mixed(under: Drawn, over: Drawn, weight: float) -> Drawn:
    """Both rounds of a loop, drawn with the same mouth, in the middle of their cross-dissolve."""
    return Drawn(
        over.output,
        Picture(dissolve(under.source, over.source, weight)),
        Picture(dissolve(under.frame, over.frame, weight)),
        under.patches + over.patches,
        under.aims + over.aims,
    )


def open_models(options: DubOptions) -> Models:
    """What opens published models for a job, with those it needs open.

    Raises:
        BackendError: one is missing or another model, or the device does not work.
    """
    models = models_of(options.models, options.device)
    models.prepare(needed_models(options))
    return models


def needed_models(options: DubOptions) -> list[str]:
    """Published models that a job opens, by the names on their cards."""
    return [*ENGINES[options.engine].models, *Touch.needs(options)]


def avatar_key(clip: Clip, options: DubOptions, models: Models | None = None) -> str:
    """Name in the store of this footage's analysis under these options.

    Raises:
        BackendError: a model that the engine looks with is missing.
    """
    marks = _analysis(options, models or Models(options.models, options.device)).marks
    return AvatarStore(options.cache).key(clip.facts.path, **marks, fps=str(clip.facts.fps))


def load_avatar(
    clip: Clip,
    options: DubOptions,
    progress: Progress = silent,
    notes: list[str] | None = None,
    *,
    models: Models | None = None,
) -> tuple[AnyAvatar, str, bool]:
    """The analysis of this footage, from the store or made now. Returns it, its key, and whether it was stored.

    `notes` are those of `AvatarStore.get`: with them, a store that fails is no error. `models` are the job's.

    Raises:
        NoFaceError: the footage shows no usable face.
        BackendError: a model that the engine looks with is missing.
    """
    models = models or Models(options.models, options.device)
    store, key = AvatarStore(options.cache), avatar_key(clip, options, models)
    avatar, stored = store.get(key, lambda: _analysis(options, models).build(clip, progress), notes)
    return replace(avatar, tuning=store.tuning(key, notes)), key, stored


def _analysis(options: DubOptions, models: Models) -> Analysis:
    made: type[Analysis] = registry.resolve(ENGINES[options.engine].analysis)
    return made(person=options.person, tracker=options.tracker, models=models)
