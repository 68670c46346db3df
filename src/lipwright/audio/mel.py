"""Log-mel bands of a sound, in NumPy alone.

Convention, the same in training and in use:
    rate      16 kHz, mono, float32 in -1..1
    row i     25 ms (400 samples) under a Hann window, centred at sample 160 i, that is at i / 100 s; the sound
              counts as zero before its start and after its end; rows run while their centre lies in the sound
    spectrum  power of a 512-point FFT of the windowed samples, over the squared sum of the window
    bands     80 triangles, equally spaced from 60 to 7,800 Hz on the mel scale 2595 log10(1 + f / 700)
    unit      dB: 10 log10 of the band power, floored at -100
"""

from functools import cache

import numpy as np

from lipwright.errors import OptionError

RATE = 16_000
HOP = 160
STEPS_PER_SECOND = RATE // HOP
WINDOW = 400
FFT = 512
BANDS = 80
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_800.0
FLOOR_DB = -100.0
_ROWS_AT_ONCE = 1_000


def steps(samples: int) -> int:
    """Rows that a sound of so many samples has."""
    return -(-samples // HOP)


def log_mel(samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Log-mel bands at 100 rows per second.

    Args:
        samples: (n,) float32 in -1..1.
        rate: samples per second; must be 16,000.

    Returns:
        (ceil(n / 160), 80) float32, dB; row i is centred at i / 100 s.

    Raises:
        OptionError: another rate.
    """
    if rate != RATE:
        raise OptionError(f"log_mel needs sound at {RATE} samples per second, got {rate}; resample it first")
    rows = steps(len(samples))
    out = np.empty((rows, BANDS), np.float32)
    for first in range(0, rows, _ROWS_AT_ONCE):
        last = min(first + _ROWS_AT_ONCE, rows)
        out[first:last] = _mel_rows(_excerpt(samples, first, last))
    return out


def _excerpt(samples: np.ndarray, first: int, last: int) -> np.ndarray:
    """The samples that rows first..last - 1 see, zeros beyond the sound."""
    begin, end = first * HOP - WINDOW // 2, (last - 1) * HOP + WINDOW // 2
    part = samples[max(begin, 0) : min(end, len(samples))]
    return np.pad(part, (max(-begin, 0), max(end - len(samples), 0)))


def _mel_rows(samples: np.ndarray) -> np.ndarray:
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    spectrum = np.fft.rfft(windows * _hann(), FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32) / float(_hann().sum()) ** 2
    return 10 * np.log10(np.maximum(power @ filters().T, 10 ** (FLOOR_DB / 10)))


@cache
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@cache
def filters() -> np.ndarray:
    """Weight of each FFT bin in each band. (80, 257) float32, peaks of 1."""
    hertz = np.fft.rfftfreq(FFT, 1 / RATE)
    edges = _mel_to_hertz(np.linspace(_hertz_to_mel(LOWEST_HZ), _hertz_to_mel(HIGHEST_HZ), BANDS + 2))
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(np.minimum(rising, falling), 0)
    return _without_empty(triangles, hertz, edges[1:-1]).astype(np.float32)


def _without_empty(triangles: np.ndarray, hertz: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The lowest triangles are narrower than a bin: let each hear at least the bins beside its centre."""
    near = np.maximum(1 - np.abs(hertz - centres[:, None]) / (hertz[1] - hertz[0]), 0)
    return np.maximum(triangles, near)


def _hertz_to_mel(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))


def _mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    return 700 * (10 ** (mel / 2595) - 1)
