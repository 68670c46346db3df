# ruff: noqa: PT012 - a `with` writer inside `raises` is what is tested

import dataclasses
import errno
import resource
import signal
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import synth

from lipwright.errors import MediaError, OptionError, OutputError, ShapeError
from lipwright.example import portrait
from lipwright.media import ClipWriter, ColourTags, EncodeOptions, open_clip, read_sound


def write(path, count=30, size=(96, 72), fps=Fraction(25), **more):
    with ClipWriter(path, width=size[0], height=size[1], fps=fps, **more) as writer:
        for number in range(count):
            writer.write(synth.numbered(number, *size))
    return path


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24), Fraction(50)])
def test_what_is_written_comes_back_frame_for_frame(tmp_path, rate):
    path = write(tmp_path / "выход file.mp4", 53, fps=rate)
    with open_clip(path) as clip:
        assert (clip.facts.fps, clip.facts.frames) == (rate, 53)
        assert [synth.read_number(p) for p in clip.frames()] == list(range(53))
    with av.open(str(path)) as container:
        times = sorted(p.pts * p.time_base for p in container.demux(video=0) if p.size)
    assert times == [n / rate for n in range(53)]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(("suffix", "codec"), [(".mov", "hevc"), (".mkv", "h264"), (".webm", "vp9"), (".mp4", "vp9")])
def test_other_containers_and_codecs(tmp_path, suffix, codec, capfd):
    tone = synth.write_sound(tmp_path / "t.wav", synth.chirp(1, 44100), 44100, "pcm_s16le")
    options = EncodeOptions(codec=codec, preset="ultrafast", crf=30)
    path = write(tmp_path / f"out{suffix}", 25, sound=tone, options=options)
    with open_clip(path) as clip:
        assert [synth.read_number(p) for p in clip.frames()] == list(range(25))
    assert abs(synth.shift_ms(read_sound(path, 48000).samples, synth.chirp(1, 48000), 48000)) < 1
    with av.open(str(path)) as container:
        if codec == "hevc":
            assert container.streams.video[0].codec_tag == "hvc1"
    assert capfd.readouterr().err == ""  # encoders do not talk


def test_the_same_pictures_give_the_same_packets(tmp_path):
    # 22 macroblocks a row: what x264 finds beside its own memory differs with what was there before
    person = cv2.cvtColor(cv2.resize(cv2.imread(str(portrait)), (400, 400)), cv2.COLOR_BGR2RGB)
    turned = [
        cv2.warpAffine(person, cv2.getRotationMatrix2D((200, 200), turn / 3, 1.0), (400, 400)) for turn in range(24)
    ]
    found, rng = set(), np.random.default_rng(3)
    for _ in range(6):
        path = tmp_path / "same.mp4"
        with ClipWriter(path, width=352, height=352, fps=Fraction(25)) as writer:
            for picture in turned:
                writer.write(picture[24:376, 24:376])
        found.add(path.read_bytes())
        _junk = [rng.random(rng.integers(1, 200_000)) for _ in range(50)]
    assert len(found) == 1


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_sound_begins_with_the_picture_and_ends_with_it(tmp_path, rate, fps):
    source = synth.write_sound(tmp_path / "s.wav", synth.chirp(2, rate), rate, "pcm_s16le")
    long, short = write(tmp_path / "long.mp4", 80, fps=fps, sound=source), tmp_path / "short.mp4"
    write(short, 20, fps=fps, sound=source)
    wanted = synth.chirp(2, 48000)
    for path, count in ((long, 80), (short, 20)):
        heard = read_sound(path, 48000).samples
        part = wanted[: round(count / fps * 48000)]
        assert abs(synth.shift_ms(heard[: len(part)], part, 48000)) < 1
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert audio.rate == (rate if rate != 16000 else 48000)
            assert video.start_time == audio.start_time == 0
            ends = [float(s.duration * s.time_base) for s in (video, audio)]
        assert abs(ends[0] - ends[1]) < 0.001
    tail = read_sound(long, 48000).samples[round(2.1 * 48000) :]
    assert np.abs(tail).max() < 1e-3  # filled with silence


def test_stereo_is_kept(tmp_path):
    source = tmp_path / "s.wav"
    synth.write_sound(source, synth.chirp(0.5, 48000), 48000, "pcm_s16le", channels=2)
    with av.open(str(write(tmp_path / "o.mp4", 12, sound=source))) as container:
        assert container.streams.audio[0].layout.name == "stereo"


def test_a_videos_own_sound_can_be_the_sound(tmp_path):
    tone = synth.chirp(1, 48000)
    source = synth.write_video(tmp_path / "s.mp4", map(synth.numbered, range(25)), sound=tone, sound_at=Fraction(1, 10))
    heard = read_sound(write(tmp_path / "o.mp4", 25, sound=source), 48000).samples
    assert synth.shift_ms(heard, tone, 48000) == pytest.approx(100, abs=1)


def test_odd_sizes_gain_a_copy_of_the_edge(tmp_path):
    path = write(tmp_path / "odd.mp4", 3, size=(97, 73))
    with open_clip(path) as clip:
        assert (clip.facts.width, clip.facts.height) == (98, 74)
        picture = next(clip.frames()).astype(int)
    assert np.abs(picture[:, 97] - picture[:, 96]).max() <= 4
    assert np.abs(picture[:73, :97] - synth.numbered(0, 97, 73)).mean() < 4
    path = write(tmp_path / "odd.webm", 3, size=(97, 73), options=EncodeOptions(codec="vp9"))
    with open_clip(path) as clip:
        assert (clip.facts.width, clip.facts.height) == (97, 73)


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
def test_colours_and_tags_survive_the_round_trip(tmp_path, matrix, full):
    tags = ColourTags(matrix=matrix, primaries=matrix, transfer=1, full_range=full)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 150, 120)]
    pictures = [np.full((48, 64, 3), colour, np.uint8) for colour in colours]
    path = tmp_path / "colour.mp4"
    options = EncodeOptions(crf=1)
    with ClipWriter(path, width=64, height=48, fps=Fraction(25), colour=tags, options=options) as w:
        for picture in pictures:
            w.write(picture)
    with open_clip(path) as clip:
        assert clip.colour == tags
        for wanted, got in zip(pictures, clip.frames(), strict=True):
            assert np.abs(got.astype(int) - wanted).max() <= 4


