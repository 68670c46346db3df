from fractions import Fraction

import av
import numpy as np
import pytest
import synth

from lipwright.media import ClipWriter, EncodeOptions, open_clip
from lipwright.media.colour import ColourTags, FromRgb, ToRgb, planes_of
from lipwright.media.picture import Picture, Stored

TAGS = [ColourTags.standard(720), ColourTags.standard(480), ColourTags(matrix=1, full_range=True)]


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def stored(tags, height=62, width=94, seed=0):
    return FromRgb(tags)(noise(height, width, seed))


@pytest.fixture(params=TAGS, ids=["bt709", "bt601", "full"])
def tags(request):
    return request.param


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_the_whole_is_what_ffmpeg_makes_of_the_planes(tmp_path, codec):
    path = tmp_path / "in.mp4"
    with ClipWriter(path, width=94, height=62, fps=Fraction(25), options=EncodeOptions(codec=codec, crf=4)) as sink:
        for number in range(4):  # libx265 cannot date one
            sink.write(noise(62, 94, number))
    with av.open(str(path)) as container, open_clip(path) as clip:
        frame = next(container.decode(video=0))
        np.testing.assert_array_equal(next(clip.frames()), ToRgb(clip.colour, 94, 62)(frame))
        assert next(clip.pictures([0])).as_stored(clip.colour) is not None


@pytest.mark.parametrize("codec", ["vp9"])
def test_what_does_not_say_where_its_chroma_stands_is_converted_whole(tmp_path, codec):
    path = tmp_path / "in.webm"
    with ClipWriter(path, width=94, height=62, fps=Fraction(25), options=EncodeOptions(codec=codec)) as sink:
        sink.write(noise(62, 94))
    with open_clip(path) as clip:
        assert next(clip.pictures([0])).as_stored(clip.colour) is None


@pytest.mark.parametrize(("where", "kept"), [(0, True), (1, False), (2, False)], ids=["left", "middle", "top left"])
def test_chroma_that_stands_elsewhere_is_converted_whole(tmp_path, where, kept):
    path = tmp_path / "in.mp4"
    options = {"g": "12", "x264-params": f"chromaloc={where}"}
    synth.write_video(path, [noise(62, 94) // 2 + 60], options=options)
    with av.open(str(path)) as container, open_clip(path) as clip:
        frame = next(container.decode(video=0))
        np.testing.assert_array_equal(next(clip.frames()), ToRgb(clip.colour, 94, 62)(frame))
        assert (next(clip.pictures([0])).as_stored(clip.colour) is not None) == kept


def test_a_part_has_the_bits_of_the_whole(tags):
    picture = Picture(Stored(stored(tags), tags))
    places = [
        (0, 0, 94, 62),
        (0, 0, 1, 1),
        (93, 61, 1, 1),
        (3, 5, 20, 31),
        (4, 6, 21, 30),
        (90, 1, 4, 61),
        (7, 60, 80, 2),
    ]
    for x, y, width, height in places:
        np.testing.assert_array_equal(picture.part(x, y, width, height), picture.rgb[y : y + height, x : x + width])


@pytest.mark.parametrize("made", [lambda tags: noise(62, 94), lambda tags: Stored(stored(tags), tags)])
def test_a_patch_is_blended_and_nothing_else_changes(tags, made):
    picture, mask = Picture(made(tags)), np.zeros((21, 33), np.float32)
    mask[4:-4, 4:-4], mask[10, 10] = 1, 0.5
    before, pixels = picture.rgb.copy(), noise(21, 33, 1)
    drawn = picture.blended(pixels, mask, 17, 9).blended(pixels, mask, 30, 20)
    whole = np.zeros((62, 94), bool)
    for x, y in ((17, 9), (30, 20)):
        whole[y : y + 21, x : x + 33] |= mask > 0
    np.testing.assert_array_equal(drawn.rgb[~whole], before[~whole])
    inner = mask[4:-4, 4:-4] == 1
    np.testing.assert_array_equal(drawn.rgb[24:37, 34:59][inner], pixels[4:-4, 4:-4][inner])
    np.testing.assert_array_equal(picture.rgb, before)
    np.testing.assert_array_equal(drawn.part(16, 8, 40, 40), drawn.rgb[8:48, 16:56])


def test_what_nobody_touched_keeps_the_files_numbers(tags):
    frame = stored(tags)
    kept = [plane.copy() for plane in planes_of(frame)]
    drawn = Picture(Stored(frame, tags)).blended(noise(20, 30, 2), np.ones((20, 30), np.float32), 13, 7)
    out = drawn.as_stored(tags)
    assert ColourTags.of(out) == ColourTags.of(frame)
    for by, (plane, before, source) in enumerate(zip(planes_of(out), kept, planes_of(frame), strict=True)):
        np.testing.assert_array_equal(source, before)  # what the decoder may still refer to
        step = 2 if by else 1
        outside = np.ones(plane.shape, bool)
        outside[6 // step : 28 // step, 12 // step : 44 // step] = False
        np.testing.assert_array_equal(plane[outside], before[outside])
        assert (plane != before).any()
    whole = planes_of(FromRgb(tags)(drawn.rgb))
    for plane, other in zip(planes_of(out), whole, strict=True):  # the same conversion as that of whole pictures
        step = 1 if plane is planes_of(out)[0] else 62 // plane.shape[0]
        part = slice(8 // step, 26 // step), slice(14 // step, 42 // step)
        assert np.abs(plane[part].astype(int) - other[part]).max() <= 1


def test_where_a_patchs_mask_is_zero_the_files_numbers_stay(tags):
    frame, mask = stored(tags), np.zeros((31, 41), np.float32)
    mask[9:21, 11:30] = 0.5
    out = Picture(Stored(frame, tags)).blended(noise(31, 41, 3), mask, 13, 7).as_stored(tags)
    touched = np.zeros((62, 94), bool)
    touched[7:38, 13:54] = mask > 0
    for plane, before in zip(planes_of(out), planes_of(frame), strict=True):
        step = 62 // plane.shape[0]
        cells = touched.reshape(plane.shape[0], step, plane.shape[1], step).any((1, 3))
        np.testing.assert_array_equal(plane[~cells], before[~cells])
        assert (plane[cells] != before[cells]).mean() > 0.5


def test_numbers_that_mean_something_else_are_not_kept(tags):
    other = ColourTags(matrix=9)
    assert Picture(Stored(stored(tags), tags)).as_stored(other) is None
    assert Picture(noise(62, 94)).as_stored(tags) is None


def test_a_clip_keeps_them_up_to_the_encoder(tmp_path):
    path = tmp_path / "in.mp4"
    synth.write_video(path, [noise(64, 96, n) // 2 + 60 for n in range(6)], rate=25)
    with open_clip(path) as clip:
        lossless = EncodeOptions(crf=0, preset="ultrafast")
        with ClipWriter(
            tmp_path / "out.mp4", width=96, height=64, fps=Fraction(25), options=lossless, colour=clip.colour
        ) as sink:
            for picture in clip.pictures(range(6)):
                sink.write(picture.as_stored(clip.colour.for_writing()))
    for one, other in zip(decoded(path), decoded(tmp_path / "out.mp4"), strict=True):
        for plane, again in zip(one, other, strict=True):
            np.testing.assert_array_equal(plane, again)


def decoded(path):
    with av.open(str(path)) as container:
        return [[plane.copy() for plane in planes_of(frame)] for frame in container.decode(video=0)]
