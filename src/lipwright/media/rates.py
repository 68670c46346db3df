"""Which constant rate a file has or shall be played at, and which source frame each tick shows."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from lipwright.errors import OptionError

# Rates people film, record and cut at. A file near one of them means that one.
_WHOLE = (5, 8, 10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 90, 100, 120)
_NTSC = (24, 30, 48, 60, 120)  # these divided by 1.001
STANDARD = (*map(Fraction, _WHOLE), *(Fraction(rate * 1000, 1001) for rate in _NTSC))
FASTEST = Fraction(120)
DEFAULT = Fraction(25)

# A frame may come this part of a frame early or late and still be the frame of its tick: clocks of
# containers are coarse (1 ms in WebM) and phones jitter.
_SLACK = Fraction(1, 4)
_EARLY = Fraction(1, 8)


def parse_rate(text: str) -> Fraction:
    """The exact rate that 25, 29.97 or 30000/1001 stands for; the NTSC decimals mean what they abbreviate.

    Raises:
        OptionError: not a positive number.
    """
    ntsc = {"23.976": "24000/1001", "23.98": "24000/1001", "29.97": "30000/1001", "59.94": "60000/1001"}
    try:
        rate = Fraction(ntsc.get(text, text))
    except (ValueError, ZeroDivisionError):
        raise OptionError(f"fps {text!r} is not a rate; write 25, 29.97 or 30000/1001") from None
    if rate <= 0:
        raise OptionError(f"fps must be above 0, got {text}")
    return rate


def steady_rate(times: np.ndarray, tick: Fraction, hints: Sequence[Fraction]) -> Fraction | None:
    """The one rate at which every frame has its own tick, if there is one.

    Args:
        times: (n,) int64, increasing presentation times in ticks.
        tick: Seconds per tick.
        hints: What the container claims, likeliest first.

    Returns:
        A standard rate where one fits, else a claimed one, else None: the frames come at a variable
        rate.
    """
    named = [hint for hint in hints if hint in STANDARD]
    if len(times) < 2:
        return next(iter([*named, *hints]), DEFAULT)
    nearest = min(STANDARD, key=lambda rate: _drift(times, tick, rate))
    for rate in (*named, nearest, *hints):
        if _drift(times, tick, rate) <= _SLACK / rate:
            return rate
    return None


def nominal_rate(times: np.ndarray, tick: Fraction, hints: Sequence[Fraction]) -> Fraction:
    """A sensible constant rate for frames that come at a variable one.

    Most of the short gaps between frames survive, so that motion stays as smooth as it was filmed;
    but never more than twice the average, so that bursts do not decide, and at most 60.
    """
    gaps = np.diff(times)
    average = Fraction(len(gaps)) / (int(times[-1] - times[0]) * tick)
    quick = 1 / (max(1, int(np.percentile(gaps, 20))) * tick)
    wanted = min(quick, 2 * average, Fraction(60))
    for hint in hints:
        if hint in STANDARD and abs(hint / wanted - 1) < Fraction(1, 200):
            return hint
    return min(STANDARD, key=lambda rate: max(rate / wanted, wanted / rate))


def within_reason(rate: Fraction) -> Fraction:
    """The rate, divided by the smallest whole number that brings it to 120 or less."""
    return rate / -(-rate // FASTEST) if rate > FASTEST else rate


def shown_at(times: np.ndarray, tick: Fraction, zero: Fraction, fps: Fraction, count: int) -> np.ndarray:
    """For each of `count` frames at `fps` from `zero` seconds on: which source frame is on screen.

    Args:
        times: (n,) int64, increasing presentation times in ticks.
        tick: Seconds per tick.
        zero: Presentation time of output frame 0, seconds.
        fps: Output frames per second.
        count: Output frames.

    Returns:
        (count,) int64, the latest source frame shown by then (an eighth of a frame early counts);
        the first source frame before any is.
    """
    # Whole-number arithmetic throughout: (zero + (k + early) / fps) / tick, floored.
    step = 1 / (fps * tick)
    start = zero / tick + _EARLY * step
    scale = step.denominator * start.denominator
    first, each = int(start * scale), int(step * scale)
    ticks = np.array([(first + k * each) // scale for k in range(count)], dtype=np.int64)
    return np.maximum(np.searchsorted(times, ticks, side="right") - 1, 0)


def frames_in(seconds: Fraction, fps: Fraction) -> int:
    """How many frames at `fps` begin within `seconds`, those of the last eighth left out."""
    exact = seconds * fps - _EARLY
    return max(1, -(-exact.numerator // exact.denominator))


def _drift(times: np.ndarray, tick: Fraction, rate: Fraction) -> float:
    """Seconds by which the worst frame misses its tick."""
    ideal = np.arange(len(times)) * float(1 / rate)
    return float(np.abs((times - times[0]) * float(tick) - ideal).max())
