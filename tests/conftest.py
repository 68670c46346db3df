"""What the tests share: the bundled portrait, its mesh, a short clip made of it, and a cache of their own."""

import shutil
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import synth
from pictures import noisy, panned

from lipwright import DubOptions
from lipwright.avatar.analyse import analyse
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.face.base import open_tracker
from lipwright.media import ClipWriter, EncodeOptions, read_sound

CLIP_FRAMES, CLIP_FPS = 24, Fraction(24)


def pytest_collection_modifyitems(config, items):
    """Tests of full-size networks run only where the marker is asked for by name."""
    if "full" not in config.getoption("markexpr"):
        config.hook.pytest_deselected(items=[item for item in items if "full" in item.keywords])
        items[:] = [item for item in items if "full" not in item.keywords]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """No test sees the user's avatars, or those of another test."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LIPWRIGHT_CACHE", str(folder))
    return folder


@pytest.fixture(autouse=True, scope="session")
def signing(tmp_path_factory):
    """No test signs with the user's certificate; they share one of their own."""
    folder = tmp_path_factory.getbasetemp() / "signing"
    with pytest.MonkeyPatch.context() as patch:  # before what modules share is made
        patch.setenv("LIPWRIGHT_SIGNING", str(folder))
        yield folder


@pytest.fixture
def folder(tmp_path):
    """An empty folder for outputs."""
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.fixture(scope="session")
def quick(tmp_path_factory):
    """Options of a job that is not about the analysis: small files, avatars shared by the tests."""
    return DubOptions(encode=EncodeOptions(preset="ultrafast", crf=23), cache=tmp_path_factory.mktemp("shared cache"))


@pytest.fixture(scope="session")
def portrait():
    """(512, 512, 3) uint8 RGB, read-only."""
    picture = cv2.cvtColor(cv2.imdecode(np.fromfile(portrait_file, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    picture.flags.writeable = False
    return picture


@pytest.fixture(scope="session")
def avatar(portrait):
    """The portrait's analysis."""
    with open_tracker("facemesh") as tracker:
        return analyse([portrait], tracker, name="portrait.jpg")


@pytest.fixture(scope="session")
def mesh(avatar):
    """(478, 3) float32, the portrait's face; read-only."""
    points = avatar.track.points[0]
    points.flags.writeable = False
    return points


@pytest.fixture(scope="session")
def footage(portrait):
    """24 frames of the portrait, panned and zoomed a little, with fresh grain on every pixel. (256, 288, 3) each."""
    return [noisy(panned(portrait, number / CLIP_FRAMES), number) for number in range(CLIP_FRAMES)]


@pytest.fixture(scope="session")
def clip_file(footage, speech_wav, tmp_path_factory):
    """The footage as a video with a sound track."""
    path = tmp_path_factory.mktemp("clip") / "talking.mp4"
    height, width = footage[0].shape[:2]
    fine = EncodeOptions(crf=8, preset="ultrafast")
    with ClipWriter(path, width=width, height=height, fps=CLIP_FPS, sound=speech_wav, options=fine) as sink:
        for frame in footage:
            sink.write(frame)
    return path


@pytest.fixture(scope="session")
def speech_wav(tmp_path_factory):
    """0.8 seconds of speech."""
    sound = read_sound(speech_file, 16000)
    path = tmp_path_factory.mktemp("sound") / "speech.wav"
    return synth.write_sound(path, sound.samples[8000:20800], 16000, "pcm_s16le")


@pytest.fixture(scope="session")
def long_wav(tmp_path_factory):
    """2.5 seconds of speech: longer than the clip."""
    sound = read_sound(speech_file, 16000)
    path = tmp_path_factory.mktemp("sound") / "long.wav"
    return synth.write_sound(path, sound.samples[8000:48000], 16000, "pcm_s16le")


@pytest.fixture(scope="session")
def faceless_file(tmp_path_factory):
    """Half a second of drifting stripes."""
    y, x = np.mgrid[:96, :128]
    frames = [np.dstack([x + 2 * n, y, x + y]).astype(np.uint8) for n in range(12)]
    return synth.write_video(tmp_path_factory.mktemp("faceless") / "stripes.mp4", frames, rate=24)


@pytest.fixture
def copy(tmp_path):
    """Copies a file into a folder of its own under a name: a job's inputs."""

    def make(source: Path, name: str | None = None) -> Path:
        (tmp_path / "in").mkdir(exist_ok=True)
        return Path(shutil.copy(source, tmp_path / "in" / (name or source.name)))

    return make
