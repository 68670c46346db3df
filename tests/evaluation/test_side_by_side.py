"""Two videos in one: what each half shows, when, and with which sound."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
import synth

from lipwright.errors import MediaError, OptionError, OutputError
from lipwright.evaluation.side_by_side import side_by_side
from lipwright.media import ClipWriter, open_clip, read_sound

RATE = Fraction(25)


def numbered_clip(path, count, *, width=192, height=144, sound=None, rate=RATE):
    with ClipWriter(path, width=width, height=height, fps=rate, sound=sound) as sink:
        for number in range(count):
            sink.write(synth.numbered(number, width, height))
    return path


@pytest.fixture
def output(tmp_path):
    sound = synth.write_sound(tmp_path / "tone.wav", synth.chirp(1.0, 16000), 16000, "pcm_s16le")
    return numbered_clip(tmp_path / "output.mp4", 20, sound=sound)


def frames_of(path):
    with open_clip(path) as clip:
        return clip.facts, list(clip.frames())


def test_every_frame_stands_beside_its_own(output, tmp_path):
    told = []
    reference = numbered_clip(tmp_path / "reference.mp4", 20)
    done = tmp_path / "both.mp4"
    side_by_side(output, reference, done, name="reference", progress=lambda *step: told.append(step))
    facts, frames = frames_of(done)
    assert (facts.width, facts.height, facts.fps, facts.frames) == (384, 144, RATE, 20)
    halves = [(synth.read_number(f[:, :192]), synth.read_number(f[:, 192:])) for f in frames]
    assert halves == [(number, number) for number in range(20)]
    assert told[-1] == ("side by side", 20, 20)


def test_the_sound_is_the_outputs(output, tmp_path):
    side_by_side(output, numbered_clip(tmp_path / "silent.mp4", 20), tmp_path / "both.mp4", name="source")
    heard, wanted = (read_sound(path, 16000).samples for path in (tmp_path / "both.mp4", output))
    assert len(heard) == pytest.approx(len(wanted), abs=1100)
    length = min(len(heard), len(wanted))
    assert np.corrcoef(heard[:length], wanted[:length])[0, 1] > 0.98


def test_another_size_rate_and_length(output, tmp_path):
    source = numbered_clip(tmp_path / "source.mp4", 7, width=384, height=288, rate=RATE / 2)
    side_by_side(output, source, tmp_path / "both.mp4", name="source")
    facts, frames = frames_of(tmp_path / "both.mp4")
    assert (facts.width, facts.height, facts.frames) == (384, 144, 20)
    assert [synth.read_number(f[:, :192]) for f in frames[:14]] == [n // 2 for n in range(14)]
    assert all(f[40:, :180].max() < 30 for f in frames[15:])  # it has ended


def test_a_photo_stands_still(output, tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), synth.numbered(77, 192, 144))
    side_by_side(output, tmp_path / "photo.png", tmp_path / "both.mp4", name="source")
    frames = frames_of(tmp_path / "both.mp4")[1]
    assert {synth.read_number(f[:, :192]) for f in frames} == {77}


def test_what_cannot_be_written_is_refused_and_nothing_is_left(output, tmp_path):
    reference = numbered_clip(tmp_path / "reference.mp4", 5)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match="is an input"):
        side_by_side(output, reference, reference, name="reference")
    with pytest.raises(OptionError, match="must end in"):
        side_by_side(output, reference, tmp_path / "both.png", name="reference")
    with pytest.raises(OutputError, match="does not exist"):
        side_by_side(output, reference, tmp_path / "none" / "both.mp4", name="reference")
    with pytest.raises(MediaError):
        side_by_side(output, tmp_path / "none.mp4", tmp_path / "both.mp4", name="reference")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
