"""Self-driven and cross-driven tests over a folder of clips, in worker processes; an interrupted run goes on."""

import json
import os
import signal
import tempfile
import wave
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipwright import __version__
from lipwright.errors import InputError, LipwrightError, OptionError, OutputError
from lipwright.evaluation.evaluate import SOUND_RATE, Curves, Evaluation, evaluate
from lipwright.evaluation.manifest import ListedClip, foreign_sound, read_manifest
from lipwright.evaluation.plots import plot_curves
from lipwright.evaluation.seam import SeamWatch
from lipwright.evaluation.sheet import contact_sheet, in_rows
from lipwright.evaluation.side_by_side import side_by_side
from lipwright.media import read_sound
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.run import dub

Row = dict[str, Any]
"""What is kept of one job: its facts, its scores, its curves, or the error that ended it."""

SELF, CROSS = "self", "cross"
JOBS = "jobs"  # folder of the single jobs inside the output folder


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteJob:
    """One dub to be judged.

    Args:
        clip: the footage.
        drive: `self` (its own sound, so that the real mouth is known) or `cross` (another person's).
        speaker: the clip whose sound is used.
        sound: file of that sound.
        seconds: of the sound that are used.
        folder: where the row, the contact sheet and the plot go.
        cache: folder for avatars; None is the user's cache folder.
        video: whether a side-by-side video is kept.
    """

    clip: ListedClip
    drive: str
    speaker: str
    sound: Path
    seconds: float
    folder: Path
    cache: Path | None
    video: bool = False

    @property
    def name(self) -> str:
        """Unique among the jobs of a suite, and a file name anywhere."""
        return f"{Path(self.clip.file).as_posix().replace('/', '__')}.{self.drive}"

    @property
    def row_file(self) -> Path:
        """Where the finished job's row is kept."""
        return self.folder / f"{self.name}.json"

    @property
    def video_file(self) -> Path:
        """Where its side-by-side video goes."""
        return self.folder / f"{self.name}.mp4"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteOptions:
    """What a suite can be told.

    Args:
        seconds: of each sound, above 0.
        workers: processes, from 1.
        use: only clips whose column `use` says this; None: all.
        names: only clips whose file name holds one of these; none: all.
        cache: folder for avatars; None is the user's cache folder.
        videos: whether a side-by-side video of every job is kept.

    Raises:
        OptionError: a value is outside its range.
    """

    seconds: float = 4.0
    workers: int = 1
    use: str | None = None
    names: tuple[str, ...] = ()
    cache: Path | None = None
    videos: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.seconds < float("inf"):
            raise OptionError(f"--seconds must be above 0, got {self.seconds}")
        if self.workers < 1:
            raise OptionError(f"--workers must be 1 or more, got {self.workers}")


def suite_jobs(folder: Path, output: Path, options: SuiteOptions) -> list[SuiteJob]:
    """The jobs that a folder makes: self-driven ones first, so that two workers rarely analyse the same footage.

    Raises:
        InputError: the manifest cannot be used, or no clip is left.
    """
    clips = read_manifest(folder, options.use)
    pairs: list[tuple[str, ListedClip, ListedClip]] = []
    for drive in (SELF, CROSS):
        for number, clip in enumerate(clips):
            speaker = clip if drive == SELF else foreign_sound(clips, number)
            wanted = not options.names or any(name in clip.file for name in options.names)
            if wanted and speaker is not None and speaker.sound is not None:
                pairs.append((drive, clip, speaker))
    if not pairs:
        raise InputError(
            f"{folder} makes no job: give clips with sound, and --names that some of their file names hold"
        )
    return [
        SuiteJob(
            clip=clip,
            drive=drive,
            speaker=speaker.file,
            sound=speaker.sound or speaker.path,
            seconds=options.seconds,
            folder=output / JOBS,
            cache=options.cache,
            video=options.videos,
        )
        for drive, clip, speaker in pairs
    ]


def run_suite(jobs: Sequence[SuiteJob], workers: int, told: Callable[[Row], None]) -> list[Row]:
    """Run the jobs that are not done yet.

    Args:
        jobs: of `suite_jobs`.
        workers: processes.
        told: given each row when it is known, finished ones of an earlier run first.

    Returns:
        One row a job, in the order of the jobs.

    Raises:
        OutputError: the output folder cannot be written.
        LipwrightError: a worker process died.
    """
    try:
        jobs[0].folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder {jobs[0].folder} cannot be made: {exc.strerror}") from exc
    rows = {job.name: row for job in jobs if (row := _finished(job)) is not None}
    for row in rows.values():
        told(row)
    with closing(_run([job for job in jobs if job.name not in rows], workers)) as running:
        for name, row in running:
            rows[name] = row
            told(row)
    return [rows[job.name] for job in jobs]


