"""Segments joined without encoding anew against one encoder for the whole."""

import resource
import signal
from fractions import Fraction

import av
import numpy as np
import pytest
import synth

from lipwright.errors import OutputError, ShapeError
from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.media.segment import SegmentEncoder

CODED = [("h264", ".mp4"), ("h264", ".mov"), ("h264", ".mkv"), ("hevc", ".mp4"), ("hevc", ".mov"), ("hevc", ".mkv"),
         ("vp9", ".webm"), ("vp9", ".mkv"), ("vp9", ".mp4")]  # fmt: skip


def opened(path, codec, fps=Fraction(25), size=(96, 72), **more):
    options = EncodeOptions(codec=codec, preset="ultrafast" if codec == "vp9" else "veryfast", crf=20)
    return ClipWriter(path, width=size[0], height=size[1], fps=fps, options=options, **more)


def segment(form, numbers):
    encoder = SegmentEncoder(form)
    for number in numbers:
        encoder.add(synth.numbered(number, form.width, form.height))
    return encoder.finish()


def joined(writer, *lengths):
    """Segments of these lengths, one after another; returns where each begins."""
    starts, first = [], 0
    with writer as sink:
        for length in lengths:
            sink.append(segment(sink.form, range(first, first + length)))
            starts.append(first)
            first += length
    return starts


def packets(path, kind="video"):
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pts, p.dts, p.is_keyframe, bytes(p)) for p in container.demux(stream) if p.size]


@pytest.mark.parametrize(("codec", "suffix"), CODED)
@pytest.mark.parametrize(("fps", "size"), [(Fraction(25), (96, 72)), (Fraction(30000, 1001), (97, 73))])
def test_joined_segments_play_through(codec, suffix, fps, size, tmp_path):
    sound = synth.write_sound(tmp_path / "s.wav", synth.chirp(3, 48000), 48000, "pcm_s16le")
    path = tmp_path / f"joined{suffix}"
    starts = joined(opened(path, codec, fps, size, sound=sound), 20, 20, 3, 2, 1, 7)
    found = packets(path)
    if suffix not in (".mkv", ".webm"):  # which keep no decoding times
        times = [dts for _, dts, _, _ in found]
        assert times == sorted(set(times))
        assert all(pts >= dts for pts, dts, _, _ in found)
    with open_clip(path) as clip:
        shown = [synth.read_number(picture[:72, :96]) for picture in clip.frames()]
        assert (clip.facts.frames, clip.facts.fps) == (53, fps) or suffix in (".mkv", ".webm")
    assert shown == list(range(53))
    keys = sorted(pts for pts, _, key, _ in found if key)
    shifts = sorted({pts for pts, _, _, _ in found})
    assert {shifts[start] for start in starts} <= set(keys)


@pytest.mark.parametrize(("codec", "suffix"), CODED)
def test_one_segment_is_the_file_that_frames_give(codec, suffix, tmp_path):
    sound = synth.write_sound(tmp_path / "s.wav", synth.chirp(1, 48000), 48000, "pcm_s16le")
    with opened(tmp_path / f"plain{suffix}", codec, sound=sound) as sink:
        for number in range(30):
            sink.write(synth.numbered(number))
    joined(opened(tmp_path / f"joined{suffix}", codec, sound=sound), 30)
    for kind in ("video", "audio"):
        assert packets(tmp_path / f"joined{suffix}", kind) == packets(tmp_path / f"plain{suffix}", kind)


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_segment_of_hardly_any_frames(codec, frames, tmp_path):
    for _ in range(4):  # what an encoder leaves unset differs from time to time
        with opened(tmp_path / "a.mp4", codec) as sink:
            made = segment(sink.form, range(frames))
            sink.append(made)
        assert (made.delay, [coded.pts for coded in made.packets]) == (0, list(range(frames)))
        with open_clip(tmp_path / "a.mp4") as clip:
            assert [synth.read_number(frame) for frame in clip.frames()] == list(range(frames))


def test_sound_is_one_track_whatever_the_picture_is_cut_into(tmp_path):
    sound = synth.write_sound(tmp_path / "s.wav", synth.chirp(4, 44100), 44100, "pcm_s16le", channels=2)
    joined(opened(tmp_path / "cut.mp4", "h264", Fraction(30000, 1001), sound=sound), 33, 33, 33, 11)
    with opened(tmp_path / "whole.mp4", "h264", Fraction(30000, 1001), sound=sound) as sink:
        for number in range(110):
            sink.write(synth.numbered(number))
    assert packets(tmp_path / "cut.mp4", "audio") == packets(tmp_path / "whole.mp4", "audio")


def test_other_settings_are_not_joined(tmp_path):
    other = opened(tmp_path / "other.mp4", "h264", size=(96, 80)).form
    with pytest.raises(OutputError, match="encoded otherwise"), opened(tmp_path / "a.mp4", "h264") as sink:  # noqa: PT012
        sink.append(segment(sink.form, range(3)))
        sink.append(segment(other, range(3)))
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="encoded otherwise"), opened(tmp_path / "a.mp4", "h264") as sink:  # noqa: PT012
        sink.write(synth.numbered(0))
        sink.append(segment(sink.form, range(3)))


def test_a_wrong_picture_is_refused(tmp_path):
    encoder = SegmentEncoder(opened(tmp_path / "a.mp4", "h264").form)
    with pytest.raises(ShapeError, match=r"\(72, 96, 3\) uint8"):
        encoder.add(np.zeros((72, 96, 3), np.float32))


def test_a_full_disk_is_one_sentence_while_segments_are_joined(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    writer = ClipWriter(tmp_path / "out.mp4", width=640, height=360, fps=Fraction(25))
    encoder = SegmentEncoder(writer.form)
    for shift in range(20):
        encoder.add(np.roll(noise, shift, axis=1))
    made, before = encoder.finish(), resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with pytest.raises(OutputError, match="full"), writer as sink:
            sink.append(made)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert not list(tmp_path.iterdir())
