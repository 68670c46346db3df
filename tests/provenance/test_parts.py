"""What was changed in a file is named."""

import json
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.error import FFmpegError

from lipwright.media import ClipWriter, EncodeOptions
from lipwright.provenance import parts
from lipwright.provenance.boxes import append_uuid, top_boxes
from lipwright.provenance.parts import XMP_UUID, changes, hash_parts

RATE, FRAMES = 25, 50
TAGS = {"AIGC": '{"Label":"1"}'}


@pytest.fixture(scope="module")
def whole(speech_wav, tmp_path_factory):
    """Two seconds that move and flicker, so that frames are reordered and every packet has some size."""
    path, rng = tmp_path_factory.mktemp("whole") / "a.mp4", np.random.default_rng(1)
    ground = cv2.GaussianBlur(rng.integers(0, 255, (64, 64, 3), np.uint8), (0, 0), 4) // 2
    write(path, [np.roll(ground, n, 1) + rng.integers(0, 4, ground.shape, np.uint8) for n in range(FRAMES)], speech_wav)
    return path


@pytest.fixture
def mine(whole, tmp_path):
    """A copy to be changed."""
    path = tmp_path / "mine.mp4"
    path.write_bytes(whole.read_bytes())
    return path


@pytest.fixture(scope="module")
def signed(whole):
    return hash_parts(whole)


def write(path, frames, sound, tags=TAGS):
    options = EncodeOptions(preset="fast")  # this one reorders frames
    with ClipWriter(path, width=64, height=64, fps=Fraction(RATE), sound=sound, options=options, tags=tags) as sink:
        for frame in frames:
            sink.write(frame)
    append_uuid(path, XMP_UUID, b"<x/>")


