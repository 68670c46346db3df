"""Fits to one person what can be fitted: their own footage and its own sound tell how their mouth speaks."""

from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.avatar.store import AvatarStore
from lipwright.avatar.teeth import FEWEST, read_teeth
from lipwright.avatar.trust import relied_on
from lipwright.avatar.tuning import Tuning
from lipwright.errors import InputError, OptionError
from lipwright.face.base import TRACKERS
from lipwright.media import Clip, open_clip
from lipwright.motion.tuning import FittedStyle, Spoken, fit_style, lateness
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.hearing import read_speech
from lipwright.pipeline.job import avatar_key, load_avatar
from lipwright.progress import Progress, silent
from lipwright.runtime import Models

LEAST_SECONDS = 4.0  # of trusted frames with speech
MOST_SECONDS = 180  # that are fitted to
HEARD = 100  # mouths per second made of the sound
STEPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport:
    """What was fitted.

    Args:
        avatar_key: name of the footage's analysis in the store.
        footage: the file.
        seconds: of speech that was fitted to.
        sound_late: seconds that the footage's sound comes after its picture; the fit takes it out.
        mouth_looks: looks into the mouth that show teeth.
        enamel, edge: see `lipwright.render.teeth.Teeth`.
        style_kept: whether neutral and range are the fitted ones; if not, they did no better than without.
        opens, widens: range, 1 = as the model moves.
        responds: whether the fitted response is used.
        error_before, error_after: landmark error of the lips on moments held out, % of eye distance.
        notes: what the user should know, one sentence each.
    """

    avatar_key: str
    footage: Path
    seconds: float
    sound_late: float
    mouth_looks: int
    enamel: tuple[float, float, float]
    edge: float
    style_kept: bool
    opens: float
    widens: float
    responds: bool
    error_before: float
    error_after: float
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"footage": str(self.footage), "notes": list(self.notes)}


def tune(avatar: Path | str, *, options: DubOptions | None = None, progress: Progress = silent) -> TuneReport:
    """Fit neutral, range, response and teeth to the person of some footage, and keep that with their avatar.

    Jobs on the same footage use it from then on.

    Args:
        avatar: the footage, or a key of the store (or an unambiguous beginning of one) whose footage still lies where
            it was.
        options: person, rate, tracker and cache as of the jobs; a key brings its own person and tracker.
        progress: told `("analyse", done, total)`, then `("fit", done, total)`.

    Raises:
        InputError: unknown key; footage that is gone, is a photo, has no sound, speaks too little, or whose sound does
            not belong to the picture.
        OutputError: it cannot be kept.
    """
    footage, options = find_footage(avatar, options or DubOptions())
    with open_clip(footage, options.fps) as clip:
        if clip.facts.is_photo or not clip.facts.has_sound:
            what = "is a photo" if clip.facts.is_photo else "has no sound"
            raise InputError(f"{footage} {what}; tuning needs a video of the person speaking, with its own sound")
        person, key, _ = load_avatar(clip, options, progress)
        if not isinstance(person, Avatar):
            raise OptionError(f"tuning is for the native engine's avatars, not those of {options.engine}")
        progress("fit", 0, STEPS)
        spoken, late = own_speech(clip, person, options)
    progress("fit", 1, STEPS)
    fitted = fit_style(spoken)
    progress("fit", 2, STEPS)
    teeth, looks = read_teeth(person.bank)
    report = TuneReport(
        avatar_key=key,
        footage=footage,
        seconds=round(spoken.seconds, 2),
        sound_late=late,
        mouth_looks=looks,
        enamel=teeth.enamel,
        edge=teeth.edge,
        style_kept=fitted.helps,
        opens=fitted.opens,
        widens=fitted.widens,
        responds=fitted.responds,
        error_before=fitted.before,
        error_after=fitted.after,
        notes=_notes(fitted, looks),
    )
    AvatarStore(options.cache).keep_tuning(key, Tuning(fitted.style if fitted.helps else None, teeth))
    progress("fit", STEPS, STEPS)
    return report


def forget(avatar: Path | str, *, options: DubOptions | None = None) -> str:
    """Delete what was fitted to the person of some footage; arguments as of `tune`. Returns the avatar's key.

    Raises:
        InputError: as `tune`.
        OutputError: it cannot be deleted.
    """
    footage, options = find_footage(avatar, options or DubOptions())
    with open_clip(footage, options.fps) as clip:
        key = avatar_key(clip, options)
    AvatarStore(options.cache).forget_tuning(key)
    return key


def find_footage(avatar: Path | str, options: DubOptions) -> tuple[Path, DubOptions]:
    """The footage of an avatar, and the options under which it has that avatar.

    Args:
        avatar: footage, or a key of the store.
        options: of which a key sets person and tracker.

    Raises:
        InputError: there is no such avatar, or its footage is not where it was, or was changed.
    """
    if Path(avatar).exists():
        return Path(avatar), options
    kept = AvatarStore(options.cache).resolve(str(avatar))
    footage = Path(kept.path)
    if not (kept.path and footage.is_file()):
        raise InputError(f"the footage of {kept.key}, {kept.footage}, is no longer where it was; name the file itself")
    for tracker in TRACKERS:
        tried = replace(options, person=kept.person, tracker=tracker)
        with open_clip(footage, options.fps) as clip:
            if avatar_key(clip, tried) == kept.key:
                return footage, tried
    raise InputError(
        f"{footage} is not what {kept.key} was made of, or that had another --fps; name the file and the same options"
    )


def own_speech(clip: Clip, person: Avatar, options: DubOptions) -> tuple[Spoken, float]:
    """The person's mouths beside what the engine makes of the footage's own sound, and how late that sound is.

    Raises:
        InputError: too little speech, or sound and picture do not belong together.
    """
    name, fps, engine = clip.facts.path.name, float(clip.facts.fps), ENGINES[options.engine]
    sound = read_speech(clip.facts.path, engine, Models(), Fraction(MOST_SECONDS))
    heard = int(min(sound.duration, MOST_SECONDS) * HEARD)
    made = sound.motion.drive(sound.code, Fraction(HEARD), heard).part(range(heard)).offsets
    real = np.full((len(person.track), *made.shape[1:]), np.nan, np.float32)
    told = relied_on(person.trust)[person.seen]
    real[person.seen[told]] = person.mouths[told]
    real = real[: int(MOST_SECONDS * fps)]
    seconds = min(float(told.sum()) / fps, heard / HEARD)
    if seconds < LEAST_SECONDS:
        raise InputError(
            f"{name} shows and sounds the person for {seconds:.1f} seconds, at least {LEAST_SECONDS:g} are needed; "
            "use longer footage that shows the mouth well"
        )
    late = lateness(made, real, fps)
    if late is None:
        raise InputError(f"the sound of {name} does not go with its mouth; tuning needs footage with its own sound")
    at = np.round((np.arange(len(real)) / fps + late) * HEARD).astype(int)
    frames = np.flatnonzero((at >= 0) & (at < heard) & np.isfinite(real).all((1, 2)))
    return Spoken(real[frames], made[at[frames]], fps), late


def _notes(fitted: FittedStyle, looks: int) -> tuple[str, ...]:
    notes = []
    if not fitted.helps:
        notes.append("neutral and range are left as they were: fitted ones did no better on moments held out")
    if looks < FEWEST:
        notes.append(f"teeth are seen in {looks} looks into the mouth, {FEWEST} are needed; those made by rule stay")
    return tuple(notes)
