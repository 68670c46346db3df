from fractions import Fraction

import av
import numpy as np
import pytest
import synth

from lipwright.errors import MediaError, OptionError
from lipwright.media import read_sound
from lipwright.media.sound import SoundReader


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "noise"),
    [
        (".wav", "pcm_s16le", 16000, 1e-4),
        (".wav", "pcm_f32le", 44100, 1e-4),
        (".flac", "flac", 48000, 1e-4),
        (".mp3", "libmp3lame", 44100, 0.03),
        (".m4a", "aac", 44100, 0.03),
        (".ogg", "libopus", 48000, 0.03),
    ],
)
def test_every_kind_of_file_is_read_in_place(tmp_path, suffix, codec, rate, noise):
    path = tmp_path / f"голос one{suffix}"
    synth.write_sound(path, synth.chirp(1.5, rate), rate, codec, channels=2)
    sound = read_sound(path)
    wanted = synth.chirp(1.5, 16000)
    assert sound.rate == 16000
    assert sound.samples.dtype == np.float32
    assert 1.49 < sound.duration < 1.53  # a coder may fill its last block
    assert synth.shift_ms(sound.samples, wanted, 16000) == 0
    middle = slice(800, 20000)  # both channels alike: the mix is as loud as either
    assert np.sqrt(np.mean((sound.samples[middle] - wanted[middle]) ** 2)) < noise


def test_a_voice_on_one_channel_is_kept(tmp_path):
    tone = synth.chirp(0.5, 48000)
    path = tmp_path / "one side.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=48000)
        stream.codec_context.layout = "stereo"
        both = np.ascontiguousarray(np.stack([tone, np.zeros_like(tone)]))
        frame = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
        frame.sample_rate = 48000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    assert np.abs(read_sound(path, 48000).samples - tone / 2).max() < 1e-4


def test_a_gap_in_the_recording_is_silence(tmp_path):
    tone = synth.chirp(1, 48000)
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=48000)
        stream.codec_context.layout = "mono"
        for start in (0, 72000):  # half a second is missing
            for packet in encode_at(stream, tone, start):
                container.mux(packet)
        container.mux(stream.encode(None))
    samples = read_sound(path, 48000).samples
    assert len(samples) == pytest.approx(120000, abs=5000)
    assert np.abs(samples[53000:71000]).max() < 1e-3
    assert abs(synth.shift_ms(samples[60000:], tone, 48000) - 250) < 1


def encode_at(stream, samples, start):
    for at in range(0, len(samples) - 4607, 4608):
        piece = np.ascontiguousarray((samples[None, at : at + 4608] * 32767).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start + at, Fraction(1, 48000)
        yield from stream.encode(frame)


def test_the_header_is_not_trusted(tmp_path):
    path = synth.write_sound(tmp_path / "a.wav", synth.chirp(1, 16000), 16000, "pcm_s16le")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 0.45 < read_sound(path).duration < 0.55


def heard(path):
    """Seconds and notes."""
    with SoundReader(path, 16000) as reader:
        return sum(block.shape[1] for block in reader.blocks()) / 16000, reader.notes


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "words"),
    [
        (".wav", "pcm_s16le", 16000, "is incomplete (0.08 of 0.16 MB are there)"),
        (".flac", "flac", 48000, "breaks off (its header gives 5.0 seconds of sound)"),
        (".aiff", "pcm_s16be", 16000, "breaks off (its header gives 5.0 seconds of sound)"),
    ],
)
def test_a_sound_that_breaks_off_is_used_and_said(tmp_path, suffix, codec, rate, words):
    path = tmp_path / f"half{suffix}"
    noise = np.random.default_rng(0).normal(0, 0.1, 5 * rate).astype(np.float32)
    synth.write_sound(path, noise, rate, codec)
    assert heard(path) == (5, [])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    seconds, notes = heard(path)
    assert 2.2 < seconds < 2.6
    assert notes == [f"half{suffix} {words}; the {seconds:.1f} seconds of sound in it are used"]


def test_other_chunks_after_the_sound_are_no_sound(tmp_path):
    path = synth.write_sound(tmp_path / "a.wav", synth.chirp(1, 16000), 16000, "pcm_s16le")
    for tail in (b"LIST" + (9000).to_bytes(4, "little") + b"INFO" + bytes(8996), bytes(9000), b"\x80"):
        longer = tmp_path / "longer.wav"
        longer.write_bytes(path.read_bytes() + tail)
        assert heard(longer) == (1, [])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path, value):
    samples = synth.chirp(1, 16000)
    samples[9000] = value
    path = synth.write_sound(tmp_path / "spoilt.wav", samples, 16000, "pcm_f32le")
    with pytest.raises(MediaError, match=r"spoilt\.wav holds values that are not numbers"):
        read_sound(path)


def test_silence_is_sound_and_nothing_is_not(tmp_path):
    quiet = synth.write_sound(tmp_path / "quiet.wav", np.zeros(1600, np.float32), 16000, "pcm_s16le")
    assert read_sound(quiet).samples.tolist() == [0.0] * 1600
    header = quiet.read_bytes()[:-3200]
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(header)
    with pytest.raises(MediaError, match=r"nothing\.wav"):
        read_sound(nothing)


def test_what_has_no_sound_is_refused(tmp_path):
    video = synth.write_video(tmp_path / "mute.mp4", map(synth.numbered, range(3)))
    with pytest.raises(MediaError, match="no sound track"):
        read_sound(video)
    with pytest.raises(MediaError, match="does not exist"):
        read_sound(tmp_path / "missing.wav")
    with pytest.raises(OptionError, match="rate"):
        read_sound(video, 0)
