"""Sound to the speech features of WeNet's encoder, 25 a second, in NumPy and without end.

Convention:
    sound      16 kHz, mono, float32 in -1..1; 0.4 s of silence are put before and after it
    emphasis   y[n] = x[n] - 0.97 x[n - 1]
    row i      800 samples under a periodic Hann window, centred at sample 160 i of the padded sound
    spectrum   power of a 1024-point FFT
    bands      80 triangles of equal area on Slaney's mel scale, 0 to 8,000 Hz
    unit       10 log10(band + 1e-5) - 20
    frame j    what the encoder makes of rows 4 j to 4 j + 6, and by its attention of all rows it is given

The encoder is given 35 seconds at a time, and three rows more: those that the last frame of a piece sees. So pieces
lose no frame, and rows are the same as if the sound lay there whole.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Protocol

import numpy as np

from lipwright.audio.mel import RATE
from lipwright.errors import BackendError
from lipwright.runtime import Models, Network

BANDS, FEATURES = 80, 256
FRAMES_PER_SECOND = 25
HOP, WINDOW, FFT = 160, 800, 1024
HIGHEST_HZ = 8_000.0
EMPHASIS = 0.97
PADDING = 6_400  # samples of silence before and after the sound
ADDED, LOWERED = 1e-5, 20.0

ROWS_PER_FRAME, ROWS_SEEN = 4, 7
PIECE_FRAMES = 875
PIECE_ROWS = PIECE_FRAMES * ROWS_PER_FRAME  # 35 s
ROWS_GIVEN = PIECE_ROWS + ROWS_SEEN - ROWS_PER_FRAME
SHORT_TAIL = 16_000  # samples; unverified: a last piece shorter than this is heard with so much silence after it


def frames_of(rows: int) -> int:
    """Frames that the encoder makes of so many rows."""
    return max(((rows - 1) // 2 - 1) // 2, 0)


def open_ears(models: Models) -> Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]:
    """What hears for the HeyGem engine.

    Raises:
        BackendError: the published encoder is missing or another model.
    """
    encoder = WenetEncoder(models.network("wenet"))
    return lambda blocks: hear(blocks, encoder)


class Encoder(Protocol):
    """Log-mel rows (T, 80) float32 to speech features (`frames_of(T)`, 256) float32."""

    def __call__(self, mel: np.ndarray) -> np.ndarray:
        """Frame j sees rows 4 j to 4 j + 6, and by attention all of them."""
        ...


def hear(blocks: Iterable[np.ndarray], encoder: Encoder) -> Iterator[np.ndarray]:
    """Speech features of a sound, in pieces of 35 s with no more than one of them in memory.

    Args:
        blocks: (n,) float32 samples at 16 kHz each, of any length.
        encoder: rows to frames.

    Yields:
        (n, 256) float32; frame j is centred at j / 25 - 0.4 + 0.04 s of the sound. All pieces together have
        `frames_of(samples // 160 + 1)` frames, of the padded sound's samples.
    """
    heard = _Rows()
    held = np.zeros((0, BANDS), np.float32)
    for block in _padded(blocks):
        held = np.concatenate([held, heard(block)])
        while len(held) >= ROWS_GIVEN:
            yield encoder(held[:ROWS_GIVEN])
            held = held[PIECE_ROWS:]
    held = np.concatenate([held, heard(np.zeros(WINDOW // 2, np.float32))])
    wanted = frames_of(len(held))
    if len(held) <= SHORT_TAIL // HOP:
        held = np.concatenate([held, heard(np.zeros(SHORT_TAIL, np.float32))])
    if wanted:
        yield encoder(held)[:wanted]


def _padded(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks between silences, none longer than a piece."""
    silence = np.zeros(PADDING, np.float32)
    longest = PIECE_ROWS * HOP
    yield silence
    for block in blocks:
        for first in range(0, len(block), longest):
            yield block[first : first + longest]
    yield silence


