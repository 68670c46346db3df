"""A finished clip against its sound, the real video and the footage it was made of."""

from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from lipwright.audio.activity import energy_db
from lipwright.errors import InputError, MediaError, NoFaceError
from lipwright.evaluation import curves as measures
from lipwright.evaluation.curves import LAGS, Pair
from lipwright.evaluation.phones import closures, read_phones
from lipwright.evaluation.picture import MouthScores, mouth_scores
from lipwright.evaluation.record import LIPS, FaceRecord, close_up
from lipwright.evaluation.scores import ONLY_IN_A_JOB, Scores, Tally
from lipwright.evaluation.sheet import spread
from lipwright.evaluation.steadiness import mean_of, resting, second_differences
from lipwright.evaluation.synchrony import shipped_towers, synchrony
from lipwright.face.base import open_tracker
from lipwright.face.track import PersonFollower, follow_person
from lipwright.facespace import DRIVE, STABLE
from lipwright.media import Clip, open_clip, prefetch, read_sound
from lipwright.progress import Progress, silent

SOUND_RATE = 16_000
FEWEST = 2 * max(LAGS) + 1  # frames under which a curve says nothing
FLAT = 1e-3  # standard deviation of opening, in eye distances, that the tracker alone makes
FLOOR_DB = 40.0  # energy further under the loudest is as good as nothing
SHEET_FRAMES = 12
AHEAD = 4  # frames in flight between two stages

