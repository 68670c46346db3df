"""Sound to the speech features of the HeyGem engine: a log-mel front end and WeNet's encoder, chunk by chunk.

Front end: 16 kHz mono with 0.4 s of silence on both sides, pre-emphasis, 50 ms Hann window in a 1,024-point FFT every
10 ms, 80 bands of equal area on Slaney's mel scale (Auditory Toolbox, 1998), 10 log10(power + 1e-5) - 20.

The encoder sees 35 seconds at a time, as it was used by the original. That one starts its front end anew in each chunk,
which costs a feature row (40 ms) per chunk; here the bands go on across chunks and no row is lost.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np

from lipwright.errors import BackendError
from lipwright.runtime import Models, Network

RATE, HOP, WINDOW, FFT = 16_000, 160, 800, 1_024
BANDS, FEATURES = 80, 256
PADDING = 6_400  # samples of silence before and after
EMPHASIS = 0.97
SILENT = -70.0  # a band of silence
CHUNK = 875  # rows of features the encoder makes at a time: 35 seconds
PER_ROW, OVERLAP = 4, 3  # mel rows that a row of features begins after the one before, and that the last one sees more
SHORT = 25  # rows under which a tail is too short for the encoder: it is given a second of silence more (unverified)
ROWS_AT_ONCE = 1_000

Encode = Callable[[np.ndarray], np.ndarray]


def open_ears(models: Models) -> Callable[[Iterable[np.ndarray]], Iterator[np.ndarray]]:
    """What hears for the HeyGem engine.

    Raises:
        BackendError: the published encoder is missing or another model.
    """
    network = models.network("wenet")
    return lambda blocks: hear(blocks, lambda mel: encode(network, mel))


def encode(network: Network, mel: np.ndarray) -> np.ndarray:
    """Features of a stretch of sound; a network with a second input is also told its length.

    Args:
        network: the converted checkpoint, or an export of the user's own.
        mel: (T, 80) float32.

    Returns:
        (rows(T), 256) float32.

    Raises:
        BackendError: the network is another model.
    """
    lengths = [np.array([len(mel)])] if len(network.inputs) == 2 else []
    features, *_ = network.run(mel[None], *lengths)
    if features.shape != (1, rows(len(mel)), FEATURES):
        raise BackendError(
            f"{network.file} makes {features.shape} of {len(mel)} mel rows, wanted (1, {rows(len(mel))}, {FEATURES}); "
            "run `lipwright models pull wenet`"
        )
    return features[0]


def rows(mel: int) -> int:
    """Rows of features that the encoder makes of so many mel rows."""
    return max(0, ((mel - 1) // 2 - 1) // 2)


def hear(blocks: Iterable[np.ndarray], encoder: Encode) -> Iterator[np.ndarray]:
    """The features of a sound of any length, with no more than a chunk of it in memory.

    Args:
        blocks: (n,) float32 samples at 16 kHz each, of any length.
        encoder: (T, 80) mel rows to (rows(T), 256) features.

    Yields:
        (n, 256) float32, 25 rows a second; row i + 10 is centred at i / 25 s of the sound.
    """
    wanted = CHUNK * PER_ROW
    held = np.zeros((0, BANDS), np.float32)
    for piece in log_mel(blocks):
        held = np.concatenate([held, piece])
        while len(held) >= wanted + OVERLAP:
            yield encoder(held[: wanted + OVERLAP])
            held = held[wanted:]
    left = rows(len(held))
    if 0 < left < SHORT:
        held = np.concatenate([held, np.full((SHORT * PER_ROW, BANDS), SILENT, np.float32)])
    if left:
        yield encoder(held)[:left]


def log_mel(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Mel rows of a sound with its silences, piece by piece: as many in all as samples // 160 + 1 of the padded sound.

    Args:
        blocks: (n,) float32 samples at 16 kHz each, of any length.

    Yields:
        (n, 80) float32; row i is centred at i / 100 - 0.4 s of the sound.
    """
    held = np.zeros(WINDOW // 2, np.float32)  # begins half a window before the next row's centre
    total, last = 0, 0.0
    for block in _padded(blocks):
        emphasised = block - np.float32(EMPHASIS) * np.concatenate([[np.float32(last)], block[:-1]])
        total, last = total + len(block), float(block[-1])
        held = np.concatenate([held, emphasised])
        ready = (len(held) - WINDOW) // HOP + 1 if len(held) >= WINDOW else 0
        yield from _bands(held, ready)
        held = held[max(0, ready) * HOP :]
    # Beyond the silence at the end the original mirrors it: that is silence again.
    left = total // HOP + 1 - (total + WINDOW // 2 - len(held)) // HOP
    yield from _bands(np.pad(held, (0, WINDOW)), left)


def _padded(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The sound between its two silences, in blocks of at most ten seconds."""
    yield np.zeros(PADDING, np.float32)
    for block in blocks:
        for first in range(0, len(block), 10 * RATE):
            yield np.asarray(block[first : first + 10 * RATE], np.float32)
    yield np.zeros(PADDING, np.float32)


def _bands(samples: np.ndarray, count: int) -> Iterator[np.ndarray]:
    """The first rows of some samples, the first one's window beginning with them."""
    for first in range(0, count, ROWS_AT_ONCE):
        some = min(ROWS_AT_ONCE, count - first)
        part = samples[first * HOP : (first + some - 1) * HOP + WINDOW]
        windows = np.lib.stride_tricks.sliding_window_view(part, WINDOW)[::HOP] * _hann()
        spectrum = np.fft.rfft(windows, FFT, axis=1)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        yield (10 * np.log10(power @ filters().T + 1e-5) - 20).astype(np.float32)


@cache
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@cache
def filters() -> np.ndarray:
    """Weight of each FFT bin in each band: triangles from 0 to 8,000 Hz, of equal area. (80, 513) float32."""
    edges = _to_hertz(np.linspace(0, _to_mel(RATE / 2), BANDS + 2))
    hertz = np.fft.rfftfreq(FFT, 1 / RATE)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    area = 2 / (edges[2:] - edges[:-2])
    return (np.maximum(np.minimum(rising, falling), 0) * area[:, None]).astype(np.float32)


# Slaney's scale: 200/3 Hz a mel up to 1,000 Hz, above it 27 steps for each factor of 6.4.
BREAK_HZ, MEL_HZ, LOG_STEP = 1_000.0, 200 / 3, np.log(6.4) / 27


def _to_mel(hertz: float) -> float:
    linear = hertz / MEL_HZ
    return linear if hertz < BREAK_HZ else BREAK_HZ / MEL_HZ + float(np.log(hertz / BREAK_HZ)) / LOG_STEP


def _to_hertz(mel: np.ndarray) -> np.ndarray:
    above = BREAK_HZ * np.exp(LOG_STEP * (mel - BREAK_HZ / MEL_HZ))
    return np.where(mel < BREAK_HZ / MEL_HZ, mel * MEL_HZ, above)
