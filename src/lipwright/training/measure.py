"""Guesses at mouths against real ones; the measures themselves are in `lipwright.evaluation.curves`."""

from dataclasses import dataclass

import numpy as np

from lipwright.audio.activity import energy_db
from lipwright.evaluation.curves import Pair, activity, changes
from lipwright.facespace import opening, width
from lipwright.training.clips import TalkingClip

LIPS = 40  # the first 40 drive points


@dataclass(frozen=True, slots=True)
class Guess:
    """A clip and a guess at its mouths, both (F, 68, 3) in face space at the clip's frame rate.

    `real` and `made` already leave out frames without sound.
    """

    clip: TalkingClip
    real: np.ndarray
    made: np.ndarray


def silence_over_speech(guesses: list[Guess], *, real: bool = False) -> tuple[float, int]:
    """Mean frame-to-frame change of opening in silence over that in speech; silent frames."""
    still, moving = [], []
    for guess in guesses:
        clip, opens = guess.clip, opening(guess.real if real else guess.made)
        times = np.arange(len(opens)) / float(clip.fps) + clip.late
        quiet, loud = changes(opens, *activity(energy_db(clip.samples), times), float(clip.fps))
        still.append(quiet)
        moving.append(loud)
    still, moving = np.concatenate(still), np.concatenate(moving)
    return (float(still.mean() / moving.mean()) if len(still) else float("nan")), len(still)


def landmark_error(guesses: list[Guess]) -> float:
    """LMD: lip points, % of eye distance, median over frames, then over people."""
    of: dict[str, list[np.ndarray]] = {}
    for guess in guesses:
        distance = np.linalg.norm(guess.made - guess.real, axis=2)[:, :LIPS].mean(1)
        of.setdefault(guess.clip.person, []).append(distance)
    return 100 * float(np.median([np.median(np.concatenate(parts)) for parts in of.values()]))


def opening_pairs(guesses: list[Guess]) -> list[Pair]:
    """Curves of opening, made and real, per clip."""
    return [(opening(guess.made), opening(guess.real)) for guess in guesses]


def width_pairs(guesses: list[Guess]) -> list[Pair]:
    """Curves of width, made and real, per clip."""
    return [(width(guess.made), width(guess.real)) for guess in guesses]