class _Rows:
    """Log-mel rows of a sound that comes in blocks.

    A padded sound begins and ends in silence longer than a window: mirrored or not, what lies beyond is silence.
    """

    def __init__(self) -> None:
        self._last = np.zeros(1, np.float32)
        self._waiting = np.zeros(WINDOW // 2, np.float32)

    def __call__(self, block: np.ndarray) -> np.ndarray:
        """The rows that are complete with this block. (n,) to (m, 80) float32."""
        before = np.concatenate([self._last, block])
        self._last = before[-1:]
        self._waiting = np.concatenate([self._waiting, before[1:] - np.float32(EMPHASIS) * before[:-1]])
        rows = max((len(self._waiting) - WINDOW) // HOP + 1, 0)
        mel = log_mel(self._waiting[: (rows - 1) * HOP + WINDOW]) if rows else np.zeros((0, BANDS), np.float32)
        self._waiting = self._waiting[rows * HOP :]
        return mel


def log_mel(samples: np.ndarray) -> np.ndarray:
    """Rows of the windows that lie in the samples. (n,) float32 to ((n - 800) // 160 + 1, 80) float32."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    out = np.empty((len(windows), BANDS), np.float32)
    at_once = 500
    for first in range(0, len(windows), at_once):
        spectrum = np.fft.rfft(windows[first : first + at_once] * _hann(), FFT, axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        out[first : first + at_once] = 10 * np.log10(power @ filters().T + ADDED) - LOWERED
    return out


@cache
def _hann() -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


@cache
def filters() -> np.ndarray:
    """Weight of each FFT bin in each band. (80, 513) float64; triangles over hertz have the area 1."""
    hertz = np.fft.rfftfreq(FFT, 1 / RATE)
    edges = _mel_to_hertz(np.linspace(0, _hertz_to_mel(HIGHEST_HZ), BANDS + 2))
    rising = (hertz - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - hertz) / (edges[2:] - edges[1:-1])[:, None]
    return np.maximum(np.minimum(rising, falling), 0) * (2 / (edges[2:] - edges[:-2]))[:, None]


# Slaney's scale: 3 mel in 200 Hz up to 1,000 Hz, from there 27 mel in a factor of 6.4.
_LINEAR_MEL, _LINEAR_HZ, _LOG_STEP = 15.0, 1_000.0, np.log(6.4) / 27


def _hertz_to_mel(hertz: float) -> float:
    return float(_LINEAR_MEL + np.log(hertz / _LINEAR_HZ) / _LOG_STEP)


def _mel_to_hertz(mel: np.ndarray) -> np.ndarray:
    return np.where(
        mel < _LINEAR_MEL, mel * (_LINEAR_HZ / _LINEAR_MEL), _LINEAR_HZ * np.exp(_LOG_STEP * (mel - _LINEAR_MEL))
    )


class WenetEncoder:
    """The encoder in an open network.

    It may be the file converted from the published checkpoint, or anybody's export of such an encoder: one input of
    rows (B, T, 80) floats, and where there is a second, of integers, the number of rows (B,).

    Args:
        network: the open ONNX file.

    Raises:
        BackendError: it takes or gives something else.
    """

    def __init__(self, network: Network) -> None:
        counts = ["int" in port.dtype for port in network.inputs]
        if counts not in ([False], [False, True]):
            got = ", ".join(f"{port.name} {port.dtype} {list(port.shape)}" for port in network.inputs)
            raise BackendError(
                f"{network.file} takes {got}; a speech encoder takes rows (B, T, {BANDS}) of floats and at most the "
                f"number of rows (B,) of integers after them; pull the model again or export it so"
            )
        self._network, self._counts = network, counts[1:]
        self(np.zeros((ROWS_SEEN * ROWS_PER_FRAME, BANDS), np.float32))

    def __call__(self, mel: np.ndarray) -> np.ndarray:
        """(T, 80) float32 to (`frames_of(T)`, 256) float32."""
        frames = self._network.run(mel[None], *(np.array([len(mel)]) for _ in self._counts))[0]
        wanted = (1, frames_of(len(mel)), FEATURES)
        if frames.shape != wanted:
            raise BackendError(
                f"{self._network.file} gives {frames.shape} for {len(mel)} rows, a speech encoder gives {wanted}; "
                f"pull the model again or export it so"
            )
        return frames[0]
