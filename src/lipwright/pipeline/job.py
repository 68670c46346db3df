"""One clip and one sound on their way through the stages, up to the frames that an encoder is given."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipwright import registry
from lipwright.alive.footage import AliveFootage
from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.store import AvatarStore
from lipwright.compose.blend import dissolve, paste
from lipwright.face.base import open_tracker
from lipwright.media import Clip, prefetch
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.hearing import read_speech
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.staging import Aim, Staging
from lipwright.progress import Progress, silent
from lipwright.render.base import Patch

AHEAD = 4  # frames in flight between two stages


@dataclass(frozen=True, slots=True)
class Drawn:
    """One output frame and what it was made of.

    Args:
        output: number of the output frame.
        source: (H, W, 3) uint8 RGB, the planned source frame; a cross-dissolve is itself the planned frame.
        frame: (H, W, 3) uint8 RGB, what an encoder is given.
        patches: what was drawn, none where the source frame shows no face, two in a cross-dissolve.
        aims: what each of the patches was drawn by.
    """

    output: int
    source: np.ndarray
    frame: np.ndarray
    patches: tuple[Patch, ...]
    aims: tuple[Aim, ...] = ()

    def mask(self) -> np.ndarray:
        """Where the frame may differ from its source: (H, W) float32 in 0..1, 0 = equal bit for bit."""
        mask = np.zeros(self.frame.shape[:2], np.float32)
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
    ) -> None:
        clock = clock or Clock()
        engine = ENGINES[options.engine]
        self._play = clip.play
        self.notes: list[str] = []
        with clock("sound"):
            once = options.length == "cut_off" and not clip.facts.is_photo
            sound = read_speech(audio, engine, clip.facts.duration if once else None)
            self.notes += [*clip.notes, *sound.notes]
        with clock("avatar"):
            self.avatar, self.avatar_key, self.avatar_reused = load_avatar(clip, options, progress, self.notes)
            if self.avatar.tuning is not None:
                self.notes.append("the mouth is tuned to this person (`lipwright avatar tune`)")
        with clock("motion"):
            self.plan = plan_frames(options.length, clip.facts.frames, sound.duration, clip.facts.fps)
            drive = sound.motion.drive(sound.code, clip.facts.fps, len(self.plan), options.intensity)
        with clock("stage"):
            if clip.facts.is_photo and not options.still:
                self._bring_alive(clip)
            self._staging: Staging = registry.resolve(engine.stage)(self.avatar, drive, self.plan, engine.renderer)
        self.passed = 0

    def _bring_alive(self, clip: Clip) -> None:
        alive = AliveFootage(next(clip.frames()), self.avatar, clip.facts.fps, len(self.plan))
        self._play, self.avatar = alive.play, alive.avatar
        self.plan = replace(self.plan, source=np.arange(len(self.plan), dtype=np.int32) % alive.frames)

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
            for output, source in zip(wanted.tolist(), sources, strict=True):
                shot = self._drawn(output, source, under=False)
                self.passed += not shot.patches
                if self.plan.under[output] >= 0:
                    shot = _mixed(self._drawn(output, next(fading), under=True), shot, self.plan.weight[output])
                yield shot

    def _drawn(self, output: int, source: np.ndarray, *, under: bool) -> Drawn:
        patch = self._staging.draw(source, output, under=under)
        if patch is None:
            return Drawn(output, source, source, ())
        frame = paste(source, patch.pixels, patch.mask, patch.x, patch.y)
        return Drawn(output, source, frame, (patch,), (self._staging.aim(output, under=under),))


def _mixed(under: Drawn, over: Drawn, weight: float) -> Drawn:
    """Both rounds of a loop, drawn with the same mouth, in the middle of their cross-dissolve."""
    return Drawn(
        over.output,
        dissolve(under.source, over.source, weight),
        dissolve(under.frame, over.frame, weight),
        under.patches + over.patches,
        under.aims + over.aims,
    )


def avatar_key(clip: Clip, options: DubOptions) -> str:
    """Name in the store of this footage's analysis under these options."""
    path, fps = clip.facts.path, str(clip.facts.fps)
    return AvatarStore(options.cache).key(path, person=options.person, tracker=options.tracker, fps=fps)


def load_avatar(
    clip: Clip, options: DubOptions, progress: Progress = silent, notes: list[str] | None = None
) -> tuple[Avatar, str, bool]:
    """The analysis of this footage, from the store or made now. Returns it, its key, and whether it was stored.

    `notes` are those of `AvatarStore.get`: with them, a store that fails is no error.

    Raises:
        NoFaceError: the footage shows no usable face.
    """
    facts = clip.facts
    key = avatar_key(clip, options)

    def build() -> Avatar:
        with open_tracker(options.tracker) as tracker, closing(prefetch(clip.frames(), AHEAD)) as frames:
            made = analyse(
                frames,
                tracker,
                name=facts.path.name,
                person=options.person,
                total=facts.frames,
                progress=progress,
            )
            return replace(made, path=str(facts.path.absolute()))

    store = AvatarStore(options.cache)
    avatar, stored = store.get(key, build, notes)
    return replace(avatar, tuning=store.tuning(key, notes)), key, stored
