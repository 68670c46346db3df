# ruff: noqa: S311 - seeded, for an order of frames

import logging
import random
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import synth

from lipwright.errors import MediaError, OptionError
from lipwright.media import open_clip, read_sound
from lipwright.media.player import Player
from lipwright.media.probe import scan


def numbers(path, fps=None):
    with open_clip(path, fps) as clip:
        seen = [synth.read_number(picture) for picture in clip.frames()]
        assert clip.facts.frames == len(seen)
        return clip.facts, seen


def textured(count, width=96, height=72):
    """Numbered pictures under moving noise: a frame decoded from the wrong references shows."""
    noise = np.random.default_rng(1).integers(0, 28, (height, 2 * width, 3)).astype(np.uint8)
    for number in range(count):
        left = number * 3 % width
        yield synth.numbered(number, width, height) + noise[:, left : left + width]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(24), Fraction(50)])
def test_count_and_rate_are_exact(tmp_path, rate):
    path = tmp_path / "sprecher, größer (1).mp4"
    synth.write_video(path, map(synth.numbered, range(70)), rate=rate)
    facts, seen = numbers(path)
    assert (facts.fps, facts.frames, facts.duration) == (rate, 70, 70 / rate)
    assert (facts.width, facts.height, facts.has_sound, facts.is_photo) == (96, 72, False, False)
    assert seen == list(range(70))


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        (".mov", "libx264"),
        (".mkv", "libx264"),
        (".webm", "libvpx-vp9"),
        (".webm", "libvpx"),
        (".avi", "mpeg4"),
        (".avi", "libx264"),  # AVI holds no times for reordered pictures
        (".mpg", "mpeg2video"),
        (".ts", "libx264"),
        (".h264", "libx264"),  # no times at all
    ],
)
def test_every_container_plays_in_any_order(tmp_path, suffix, codec):
    path = synth.write_video(tmp_path / f"ein clip{suffix}", textured(40), codec=codec)
    with open_clip(path) as clip:
        straight = list(clip.frames())
        assert clip.facts.fps == 25
        assert [synth.read_number(picture) for picture in straight] == list(range(40))
        order = [*range(40), *range(38, -1, -1), *range(5), 39, 39, 0, 17, 16, 31, 30, 29, 3]
        played = list(clip.play(order))
    assert all(np.array_equal(got, straight[i]) for got, i in zip(played, order, strict=True))


def test_open_gops_play_from_the_middle(tmp_path):
    how = {"g": "10", "bf": "3", "x264-params": "open-gop=1:keyint=10:min-keyint=10:scenecut=0"}
    path = synth.write_video(tmp_path / "open.mp4", textured(60), options=how)
    with open_clip(path) as clip:
        straight = list(clip.frames())
        order = random.Random(3).choices(range(60), k=40)
        for got, index in zip(clip.play(order), order, strict=True):
            assert np.array_equal(got, straight[index])
        assert np.array_equal(next(clip.frames(33)), straight[33])


def test_backward_play_is_bounded_and_forward_keeps_one(tmp_path):
    path = synth.write_video(tmp_path / "long gop.mp4", textured(120), options={"g": "250"})
    reel = scan(path)
    picture_bytes = 112 * 72 * 3  # about a frame of 96 x 72 as FFmpeg lays it out; the exact size is its own
    with Player(reel, budget_bytes=10 * picture_bytes) as player:
        for slot in range(120):
            player.frame(slot)
        assert player.most_held == 1
        back = [player.frame(slot).pts for slot in range(118, -1, -1)]
        assert 2 <= player.most_held <= 25
        for slot in range(120):
            player.frame(slot)
        assert len(player._held) == 1
    assert back == [int(time) for time in reel.times[118::-1]]


def test_a_repeated_index_does_not_decode_again(tmp_path, monkeypatch):
    path = synth.write_video(tmp_path / "a.mp4", textured(30))
    with open_clip(path) as clip:
        runs = []
        original = Player._restart
        monkeypatch.setattr(Player, "_restart", lambda self, slot: (runs.append(slot), original(self, slot)))
        first, second, third = clip.play([7, 7, 7])
    assert np.array_equal(first, third)
    assert first is not second  # each is the caller's own
    assert runs == [7]


def test_iterators_of_one_clip_do_not_disturb_each_other(tmp_path):
    path = synth.write_video(tmp_path / "a.mp4", map(synth.numbered, range(30)))
    with open_clip(path) as clip:
        pairs = zip(clip.frames(), clip.play(range(29, -1, -1)), strict=True)
        seen = [(synth.read_number(a), synth.read_number(b)) for a, b in pairs]
    assert seen == [(i, 29 - i) for i in range(30)]


