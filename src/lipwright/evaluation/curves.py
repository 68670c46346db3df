"""Measures of mouth motion over time: curves made against curves real. Definitions in docs/evaluation.md."""

from collections.abc import Callable, Sequence

import numpy as np

Interval = tuple[float, float]
"""The ends of a 95 % interval."""

Pair = tuple[np.ndarray, np.ndarray]
"""A made and a real curve of one clip, (F,) each."""

LAGS = range(-10, 11)
QUIET_DB, SPEECH_DB = 30.0, 14.0  # under the 95th percentile of energy: silence; within it: speech
SHORTEST_SILENCE = 16  # steps of 10 ms


def pooled_r(pairs: Sequence[Pair]) -> float:
    """Pearson r, each clip's mean removed, clips pooled."""
    made, real = (np.concatenate([pair[i] - pair[i].mean() for pair in pairs]) for i in range(2))
    return float((made @ real) / np.sqrt((made @ made) * (real @ real) + 1e-12))


def amplitude(pairs: Sequence[Pair]) -> float:
    """Standard deviation, made over real, each clip's mean removed, clips pooled."""
    made, real = (np.concatenate([pair[i] - pair[i].mean() for pair in pairs]) for i in range(2))
    return float(made.std() / max(float(real.std()), 1e-9))


def shifted(pair: Pair, lag: int) -> Pair:
    """The curves with the made one taken `lag` frames later: at the best lag they agree."""
    made, real = pair
    if lag > 0:
        return made[lag:], real[:-lag]
    return (made[:lag], real[-lag:]) if lag < 0 else pair


def both_seen(pair: Pair) -> Pair:
    """The frames in which neither curve is NaN."""
    made, real = pair
    seen = ~np.isnan(made + real)
    return made[seen], real[seen]


def lag_of(pairs: Sequence[Pair]) -> int:
    """Frames that the made curves come late: the shift of the highest pooled r; clips under 21 frames left out.

    A frame that shows no face is NaN and takes no part; it must not be taken out, or what follows it would move.
    """
    usable = [pair for pair in pairs if len(pair[0]) > 2 * max(LAGS)]
    if not usable:
        return 0
    return max(LAGS, key=lambda lag: (pooled_r([both_seen(shifted(pair, lag)) for pair in usable]), -abs(lag)))


def bootstrap(
    pairs: Sequence[Pair],
    people: Sequence[str],
    rounds: int = 2_000,
    statistic: Callable[[Sequence[Pair]], float] = pooled_r,
) -> Interval:
    """95 % interval of a figure pooled over clips, people drawn with replacement; seed fixed."""
    rng = np.random.default_rng(0)
    names = sorted(set(people))
    of = {name: [pair for pair, p in zip(pairs, people, strict=True) if p == name] for name in names}
    drawn = [
        statistic([pair for pick in rng.integers(len(names), size=len(names)) for pair in of[names[pick]]])
        for _ in range(rounds)
    ]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def bootstrap_median(values: Sequence[float], rounds: int = 2_000) -> Interval:
    """95 % interval of the median of one value a person, people drawn with replacement; seed fixed."""
    drawn = np.random.default_rng(0).integers(len(values), size=(rounds, len(values)))
    low, high = np.percentile(np.median(np.asarray(values, np.float64)[drawn], axis=1), [2.5, 97.5])
    return float(low), float(high)


def activity(energy: np.ndarray, times: np.ndarray) -> Pair:
    """Which moments are silence and which speech.

    Args:
        energy: (n,) dB of 40 ms, one value every 10 ms.
        times: (F,) seconds.

    Returns:
        Two (F,) bool arrays.
    """
    loud = np.percentile(energy, 95)
    quiet = np.pad(energy < loud - QUIET_DB, 1)
    edges = np.flatnonzero(np.diff(quiet.astype(np.int8)))
    silent = np.zeros(len(energy), bool)
    for begin, end in edges.reshape(-1, 2):
        silent[begin:end] = end - begin >= SHORTEST_SILENCE
    at = np.clip(np.round(times * 100).astype(int), 0, len(energy) - 1)
    return silent[at], energy[at] > loud - SPEECH_DB


def changes(curve: np.ndarray, silent: np.ndarray, speech: np.ndarray, fps: float) -> Pair:
    """Absolute changes of a curve per 40 ms, in silence and in speech. The ratio of their means is the measure."""
    step = np.abs(np.diff(curve)) * fps / 25
    return step[silent[1:] & silent[:-1]], step[speech[1:] & speech[:-1]]


def rest_ratio(pairs: Sequence[Pair]) -> float:
    """Mean change in silence over that in speech, of what `changes` returned for each clip; NaN without silence."""
    still, moving = (np.concatenate([pair[i] for pair in pairs]) for i in range(2))
    return float(still.mean() / moving.mean()) if len(still) and moving.any() else float("nan")