def test_without_a_source_the_tags_follow_the_height(tmp_path):
    with open_clip(write(tmp_path / "hd.mp4", 2, size=(64, 720))) as clip:
        assert clip.colour == ColourTags.standard(720) == ColourTags(matrix=1, primaries=1, transfer=1)
    with open_clip(write(tmp_path / "sd.mp4", 2)) as clip:
        assert clip.colour == ColourTags(matrix=6, primaries=6, transfer=6)


# --- failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError])
def test_a_failure_inside_leaves_no_file_and_keeps_an_older_one(tmp_path, failure):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    with pytest.raises(failure), ClipWriter(path, width=96, height=72, fps=Fraction(25)) as writer:
        for number in range(60):
            writer.write(synth.numbered(number))
        raise failure
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"older"


def test_an_older_file_is_replaced_on_success(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"older")
    write(path, 3)
    with open_clip(path) as clip:
        assert clip.facts.frames == 3


def test_the_source_may_be_the_target(tmp_path):
    path = synth.write_video(tmp_path / "same.mp4", map(synth.numbered, range(10)), sound=synth.chirp(0.4, 48000))
    with open_clip(path) as clip, ClipWriter(path, width=96, height=72, fps=clip.facts.fps, sound=path) as w:
        for picture in clip.frames():
            w.write(picture)
    with open_clip(path) as clip:
        assert [synth.read_number(p) for p in clip.frames()] == list(range(10))


def test_no_frame_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="no frame"):
        write(tmp_path / "out.mp4", 0)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (360, 640, 3)).astype(np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, before[1]))
    try:
        with (
            pytest.raises(OutputError, match="full"),
            ClipWriter(tmp_path / "out.mp4", width=640, height=360, fps=Fraction(25)) as writer,
        ):
            for shift in range(40):
                writer.write(np.roll(noise, shift, axis=1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_refused_at_once(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        write(tmp_path / "nowhere" / "out.mp4")
    (tmp_path / "taken.mp4").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path / "taken.mp4")
    with pytest.raises(OptionError, match="must end in"):
        write(tmp_path / "out.xyz")
    with pytest.raises(OptionError, match="takes vp9, got h264"):
        write(tmp_path / "out.webm")
    with pytest.raises(MediaError, match="no sound track"):
        write(tmp_path / "out.mp4", sound=synth.write_video(tmp_path / "m.mkv", [synth.numbered(1)]))
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["m.mkv", "taken.mp4"]


def test_a_missing_encoder_is_named(tmp_path, monkeypatch):
    from lipwright.media import encode

    row = dataclasses.replace(encode.CODECS["h264"], encoder="libnothing")
    monkeypatch.setitem(encode.CODECS, "h264", row)
    with pytest.raises(OutputError, match="libnothing"):
        write(tmp_path / "out.mp4")
    assert not list(tmp_path.iterdir())


def test_a_wrong_picture_is_a_bug_of_the_caller(tmp_path):
    with (
        pytest.raises(ShapeError, match=r"\(72, 96, 3\) uint8"),
        ClipWriter(tmp_path / "out.mp4", width=96, height=72, fps=Fraction(25)) as writer,
    ):
        writer.write(np.zeros((72, 96, 3), np.float32))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"codec": "mpeg9"}, "h264, hevc"), ({"crf": 52}, "0..51"), ({"preset": "fastest"}, "veryfast")],
)
def test_options_check_themselves(wrong, named):
    with pytest.raises(OptionError, match=named):
        EncodeOptions(**wrong)


TAGS = {"AIGC": '{"Label":"1","ContentProducer":"é"}', "comment": "a note", "software": "lipwright"}


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm"])
def test_tags_are_kept_by_every_container(name, tmp_path):
    codec = "vp9" if name.endswith("webm") else "h264"
    write(tmp_path / name, 3, tags=TAGS, options=EncodeOptions(codec=codec, preset="ultrafast", crf=30))
    with av.open(str(tmp_path / name)) as container:
        found = {key.lower(): value for key, value in container.metadata.items()}
    assert {key.lower(): value for key, value in TAGS.items()}.items() <= found.items()


def test_a_file_is_sealed_complete_and_before_it_has_its_name(tmp_path):
    seen = []

    def seal(path):
        with av.open(str(path)) as container:
            seen.append((path.name[0], container.streams.video[0].frames, (tmp_path / "a.mp4").exists()))
        path.write_bytes(path.read_bytes() + b"\0\0\0\x08free")

    write(tmp_path / "a.mp4", 3, seal=seal)
    assert seen == [(".", 3, False)]
    assert (tmp_path / "a.mp4").read_bytes().endswith(b"free")


@pytest.mark.parametrize(
    ("raised", "told"),
    [(OutputError("no seal"), "no seal"), (OSError(errno.ENOSPC, "full"), "the disk is full"), (KeyError("x"), "x")],
)
def test_a_seal_that_fails_leaves_the_older_file(raised, told, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"older")

    def seal(_):
        raise raised

    with pytest.raises(KeyError if isinstance(raised, KeyError) else OutputError, match=told):
        write(tmp_path / "a.mp4", 3, seal=seal)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.mp4", b"older")]
