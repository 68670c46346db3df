"""Where a sound speaks and where it is silent, so that lips can come to rest.

All levels are dB over full scale of the energy of 40 ms, at 100 steps per second; step i is centred at
i / 100 s. A step is *quiet* when its energy lies 30 dB under the running speech level, or within a
few dB of the lowest energy heard lately (as long as that is well under the speech), or when the
energy has not changed for a second: hum, fans and hiss do that, voices do not. Digital silence is
always quiet, and so is what begins a sound until it is loud or rises well over its own floor. The
level follows peaks at once and sinks slowly; all of it runs forward only, so live and offline use
agree.

Lips rest in pauses of at least 160 ms: shorter ones are stop consonants and breaths between words.
They begin to close 40 ms before the sound ends. Deciding that needs 250 ms of look-ahead, all that the
motion is allowed.
"""

from dataclasses import dataclass, field

import numpy as np

from lipwright.audio.mel import HOP, STEPS_PER_SECOND, steps

SILENCE_DB = -90.0
FIRST_LEVEL_DB = -35.0  # what speech is taken for until it was heard
CERTAIN_DB, RISE_DB = -38.0, 12.0  # what begins a sound is speech over the first, or so far over its own floor
FADED_STEPS = 3  # the beginning of a file may be faded in: nobody's floor
LOWEST_LEVEL_DB = -65.0
LEVEL_SINKS_DB = 2.0 / STEPS_PER_SECOND  # per step that is not quiet
LEVEL_RESTS_DB = 0.5 / STEPS_PER_SECOND  # per quiet step
QUIET_DB = 30.0  # under the level: silence
FLOOR_RISES_DB = 4.0 / STEPS_PER_SECOND
OVER_FLOOR_DB = 5.0  # over a steady floor: still the floor
FLOOR_UNDER_LEVEL_DB = 18.0  # a floor nearer to the speech than this is no floor

STEADY_STEPS, STEADY_DB = 100, 3.0  # energy that stays within this is noise
OVER_NOISE_DB, NOISE_UNDER_LEVEL_DB = 3.0, 10.0  # near noise once heard, and well under the speech: quiet

SHORTEST_PAUSE = 16  # steps
SHORTEST_SPEECH = 4
CLOSE_LEAD, CLOSE_STEPS = 4, 9  # lips begin to close 40 ms before the sound ends, rest 50 ms after
OPEN_STEPS = 10  # and begin to open 100 ms before it starts, as people do


def energy_db(samples: np.ndarray) -> np.ndarray:
    """Energy of the 40 ms around each step. (n,) samples to (ceil(n / 160),) float32 dB."""
    rows = steps(len(samples))
    padded = np.pad(samples, (0, rows * HOP - len(samples))).reshape(rows, HOP)
    blocks = np.einsum("ij,ij->i", padded, padded, dtype=np.float64) / HOP
    around = np.pad(blocks, (2, 1))  # step i: blocks i - 2 to i + 1, samples within 20 ms
    power = (around[:-3] + around[1:-2] + around[2:-1] + around[3:]) / 4
    return (10 * np.log10(np.maximum(power, 10 ** (SILENCE_DB / 10)))).astype(np.float32)


@dataclass(slots=True)
class LevelMeter:
    """Follows the speech level and the noise floor; carries its state from chunk to chunk."""

    level: float = FIRST_LEVEL_DB
    floor: float | None = None
    noise: float = SILENCE_DB
    age: int = 0
    started: bool = False
    recent: np.ndarray = field(default_factory=lambda: np.full(STEADY_STEPS - 1, np.inf, np.float32))

    def follow(self, energy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Energies in dB (n,) to the level in dB and whether each step is quiet, both (n,)."""
        levels, quiet = np.empty(len(energy), np.float32), np.empty(len(energy), bool)
        level, floor, noise = self.level, self.floor, self.noise
        steady = self._steady(energy)
        for i, now in enumerate(energy.tolist()):
            noise = now if steady[i] else noise
            faded = self.age + i < FADED_STEPS
            floor = now if floor is None or faded else min(floor + FLOOR_RISES_DB, now)
            over_floor = min(floor + OVER_FLOOR_DB, level - FLOOR_UNDER_LEVEL_DB)
            over_noise = min(noise + OVER_NOISE_DB, level - NOISE_UNDER_LEVEL_DB)
            is_quiet = now < max(level - QUIET_DB, over_floor, over_noise, SILENCE_DB + 1) or bool(steady[i])
            if not self.started:  # a loud recording's noise may be as loud as speech is taken for
                is_quiet = is_quiet or now < (CERTAIN_DB if faded else min(CERTAIN_DB, floor + RISE_DB))
                self.started = not is_quiet
            sinks = LEVEL_RESTS_DB if is_quiet else LEVEL_SINKS_DB
            level = max(level - sinks, now, LOWEST_LEVEL_DB)
            levels[i], quiet[i] = level, is_quiet
        self.level, self.floor, self.noise, self.age = level, floor, noise, self.age + len(energy)
        return levels, quiet

    def _steady(self, energy: np.ndarray) -> np.ndarray:
        """Whether the second up to each step stayed within `STEADY_DB`. (n,) to (n,) bool."""
        heard = np.concatenate([self.recent, energy])
        self.recent = heard[len(energy) :]
        if len(energy) == 0:
            return np.zeros(0, bool)
        seconds = np.lib.stride_tricks.sliding_window_view(heard, STEADY_STEPS)
        return seconds.max(1) - seconds.min(1) < STEADY_DB


def speech_gate(quiet: np.ndarray) -> np.ndarray:
    """How far the lips may leave their rest.

    Args:
        quiet: (n,) bool, per step.

    Returns:
        (n,) float32: 1 in speech and in pauses under 160 ms, 0 in longer pauses; it falls from 40 ms
        before the pause to 50 ms into it and rises over the last 100 ms before the next sound. The
        sound counts as quiet before its start and after its end.
    """
    if len(quiet) == 0:
        return np.zeros(0, np.float32)
    around = max(SHORTEST_PAUSE, CLOSE_STEPS, OPEN_STEPS) + SHORTEST_SPEECH
    still = np.pad(quiet, around, constant_values=True)
    still = ~_keep_long_runs(~still, SHORTEST_SPEECH)
    still = _keep_long_runs(still, SHORTEST_PAUSE)
    voiced = ~still & ~np.roll(still, -CLOSE_LEAD)
    since = _steps_since(voiced)
    until = _steps_since(voiced[::-1])[::-1]
    nearness = np.maximum(1 - since / CLOSE_STEPS, 1 - until / OPEN_STEPS)
    eased = 0.5 - 0.5 * np.cos(np.pi * np.clip(nearness, 0, 1))
    return eased[around:-around].astype(np.float32)


def _keep_long_runs(flags: np.ndarray, shortest: int) -> np.ndarray:
    """Clear every run of true that is shorter than `shortest`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    kept = np.zeros_like(flags)
    for begin, end in edges.reshape(-1, 2):
        kept[begin:end] = end - begin >= shortest
    return kept


def _steps_since(flags: np.ndarray) -> np.ndarray:
    """Steps since the last true, itself 0; a long time before the first."""
    at = np.where(flags, np.arange(len(flags)), -10_000)
    return np.arange(len(flags)) - np.maximum.accumulate(at)
