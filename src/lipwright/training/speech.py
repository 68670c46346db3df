"""Synthetic speech with known phone times, from eSpeak NG (installed by the trainer, never shipped).

Random syllables are read by many voices; the engine reports when each phone starts. It serves to
teach and to check what every language shares: lips meet on m, b and p.
"""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lipwright.errors import BackendError

LIBRARY = "libespeak-ng.so.1"
VOICES = ("en-us", "en-gb", "de", "fr-fr", "es", "it", "pt-br", "nl", "pl", "tr", "sw", "id")
VARIANTS = ("", "+f2", "+f4", "+m3", "+m7", "+f5")
ONSETS = ("m", "b", "p", "t", "d", "k", "g", "n", "l", "r", "s", "f", "v", "sh", "ch", "w", "y", "z")
VOWELS = ("a", "e", "i", "o", "u", "ai", "au", "oi")
BILABIAL = ("m", "b", "p")
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
    """samples: (n,) float32 at `rate`; phones: name, start and end in seconds."""

    samples: np.ndarray
    rate: int
    phones: list[tuple[str, float, float]]


class Synthesiser:
    """eSpeak NG through its C interface; one per process."""

    def __init__(self) -> None:
        try:
            self._engine = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise BackendError(f"{LIBRARY} is not installed; apt-get install espeak-ng") from error
        self.rate = self._engine.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEMES)
        signature = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._parts: list[np.ndarray] = []
        self._starts: list[tuple[str, float]] = []
        self._callback = signature(self._take)  # kept alive with the engine
        self._engine.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: object, count: int, events: object) -> int:
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
        samples = np.concatenate(self._parts).astype(np.float32) / 32768
        ends = [*(start for _, start in self._starts[1:]), len(samples) / self.rate]
        phones = [(name, s, e) for (name, s), e in zip(self._starts, ends, strict=True)]
        return Utterance(samples, self.rate, phones)


def babble(rng: np.random.Generator, syllables: int) -> str:
    """Made-up words of one to three syllables, with a comma here and there."""
    words = []
    while syllables > 0:
        count = int(rng.integers(1, 4))
        word = "".join(str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) for _ in range(count))
        words.append(word + ("," if rng.random() < 0.15 else ""))
        syllables -= count
    return " ".join(words)


def utterances(count: int, seed: int) -> Iterator[Utterance]:
    """Made-up speech in many voices, rates and pitches; about five seconds each."""
    rng, engine = np.random.default_rng(seed), Synthesiser()
    for _ in range(count):
        voice = str(rng.choice(VOICES)) + str(rng.choice(VARIANTS))
        words_per_minute, pitch = int(rng.integers(120, 220)), int(rng.integers(20, 80))
        yield engine.say(
            babble(rng, 20), voice, words_per_minute=words_per_minute, pitch=pitch
        )
