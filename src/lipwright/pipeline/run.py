"""The main job: footage and sound in, a finished file out."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np

from lipwright.errors import OutputError
from lipwright.media import Clip, ClipWriter, open_clip, prefetch
from lipwright.pipeline.analysis import AHEAD
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import Clock, Drawn, Job
from lipwright.pipeline.marks import Marks, check_marks, notes_of
from lipwright.pipeline.overlay import explained
from lipwright.pipeline.report import Report
from lipwright.progress import Progress, silent


def dub(
    video: Path | str,
    audio: Path | str,
    output: Path | str,
    *,
    options: DubOptions | None = None,
    progress: Progress = silent,
    watch: Callable[[Drawn], None] | None = None,
) -> Report:
    """Make the person in the video say the sound.

    Args:
        video: a video, or a photo (PNG, JPEG, WebP).
        audio: a sound file, or a video whose sound is meant.
        output: the file to write; it appears when complete.
        options: see `DubOptions`.
        progress: told `(stage, done, total)`, stages `analyse` and `render`.
        watch: given every frame with its source and mask once it is written, without pictures, label and mark, to
            look at and not to change.

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
    clock = Clock()
    with open_clip(video, options.fps) as clip:
        facts = clip.facts
        with Marks(clip, audio, options, output) as marks:
            open_writer(output, clip, audio, options)  # what it refuses is refused before the analysis
            job = Job(clip, audio, options, progress, clock, marks)
            marks.settings["tuned"] = job.avatar.tuning is not None
            result = open_writer(output, clip, audio, options, marks)
            mask = open_writer(mask_name(output), clip, audio, options, marks) if options.mask_debug else None
            with clock("render"), mask or nullcontext(), result, closing(job.pictures()) as pictures:
                for shot, picture in pictures:
                    result.write(picture)
                    if mask is not None:
                        mask.write(job.marked(explained(shot, float(shot.output / facts.fps)), shot))
                    if watch is not None:
                        watch(shot)
                    progress("render", shot.output + 1, len(job.plan))
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
        frames_without_face=job.passed,
        avatar_key=job.avatar_key,
        avatar_reused=job.avatar_reused,
        notes=(*job.notes, *notes_of(options, output)),
        seconds=clock.seconds,
        marks=marks.layers,
        mark_id=marks.origin.mark_id().hex() if options.marks else None,
        signed_by=marks.signer.by if marks.signer else None,
    )


def dub_frames(
    video: Path | str, audio: Path | str, *, options: DubOptions | None = None, progress: Progress = silent
) -> Iterator[np.ndarray]:
    """The frames `dub` would write, pictures, label and mark included, one at a time, nothing encoded.

    Yields:
        (H, W, 3) uint8 RGB.

    Raises:
        InputError, BackendError: as `dub`, when the first frame is asked for.
    """
    options = options or DubOptions()
    with open_clip(video, options.fps) as clip, Marks(clip, Path(audio), options) as marks:
        job = Job(clip, Path(audio), options, progress, mark=marks)
        marks.settings["tuned"] = job.avatar.tuning is not None
        with closing(prefetch(job.shots(), AHEAD)) as shots:
            for shot in shots:
                yield job.finished(shot)


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
