"""Measures of mouth motion against real mouths; definitions in the project's list of measures."""

from dataclasses import dataclass

import numpy as np

from lipwright.audio.activity import energy_db
from lipwright.facespace import opening, width
from lipwright.training.clips import TalkingClip

LIPS = 40  # the first 40 drive points
LAGS = range(-10, 11)


@dataclass(frozen=True, slots=True)
class Guess:
    """A clip and a guess at its mouths, both (F, 68, 3) in face space at the clip's frame rate.

    `real` and `made` already leave out frames without sound.
    """

    clip: TalkingClip
    real: np.ndarray
    made: np.ndarray


def pooled_r(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Pearson r of curves (made, real), each clip's mean removed, clips pooled."""
    made = np.concatenate([a - a.mean() for a, _ in pairs])
    real = np.concatenate([b - b.mean() for _, b in pairs])
    return float((made @ real) / np.sqrt((made @ made) * (real @ real) + 1e-12))


def amplitude(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Standard deviation, made over real, each clip's mean removed, clips pooled."""
    made = np.concatenate([a - a.mean() for a, _ in pairs])
    real = np.concatenate([b - b.mean() for _, b in pairs])
    return float(made.std() / real.std())


def shifted(made: np.ndarray, real: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """The two curves with `made` taken `lag` frames later: at the best lag they agree."""
    if lag > 0:
        return made[lag:], real[:-lag]
    return (made[:lag], real[-lag:]) if lag < 0 else (made, real)


def lag_of(pairs: list[tuple[np.ndarray, np.ndarray]]) -> int:
    """Frames that the made curves come late: the shift of the highest pooled r."""
    usable = [pair for pair in pairs if len(pair[0]) > 2 * max(LAGS)]
    return max(LAGS, key=lambda lag: pooled_r([shifted(a, b, lag) for a, b in usable]))


def bootstrap(
    pairs: list[tuple[np.ndarray, np.ndarray]], persons: list[str], rounds: int = 2_000
) -> tuple[float, float]:
    """95 % interval of the pooled r, people drawn with replacement; seed fixed."""
    rng = np.random.default_rng(0)
    names = sorted(set(persons))
    of = {name: [pair for pair, p in zip(pairs, persons, strict=True) if p == name] for name in names}
    drawn = [
        pooled_r([pair for pick in rng.integers(len(names), size=len(names)) for pair in of[names[pick]]])
        for _ in range(rounds)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def activity(clip: TalkingClip, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Which frames are silence and which speech, as the measures define them. Two (frames,) bool."""
    energy = energy_db(clip.samples)
    loud = np.percentile(energy, 95)
    quiet = energy < loud - 30
    edges = np.flatnonzero(np.diff(np.concatenate([[0], quiet.astype(np.int8), [0]])))
    silent = np.zeros(len(quiet), bool)
    for begin, end in edges.reshape(-1, 2):
        silent[begin:end] = end - begin >= 16
    at = np.round((np.arange(frames) / float(clip.fps) + clip.late) * 100).astype(int)
    at = np.clip(at, 0, len(energy) - 1)
    return silent[at], energy[at] > loud - 14


def silence_over_speech(guesses: list[Guess], *, real: bool = False) -> tuple[float, int]:
    """Mean frame-to-frame change of opening in silence over that in speech; silent frames."""
    still, moving = [], []
    for guess in guesses:
        opens = opening(guess.real if real else guess.made)
        silent, speech = activity(guess.clip, len(opens))
        change = np.abs(np.diff(opens)) * float(guess.clip.fps) / 25
        still.append(change[silent[1:] & silent[:-1]])
        moving.append(change[speech[1:] & speech[:-1]])
    still, moving = np.concatenate(still), np.concatenate(moving)
    return (float(still.mean() / moving.mean()) if len(still) else float("nan")), len(still)


def landmark_error(guesses: list[Guess]) -> float:
    """LMD: lip points, % of eye distance, median over frames, then over people."""
    of: dict[str, list[np.ndarray]] = {}
    for guess in guesses:
        distance = np.linalg.norm(guess.made - guess.real, axis=2)[:, :LIPS].mean(1)
        of.setdefault(guess.clip.person, []).append(distance)
    return 100 * float(np.median([np.median(np.concatenate(parts)) for parts in of.values()]))


def opening_pairs(guesses: list[Guess]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Curves of opening, made and real, per clip."""
    return [(opening(guess.made), opening(guess.real)) for guess in guesses]


def width_pairs(guesses: list[Guess]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Curves of width, made and real, per clip."""
    return [(width(guess.made), width(guess.real)) for guess in guesses]
