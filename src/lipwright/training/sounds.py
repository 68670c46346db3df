"""Other rooms, microphones and neighbours for a voice; and sounds that are no voice at all.

All made by rule: nothing is recorded, nothing is shipped.
"""

from io import BytesIO

import av
import numpy as np

from lipwright.training.clips import SOUND_RATE

ROOM, BAND, CODEC, MUSIC, HISS = 0.2, 0.12, 0.08, 0.12, 0.6  # how often a voice meets each
PENTATONIC = (0, 2, 4, 7, 9, 12, 14, 16)


def disturb(samples: np.ndarray, before: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Another room, microphone and level.

    A smooth EQ always; at times reverberation, a narrow band, a lossy codec, music behind at 8 to 25 dB and coloured
    noise at 8 to 40 dB.

    Args:
        samples: (n,) float32 at 16 kHz.
        before: (m,) what the same microphone heard before.
        rng: decides.

    Returns:
        Both, disturbed alike.
    """
    length = len(before) + len(samples)
    sound = np.pad(np.concatenate([before, samples]), (0, -length % 4096))  # a fast FFT length
    loud = _equalised(sound, rng)
    if rng.random() < MUSIC:
        loud = _over(loud, music(len(loud), rng), rng.uniform(8, 25))
    if rng.random() < HISS:
        loud = _over(loud, hiss(len(loud), rng), rng.uniform(8, 40))
    loud = np.clip(loud * 10 ** (rng.uniform(-20, 6) / 20), -1, 1).astype(np.float32)
    if rng.random() < CODEC:
        loud = _coded(loud, int(rng.choice((16_000, 24_000, 32_000))))
    return loud[len(before) : length], loud[: len(before)]


def _equalised(sound: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(sound)
    share = np.linspace(0, 1, len(spectrum))
    curve = np.interp(share**0.5, np.linspace(0, 1, 6), rng.uniform(-8, 8, 6))
    spectrum *= 10 ** (curve / 20)
    if rng.random() < ROOM:
        spectrum *= np.fft.rfft(_room(rng), len(sound))
    if rng.random() < BAND:
        low, high = rng.uniform(0, 300) / 8000, rng.uniform(3000, 7000) / 8000
        spectrum *= 1 / (1 + np.exp(-(share - low) * 400)) / (1 + np.exp((share - high) * 100))
    return np.fft.irfft(spectrum, len(sound))


def _room(rng: np.random.Generator) -> np.ndarray:
    """Impulse response: the direct sound, then noise that dies by 60 dB within 0.1 to 0.6 s."""
    seconds = rng.uniform(0.1, 0.6)
    tail = rng.standard_normal(int(seconds * SOUND_RATE)) * 10 ** (-3 * np.linspace(0, 1, int(seconds * SOUND_RATE)))
    tail *= 10 ** (-rng.uniform(0, 12) / 20) / np.sqrt(np.square(tail).sum())
    tail[: int(0.002 * SOUND_RATE)] = 0
    tail[0] = 1
    return tail


def _over(sound: np.ndarray, other: np.ndarray, decibels: float) -> np.ndarray:
    """`other` that many dB under the sound."""
    return sound + other * (sound.std() * 10 ** (-decibels / 20) / max(float(other.std()), 1e-9))


def _coded(samples: np.ndarray, bits: int) -> np.ndarray:
    """Through Opus and back, the length kept; its delay is trimmed by the container's own timing."""
    stored = BytesIO()
    with av.open(stored, "w", format="ogg") as sink:
        stream = sink.add_stream("libopus", rate=16_000, layout="mono", bit_rate=bits)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = SOUND_RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            sink.mux(packet)
    stored.seek(0)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    with av.open(stored, "r") as source:
        parts = [part.to_ndarray()[0] for f in source.decode(audio=0) for part in resampler.resample(f)]
    parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    heard = np.concatenate(parts)[: len(samples)]
    return np.pad(heard, (0, len(samples) - len(heard))).astype(np.float32)


def hiss(length: int, rng: np.random.Generator) -> np.ndarray:
    """Steady noise, white to red. (n,)."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    return np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 20) ** rng.uniform(0, 1), length)


def music(length: int, rng: np.random.Generator) -> np.ndarray:
    """Plucked and held notes of one scale, at times with a beat of noise. (n,), peaks near 1."""
    out, beat = np.zeros(length), int(rng.uniform(0.15, 0.6) * SOUND_RATE)
    base, decay = 110 * 2 ** rng.uniform(0, 2), rng.uniform(0.1, 1.5)
    drums = rng.random() < 0.5
    for start in range(0, length, beat):
        long = min(int(decay * 2 * SOUND_RATE), length - start)
        time = np.arange(long) / SOUND_RATE
        for _ in range(int(rng.integers(1, 4))):
            pitch = base * 2 ** (int(rng.choice(PENTATONIC)) / 12)
            tones = sum(np.sin(2 * np.pi * pitch * k * time) / k ** rng.uniform(1, 2) for k in range(1, 6))
            out[start : start + long] += tones * np.exp(-time / decay) * rng.uniform(0.3, 1)
        if drums:
            hit = min(int(0.12 * SOUND_RATE), length - start)
            out[start : start + hit] += 2 * rng.standard_normal(hit) * np.exp(-np.arange(hit) / 400)
    return out / max(float(np.abs(out).max()), 1e-9)


def breaths(length: int, rng: np.random.Generator) -> np.ndarray:
    """Breaths in and out: swells of noise between 300 and 4,000 Hz. (n,), peaks near 1."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.fft.rfftfreq(length, 1 / SOUND_RATE)
    middle, wide = rng.uniform(600, 2500), rng.uniform(400, 1500)
    noise = np.fft.irfft(spectrum * np.exp(-np.square((hertz - middle) / wide)), length)
    swell, at = np.zeros(length), 0
    while at < length:
        long = min(int(rng.uniform(0.2, 0.8) * SOUND_RATE), length - at)
        swell[at : at + long] = np.sin(np.pi * np.arange(long) / long) ** 2 * rng.uniform(0.3, 1)
        at += long + int(rng.uniform(0.05, 0.8) * SOUND_RATE)
    noise = noise * swell
    return noise / max(float(np.abs(noise).max()), 1e-9)


def no_voice(length: int, rng: np.random.Generator) -> np.ndarray:
    """Music, breaths or noise at some level. (n,) float32."""
    made = (music, breaths, hiss)[int(rng.choice(3, p=(0.5, 0.35, 0.15)))](length, rng)
    made = made / max(float(np.abs(made).max()), 1e-9)
    return (made * 10 ** (rng.uniform(-40, -6) / 20)).astype(np.float32)