def _finished(job: SuiteJob) -> Row | None:
    """The row of an earlier run of this version with the same sound and seconds; failed jobs are tried again."""
    try:
        row = json.loads(job.row_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if job.video and not job.video_file.exists():
        return None
    return row if row.items() >= _facts(job).items() and not row["error"] else None


def _run(jobs: list[SuiteJob], workers: int) -> Generator[tuple[str, Row], None, None]:
    if not jobs:
        return
    # Never forked: the face tracker runs threads of its own.
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=get_context("spawn"), initializer=_start_worker)
    waiting, running = iter(jobs), {}
    try:
        while True:  # no job is handed over before a worker is free: whoever stops waits for the running ones only
            running |= {pool.submit(run_job, job): job for job in islice(waiting, workers - len(running))}
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future).name, future.result()
    except BrokenProcessPool as exc:
        raise LipwrightError(
            "a worker process died, probably for want of memory; the same command goes on from here, "
            "with fewer --workers if need be"
        ) from exc
    finally:
        pool.shutdown()


def _start_worker() -> None:
    # Ctrl-C reaches every process of a terminal: a worker finishes and keeps its job, the parent stops asking.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)


def run_job(job: SuiteJob) -> Row:
    """One job to one row, which is kept on disk with a contact sheet and a plot. Errors are rows, too."""
    row = _facts(job) | {"error": ""}
    try:
        found = _judged(job)
        shown = in_rows(found.pictures, found.real_pictures)
        contact_sheet(shown, job.folder / f"{job.name}.png")
        plot_curves(found.curves, job.folder / f"{job.name}.curves.png", title=job.name)
        row |= found.scores.as_dict() | {"curves": curves_to_row(found.curves)}
    except LipwrightError as exc:
        row["error"] = str(exc)
    except Exception as exc:  # noqa: BLE001 - what fails, and on which clip, is what a suite is to find out
        row["error"] = f"{type(exc).__name__}: {exc}"
    write_whole(job.row_file, json.dumps(row, ensure_ascii=False))
    return row


def _facts(job: SuiteJob) -> Row:
    return {
        "clip": job.clip.file,
        "person": job.clip.person,
        "use": job.clip.use,
        "sync_ok": job.clip.sync_ok,
        "drive": job.drive,
        "sound": job.speaker,
        "seconds": job.seconds,
        "version": __version__,
    }


def _judged(job: SuiteJob) -> Evaluation:
    watch = SeamWatch()
    with tempfile.TemporaryDirectory() as folder:
        sound, output = short_sound(job.sound, job.seconds, Path(folder)), Path(folder) / "out.mp4"
        dub(job.clip.path, sound, output, options=DubOptions(cache=job.cache, marks=False), watch=watch)
        real, source = (job.clip.path, None) if job.drive == SELF else (None, job.clip.path)
        found = evaluate(output, sound, reference=real, source=source)
        if job.video:
            side_by_side(output, job.clip.path, job.video_file, name="source" if real is None else "reference")
    scores = found.scores.with_job(seam_step=watch.step, outside=watch.outside)
    if job.clip.sound is None:
        scores = scores.without("amplitude", "the footage shows nobody talking")
    return Evaluation(scores, found.curves, found.pictures, found.real_pictures)


def short_sound(source: Path, seconds: float, folder: Path) -> Path:
    """The first seconds of a sound as a WAV file, 16 kHz, mono."""
    samples = read_sound(source, SOUND_RATE).samples[: round(seconds * SOUND_RATE)]
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SOUND_RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path


def curves_to_row(curves: Curves) -> Row:
    """Curves as JSON holds them: lists, null where there is no value."""
    return {
        "fps": curves.fps,
        "opening": _listed(curves.opening),
        "width": _listed(curves.width),
        "real_opening": None if curves.real_opening is None else _listed(curves.real_opening),
        "real_width": None if curves.real_width is None else _listed(curves.real_width),
        "energy": _listed(curves.energy),
        "silent": curves.silent.tolist(),
        "speech": curves.speech.tolist(),
    }


def curves_of_row(row: Row) -> Curves:
    """What `curves_to_row` kept."""
    kept = row["curves"]
    return Curves(
        fps=kept["fps"],
        opening=_array(kept["opening"]),
        width=_array(kept["width"]),
        real_opening=None if kept["real_opening"] is None else _array(kept["real_opening"]),
        real_width=None if kept["real_width"] is None else _array(kept["real_width"]),
        energy=_array(kept["energy"]),
        silent=np.array(kept["silent"], bool),
        speech=np.array(kept["speech"], bool),
    )


def _array(values: list[float | None]) -> np.ndarray:
    return np.array(values, np.float64)  # null becomes NaN


def _listed(values: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else round(float(value), 6) for value in values]


def write_whole(path: Path, text: str) -> None:
    """Write a text file that appears under its name only when it is complete.

    Raises:
        OutputError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}") from exc
    finally:
        part.unlink(missing_ok=True)
