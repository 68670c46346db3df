"""What a job would do, how long it would take and how large its file would be, without doing it.

The figures come from a trial on this machine: a few groups of the job's own frames are analysed, drawn and encoded into
a temporary folder with the job's own settings. What was not tried is taken to be like what was.
"""

import tempfile
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

import av
import numpy as np

from lipwright.avatar.store import AvatarStore
from lipwright.errors import NoFaceError
from lipwright.media import Clip, EncodeOptions, Picture, open_clip, prefetch
from lipwright.media.segment import Written
from lipwright.media.sound import SoundReader
from lipwright.pipeline.analysis import AHEAD
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.job import Clock, Job, avatar_key, needed_models
from lipwright.pipeline.marks import layers_of, notes_of, trial_mark
from lipwright.pipeline.parts import cut
from lipwright.pipeline.plan import FramePlan, plan_frames
from lipwright.pipeline.run import check_output, open_writer
from lipwright.runtime import Models
from lipwright.structures import ClipFacts

GROUPS, GROUP_FRAMES = 3, 32
LONGEST_TRIAL = 6.0  # seconds of drawing and encoding, in which a slow encoder gets through fewer frames
KEY_EVERY = {"h264": 250, "hevc": 250, "vp9": 128}  # frames between two key frames, the encoders' own default


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """Which part of the footage a plan shows.

    Args:
        first, last: the earliest and the latest source frame.
        forward, backward: how many passes in each direction, begun ones counted.
    """

    first: int
    last: int
    forward: int
    backward: int

    @classmethod
    def of(cls, plan: FramePlan, length: str) -> "Use":
        """Read it off a plan made in this length mode."""
        steps = np.diff(plan.source)
        steps = steps[steps != 0]
        runs = 1 + int((steps < 0).sum() if length == "loop" else (np.diff(np.sign(steps)) != 0).sum())
        backward = 0 if length == "loop" else runs // 2
        return cls(
            first=int(plan.source.min()), last=int(plan.source.max()), forward=runs - backward, backward=backward
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A job that has not been done.

    Args:
        output: the file it would make.
        footage: facts of the video or photo.
        sound_seconds: length of the sound.
        length: as asked for.
        use: which part of the footage is shown.
        frames: output frames.
        encode: codec and quality.
        avatar_key, avatar_stored: name of the footage's analysis in the store, and whether it is there.
        tried: frames that were drawn and encoded for the two figures below.
        seconds: estimated wall-clock time by stage, named as in `Report.seconds`.
        size: estimated bytes of the file.
        marks: what would tell of the file's origin, as in `Report.marks`.
        notes: what the user should know, one sentence each.
    """

    output: Path
    footage: ClipFacts
    sound_seconds: float
    length: str
    use: Use
    frames: int
    encode: EncodeOptions
    avatar_key: str
    avatar_stored: bool
    tried: int
    seconds: dict[str, float] = field(default_factory=dict)
    size: int
    marks: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> Fraction:
        """Seconds of the output, exact."""
        return self.frames / self.footage.fps

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; rates stay exact as "30000/1001"."""
        footage = asdict(self.footage) | {
            "path": str(self.footage.path),
            "fps": str(self.footage.fps),
            "duration": round(float(self.footage.duration), 3),
        }
        plain = {
            "output": str(self.output),
            "footage": footage,
            "sound_seconds": round(self.sound_seconds, 3),
            "duration": round(float(self.duration), 3),
            "fps": str(self.footage.fps),
            "total_seconds": round(sum(self.seconds.values()), 1),
            "marks": list(self.marks),
            "notes": list(self.notes),
        }
        return asdict(self) | plain


def estimate(
    video: Path | str, audio: Path | str, output: Path | str, *, options: DubOptions | None = None
) -> Estimate:
    """Plan a job and estimate it. Writes nothing but temporary files; refuses what `lipwright.dub` would refuse.

    Args:
        video, audio, output, options: as of `lipwright.dub`. The second file of `mask_debug` is not counted.

    Raises:
        InputError: the video, the sound or an option cannot be used.
        OutputError: the output could not be written.
        BackendError: a part of the engine is missing.
    """
    options = options or DubOptions()
    video, audio, output = Path(video), Path(audio), Path(output)
    check_output(output, inputs=(video, audio))
    with open_clip(video, options.fps) as clip, tempfile.TemporaryDirectory(prefix="lipwright-") as folder:
        open_writer(output, clip, audio, options)  # refuses what it does not take
        duration = _duration(audio, ENGINES[options.engine].sound_rate)
        plan = plan_frames(options.length, clip.facts.frames, duration, clip.facts.fps)
        models = Models(options.models, options.device)
        models.require(needed_models(options))
        key = avatar_key(clip, options, models)
        notes: list[str] = []
        stored = AvatarStore(options.cache).find(key, notes) is not None
        trial = _Trial(clip, audio, options, plan, stored=stored, folder=Path(folder))
        trial.encode(output.suffix)
    return Estimate(
        output=output,
        footage=clip.facts,
        sound_seconds=float(duration),
        length=options.length,
        use=Use.of(plan, options.length),
        frames=len(plan),
        encode=options.encode,
        avatar_key=key,
        avatar_stored=stored,
        tried=trial.tried,
        seconds=trial.seconds(),
        size=trial.size(),
        marks=layers_of(options, output),
        notes=(*notes, *trial.notes, *notes_of(options, output)),
    )


class _Trial:
    """A few frames of a job, analysed unless the avatar is stored; then drawn and encoded.

    Args:
        clip, audio, options: the job's.
        plan: the job's; groups of its output frames are tried, the first ones among them.
        stored: whether the avatar is in the job's store.
        folder: for all that is written.
    """

    def __init__(
        self, clip: Clip, audio: Path, options: DubOptions, plan: FramePlan, *, stored: bool, folder: Path
    ) -> None:
        self._clip, self._audio, self._options, self._plan, self._folder = clip, audio, options, plan, folder
        self._clock = Clock()
        self._ticks: list[float] = []
        self._groups = _groups(len(plan))
        self._whole = stored or clip.facts.frames <= GROUPS * GROUP_FRAMES  # no need to look at less than all frames
        self._sources = plan.source[np.concatenate(self._groups)]
        self.tried, self._drawing = 0, 0.0
        self._keys: list[int] = []  # bytes
        self._others: list[int] = []
        self.notes: list[str] = []
        self._frames = self._drawn if self._begin(stored=stored) else self._as_they_are

    def _begin(self, *, stored: bool) -> bool:
        """Decide the trial's frames as a job would. Returns False where no face was seen."""
        options = self._options if stored else replace(self._options, cache=self._folder)
        clip = self._clip
        if not self._whole:  # footage that consists of the tried frames alone, shown once
            clip, options = _excerpt(clip, self._sources), replace(options, length="bounce")
        try:
            mark = trial_mark(clip.facts) if options.marks else None
            self._job = Job(clip, self._audio, options, self._tick, self._clock, mark)
        except NoFaceError:
            if self._whole:
                raise
            seen = clip.facts.frames
            self.notes.append(f"no usable face in the {seen} frames looked at; the job is refused if none has one")
            return False
        self.notes += self._job.notes
        return True

    def _tick(self, stage: str, done: int, total: int | None) -> None:
        """A frame has been analysed."""
        del stage, done, total
        self._ticks.append(time.perf_counter())

    def _drawn(self, group: np.ndarray, begin: int) -> Generator[Written, None, None]:
        outputs = group if self._whole else range(begin, begin + len(group))
        with closing(self._job.pictures(outputs)) as pictures:
            for _, picture in pictures:
                yield picture

    def _as_they_are(self, group: np.ndarray, begin: int) -> Generator[Written, None, None]:
        del begin
        with closing(prefetch(self._clip.play(self._plan.source[group].tolist()), AHEAD)) as frames:
            yield from frames

    def encode(self, suffix: str) -> None:
        """Draw and encode the groups, each into a file of its own."""
        begin = 0
        for number, group in enumerate(self._groups):
            path = self._folder / f"{number}{suffix}"
            self._encode(path, self._frames(group, begin))
            begin += len(group)
            first, *others = _packets(path)
            self._keys.append(first)
            self._others += others

    def _encode(self, path: Path, frames: Generator[Written, None, None]) -> None:
        began = None
        with closing(frames):
            with open_writer(path, self._clip, None, self._options) as sink:
                for frame in _for_a_while(frames, LONGEST_TRIAL / len(self._groups)):
                    began = began or time.perf_counter()  # the way to a group's first frame is no part of a job
                    sink.write(frame)
                    self.tried += 1
            self._drawing += time.perf_counter() - (began or 0)

    def seconds(self) -> dict[str, float]:
        """Of the whole job, by stage."""
        double = int((self._plan.under >= 0).sum())  # in a cross-dissolve two frames are drawn
        seconds = self._clock.seconds | {"render": self._drawing / self.tried * (len(self._plan) + double)}
        if not self._whole:
            seconds["avatar"] += _remaining(np.array(self._ticks), self._sources, self._clip.facts.frames)
        return {stage: round(value, 2) for stage, value in seconds.items()}

    def size(self) -> int:
        """Bytes of the whole job's file."""
        frames, encode = len(self._plan), self._options.encode
        keys = sum(ceil(len(part) / KEY_EVERY[encode.codec]) for part in cut(frames, self._clip.facts.fps))
        picture = keys * np.mean(self._keys) + (frames - keys) * np.mean(self._others or [0])
        with SoundReader(self._audio) as sound:
            per_second = encode.sound_kbps * 125 * sound.channels / 2
        return round(float(picture) + per_second * float(frames / self._clip.facts.fps))


def _groups(frames: int) -> list[np.ndarray]:
    """Output frames to try: all of a short job, else groups from its beginning, its middle and its end."""
    if frames <= GROUPS * GROUP_FRAMES:
        return [np.arange(frames)]
    starts = [number * (frames - GROUP_FRAMES) // (GROUPS - 1) for number in range(GROUPS)]
    return [np.arange(start, start + GROUP_FRAMES) for start in starts]


def _for_a_while(frames: Iterator[Written], seconds: float) -> Iterator[Written]:
    """Frames until the time is up, from the first on; ended here, so that all that is drawn is encoded and counted."""
    end = None
    for frame in frames:
        yield frame
        end = end or time.perf_counter() + seconds
        if time.perf_counter() >= end:
            return


def _remaining(ticks: np.ndarray, sources: np.ndarray, frames: int) -> float:
    """Seconds that the analysis of all frames takes longer than that of some.

    Args:
        ticks: (K,) seconds, when the analysis of each was done.
        sources: (K,) their numbers in the footage.
        frames: of the footage.
    """
    each, steps = np.diff(ticks), np.diff(sources)
    # Without the way from one group to the next; an analysis plays forward, whatever the job does.
    usual = each[(steps >= 0) & (steps <= np.median(np.abs(steps)))]
    return float(usual.mean()) * (frames - 1) - float(each.sum())


def _excerpt(clip: Clip, sources: np.ndarray) -> Clip:
    """Some frames of a clip as a clip."""

    def play(order: Iterable[int]) -> Iterator[Picture]:
        return clip.pictures(int(sources[index]) for index in order)

    return Clip(replace(clip.facts, frames=len(sources)), clip.colour, play, clip.notes)


def _duration(audio: Path, rate: int) -> Fraction:
    """Seconds of sound, exact, as a job hears it at this rate."""
    with SoundReader(audio, rate) as sound, closing(sound.blocks()) as blocks:
        return Fraction(sum(block.shape[1] for block in blocks), rate)


def _packets(path: Path) -> list[int]:
    """Bytes of every encoded picture of a file."""
    with av.open(f"file:{path}") as container:
        return [packet.size for packet in container.demux(video=0) if packet.size]
