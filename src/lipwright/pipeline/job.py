"""One clip and one sound on their way through the stages, up to the frames that an encoder is given."""

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lipwright import registry
from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.store import AvatarStore
from lipwright.compose.blend import dissolve, paste
from lipwright.errors import MediaError
from lipwright.face.base import open_tracker
from lipwright.media import Clip, prefetch, read_sound
from lipwright.motion.base import MOTIONS
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES, Engine
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.staging import Staging
from lipwright.progress import Progress, silent
from lipwright.render.base import Patch
from lipwright.structures import Sound

SILENCE = 3e-4  # peak under which a sound says nothing: -70 dB
AHEAD = 4  # frames in flight between two stages


@dataclass(frozen=True, slots=True)
class Drawn:
    """One output frame and what it was made of.

    Args:
        output: number of the output frame.
        source: (H, W, 3) uint8 RGB, the planned source frame; a cross-dissolve is itself the planned frame.
        frame: (H, W, 3) uint8 RGB, what an encoder is given.
        patches: what was drawn, none where the source frame shows no face, two in a cross-dissolve.
    """

    output: int
    source: np.ndarray
    frame: np.ndarray
    patches: tuple[Patch, ...]

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
        self._clip = clip
        self.notes: list[str] = []
        with clock("sound"):
            sound = _speech(audio, engine)
        with clock("avatar"):
            self.avatar, self.avatar_key, self.avatar_reused = load_avatar(clip, options, progress)
        with clock("motion"):
            self.plan = plan_frames(options.length, clip.facts.frames, sound.duration, clip.facts.fps)
            speech = registry.resolve(engine.features)(sound)
            motion = registry.load("motion", MOTIONS, engine.motion).open()
            drive = motion.move(speech, clip.facts.fps, len(self.plan))
        with clock("stage"):
            self._staging: Staging = registry.resolve(engine.stage)(self.avatar, drive, self.plan, engine.renderer)
        self.passed = 0

    def shots(self, outputs: Iterable[int] | None = None) -> Generator[Drawn, None, None]:
        """Draw output frames.

        Args:
            outputs: which, in the order wanted; None: all of them, in order.
        """
        wanted = np.arange(len(self.plan)) if outputs is None else np.fromiter(outputs, np.int64)
        under = self.plan.under[wanted]
        with (
            closing(prefetch(self._clip.play(self.plan.source[wanted].tolist()), AHEAD)) as sources,
            closing(prefetch(self._clip.play(under[under >= 0].tolist()), AHEAD)) as fading,
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
        return Drawn(output, source, paste(source, patch.pixels, patch.mask, patch.x, patch.y), (patch,))


def _mixed(under: Drawn, over: Drawn, weight: float) -> Drawn:
    """Both rounds of a loop, drawn with the same mouth, in the middle of their cross-dissolve."""
    return Drawn(
        over.output,
        dissolve(under.source, over.source, weight),
        dissolve(under.frame, over.frame, weight),
        under.patches + over.patches,
    )


def load_avatar(clip: Clip, options: DubOptions, progress: Progress = silent) -> tuple[Avatar, str, bool]:
    """The analysis of this footage, from the store or made now. Returns it, its key, and whether it was stored.

    Raises:
        NoFaceError: the footage shows no usable face.
    """
    facts = clip.facts
    store = AvatarStore(options.cache)
    key = store.key(facts.path, person=options.person, tracker=options.tracker, fps=str(facts.fps))

    def build() -> Avatar:
        with open_tracker(options.tracker) as tracker, closing(prefetch(clip.frames(), AHEAD)) as frames:
            return analyse(
                frames,
                tracker,
                name=facts.path.name,
                person=options.person,
                total=facts.frames,
                progress=progress,
            )

    avatar, stored = store.get(key, build)
    return avatar, key, stored


def _speech(audio: Path, engine: Engine) -> Sound:
    sound = read_sound(audio, engine.sound_rate)
    if float(np.abs(sound.samples).max(initial=0.0)) < SILENCE:
        raise MediaError(f"{audio} holds only silence; give a sound with speech in it")
    return sound