def packets(path, kind):
    """Offset, size and presentation time of each packet, in the order of the file."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [(p.pos, p.size, float(p.pts * p.time_base)) for p in container.demux(stream) if p.size]


def spoil(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_unchanged_file_has_no_changes(whole, signed):
    assert changes(whole, json.loads(json.dumps(signed))) == []
    assert signed["video"]["packets"] == FRAMES
    assert len(signed["video"]["hashes"]) == 4 * FRAMES  # three bytes each
    assert set(signed["records"]) == {"ftyp", "moov", "tags", "xmp", "free"}


@pytest.mark.parametrize("number", [0, 1, 7, 30, FRAMES - 1])
def test_a_frame_is_named_by_its_number_and_time(number, mine, signed):
    every = packets(mine, "video")
    assert sorted(time for *_, time in every) != [time for *_, time in every]  # coding order is not that of showing
    at, size, _ = next(packet for packet in every if round(packet[2] * RATE) == number)
    spoil(mine, at + size // 2)
    assert changes(mine, signed) == [f"frame {number} ({number / RATE:.2f} s) was changed"]


def test_neighbours_are_one_stretch_and_many_stretches_are_counted(mine, signed):
    every = {round(time * RATE): at + size // 2 for at, size, time in packets(mine, "video")}
    for number in (*range(10, 15), *range(20, 40, 2)):
        spoil(mine, every[number])
    told = changes(mine, signed)
    assert told[0] == "frames 10 to 14 (0.40 to 0.56 s) were changed"
    assert told[1] == "frame 20 (0.80 s) was changed"
    assert told[-1] == "3 more stretches of the picture were changed"
    assert len(told) == parts.MOST_NAMED + 1


def test_a_stretch_of_the_sound_is_named(mine, signed):
    at, size, time = packets(mine, "audio")[20]
    spoil(mine, at + size // 2)
    (told,) = changes(mine, signed)
    begin, end = (float(word) for word in told.split() if word[0].isdigit())
    assert told.startswith("the sound from ")
    assert begin <= time <= end <= begin + 0.6


def test_the_records_are_named(mine, signed):
    data = mine.read_bytes()
    for what, at in (("the XMP record", data.rindex(b"<x/>")), ("the record in the file's tags", data.index(b'"1"'))):
        spoil(mine, at)
        assert changes(mine, signed) == [f"{what} was changed"]
        mine.write_bytes(data)
    mine.write_bytes(data[: top_boxes(mine)[-1].start])
    assert changes(mine, signed) == ["the XMP record was removed"]


def test_boxes_that_come_go_or_change_are_named(mine, signed):
    data = mine.read_bytes()
    mine.write_bytes(data + b"\0\0\0\x0cfreeabcd")
    assert changes(mine, signed) == ["a box of kind 'free' (number 2) was added"]
    append_uuid(mine, bytes(range(16)), b"new")
    assert f"a box of kind 'uuid {bytes(range(16)).hex()}' was added" in changes(mine, signed)
    mine.write_bytes(data.replace(b"isom", b"isox", 1))
    assert changes(mine, signed) == ["the file's type was changed"]
    mine.write_bytes(data)
    spoil(mine, data.index(b"mvhd") + 24)
    assert changes(mine, signed) == ["the file's index (times, sizes and codecs) was changed"]


def test_a_cut_is_named(mine, speech_wav, signed):
    """In files whose frames are each coded by itself, so that packets stay the same."""
    rng = np.random.default_rng(2)
    frames = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(20)]

    def coded(chosen):
        with av.open(str(mine), "w", format="mov") as container:
            stream = container.add_stream("png", rate=RATE)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "rgb24"
            for picture in chosen:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))

    coded(frames)
    kept = hash_parts(mine)
    coded(frames[:5] + frames[8:])
    assert "3 frames were cut out of the picture at 0.20 s" in changes(mine, kept)
    coded([*frames[:5], frames[0], *frames[5:]])
    assert "1 frames were put into the picture at 0.20 s" in changes(mine, kept)
    coded(frames[:5] + frames[10:7:-1])
    assert "the picture has 8 frames where 20 were signed; they differ from 0.20 s on" in changes(mine, kept)
    assert changes(mine, signed)[-1] == "the sound was removed"


def test_a_file_that_was_encoded_again_says_so(mine, whole, speech_wav, long_wav, signed):
    with av.open(str(whole)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    write(mine, frames, speech_wav)
    assert (
        changes(mine, signed)[-1] == f"the picture was encoded again: none of its {FRAMES} frames is as it was signed"
    )
    write(mine, frames, long_wav, {})
    told = changes(mine, signed)
    assert "the record in the file's tags was changed" in told
    assert told[-1].startswith("the sound from 0.66 s")  # both begin with the same speech


def test_what_cannot_be_read_any_more_is_told(mine, signed):
    data = mine.read_bytes()
    mine.write_bytes(data.replace(b"moov", b"moof"))
    assert changes(mine, signed)[-1] == "the picture cannot be read any more: the file is damaged"
    with pytest.raises(FFmpegError):
        hash_parts(mine)


@pytest.mark.parametrize(
    "kept",
    [{}, {"video": 3, "records": []}, {"video": {"packets": "x"}}, {"video": {"packets": 1, "each": 0, "hashes": ""}},
     {"sound": {"packets": 1, "each": 1, "hashes": "*"}}],
)  # fmt: skip
def test_lists_that_are_none_name_nothing_that_is_there(kept, whole):
    assert set(changes(whole, kept)) <= {"a sound was added"}


def test_long_files_have_one_hash_for_several_frames(whole, mine, signed, monkeypatch):
    monkeypatch.setattr(parts, "MOST_FRAMES", 20)
    kept = hash_parts(whole)
    assert kept["video"]["each"] == 3
    assert len(kept["video"]["hashes"]) == 4 * 17
    assert changes(whole, kept) == []
    at, size, time = packets(mine, "video")[10]
    spoil(mine, at + size // 2)
    told = " ".join(changes(mine, kept))
    assert f"{time:.2f}" in told or "to" in told
    assert told.count("frame") <= 3


def test_an_hour_stays_small():
    """At 25 frames a second, with the longest sound: well under the megabyte that the library takes."""
    frames, sounds = 3600 * 25, 3600 * 48000 // 1024
    assert frames <= parts.MOST_FRAMES
    assert sounds // parts.SOUND_EACH <= parts.MOST_SOUNDS
    most = 4 * (parts.MOST_FRAMES + parts.MOST_SOUNDS)
    assert most < 800_000
