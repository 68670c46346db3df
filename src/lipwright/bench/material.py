"""What is measured: footage and a sound of one length."""

import wave
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from lipwright.errors import MediaError
from lipwright.example import portrait
from lipwright.media import ClipWriter, EncodeOptions, open_clip, read_sound
from lipwright.pipeline.hearing import SILENCE
from lipwright.pipeline.plan import plan_frames
from lipwright.progress import Progress, silent
from lipwright.structures import ClipFacts

RATE = 16000  # samples per second
WIDTH, HEIGHT, FPS, SECONDS = 1280, 720, 25, 5  # of the bundled clip


def write_sound(path: Path, source: Path, seconds: float) -> None:
    """The sound over and over, or its beginning, as WAV.

    Raises:
        MediaError: the source cannot be read, or is silent for so long.
    """
    samples = np.resize(read_sound(source, RATE).samples, round(seconds * RATE))
    if float(np.abs(samples).max()) < SILENCE:
        raise MediaError(f"the first {seconds:g} s of {source} hold only silence; give a sound with speech in it")
    _write_wave(path, samples)


def write_moment(path: Path, source: Path, seconds: float) -> None:
    """The loudest moment of a sound, as WAV."""
    samples, count = read_sound(source, RATE).samples, max(1, int(seconds * RATE))
    start = max(0, min(int(np.abs(samples).argmax()) - count // 2, len(samples) - count))
    _write_wave(path, samples[start : start + count])


def _write_wave(path: Path, samples: np.ndarray) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def write_bundled_clip(path: Path) -> None:
    """The bundled portrait under a slowly moving, slowly zooming camera."""
    fine = EncodeOptions(crf=12, preset="ultrafast")
    with ClipWriter(path, width=WIDTH, height=HEIGHT, fps=Fraction(FPS), options=fine) as sink:
        for frame in _panned():
            sink.write(frame)


def _panned() -> Iterator[np.ndarray]:
    with open_clip(portrait) as clip:
        picture = next(iter(clip.frames()))
    for turn in np.linspace(0, 2 * np.pi, FPS * SECONDS):
        zoom = 2 + 0.1 * np.sin(turn)
        middle = np.array((225 + 12 * np.cos(turn), 205 + 6 * np.sin(turn)))  # under the chin
        shift = np.array((WIDTH, HEIGHT)) / 2 - zoom * middle
        matrix = np.array(((zoom, 0, shift[0]), (0, zoom, shift[1])))
        yield cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def write_footage(path: Path, video: Path, sound: Path, progress: Progress = silent) -> ClipFacts:
    """The video, bounced to exactly as many frames as the sound lasts, with that sound. Returns the new file's facts.

    Raises:
        MediaError: the video cannot be read.
    """
    with open_clip(video) as clip:
        facts = clip.facts
        plan = plan_frames("bounce", facts.frames, read_sound(sound, RATE).duration, facts.fps)
        shape = {"width": facts.width, "height": facts.height, "fps": facts.fps}
        with ClipWriter(path, sound=sound, colour=clip.colour, **shape) as sink:
            for frame in clip.play(plan.source.tolist()):
                sink.write(frame)
                progress("making the clip", sink.frames_written, len(plan))
    with open_clip(path) as made:
        return made.facts
