"""Does the mouth keep its timing when a voice changes? The numbers of docs/benchmarks.md, section "Timing".

    python benchmarks/timing.py [SPEECH ...]

Sentences by eSpeak NG at another pitch and another range of pitch, and recordings (SPEECH, any sound file) whose voice
is shifted by a phase vocoder, formants included, or which are louder or softer: the opening curve of each against that
of the sound as it was. eSpeak NG's own phone times move a little with the voice: they stand beside.
"""

import argparse
import ctypes
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.audio.features import listen
from lipwright.evaluation.curves import pooled_r
from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP
from lipwright.media.sound import read_sound
from lipwright.motion.mouth import MouthMotion
from lipwright.structures import Sound
from lipwright.training.clips import SOUND_RATE
from lipwright.training.speech import LIBRARY, Synthesiser, Utterance

RATE = 100  # of the curves
MOST = 20  # steps slid to both sides
WINDOW, HOP = 1024, 256
SEMITONES, LEVELS = (-4, 4), (-12, 12)  # dB
MOST_SECONDS = 12
PITCH_RANGE = 4  # eSpeak NG's number of that setting
VOICES = ("en-us", "de", "es", "fr-fr")
TEXT = {
    "en-us": "My brother Bob bought a big map of Montana, but nobody ever found the five open fields.",
    "de": "Mein Bruder baut am Abend ein blaues Boot, und morgen fahren wir zum Fluss hinab.",
    "es": "Mi hermano compra un mapa muy bonito, pero nadie sabe por donde vamos mañana.",
    "fr-fr": "Mon ami porte un beau manteau rouge, mais personne ne veut partir avant midi.",
}


def opening_curve(motion: MouthMotion, samples: np.ndarray) -> np.ndarray:
    """Opening of the drive at `RATE`. (n,) float32."""
    offsets = motion.move(listen(Sound(samples, SOUND_RATE)), Fraction(RATE), len(samples) * RATE // SOUND_RATE).offsets
    return offsets[:, DRIVE.index(LIP_BOTTOM), 1] - offsets[:, DRIVE.index(LIP_TOP), 1]


def shift(made: np.ndarray, was: np.ndarray) -> tuple[float, float]:
    """How much later a curve is (ms, between the steps by a parabola), and r there."""
    count = min(len(made), len(was))
    made, was = made[:count], was[:count]
    inner = slice(MOST, count - MOST)
    rs = [pooled_r([(made[MOST + k : count - MOST + k], was[inner])]) for k in range(-MOST, MOST + 1)]
    best = int(np.clip(np.argmax(rs), 1, 2 * MOST - 1))
    left, top, right = rs[best - 1 : best + 2]
    part = 0.5 * (left - right) / min(left - 2 * top + right, -1e-9)
    return 1000 / RATE * (best - MOST + part), float(top)


def another_voice(samples: np.ndarray, semitones: float) -> np.ndarray:
    """Pitch and formants shifted, duration kept: a phase vocoder (Flanagan and Golden 1966), then resampling."""
    factor = 2 ** (semitones / 12)
    window = np.hanning(WINDOW)
    padded = np.pad(samples, WINDOW)
    frames = np.array([padded[i : i + WINDOW] * window for i in range(0, len(padded) - WINDOW, HOP)])
    spectra = np.fft.rfft(frames)
    expected = 2 * np.pi * HOP * np.arange(WINDOW // 2 + 1) / WINDOW
    places = np.arange(0, len(spectra) - 1, 1 / factor)
    out, weight = np.zeros(len(places) * HOP + WINDOW), np.full(len(places) * HOP + WINDOW, 1e-6)
    phase = np.angle(spectra[0])
    for i, place in enumerate(places):
        low = int(place)
        size = np.abs(spectra[low]) * (1 - place % 1) + np.abs(spectra[low + 1]) * (place % 1)
        out[i * HOP : i * HOP + WINDOW] += np.fft.irfft(size * np.exp(1j * phase)) * window
        weight[i * HOP : i * HOP + WINDOW] += window**2
        turned = np.angle(spectra[low + 1]) - np.angle(spectra[low]) - expected
        phase += expected + turned - 2 * np.pi * np.round(turned / (2 * np.pi))
    stretched = (out / np.maximum(weight, 0.05))[round(WINDOW * (1 + factor) / 2) :]  # windows keep their middles
    at = np.arange(len(samples)) * factor
    return np.interp(at, np.arange(len(stretched)), stretched, right=0.0).astype(np.float32)


def phones_moved(said: Utterance, was: Utterance) -> float:
    """Median shift of eSpeak NG's own phones, ms; NaN where it read other ones."""
    if [name for name, *_ in said.phones] != [name for name, *_ in was.phones]:
        return float("nan")
    return 1000 * float(np.median([a[1] - b[1] for a, b in zip(said.phones, was.phones, strict=True)]))


def synthetic(motion: MouthMotion) -> dict[str, list[tuple[float, float, float]]]:
    """Shift (ms), r and the phones' own shift (ms) by kind of change."""
    engine, library = Synthesiser(), ctypes.CDLL(LIBRARY)
    found: dict[str, list[tuple[float, float, float]]] = {}

    def say(voice: str, pitch: int, spread: int) -> Utterance:
        library.espeak_SetParameter(PITCH_RANGE, spread, 0)
        return engine.say(TEXT[voice], voice, words_per_minute=160, pitch=pitch)

    for voice in VOICES:
        was = say(voice, 50, 50)
        curve = opening_curve(motion, was.samples)
        changes = {"eSpeak NG, pitch 20 and 80": ((20, 50), (80, 50)), "range of pitch 0 and 100": ((50, 0), (50, 100))}
        for name, settings in changes.items():
            for pitch, spread in settings:
                said = say(voice, pitch, spread)
                moved = phones_moved(said, was)
                found.setdefault(name, []).append((*shift(opening_curve(motion, said.samples), curve), moved))
    return found


def recorded(motion: MouthMotion, files: list[Path]) -> dict[str, list[tuple[float, float, float]]]:
    """The same of recordings, whose words do not move."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for file in files:
        samples = read_sound(file, SOUND_RATE).samples[: MOST_SECONDS * SOUND_RATE]
        curve = opening_curve(motion, samples)
        others = {f"{tones:+d} semitones": another_voice(samples, tones) for tones in SEMITONES}
        others |= {f"{level:+d} dB": samples * np.float32(10 ** (level / 20)) for level in LEVELS}
        for name, other in ({"vocoder alone": another_voice(samples, 0)} | others).items():
            found.setdefault(name, []).append((*shift(opening_curve(motion, other), curve), 0.0))
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("speech", type=Path, nargs="*")
    motion = MouthMotion.open()
    for name, rows in (synthetic(motion) | recorded(motion, parser.parse_args().speech)).items():
        late, r, phones = np.array(rows).T
        own = late - phones
        sys.stdout.write(
            f"{name:27}{len(rows):3} pairs: shift median {np.median(late):+5.1f} ms, most {np.abs(late).max():4.1f}; "
            f"less the phones' own {np.nanmedian(own):+5.1f} ms, {np.nanmax(np.abs(own)):4.1f} ms; "
            f"r median {np.median(r):.2f}, least {r.min():.2f}\n"
        )


if __name__ == "__main__":
    main()
