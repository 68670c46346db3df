"""The whole job on one page."""

import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from lipwright import registry
from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.store import AvatarStore
from lipwright.compose.blend import dissolve, paste
from lipwright.errors import MediaError, OutputError
from lipwright.face.base import open_tracker
from lipwright.media import Clip, ClipWriter, open_clip, prefetch, read_sound
from lipwright.motion.base import MOTIONS
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES, Engine
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.report import Report
from lipwright.pipeline.staging import Staging
from lipwright.progress import Progress, silent
from lipwright.structures import Sound

SILENCE = 3e-4  # peak under which a sound says nothing: -70 dB
AHEAD = 4  # frames in flight between two stages


def dub(
    video: Path | str,
    audio: Path | str,
    output: Path | str,
    *,
    options: DubOptions | None = None,
    progress: Progress = silent,
) -> Report:
    """Make the person in the video say the sound.

    Args:
        video: a video, or a photo (PNG, JPEG, WebP).
        audio: a sound file, or a video whose sound is meant.
        output: the file to write; it appears when complete.
        options: see `DubOptions`.
        progress: told `(stage, done, total)`, stages `analyse` and `render`.

    Raises:
        InputError: the video, the sound or an option cannot be used.
        OutputError: the output cannot be written.
        BackendError: a part of the engine is missing.
    """
    options = options or DubOptions()
    video, audio, output = Path(video), Path(audio), Path(output)
    check_output(output, inputs=(video, audio))
    clock = _Clock()
    with open_clip(video, options.fps) as clip:
        facts = clip.facts
        writer = ClipWriter(  # made before the analysis: a name or codec it does not take is refused at once
            output,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            sound=audio,
            options=options.encode,
            colour=clip.colour,
        )
        job = _Job(clip, audio, options, progress, clock)
        with clock("render"), writer as sink, closing(prefetch(job.frames(), AHEAD)) as frames:
            for number, frame in enumerate(frames):
                sink.write(frame)
                progress("render", number + 1, len(job.plan))
    return Report(
        output=output,
        frames=len(job.plan),
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
        engine=options.engine,
        length=options.length,
        person=options.person,
        frames_without_face=job.passed,
        avatar_key=job.avatar_key,
        avatar_reused=job.avatar_reused,
        seconds=clock.seconds,
    )


def dub_frames(
    video: Path | str, audio: Path | str, *, options: DubOptions | None = None, progress: Progress = silent
) -> Iterator[np.ndarray]:
    """The frames `dub` would write, one at a time, nothing encoded.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError, BackendError: as `dub`, when the first frame is asked for.
    """
    options = options or DubOptions()
    with open_clip(video, options.fps) as clip:
        yield from _Job(clip, Path(audio), options, progress, _Clock()).frames()


class _Job:
    """One clip and one sound on their way through the stages."""

    def __init__(self, clip: Clip, audio: Path, options: DubOptions, progress: Progress, clock: "_Clock") -> None:
        engine = ENGINES[options.engine]
        self._clip = clip
        with clock("sound"):
            sound = _speech(audio, engine)
        with clock("avatar"):
            avatar, self.avatar_key, self.avatar_reused = load_avatar(clip, options, progress)
        with clock("motion"):
            self.plan = plan_frames(options.length, clip.facts.frames, sound.duration, clip.facts.fps)
            speech = registry.resolve(engine.features)(sound)
            motion = registry.load("motion", MOTIONS, engine.motion).open()
            drive = motion.move(speech, clip.facts.fps, len(self.plan))
        with clock("stage"):
            self._staging: Staging = registry.resolve(engine.stage)(avatar, drive, self.plan, engine.renderer)
        self.passed = 0

    def frames(self) -> Iterator[np.ndarray]:
        """The output frames, in order."""
        under = self.plan.under
        with (
            closing(prefetch(self._clip.play(self.plan.source.tolist()), AHEAD)) as sources,
            closing(prefetch(self._clip.play(under[under >= 0].tolist()), AHEAD)) as fading,
        ):
            for output, source in enumerate(sources):
                frame = self._spoken(source, output, under=False)
                if under[output] >= 0:
                    frame = dissolve(self._spoken(next(fading), output, under=True), frame, self.plan.weight[output])
                yield frame

    def _spoken(self, source: np.ndarray, output: int, *, under: bool) -> np.ndarray:
        patch = self._staging.draw(source, output, under=under)
        if patch is None:
            self.passed += not under
            return source
        return paste(source, patch.pixels, patch.mask, patch.x, patch.y)


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


def check_output(output: Path, *, inputs: tuple[Path, ...]) -> None:
    """Refuse early what cannot end well.

    Raises:
        OutputError: the output is one of the inputs, a folder, or in a folder that is missing or not writable.
    """
    try:
        overwrites = output.exists() and any(path.exists() and output.samefile(path) for path in inputs)
    except OSError as exc:  # a name too long, a folder that may not be searched
        raise OutputError(f"{output} cannot be written: {exc.strerror}; choose another name or folder") from exc
    if overwrites:
        raise OutputError(f"{output} is an input of this job; choose another output file")
    if output.is_dir():
        raise OutputError(f"{output} is a folder; name a file such as {output / 'dubbed.mp4'}")
    if not output.parent.is_dir():
        raise OutputError(f"the folder {output.parent} does not exist; create it first")
    if not os.access(output.parent, os.W_OK):
        raise OutputError(f"the folder {output.parent} is not writable; choose another output folder")


def _speech(audio: Path, engine: Engine) -> Sound:
    sound = read_sound(audio, engine.sound_rate)
    if float(np.abs(sound.samples).max(initial=0.0)) < SILENCE:
        raise MediaError(f"{audio} holds only silence; give a sound with speech in it")
    return sound


class _Clock:
    """Wall-clock seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.perf_counter() - start, 3)
