"""The main job: footage and sound in, a finished file out."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import numpy as np

from lipwright.avatar.folder import default_cache
from lipwright.errors import OptionError, OutputError
from lipwright.media import Clip, ClipWriter, open_clip, prefetch
from lipwright.pipeline.analysis import AHEAD
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.executor import Executor, Here, Work
from lipwright.pipeline.identity import job_key
from lipwright.pipeline.job import Clock, Drawn, Job
from lipwright.pipeline.marks import Marks, check_marks, notes_of
from lipwright.pipeline.parts import PartStore, clear_old, cut
from lipwright.pipeline.report import Report
from lipwright.pipeline.seeing import Seeing
from lipwright.progress import Progress, silent


def dub(  # noqa: PLR0913 - what a job can be told, by keyword
    video: Path | str,
    audio: Path | str,
    output: Path | str,
    *,
    options: DubOptions | None = None,
    progress: Progress = silent,
    watch: Callable[[Drawn], None] | None = None,
    executor: Executor | None = None,
) -> Report:
    """Make the person in the video say the sound.

    A job of more than ten seconds that was cut off goes on from its last finished part when it is done again.

    Args:
        video: a video, or a photo (PNG, JPEG, WebP).
        audio: a sound file, or a video whose sound is meant.
        output: the file to write; it appears when complete.
        options: see `DubOptions`.
        progress: told `(stage, done, total)`, stages `analyse` and `render`.
        watch: given every frame with its source and mask once it is written, without pictures, label and mark, to
            look at and not to change.
        executor: who draws and encodes, see `lipwright.pipeline.executor.EXECUTORS`; None: this process.

    Raises:
        InputError: the video, the sound or an option cannot be used.
        OutputError: the output cannot be written.
        BackendError: a part of the engine is missing.
    """
    options = options or DubOptions()
    video, audio, output = Path(video), Path(audio), Path(output)
    check_output(output, inputs=(video, audio))
    if options.mask_debug:
        check_output(mask_name(output), inputs=(video, audio))
    executor = executor or Here()
    check_executor(executor, options, watch)
    clock = Clock()
    with open_clip(video, options.fps) as clip, Marks(clip, audio, options, output) as marks:
        open_writer(output, clip, audio, options)  # what it refuses is refused before the analysis
        job = open_job(clip, audio, options, marks, progress=progress, clock=clock)
        result = open_writer(output, clip, audio, options, marks)
        mask = open_writer(mask_name(output), clip, audio, options, marks) if options.mask_debug else None
        seeing = Seeing(job, clip.facts.fps, progress, watch, mask)
        work = Work(
            video=video,
            audio=audio,
            options=options,
            job=job,
            form=result.form,
            ranges=cut(len(job.plan), clip.facts.fps),
            mark_id=marks.origin.mark_id() if options.marks else None,
            seen=seeing.frame,
        )
        store = open_store(work, clip, marks, here=executor.here, anew=mask is not None or watch is not None)
        passed = 0
        made = store.filled(partial(executor.make, work))
        with clock("render"), store, mask or nullcontext(), result, closing(made) as parts:
            for part in parts:
                result.append(part.segment)
                passed += part.passed
                seeing.until(result.frames_written)
        facts = clip.facts
    return Report(
        output=output,
        mask_video=mask_name(output) if options.mask_debug else None,
        frames=len(job.plan),
        fps=facts.fps,
        width=facts.width,
        height=facts.height,
        engine=options.engine,
        length=options.length,
        person=options.person,
        frames_without_face=passed,
        avatar_key=job.avatar_key,
        avatar_reused=job.avatar_reused,
        notes=(*job.notes, *store.notes, *notes_of(options, output)),
        seconds=clock.seconds,
        marks=marks.layers,
        mark_id=marks.origin.mark_id().hex() if options.marks else None,
        signed_by=marks.signer.by if marks.signer else None,
    )


def dub_frames(
    video: Path | str, audio: Path | str, *, options: DubOptions | None = None, progress: Progress = silent
) -> Iterator[np.ndarray]:
    """The frames `dub` would write, pictures, label and mark included, one at a time, nothing encoded.

    Marked in RGB, where `dub` marks a file's own numbers: the two are the same to within rounding.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError, BackendError: as `dub`, when the first frame is asked for.
    """
    options = options or DubOptions()
    with open_clip(video, options.fps) as clip, Marks(clip, Path(audio), options) as marks:
        job = open_job(clip, Path(audio), options, marks, progress=progress)
        with closing(prefetch(job.shots(), AHEAD)) as shots:
            for shot in shots:
                yield job.finished(shot)


def open_job(
    clip: Clip,
    audio: Path,
    options: DubOptions,
    marks: Marks,
    *,
    progress: Progress = silent,
    clock: Clock | None = None,
) -> Job:
    """A job that puts in these marks, which know by what it is drawn."""
    job = Job(clip, audio, options, progress, clock, marks)
    marks.know(job.avatar.tuning)
    return job


def open_store(work: Work, clip: Clip, marks: Marks, *, here: bool, anew: bool) -> PartStore:
    """Where the finished parts of a job are kept; nowhere those of a job of one part.

    Args:
        work, clip, marks: the job's.
        here: whether this process draws.
        anew: make them all, since every frame is to be seen.
    """
    if len(work.ranges) == 1 or anew:
        return PartStore(None, work.ranges)
    folder = work.options.parts or (work.options.cache or default_cache()) / "parts"
    clear_old(folder)
    return PartStore(folder / job_key(work, clip, marks, here=here), work.ranges)


def open_writer(
    output: Path, clip: Clip, audio: Path | None, options: DubOptions, marks: Marks | None = None
) -> ClipWriter:
    """The writer of a job's result, not entered yet; without sound where there is no `audio`, unsigned without `marks`.

    Raises:
        OptionError: the output's name, size or codec is none that can be written, or it cannot be signed as asked.
    """
    check_marks(options, output)
    facts = clip.facts
    return ClipWriter(
        output,
        width=facts.width,
        height=facts.height,
        fps=facts.fps,
        sound=audio,
        options=options.encode,
        colour=clip.colour,
        tags=marks.tags() if marks is not None and options.marks else None,
        seal=marks.seal if marks is not None and options.marks else None,
    )


def check_executor(executor: Executor, options: DubOptions, watch: object | None) -> None:
    """Refuse what only this process can do where others draw.

    Raises:
        OptionError: frames are to be looked at.
    """
    if not executor.here and (options.mask_debug or watch is not None):
        what = "mask-debug" if options.mask_debug else "watch"
        raise OptionError(f"{what} looks at frames while they are drawn, which happens elsewhere; use executor local")


def mask_name(output: Path) -> Path:
    """Where the second video of `DubOptions.mask_debug` goes."""
    return output.with_name(f"{output.stem}.mask{output.suffix}")


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
