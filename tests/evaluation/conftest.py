"""A portrait that talks, and what can be done to it that has a known answer."""

import cv2
import numpy as np
import pytest
import synth

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.media import ClipWriter, open_clip, read_sound

FINE = EncodeOptions(crf=8, preset="ultrafast")


@pytest.fixture(scope="session")
def backward_wav(long_wav, tmp_path_factory):
    """The same voice, as loud and as often silent, saying nothing of the same."""
    samples = read_sound(long_wav, 16000).samples[::-1].copy()
    return synth.write_sound(tmp_path_factory.mktemp("sound") / "backward.wav", samples, 16000, "pcm_s16le")


@pytest.fixture(scope="session")
def dubbed(tmp_path_factory):
    """Lets the portrait say a sound: 25 fps."""
    folder = tmp_path_factory.mktemp("dubbed")

    def make(sound, name):
        # Unmarked, as the jobs of `--suite` are: measures of the mouth are the subject.
        options = DubOptions(encode=FINE, cache=folder / "cache", marks=False)
        dub(portrait_file, sound, folder / name, options=options)
        return folder / name

    return make


@pytest.fixture(scope="session")
def talking(dubbed, long_wav):
    """62 frames of the portrait that say `long_wav`."""
    return dubbed(long_wav, "talking.mp4")


@pytest.fixture(scope="session")
def saying_other(dubbed, backward_wav):
    """The portrait with the wrong sound."""
    return dubbed(backward_wav, "other.mp4")


@pytest.fixture(scope="session")
def rewritten(tmp_path_factory, talking):
    """Writes changed frames of the talking portrait."""
    folder = tmp_path_factory.mktemp("rewritten")
    with open_clip(talking) as clip:
        frames, facts = list(clip.frames()), clip.facts

    def make(name, change, fps=None):
        changed = change(frames)
        height, width = changed[0].shape[:2]
        rate = fps or facts.fps
        with ClipWriter(folder / name, width=width, height=height, fps=rate, sound=talking, options=FINE) as sink:
            for frame in changed:
                sink.write(np.ascontiguousarray(frame))
        return folder / name

    return make


@pytest.fixture(scope="session")
def late(rewritten):
    """Five frames late."""
    return rewritten("late.mp4", lambda frames: frames[:1] * 5 + frames[:-5])


@pytest.fixture(scope="session")
def blurred(rewritten):
    """Out of focus."""
    return rewritten("blurred.mp4", lambda frames: [cv2.GaussianBlur(frame, (0, 0), 2) for frame in frames])


@pytest.fixture(scope="session")
def all_speech():
    """The bundled sound whole, mono at 16 kHz."""
    return read_sound(speech_file, 16000).samples
