"""Synthetic speech with known phone times, from eSpeak NG and Flite (installed by the trainer, never shipped).

Random syllables are read by many voices; the engines report when each phone starts. It serves to
teach and to check what every language shares: lips meet on m, b and p.
"""

import ctypes
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av
import numpy as np

from lipwright.errors import BackendError
from lipwright.media import read_sound
from lipwright.training.clips import SOUND_RATE

LIBRARY = "libespeak-ng.so.1"
VOICES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "tr", "sw", "id")
VARIANTS = ("", "+f2", "+f4", "+m3", "+m7", "+f5")
ONSETS = ("m", "b", "p", "t", "d", "k", "g", "n", "l", "r", "s", "f", "v", "sh", "ch", "w", "y", "z")
VOWELS = ("a", "e", "i", "o", "u", "ai", "au", "oi")
CLASSES = ("_", "mbp", "fv", "tdnlTD", "sz", "SZC", "kgNxhqQG", "rR", "w", "jiI", "eE", "aA", "oO",
           "uUyY", "@3V&")  # fmt: skip
"""Phones that look alike, by the first letter of eSpeak's names; anything else is one class more."""
SILENT, BILABIAL, OTHER = 0, 1, len(CLASSES)
APART, OPEN_VOWELS = (3, 4, 5, 6, 7, 9), (10, 11, 12)
FLITE_VOICES = ("kal16", "rms")  # its others are left for checks
FLITE_SHARE = 0.25
ARPABET = {
    "pau": "_", "th": "T", "dh": "D", "sh": "S", "zh": "Z", "ch": "tS", "jh": "dZ", "ng": "N", "hh": "h", "iy": "i",
    "ih": "I", "ey": "eI", "eh": "E", "ae": "a", "aa": "A", "ah": "V", "ay": "aI", "aw": "aU", "ao": "O", "ow": "oU",
    "oy": "OI", "uw": "u", "uh": "U", "ax": "@", "er": "3", "y": "j",
}  # fmt: skip
"""Flite's phones under eSpeak's names, where they differ."""
_PHONEMES, _RETRIEVAL, _EVENT_PHONEME, _EVENT_END = 0x0001, 1, 7, 0


class _Event(ctypes.Structure):
    class _Id(ctypes.Union):
        _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]

    _fields_ = [
        ("type", ctypes.c_int), ("unique", ctypes.c_uint), ("position", ctypes.c_int),
        ("length", ctypes.c_int), ("audio_ms", ctypes.c_int), ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p), ("id", _Id),
    ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Utterance:
    """samples: (n,) float32 at 16 kHz; phones: name, start and end in seconds."""

    samples: np.ndarray
    phones: list[tuple[str, float, float]]

    def classes(self, rate: int) -> np.ndarray:
        """Class of the phone at each of `rate` moments a second. (ceil(seconds * rate),) int64."""
        count = -(-len(self.samples) * rate // SOUND_RATE)
        out = np.full(count, SILENT)
        for name, start, end in self.phones:
            middle = (start + end) / 2 if len(name) > 1 and class_of(name[1:]) != OTHER else end
            out[round(start * rate) : round(middle * rate)] = class_of(name)
            out[round(middle * rate) : round(end * rate)] = class_of(name[1:])
        return out


def class_of(name: str) -> int:
    """Class of a phone by its name; the second half of a diphthong goes by its second letter."""
    found = (i for i, letters in enumerate(CLASSES) if name[:1] in letters and name)
    return next(found, OTHER)


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """16-bit samples at another rate as (n,) float32 at 16 kHz."""
    frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts]).astype(np.float32)


class Synthesiser:
    """eSpeak NG through its C interface; one per process."""

    def __init__(self) -> None:
        try:
            self._engine = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise BackendError(f"{LIBRARY} is not installed; apt-get install espeak-ng") from error
        self.rate = self._engine.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEMES)
        signature = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
        self._parts: list[np.ndarray] = []
        self._starts: list[tuple[str, float]] = []
        self._callback = signature(self._take)  # kept alive with the engine
        self._engine.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: Any, count: int, events: Any) -> int:  # noqa: ANN401 - C pointers
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type != _EVENT_END:
            event = events[at]
            if event.type == _EVENT_PHONEME:
                self._starts.append((event.id.text.decode(), event.audio_ms / 1000))
            at += 1
        return 0

    def say(self, text: str, voice: str, *, words_per_minute: int, pitch: int) -> Utterance:
        """Read a text aloud."""
        self._parts, self._starts = [], []
        self._engine.espeak_SetVoiceByName(voice.encode())
        self._engine.espeak_SetParameter(1, words_per_minute, 0)
        self._engine.espeak_SetParameter(3, pitch, 0)
        stored = text.encode()
        self._engine.espeak_Synth(stored, len(stored) + 1, 0, 0, 0, 1, None, None)
        self._engine.espeak_Synchronize()
        samples = resampled(np.concatenate(self._parts), self.rate)
        ends = [*(start for _, start in self._starts[1:]), len(samples) / SOUND_RATE]
        phones = [(name, s, e) for (name, s), e in zip(self._starts, ends, strict=True)]
        return Utterance(samples, phones)


def babble(rng: np.random.Generator, syllables: int) -> str:
    """Made-up words of one to three syllables, with a comma here and there."""
    words = []
    while syllables > 0:
        count = int(rng.integers(1, 4))
        word = "".join(str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) for _ in range(count))
        words.append(word + ("," if rng.random() < 0.15 else ""))
        syllables -= count
    return " ".join(words)


def flite(text: str, voice: str, stretch: float = 1.0) -> Utterance:
    """Read an English text aloud by Flite, which prints where each of its segments ends."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        command = ["flite", "-psdur", "-voice", voice, "--setf", f"duration_stretch={stretch}", "-t", text, "-o", path]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
        samples = read_sound(path, SOUND_RATE).samples
    phones, start = [], 0.0
    for name, end in re.findall(r"([a-z]+):([0-9.]+)", printed):
        phones.append((ARPABET.get(name, name), start, float(end)))
        start = float(end)
    return Utterance(samples, phones)


def utterances(count: int, seed: int) -> Iterator[Utterance]:
    """Made-up speech in many voices, rates and pitches; about five seconds each. Flite's only where it is installed."""
    rng, engine = np.random.default_rng(seed), Synthesiser()
    share = FLITE_SHARE if shutil.which("flite") else 0.0
    for _ in range(count):
        if rng.random() < share:
            yield flite(babble(rng, 20), str(rng.choice(FLITE_VOICES)), float(rng.uniform(0.8, 1.3)))
            continue
        voice = str(rng.choice(VOICES)) + str(rng.choice(VARIANTS))
        words_per_minute, pitch = int(rng.integers(120, 220)), int(rng.integers(20, 80))
        yield engine.say(babble(rng, 20), voice, words_per_minute=words_per_minute, pitch=pitch)