NO_REFERENCE = "needs the real video as the reference"
NO_SOURCE = "needs the footage that was dubbed, or the real video"
TOO_LITTLE = "needs 0.8 seconds in a row that show the face and have sound"
TOO_SHORT = f"needs {FEWEST} frames that show the face in both videos"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """What the measures of motion were taken from, one entry per output frame.

    Args:
        fps: frames per second.
        opening, width: (F,) of the output, over eye distance; NaN where no face is seen.
        real_opening, real_width: (F,) of the reference, None without one; NaN where it has ended.
        energy: (F,) dB of the sound, 0 = loudest.
        silent, speech: (F,) bool, see `lipwright.evaluation.curves.activity`.
    """

    fps: float
    opening: np.ndarray
    width: np.ndarray
    real_opening: np.ndarray | None
    real_width: np.ndarray | None
    energy: np.ndarray
    silent: np.ndarray
    speech: np.ndarray

    @property
    def changes(self) -> Pair:
        """Changes of opening in silence and in speech, those next to a frame without a face left out."""
        return self._changes_of(self.opening)

    @property
    def real_changes(self) -> Pair | None:
        """The same of the reference, None without one."""
        return None if self.real_opening is None else self._changes_of(self.real_opening)

    def _changes_of(self, opening: np.ndarray) -> Pair:
        still, moving = measures.changes(opening, self.silent, self.speech, self.fps)
        return still[~np.isnan(still)], moving[~np.isnan(moving)]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome.

    Args:
        scores: the figures.
        curves: what those of motion stand on.
        pictures: (240, 240, 3) uint8 RGB faces for a contact sheet, evenly over the output.
        real_pictures: the reference's at the same times, white where it has ended; none without one.
    """

    scores: Scores
    curves: Curves
    pictures: tuple[np.ndarray, ...]
    real_pictures: tuple[np.ndarray, ...]


def evaluate(  # noqa: PLR0913 - a clip and all that it can be held against
    output: Path | str,
    audio: Path | str | None = None,
    *,
    reference: Path | str | None = None,
    source: Path | str | None = None,
    phones: Path | str | None = None,
    person: str = "largest",
    progress: Progress = silent,
) -> Evaluation:
    """Measure a finished clip.

    Args:
        output: the clip to be judged.
        audio: what it was to say; None: its own sound track.
        reference: the real video of the same words; compared on the output's time axis, over the shorter of the two.
        source: the footage that was dubbed, where it is not the reference: what is steady is judged against it.
        phones: CSV file with `start_s`, `end_s` and `phone` of what is said, or a Praat TextGrid.
        person: which of several faces, in every video.
        progress: told `("measure", done, total)`.

    Raises:
        InputError: a file cannot be used, or shows no face.
        BackendError: the face tracker cannot be opened.
    """
    output = Path(output)
    with _video(output) as clip:
        sound = read_sound(audio or output, SOUND_RATE)
        spoken = None if phones is None else read_phones(Path(phones))
        seen = _Comparison(clip, None if reference is None else Path(reference), person, progress)
        facts = clip.facts
    origin = seen.real if source is None else _footage(Path(source), facts.frames, person)
    curves = _curves(seen.ours, seen.real, sound.samples, float(facts.fps))
    tally = Tally()
    _motion(tally, curves, seen.real if seen.real is not None else origin)
    if spoken is None:
        tally.leave_out(("closure",), "needs the phones of the sound")
    else:
        _closure(tally, closures(spoken, seen.ours.gap, float(facts.fps)))
    _sync(tally, seen.ours, sound.samples, float(facts.fps))
    _pictures(tally, seen.mouths, same_size=seen.same_size, with_reference=seen.real is not None)
    _steadiness(tally, seen.ours, seen.real, origin)
    tally.leave_out(("seam_step", "outside"), ONLY_IN_A_JOB)
    scores = Scores(
        frames=len(seen.ours),
        frames_without_face=int((~seen.ours.present).sum()),
        compared=len(seen.mouths),
        eye_distance=float(np.nanmedian(seen.ours.eyes)),
        **tally.found,
        missing=tally.missing,
    )
    return Evaluation(scores, curves, tuple(seen.pictures), tuple(seen.real_pictures))


class _Comparison:
    """One pass over the output and, in step, the reference; holds numbers, and the few faces of a sheet.

    Attributes:
        ours, real: the two faces; `real` is None without a reference.
        mouths: scores of the frames that show both.
        pictures, real_pictures: see `Evaluation`.
        same_size: whether both videos have one picture size, so that pixels can be compared.
    """

    def __init__(self, clip: Clip, reference: Path | None, person: str, progress: Progress) -> None:
        facts = clip.facts
        self.ours, self.real = FaceRecord(), None if reference is None else FaceRecord()
        self.mouths: list[MouthScores] = []
        self.pictures: list[np.ndarray] = []
        self.real_pictures: list[np.ndarray] = []
        self.same_size = True
        wanted = set(spread(facts.frames, SHEET_FRAMES))
        with ExitStack() as opened:
            ours, theirs = opened.enter_context(closing(_faces(clip, person))), iter(())
            if reference is not None:
                # At the output's rate a clip shows, at every output frame, what it shows at that time.
                real = opened.enter_context(_video(reference, like=clip))
                self.same_size = (real.facts.width, real.facts.height) == (facts.width, facts.height)
                theirs = opened.enter_context(closing(_faces(real, person)))
            for number, look in enumerate(ours):
                self._compare(look, next(theirs, None), keep=number in wanted)
                progress("measure", number + 1, facts.frames)
        _check_seen(self.ours, facts.path, person)
        if self.real is not None and reference is not None:
            _check_seen(self.real, reference, person)

    def _compare(self, look: "_Look", other: "_Look | None", *, keep: bool) -> None:
        crop = self.ours.add(look.frame, look.mesh, cut=look.cut)
        if keep:
            self.pictures.append(close_up(look.frame, look.mesh))
        if self.real is None:
            return
        if keep:
            white = np.full_like(self.pictures[-1], 255)
            self.real_pictures.append(white if other is None else close_up(other.frame, other.mesh))
        if other is None:  # the reference has ended
            return
        real = self.real.add(other.frame, other.mesh, cut=other.cut)
        if crop is not None and real is not None and look.mesh is not None and other.mesh is not None:
            scores = mouth_scores(crop, real, look.mesh, other.mesh[list(DRIVE), :2])
            if scores is not None:
                self.mouths.append(scores)


@dataclass(frozen=True, slots=True)
class _Look:
    frame: np.ndarray
    mesh: np.ndarray | None
    cut: bool


def _faces(clip: Clip, person: str, most: int | None = None) -> Generator[_Look, None, None]:
    with open_tracker("facemesh") as tracker, closing(prefetch(islice(clip.frames(), most), AHEAD)) as frames:
        for look in follow_person(frames, PersonFollower(tracker, person)):
            yield _Look(*look)


@contextmanager
def _video(path: Path, like: Clip | None = None) -> Iterator[Clip]:
    with open_clip(path, None if like is None else like.facts.fps) as clip:
        if clip.facts.is_photo:
            raise MediaError(f"{path} is a photo; give a video, whose motion can be measured")
        yield clip


def _footage(path: Path, frames: int, person: str) -> FaceRecord:
    """The face in the footage that was dubbed: its first frames, as many as the output has."""
    record = FaceRecord()
    with open_clip(path) as clip:
        for look in _faces(clip, person, frames):
            record.add(look.frame, look.mesh, cut=look.cut)
    _check_seen(record, path, person)
    return record


def _check_seen(record: FaceRecord, path: Path, person: str) -> None:
    if not record.present.any():
        raise NoFaceError(
            f"{path} shows no usable face (person {person}) in {len(record)} frames; give a video of a talking person"
        )


def _curves(ours: FaceRecord, real: FaceRecord | None, samples: np.ndarray, fps: float) -> Curves:
    times = np.arange(len(ours)) / fps
    spoken = samples[: round(len(ours) / fps * SOUND_RATE)]
    if not len(spoken):
        raise InputError("the sound is empty; give the sound that the video was to say")
    padded = np.pad(spoken, (0, max(0, round(len(ours) / fps * SOUND_RATE) - len(spoken))))
    energy = energy_db(padded)
    at = np.clip(np.round(times * 100).astype(int), 0, len(energy) - 1)
    silent, speech = measures.activity(energy, times)
    return Curves(
        fps=fps,
        opening=ours.opening,
        width=ours.width,
        real_opening=None if real is None else _as_long(real.opening, len(ours)),
        real_width=None if real is None else _as_long(real.width, len(ours)),
        energy=np.clip(energy[at] - energy.max(), -FLOOR_DB, 0),
        silent=silent,
        speech=speech,
    )


def _as_long(curve: np.ndarray, frames: int) -> np.ndarray:
    return np.pad(curve[:frames].astype(np.float64), (0, max(0, frames - len(curve))), constant_values=np.nan)


def _motion(tally: Tally, curves: Curves, talker: FaceRecord | None) -> None:
    """Opening, width, lag, amplitude and rest. `talker`: real footage whose amplitude is that of the person."""
    if curves.real_opening is None or curves.real_width is None:
        tally.leave_out(("opening_r", "width_r"), NO_REFERENCE)
        _lag(tally, (curves.opening, curves.energy), "sound energy")
        if talker is None:
            tally.leave_out(("amplitude",), NO_SOURCE)
        else:
            real = talker.opening[talker.present]
            _amplitude(tally, (curves.opening[~np.isnan(curves.opening)], real))
    else:
        pair = curves.opening, curves.real_opening
        _r(tally, "opening_r", pair)
        _r(tally, "width_r", (curves.width, curves.real_width))
        _lag(tally, pair, "reference")
        _amplitude(tally, measures.both_seen(pair))
    changes = curves.changes
    tally.found["silent_frames"] = len(changes[0])
    tally.put("silence_motion", measures.rest_ratio([changes]), "the sound has no pause of 160 ms over a visible face")


def _sync(tally: Tally, ours: FaceRecord, samples: np.ndarray, fps: float) -> None:
    spoken = samples[: round(len(ours) / fps * SOUND_RATE)]
    found = synchrony(shipped_towers(), ours.in_face_space[:, len(STABLE) :], fps, spoken)
    if found is None:
        tally.leave_out(("sync_offset", "sync_confidence"), TOO_LITTLE)
    else:
        tally.found |= {"sync_offset": found.offset_ms, "sync_confidence": found.confidence}


def _closure(tally: Tally, counts: dict[str, dict[str, int]]) -> None:
    seen, closed = (sum(count[kind] for count in counts.values()) for kind in ("seen", "closed"))
    tally.found |= {"phones": seen, "phone_counts": counts}
    tally.put("closure", closed / (seen or np.nan), "no m, b or p falls on a frame with a face")


def _r(tally: Tally, name: str, pair: Pair) -> None:
    made, real = measures.both_seen(pair)
    if len(made) < FEWEST:
        tally.leave_out((name,), TOO_SHORT)
    elif min(made.std(), real.std()) < FLAT:
        tally.leave_out((name,), "one of the two mouths does not move")
    else:
        tally.found[name] = measures.pooled_r([(made, real)])


def _lag(tally: Tally, pair: Pair, against: str) -> None:
    made, other = measures.both_seen(pair)
    if len(made) < FEWEST:
        tally.leave_out(("lag",), TOO_SHORT)
    elif made.std() < FLAT or other.std() < FLAT:
        tally.leave_out(("lag",), "one of the two curves does not move")
    else:
        lag = measures.lag_of([pair])
        r = measures.pooled_r([measures.both_seen(measures.shifted(pair, lag))])
        tally.found |= {"lag": lag, "lag_r": r, "lag_against": against}


def _amplitude(tally: Tally, pair: Pair) -> None:
    if min(map(len, pair)) < FEWEST or pair[1].std() < FLAT:
        tally.leave_out(("amplitude",), "the real mouth does not move, or is seen too briefly")
    else:
        tally.found["amplitude"] = measures.amplitude([pair])


def _pictures(tally: Tally, mouths: list[MouthScores], *, same_size: bool, with_reference: bool) -> None:
    names = ("landmark_error", "opening_error", "psnr", "ssim", "sharpness")
    if not with_reference:
        tally.leave_out(names, NO_REFERENCE)
        return
    if not mouths:
        tally.leave_out(names, "no frame shows a face in both videos")
        return
    for name in names:
        tally.found[name] = float(np.median([getattr(scores, name) for scores in mouths]))
    if not same_size:
        del tally.found["landmark_error"]
        tally.leave_out(("landmark_error",), "the two videos differ in picture size: their pixels cannot be compared")


def _steadiness(tally: Tally, ours: FaceRecord, real: FaceRecord | None, source: FaceRecord | None) -> None:
    if source is None:
        tally.leave_out(("head_jitter", "flicker"), NO_SOURCE)
    else:
        tally.put("head_jitter", _head(ours) / _head(source), "too few frames in a row show the face")
        tally.put("flicker", ours.flicker / (source.flicker or np.nan), "too few frames in a row show the face")
    if real is None:
        tally.leave_out(("lip_jitter",), NO_REFERENCE)
        return
    frames = min(len(ours), len(real))
    made, target = (record.in_face_space[:frames, LIPS] for record in (ours, real))
    cuts = ours.cuts[:frames] | real.cuts[:frames]
    both = [np.where(resting(target), second_differences(lips, cuts), np.nan) for lips in (made, target)]
    tally.put("lip_jitter", mean_of(both[0]) / mean_of(both[1]), "the real mouth rests in too few frames")


def _head(record: FaceRecord) -> float:
    """Mean absolute second difference of the stable points over eye distance; NaN if too short or perfectly still."""
    stable = record.points[:, : len(STABLE), :2] / float(np.nanmedian(record.eyes))
    return mean_of(second_differences(stable, record.cuts)) or float("nan")
