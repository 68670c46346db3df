"""Does the mouth keep its time when only the voice changes? The numbers of docs/benchmarks.md, section "Timing".

    python benchmarks/timing.py CLIPS_DIR

The sound of every clip marked `test` is made louder, softer, higher, lower, larger and smaller with its duration kept,
and sentences are read by eSpeak NG (the command `espeak-ng`) at one speed with other pitch, range, loudness and voice.
The opening of the mouth that each drives, 100 a second, is laid beside that of the sound as it was. eSpeak NG itself
lengthens and shortens phones a little with the voice: by how much its loudness comes later is taken off. Nothing is
drawn.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from lipwright.audio.features import listen
from lipwright.evaluation.manifest import read_manifest
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP
from lipwright.media import read_sound
from lipwright.motion.mouth import MouthMotion
from lipwright.structures import Sound

RATE, FPS = 16_000, 100
SECONDS = 8  # of each clip
PEAK = 0.2  # of every sound: 12 dB more does not clip
REACH = 30  # steps of 10 ms that a curve is slid, to both sides
SIZE, HOP = 512, 128  # samples: 32 and 8 ms
ENVELOPE = 30  # cepstral coefficients: resonances, not the voice's pitch
QUIET = -3.0  # units of 10 dB under the level of speech
DELAY = 0.04  # seconds, of the control
TOP, BOTTOM = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)

SENTENCES = (
    ("en", "My mother baked a small apple pie, and we both waited for it to cool."),
    ("en", "How far away is the old blue boat that you saw this morning?"),
    ("es", "Mi padre compró una bomba para el pozo, pero nunca pudo usarla."),
    ("de", "Über den Bäumen am Ufer schwebte ein bunter Vogel und pfiff."),
    ("fr", "Nous voulons partir bientôt, mais la pluie tombe sur le pont."),
    ("ru", "Мама мыла большое окно, пока брат пил воду и пел песню."),
)
READINGS = {
    "pitch 50 to 20": ("-p", "20"),
    "pitch 50 to 80": ("-p", "80"),
    "monotonous": ("range", "x-low"),
    "excited": ("range", "x-high"),
    "12 dB softer": ("-a", "25"),
    "a woman's voice": ("voice", "f3"),
    "a creaking voice": ("voice", "croak"),
    "whispered": ("voice", "whisper"),
}


def frames_at(samples: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Spectra around places, zero phase in the window's middle. (n,), (K,) int to (K, SIZE // 2 + 1) complex."""
    padded = np.pad(samples, SIZE)
    windows = padded[places[:, None] + np.arange(SIZE) + SIZE // 2] * np.hanning(SIZE + 1)[:-1]
    return np.fft.rfft(np.fft.fftshift(windows, axes=1), axis=1)


def overlapped(spectra: np.ndarray, length: int) -> np.ndarray:
    """Sound of spectra that lie HOP apart, the first around sample 0. (length,)."""
    window = np.hanning(SIZE + 1)[:-1]
    sound, weight = np.zeros((2, len(spectra) * HOP + 2 * SIZE))
    for k, frame in enumerate(np.fft.fftshift(np.fft.irfft(spectra, axis=1), axes=1)):
        sound[k * HOP : k * HOP + SIZE] += frame * window
        weight[k * HOP : k * HOP + SIZE] += window**2
    return (sound / np.maximum(weight, 1e-3))[SIZE // 2 : SIZE // 2 + length]


def stretched(samples: np.ndarray, factor: float) -> np.ndarray:
    """Longer by a factor with its pitch kept: a phase vocoder, phases locked to their neighbours (Puckette 1995)."""
    length = round(len(samples) * factor)
    places = np.round(np.arange(length // HOP + 2) * HOP / factor).astype(int).clip(0, len(samples))
    now, before = frames_at(samples, places), frames_at(samples, np.maximum(places - HOP, 0))
    made = now.copy()
    for k in range(1, len(made)):
        whole = made[k - 1] / (np.abs(made[k - 1]) + 1e-9)
        whole[1:-1] += whole[2:] + whole[:-2]
        turn = whole * now[k] * before[k].conj()
        made[k] = np.abs(now[k]) * turn / (np.abs(turn) + 1e-12)
    return overlapped(made, length)


def larger(samples: np.ndarray, semitones: float) -> np.ndarray:
    """Resonances shifted, pitch and time kept: the smooth part of each spectrum is stretched."""
    spectra = frames_at(samples, np.arange(len(samples) // HOP + 2) * HOP % (len(samples) + 1))
    cepstra = np.fft.irfft(np.log(np.abs(spectra) + 1e-5), axis=1)
    cepstra[:, ENVELOPE : 1 - ENVELOPE] = 0
    smooth = np.fft.rfft(cepstra, axis=1).real
    at = np.arange(smooth.shape[1]) / 2 ** (semitones / 12)
    moved = np.stack([np.interp(at, np.arange(len(row)), row) for row in smooth])
    return overlapped(spectra * np.exp(np.clip(moved - smooth, -4, 4)), len(samples))


def transposed(samples: np.ndarray, semitones: float) -> np.ndarray:
    """Pitch and resonances shifted, time kept: stretched, then played faster."""
    longer = np.fft.rfft(stretched(samples, 2 ** (semitones / 12)))
    count = len(samples) // 2 + 1
    spectrum = np.pad(longer[:count], (0, max(count - len(longer), 0)))
    return np.fft.irfft(spectrum, len(samples))


def sung(samples: np.ndarray, semitones: float) -> np.ndarray:
    """Pitch shifted, resonances and time kept."""
    return larger(transposed(samples, semitones), -semitones)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    f"control: {1000 * DELAY:.0f} ms later": lambda s: np.pad(s, (round(DELAY * RATE), 0))[: len(s)],
    "control: taken apart and put together": partial(stretched, factor=1.0),
    "12 dB softer": lambda s: s / 4,
    "12 dB louder": lambda s: 4 * s,
    "pitch and resonances -4 semitones": partial(transposed, semitones=-4),
    "pitch and resonances +4 semitones": partial(transposed, semitones=4),
    "pitch alone -4 semitones": partial(sung, semitones=-4),
    "pitch alone +4 semitones": partial(sung, semitones=4),
    "resonances alone -4 semitones": partial(larger, semitones=-4),
    "resonances alone +4 semitones": partial(larger, semitones=4),
}


def levelled(samples: np.ndarray) -> np.ndarray:
    """As loud as all others."""
    return samples * (PEAK / max(float(np.abs(samples).max()), 1e-6))


def read_aloud(language: str, text: str, change: tuple[str, str], folder: Path) -> np.ndarray:
    """A sentence as eSpeak NG reads it, at 16 kHz."""
    kind, value = change
    voice = f"{language}+{value}" if kind == "voice" else language
    text = f"<speak><prosody range='{value if kind == 'range' else 'medium'}'>{text}</prosody></speak>"
    more = change if kind.startswith("-") else ()
    path = folder / "sentence.wav"
    command = ["espeak-ng", "-m", "-s", "160", "-v", voice, *more, "-w", str(path), text]
    subprocess.run(command, check=True)  # noqa: S603
    return read_sound(path, RATE).samples


def opening_curve(motion: MouthMotion, samples: np.ndarray) -> np.ndarray:
    """How far the mouth opens, 100 a second. (F,), eye distances."""
    heard = listen(Sound(samples.astype(np.float32), RATE))
    offsets = motion.move(heard, Fraction(FPS), len(samples) * FPS // RATE).offsets
    return offsets[:, BOTTOM, 1] - offsets[:, TOP, 1]


def compared(curve: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Milliseconds that the other curve comes later, its correlation as it lies, and its spread against the first's.

    The shift is the peak of the correlation, between steps that of the parabola through its neighbours.
    """
    count = min(len(curve), len(other))
    curve, other = curve[:count], other[:count]
    middle = slice(REACH, count - REACH)
    r = [np.corrcoef(curve[middle], other[REACH + lag : count - REACH + lag])[0, 1] for lag in range(-REACH, REACH + 1)]
    best = int(np.clip(np.argmax(r), 1, 2 * REACH - 1))
    low, peak, high = r[best - 1 : best + 2]
    between = 0.5 * (low - high) / min(low - 2 * peak + high, -1e-9)
    return 1000 / FPS * (best - REACH + between), r[REACH], float(other.std() / curve.std())


def loudness(samples: np.ndarray) -> np.ndarray:
    """Loudness, 100 a second, pauses alike. (F,), units of 10 dB."""
    return np.maximum(listen(Sound(samples, RATE)).energy, QUIET)


def compared_aloud(motion: MouthMotion, samples: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """As `compared`, of two readings: the shift beyond that of their loudness."""
    shift, r, spread = compared(opening_curve(motion, samples), opening_curve(motion, other))
    return shift - compared(loudness(samples), loudness(other))[0], r, spread


def row_of(name: str, rows: list[tuple[float, float, float]]) -> str:
    """A line of the table."""
    shift, r, spread = np.array(rows).T
    return (
        f"| {name} | {len(rows)} | {np.median(shift):+.0f} | {np.median(np.abs(shift)):.1f} | "
        f"{np.percentile(np.abs(shift), 90):.1f} | {np.abs(shift).max():.1f} | {np.median(r):.3f} | {r.min():.2f} | "
        f"{np.median(spread):.2f} |"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    options = parser.parse_args()
    motion = MouthMotion.open()
    sounds = {clip.sound: None for clip in read_manifest(options.clips, "test") if clip.sound}
    spoken = [levelled(read_sound(path, RATE).samples[: SECONDS * RATE]) for path in sounds]
    plain = [opening_curve(motion, samples) for samples in spoken]
    print("| change | sounds | shift, median (ms) | size: median | 90 % | max | r: median | least | spread |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for name, change in CHANGES.items():
        pairs = zip(plain, spoken, strict=True)
        print(row_of(name, [compared(curve, opening_curve(motion, change(s))) for curve, s in pairs]), flush=True)
    with tempfile.TemporaryDirectory(prefix="lipwright-") as folder:
        read = {
            name: [read_aloud(*line, change, Path(folder)) for line in SENTENCES]
            for name, change in ({"": ("", "")} | READINGS).items()
        }
    for name in READINGS:
        print(row_of(name, [compared_aloud(motion, *pair) for pair in zip(read[""], read[name], strict=True)]))


if __name__ == "__main__":
    main()
