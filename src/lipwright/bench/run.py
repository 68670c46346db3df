"""The bench: material, stages, whole commands, one object of figures."""

import platform
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from lipwright.bench.commands import Cost, run_floor, run_lipwright
from lipwright.bench.material import write_bundled_clip, write_footage, write_moment, write_sound
from lipwright.bench.stages import time_stages
from lipwright.errors import OptionError
from lipwright.example import speech
from lipwright.media import EncodeOptions
from lipwright.progress import Progress, silent
from lipwright.structures import ClipFacts

LONGEST = 3600  # seconds
MOMENT = 0.1  # seconds: no job is shorter
PACKAGES = ("av", "mediapipe", "numpy", "onnxruntime", "opencv-contrib-python")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions:
    """What is measured.

    Args:
        video: footage, bounced to `seconds`; None: the bundled portrait under a moving camera, 1280x720, 25 fps.
        audio: sound, repeated or cut to `seconds`; None: the bundled speech.
        seconds: length of the job.
        runs: pairs of floor and job.
        long: seconds of sound of a second job on the video as it is, whose memory is compared with that of a job of
            `seconds`; None: not done.

    Raises:
        OptionError: a value is outside its range.
    """

    video: Path | None = None
    audio: Path | None = None
    seconds: float = 10
    runs: int = 5
    long: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("seconds", self.seconds), ("long", self.long)):
            if value is not None and not 1 <= value <= LONGEST:
                raise OptionError(f"{name} must be 1..{LONGEST}, got {value:g}")
        if not 1 <= self.runs <= 100:
            raise OptionError(f"runs must be 1..100, got {self.runs}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured.

    Args:
        footage: name of the video, "bundled" for the bundled clip.
        facts: of the footage as measured.
        stages: seconds by stage over all frames, see `lipwright.bench.stages`.
        floors, jobs: the pairs, in the order they were run: seconds of the floor, cost of the whole `dub` command.
        build: cost of the whole `avatar build` command.
        first: cost of the whole `dub` command for a tenth of a second: any job's first frame is encoded earlier.
        short, long: cost of `dub` with little and much sound on the video as it is, None where not asked for.
    """

    footage: str
    facts: ClipFacts
    stages: dict[str, float]
    floors: list[float]
    jobs: list[Cost]
    build: Cost
    first: Cost
    short: Cost | None
    long: Cost | None

    @property
    def ratios(self) -> list[float]:
        """Each job over the floor that ran just before it."""
        return [job.seconds / floor for job, floor in zip(self.jobs, self.floors, strict=True)]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON: milliseconds a frame, megabytes (10^6 bytes), shares and ratios."""
        facts, to_ms = self.facts, 1e3 / self.facts.frames
        every_job = sum(seconds for stage, seconds in self.stages.items() if stage != "analyse")
        return {
            "footage": self.footage,
            "width": facts.width,
            "height": facts.height,
            "fps": str(facts.fps),
            "frames": facts.frames,
            "machine": machine(),
            "stages": [
                {
                    "stage": stage,
                    "ms_per_frame": round(seconds * to_ms, 3),
                    "share": None if stage == "analyse" else round(seconds / every_job, 4),
                }
                for stage, seconds in self.stages.items()
            ],
            "floor_ms_per_frame": round(median(self.floors) * to_ms, 3),
            "dub_ms_per_frame": round(median(job.seconds for job in self.jobs) * to_ms, 3),
            "ratio": round(median(self.ratios), 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "first_frame_s": round(self.first.seconds, 3),
            "avatar_build_fps": round(facts.frames / self.build.seconds, 1),
            "memory_mb": {
                name: round(cost.memory / 1e6)
                for name, cost in (
                    ("dub", max(self.jobs, key=lambda job: job.memory)),
                    ("avatar_build", self.build),
                    ("short", self.short),
                    ("long", self.long),
                )
                if cost is not None
            },
        }


def machine() -> dict[str, Any]:
    """Where the figures were taken."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "threads": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in PACKAGES},
    }


def bench(options: BenchOptions, progress: Progress = silent) -> Figures:
    """Measure. Everything made on the way lies in one temporary folder, which is gone at the end.

    Args:
        options: see `BenchOptions`.
        progress: told `(stage, done, total)`.

    Raises:
        InputError: the video or the sound cannot be used.
        OutputError: the temporary folder cannot be written.
        BackendError: a part of the engine is missing.
    """
    with tempfile.TemporaryDirectory(prefix="lipwright-bench-") as name:
        folder = Path(name)
        footage, sound, video = folder / "footage.mp4", folder / "sound.wav", options.video
        write_sound(sound, options.audio or speech, options.seconds)
        if video is None:
            video = folder / "bundled.mp4"
            write_bundled_clip(video)
        facts = write_footage(footage, video, sound, progress)
        stages = time_stages(footage, sound, progress)
        cache = ("--cache", folder / "cache")
        progress("whole commands", 0, options.runs)
        build = run_lipwright("avatar", "build", footage, "-q", *cache)
        write_moment(folder / "moment.wav", sound, MOMENT)
        first = _dub(footage, folder / "moment.wav", folder)
        floors, jobs = [], []
        for done in range(options.runs):
            floors.append(run_floor(footage, folder / "floor.mp4", EncodeOptions()))
            jobs.append(_dub(footage, sound, folder))
            progress("whole commands", done + 1, options.runs)
        short = long = None
        if options.long is not None:
            write_sound(folder / "long.wav", options.audio or speech, options.long)
            run_lipwright("avatar", "build", video, "-q", *cache)
            short, long = (_dub(video, folder / f"{length}.wav", folder) for length in ("sound", "long"))
    return Figures(
        footage="bundled" if options.video is None else options.video.name,
        facts=facts,
        stages=stages,
        floors=floors,
        jobs=jobs,
        build=build,
        first=first,
        short=short,
        long=long,
    )


def _dub(video: Path, sound: Path, folder: Path) -> Cost:
    output = folder / "dubbed.mp4"
    return run_lipwright("dub", "--video", video, "--audio", sound, "-o", output, "-q", "--cache", folder / "cache")