def test_an_index_outside_and_a_closed_clip_are_refused(tmp_path):
    path = synth.write_video(tmp_path / "a.mp4", map(synth.numbered, range(5)))
    with open_clip(path) as clip, pytest.raises(IndexError, match=r"frames 0\.\.4, got 5"):
        list(clip.play([5]))
    with pytest.raises(MediaError, match="closed"):
        clip.frames()


# --- time -----------------------------------------------------------------------------------------


def test_variable_rate_is_resampled_by_time(tmp_path):
    # Filmed at 30, every fourth frame dropped, and a pause: frame n was taken at n / 30 s.
    taken = [n for n in range(90) if n % 4 != 3 and not 40 <= n < 55]
    path = synth.write_video(
        tmp_path / "phone.mp4",
        [synth.numbered(n) for n in taken],
        rate=30,
        times=[n * 20 + n % 2 for n in taken],  # and the clock jitters
        time_base=Fraction(1, 600),
    )
    facts, seen = numbers(path)
    shown = [max(m for m in taken if m <= n) for n in range(90)]
    assert facts.fps == 30
    assert abs(facts.frames - 90) <= 1
    assert seen[:88] == shown[:88]


def test_the_rate_can_be_chosen(tmp_path):
    path = synth.write_video(tmp_path / "a.mp4", map(synth.numbered, range(50)), rate=50)
    facts, seen = numbers(path, Fraction(25))
    assert (facts.fps, facts.frames, seen) == (25, 25, list(range(0, 50, 2)))
    facts, seen = numbers(path, Fraction(100))
    assert (facts.frames, seen) == (100, [n // 2 for n in range(100)])
    with pytest.raises(OptionError, match="fps"), open_clip(path, Fraction(0)):
        pass


@pytest.mark.parametrize(("stored", "played"), [(240, 120), (500, 100)])
def test_very_high_rates_are_divided(tmp_path, stored, played):
    path = synth.write_video(tmp_path / "slow.mp4", map(synth.numbered, range(60)), rate=stored)
    facts, seen = numbers(path)
    assert facts.fps == played
    assert seen == list(range(0, 60, stored // played))


def test_one_frame_per_tick_of_a_wild_clock(tmp_path):
    path = synth.write_video(
        tmp_path / "wild.mkv",
        map(synth.numbered, range(50)),
        rate=1000,
        times=[n * 40 for n in range(50)],
        time_base=Fraction(1, 1000),
    )
    facts, seen = numbers(path)
    assert (facts.fps, seen) == (25, list(range(50)))


@pytest.mark.parametrize("start", [-3, 7])
def test_a_start_other_than_zero_is_the_clips_zero(tmp_path, start):
    path = synth.write_video(
        tmp_path / "cut.mkv" if start > 0 else tmp_path / "cut.mp4",
        map(synth.numbered, range(20)),
        times=[n + start for n in range(20)],
        time_base=Fraction(1, 25),
    )
    facts, seen = numbers(path)
    assert facts.fps == 25
    assert seen == list(range(20)) or start < 0  # an edit list may hide what is before zero
    assert seen[-5:] == list(range(15, 20))


@pytest.mark.parametrize("late", [Fraction(1, 5), Fraction(0)])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_and_picture_share_their_zero(tmp_path, late, suffix):
    tone = synth.chirp(1.5, 48000)
    path = tmp_path / f"late{suffix}"
    synth.write_video(path, map(synth.numbered, range(30)), sound=tone, sound_at=late)
    sound = read_sound(path, 48000)
    assert synth.shift_ms(sound.samples, tone, 48000) == pytest.approx(1000 * late, abs=1)
    assert numbers(path)[1] == list(range(30))


def test_a_late_picture_stands_while_the_sound_begins(tmp_path):
    tone = synth.chirp(2, 48000)
    path = synth.write_video(
        tmp_path / "late picture.mkv",
        map(synth.numbered, range(30)),
        times=[n + 5 for n in range(30)],
        time_base=Fraction(1, 25),
        sound=tone,
    )
    facts, seen = numbers(path)
    assert facts.has_sound
    assert seen == [0] * 5 + list(range(30))
    assert abs(synth.shift_ms(read_sound(path, 48000).samples, tone, 48000)) < 1


# --- pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_rotated_clips_come_upright(tmp_path, turn):
    upright = [synth.numbered(n, 72, 96) for n in range(5)]
    stored = [np.ascontiguousarray(np.rot90(p, -turn // 90)) for p in upright]
    path = synth.write_video(tmp_path / "turned.mp4", stored, rotation=turn)
    facts, seen = numbers(path)
    assert (facts.width, facts.height) == (72, 96)
    assert seen == list(range(5))


def test_a_mirrored_clip_comes_upright(tmp_path):
    path = tmp_path / "mirror.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p"
        stream.set_display_matrix([-65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30])
        for n in range(4):
            picture = np.ascontiguousarray(synth.numbered(n)[:, ::-1])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert numbers(path)[1] == list(range(4))


def test_pixels_that_are_not_square_are_stretched_across(tmp_path):
    path = synth.write_video(tmp_path / "sar.mp4", map(synth.numbered, range(5)), shape=Fraction(4, 3))
    facts, seen = numbers(path)
    assert (facts.width, facts.height, seen) == (128, 72, list(range(5)))
    with open_clip(path) as clip:
        assert next(clip.frames()).shape == (72, 128, 3)


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "size"),
    [
        ("libvpx-vp9", "yuv420p", (97, 73)),
        ("ffv1", "yuv422p", (101, 61)),
        ("libx265", "yuv420p10le", (96, 72)),
        ("libx264", "yuv444p", (95, 71)),
        ("ffv1", "yuva420p", (96, 72)),
        ("ffv1", "gray", (96, 72)),
        ("ffv1", "bgr0", (97, 73)),
    ],
)
def test_odd_sizes_and_other_formats(tmp_path, codec, pix_fmt, size):
    how = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    pictures = [synth.numbered(n, *size) for n in range(6)]
    path = synth.write_video(tmp_path / "odd.mkv", pictures, codec=codec, pix_fmt=pix_fmt, options=how)
    with open_clip(path) as clip:
        assert (clip.facts.width, clip.facts.height) == size
        for wanted, got in zip(pictures, clip.frames(), strict=True):
            assert got.shape == wanted.shape
            assert got.dtype == np.uint8
            assert got.flags.c_contiguous
            assert got.flags.writeable
            assert np.abs(got.astype(int) - wanted).mean() < 5


def test_interlaced_clips_are_deinterlaced_alike_in_any_order(tmp_path):
    # A bar that moves between the two fields of each frame: combing on every other line.
    def field(at):
        picture = np.full((72, 96, 3), 60, np.uint8)
        picture[:, at : at + 12] = 220
        return picture

    woven = []
    for n in range(20):
        frame = field(4 * n)
        frame[1::2] = field(4 * n + 2)[1::2]
        woven.append(frame)
    how = {"g": "6", "x264-params": "interlaced=1", "crf": "4"}
    path = synth.write_video(tmp_path / "fields.mp4", woven, options=how)
    with open_clip(path) as clip:
        straight = list(clip.frames())
        order = [*range(19, -1, -1), 4, 13, 13, 14]
        for got, index in zip(clip.play(order), order, strict=True):
            assert np.array_equal(got, straight[index])

    def combing(picture):
        rows = picture[:, :, 0].astype(int)
        return np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean()

    assert len(straight) == 20
    assert combing(straight[8]) < combing(woven[8]) / 3


COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)]
COLOURS += [(200, 160, 140), (90, 60, 40), (20, 90, 160)]


@pytest.mark.parametrize("matrix", [1, 6, 9])
@pytest.mark.parametrize("full", [False, True])
def test_colours_come_back_by_matrix_and_range(tmp_path, matrix, full):
    pictures = [np.full((48, 64, 3), colour, np.uint8) for colour in COLOURS]
    path = synth.write_video(
        tmp_path / "tagged.mp4",
        pictures,
        options={"qp": "0"},
        tags=({6: 5}.get(matrix, matrix), 2 if full else 1),
    )
    with open_clip(path) as clip:
        assert clip.colour.full_range == full
        for wanted, got in zip(pictures, clip.frames(), strict=True):
            assert np.abs(got.astype(int) - wanted).max() <= 3


@pytest.mark.parametrize(("height", "matrix"), [(720, 1), (576, 6)])
def test_untagged_colour_goes_by_height(tmp_path, height, matrix):
    skin = np.full((height, 64, 3), (200, 120, 90), np.uint8)
    path = tmp_path / "plain.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, height, "yuv420p"
        frame = av.VideoFrame.from_ndarray(skin, format="rgb24")
        swscale = {1: 1, 6: 5}[matrix]
        frame = frame.reformat(format="yuv420p", dst_colorspace=swscale, dst_color_range=1)
        frame.colorspace = frame.color_range = frame.pts = 0
        frame.colorspace = 2
        container.mux([*stream.encode(frame), *stream.encode(None)])
    with open_clip(path) as clip:
        assert (clip.colour.matrix, clip.colour.primaries) == (matrix, 2)
        assert np.abs(next(clip.frames()).astype(int) - skin).max() <= 2


def test_hdr_is_read_with_a_warning(tmp_path, caplog):
    path = tmp_path / "hdr.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 72, "yuv420p10le"
        context = stream.codec_context
        context.colorspace, context.color_primaries, context.color_trc = 9, 9, 16
        frame = av.VideoFrame.from_ndarray(synth.numbered(5), format="rgb24")
        container.mux([*stream.encode(frame.reformat(format="yuv420p10le")), *stream.encode(None)])
    with caplog.at_level(logging.WARNING), open_clip(path) as clip:
        assert clip.colour.is_hdr
        assert synth.read_number(next(clip.frames())) == 5
    assert "HDR" in caplog.text


# --- damage ---------------------------------------------------------------------------------------


def test_a_truncated_file_keeps_its_count(tmp_path):
    whole = synth.write_video(
        tmp_path / "whole.mkv", textured(60, 320, 240), options={"g": "15", "bf": "2"}
    ).read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    facts, seen = numbers(cut)
    assert 20 < facts.frames < 60
    assert seen[:-4] == list(range(facts.frames))[:-4]


def damaged_tail(path, whole, fill):
    """A video of 60 frames whose last 20 packets hold something else."""
    data = bytearray(whole.read_bytes())
    with av.open(str(whole)) as container:
        spots = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    for at, size in spots[40:]:
        data[at : at + size] = fill(size)
    path.write_bytes(data)
    return path


def test_frames_that_do_not_decode_show_the_last_good_one(tmp_path, caplog):
    whole = synth.write_video(tmp_path / "a.mp4", textured(60), codec="mpeg4", options={"g": "5"})
    path = damaged_tail(tmp_path / "b.mp4", whole, lambda size: b"\xaa" * size)
    with caplog.at_level(logging.WARNING), open_clip(path) as clip:
        pictures = list(clip.frames())
        again = list(clip.play(range(59, 30, -1)))
    assert len(pictures) == 60
    sums = [zlib.crc32(picture) for picture in pictures]
    assert [zlib.crc32(p) for p in again] == sums[59:30:-1]
    assert sums[59] == sums[40]
    assert "do not decode" in caplog.text


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_a_clip_ends_where_an_unfinished_download_left_zeros(tmp_path, codec):
    whole = synth.write_video(tmp_path / "a.mp4", textured(60), codec=codec, options={"g": "5", "bf": "0"})
    path = damaged_tail(tmp_path / "b.mp4", whole, bytes)
    with open_clip(path) as clip:
        assert [synth.read_number(picture) for picture in clip.frames()] == list(range(40))
        assert clip.notes == ("b.mp4 ends in 20 frames without data; the 1.6 seconds that decode are used",)


CUT = {
    "mp4, index first": (".mp4", {"movflags": "+faststart"}),
    "mp4 in fragments": (".mp4", {"movflags": "+frag_keyframe+empty_moov"}),
    "mkv": (".mkv", {}),
}


@pytest.mark.parametrize("bf", [0, 3])
@pytest.mark.parametrize("kind", CUT)
def test_what_is_there_of_a_cut_off_file_is_used_and_said(tmp_path, kind, bf):
    suffix, how = CUT[kind]
    first = synth.write_video(tmp_path / "first.mp4", textured(100, 320, 240), options={"g": "12", "bf": str(bf)})
    whole = remuxed(first, tmp_path / f"whole{suffix}", how)
    with open_clip(whole) as clip:
        assert clip.facts.frames == 100
        assert clip.notes == ()
    size = whole.stat().st_size
    for percent in (40, 62, 90):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole.read_bytes()[: size * percent // 100])
        facts, seen = numbers(cut)
        assert seen == list(range(facts.frames))  # no frame stands for one that is missing
        assert abs(facts.frames - percent) < 20
        assert facts.fps == 25
        with open_clip(cut) as clip:
            (note,) = clip.notes
        assert note.startswith(f"cut{suffix} is incomplete (")
        assert note.endswith(f"; the {float(facts.duration):.1f} seconds that decode are used")


def test_a_cut_off_avi_is_used_and_said(tmp_path):
    cut = synth.write_video(tmp_path / "cut.avi", textured(100, 320, 240), codec="mpeg4")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 8 // 10])
    facts, seen = numbers(cut)
    assert seen == list(range(facts.frames))
    assert 25 < facts.frames < 90
    with open_clip(cut) as clip:
        assert clip.notes[0].startswith("cut.avi is incomplete (")


@pytest.mark.parametrize("kind", ["mp4, index first", "mkv"])
def test_less_than_a_second_of_a_cut_off_file_is_refused(tmp_path, kind):
    suffix, how = CUT[kind]
    first = synth.write_video(tmp_path / "first.mp4", textured(60, 320, 240))
    cut = remuxed(first, tmp_path / f"cut{suffix}", how)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 3 // 10])
    with pytest.raises(MediaError, match=r"is incomplete \(.*only 0\.\d\d seconds of it decode"), open_clip(cut):
        pass


def test_a_cut_off_file_without_its_index_is_named(tmp_path):
    cut = synth.write_video(tmp_path / "cut.mp4", textured(60))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 9 // 10])
    with pytest.raises(MediaError, match=r"cut\.mp4 is incomplete: the index.*is missing"), open_clip(cut):
        pass


def remuxed(source, path, options):
    with av.open(str(source)) as container, av.open(str(path), "w", options=options) as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return path


# --- photos ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_photo_is_a_clip_of_one_frame(tmp_path, suffix):
    picture = synth.numbered(0b101101010110, 97, 73)
    path = tmp_path / f"фото{suffix}"
    path.write_bytes(cv2.imencode(suffix, picture[:, :, ::-1])[1].tobytes())
    with open_clip(path) as clip:
        facts = clip.facts
        frames = list(clip.play([0, 0]))
    assert (facts.width, facts.height, facts.frames, facts.fps) == (97, 73, 1, 25)
    assert facts.is_photo
    assert len(frames) == 2
    assert synth.read_number(frames[1]) == 0b101101010110
    with open_clip(path, Fraction(30)) as clip:
        assert clip.facts.fps == 30


def test_a_photo_is_turned_by_its_exif(tmp_path):
    upright = synth.numbered(0b100110101101, 72, 96)
    stored = np.ascontiguousarray(np.rot90(upright))  # orientation 6: turn clockwise to see it
    jpeg = cv2.imencode(".jpg", stored)[1].tobytes()
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    path = tmp_path / "phone.jpg"
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:])
    with open_clip(path) as clip:
        assert (clip.facts.width, clip.facts.height) == (72, 96)
        assert synth.read_number(next(clip.frames())) == 0b100110101101


def test_transparency_shows_white(tmp_path):
    picture = np.zeros((8, 8, 4), np.uint8)
    picture[:, 4:] = (10, 20, 30, 255)  # BGR and alpha
    path = tmp_path / "cut out.png"
    path.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    with open_clip(path) as clip:
        got = next(clip.frames())
    assert (got[:, :4] == 255).all()
    assert (got[:, 4:] == (30, 20, 10)).all()


# --- what cannot be read --------------------------------------------------------------------------


def test_what_is_no_video_is_refused_in_one_sentence(tmp_path):
    cases = {"missing.mp4": None, "folder.mp4": "folder", "empty.mp4": b"", "text.mp4": b"hello\n" * 99}
    cases |= {"notes.txt": b"hello\n" * 99, "half.png": b"\x89PNG\r\n\x1a\n123"}
    for name, content in cases.items():
        path = tmp_path / name
        if content == "folder":
            path.mkdir()
        elif content is not None:
            path.write_bytes(content)
        with pytest.raises(MediaError, match=name) as caught, open_clip(path):
            pass
        assert "\n" not in str(caught.value)


def test_a_sound_file_is_no_video_even_with_a_cover(tmp_path):
    plain = synth.write_sound(tmp_path / "plain.wav", synth.chirp(0.2, 16000), 16000, "pcm_s16le")
    cover = tmp_path / "cover.mp3"
    with av.open(str(cover), "w") as container:
        audio = container.add_stream("libmp3lame", rate=44100)
        picture = container.add_stream("png", rate=1)
        picture.width, picture.height, picture.pix_fmt = 96, 72, "rgb24"
        picture.disposition = 0x400
        frame = av.VideoFrame.from_ndarray(synth.numbered(1), format="rgb24")
        container.mux([*picture.encode(frame), *picture.encode(None)])
        for packet in synth._encoded(audio, synth.chirp(0.5, 44100), 44100, Fraction(0), 2):
            container.mux(packet)
    for path in (plain, cover):
        with pytest.raises(MediaError, match="only sound"), open_clip(path):
            pass
        assert read_sound(path).duration > 0.15
