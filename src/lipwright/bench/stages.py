"""Each stage alone: what one frame of it takes while nothing else runs."""

import time
from collections import defaultdict
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import TypeVar

from lipwright import registry
from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.compose.blend import paste
from lipwright.face.base import open_tracker
from lipwright.media import Clip, ClipWriter, open_clip
from lipwright.media.segment import Written
from lipwright.media.sound import SoundReader
from lipwright.motion.base import MOTIONS, Motion
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES, Engine
from lipwright.pipeline.marks import trial_mark
from lipwright.pipeline.plan import FramePlan, plan_frames
from lipwright.pipeline.staging import Asked, Staging
from lipwright.progress import Progress, silent
from lipwright.runtime import Models
from lipwright.structures import SpeechFeatures

T = TypeVar("T")
STAGES = ("analyse", "decode", "sound", "motion", "staging", "render", "compose", "mark", "encode")
BATCH_BYTES = 256_000_000  # frames kept at once, so that no decoder runs while the encoder is measured


class Stopwatch:
    """Seconds by stage, added up."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time a block."""
        start = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - start

    def each(self, stage: str, items: Iterable[T]) -> Generator[T, None, None]:
        """The items, the time they take to come counted as a stage."""
        source = iter(items)
        while True:
            with self(stage):
                item = next(source, None)
            if item is None:
                return
            yield item


def time_stages(footage: Path, sound: Path, progress: Progress = silent) -> dict[str, float]:
    """Seconds of every row of `STAGES` over the whole footage, each run by itself, start-up not counted.

    Args:
        footage: a video.
        sound: a sound file of its length.
        progress: told `("stages alone", done, total)`.

    Raises:
        NoFaceError: the footage shows no usable face.
        BackendError: a part of the engine is missing.
    """
    watch = Stopwatch()
    options = DubOptions()
    engine = ENGINES[options.engine]
    progress("stages alone", 0, 4)
    with open_clip(footage) as clip:
        for _ in watch.each("decode", clip.pictures(range(clip.facts.frames))):
            pass
        progress("stages alone", 1, 4)
        avatar = _analyse(clip, options, watch)
        progress("stages alone", 2, 4)
        plan, staging = _prepare(clip, sound, engine, avatar, watch)
        _draw(clip, plan, staging, watch)
        progress("stages alone", 3, 4)
        _encode(clip, footage.with_name("encoded.mp4"), sound, watch)
        progress("stages alone", 4, 4)
    return {stage: watch.seconds[stage] for stage in STAGES}


def _analyse(clip: Clip, options: DubOptions, watch: Stopwatch) -> Avatar:
    """Follow the face and look at it, two threads; waiting for frames does not count."""
    with open_tracker(options.tracker) as tracker, watch("analyse"):
        avatar = analyse(
            watch.each("waiting", clip.pictures(range(clip.facts.frames))), tracker, name=clip.facts.path.name
        )
    watch.seconds["analyse"] -= watch.seconds["waiting"]
    return avatar


def _prepare(clip: Clip, sound: Path, engine: Engine, avatar: Avatar, watch: Stopwatch) -> tuple[FramePlan, Staging]:
    """Everything before the first pixel is drawn."""
    facts, staged = clip.facts, registry.resolve(engine.stage)
    motion: Motion = registry.load("motion", MOTIONS, engine.motion).open()
    with watch("motion"):
        code = motion.hear(watch.each("sound", _features(sound, engine)))
    watch.seconds["motion"] -= watch.seconds["sound"]
    plan = plan_frames("bounce", facts.frames, facts.duration, facts.fps)
    with watch("motion"):
        drive = motion.drive(code, facts.fps, len(plan)).part(range(len(plan)))
    with watch("staging"):
        staging = staged.open(avatar, drive, plan, renderer=engine.renderer, models=Models(), batch=1)
    return plan, staging


def _features(sound: Path, engine: Engine) -> Iterator[SpeechFeatures]:
    with SoundReader(sound, engine.sound_rate) as reader, closing(reader.mono()) as blocks:
        yield from registry.resolve(engine.features)(Models())(blocks)


def _draw(clip: Clip, plan: FramePlan, staging: Staging, watch: Stopwatch) -> None:
    mark, colour = trial_mark(clip.facts), clip.colour.for_writing()
    for output, picture in enumerate(clip.pictures(plan.source.tolist())):
        with watch("render"):
            (patch,) = staging.draw_all([Asked(picture, output, under=False)])
        if patch is None:
            continue
        with watch("compose"):
            drawn = paste(picture, patch.pixels, patch.mask, patch.x, patch.y)
            frame = drawn.as_stored(colour)
        with watch("mark"):
            if frame is None:
                mark.over(drawn.rgb, (patch,))
            else:
                mark.into(frame, (patch,))


def _encode(clip: Clip, output: Path, sound: Path, watch: Stopwatch) -> None:
    """Write the clip again; waiting for frames does not count.

    They come in batches: the encoder works on in threads between two calls, and would be nearly done at each next one.
    """
    facts = clip.facts
    at_once = max(1, BATCH_BYTES // (facts.width * facts.height * 3))
    shape = {"width": facts.width, "height": facts.height, "fps": facts.fps}
    with watch("encode"), ClipWriter(output, sound=sound, colour=clip.colour, **shape) as sink:
        for pictures in watch.each("reading", _batches(_stored(clip), at_once)):
            for picture in pictures:
                sink.write(picture)
    watch.seconds["encode"] -= watch.seconds["reading"]


def _stored(clip: Clip) -> Iterator[Written]:
    """The clip's frames as a job hands them on where nothing was drawn."""
    colour = clip.colour.for_writing()
    for picture in clip.pictures(range(clip.facts.frames)):
        frame = picture.as_stored(colour)
        yield picture.rgb if frame is None else frame


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
