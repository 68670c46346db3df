"""Looking into files: what is told of good ones, and that bad ones harm nobody."""

import asyncio
import os
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
import synth

from lipwright.errors import LipwrightError, MediaError, NoFaceError
from lipwright.example import portrait as portrait_file
from lipwright.media import open_clip, read_sound
from lipwright.service import sniff
from lipwright.service.sniff import Sniffer


@pytest.fixture(scope="module")
def sniffer():
    made = Sniffer(most_seconds=600, most_memory=700 * 2**20, seconds=3)
    yield made
    made.close()


@pytest.fixture
def film(tmp_path):
    return synth.write_video(tmp_path / "film.mp4", map(synth.numbered, range(20)), sound=synth.chirp(0.8, 48000))


def refused(sniffer, path, words):
    with pytest.raises(MediaError, match=words) as caught:
        sniffer.facts(path)
    told = str(caught.value)
    assert "\n" not in told
    assert str(path.parent) not in told  # whose folder it is kept in is nobody's business
    assert path.name in told


# Functions that the processes are given


def hang(path):
    while True:
        time.sleep(1)


def crash(path):
    os.abort()


def leave(path):
    os._exit(0)


def swell(path):
    kept = []
    while True:
        kept.append(np.ones(4_000_000, np.uint8))


def number(path, more=0):
    return [os.getpid(), more]


def no_face(path):
    raise NoFaceError(f"{path} shows no face")


def bug(path):
    raise ZeroDivisionError("a bug")


def no_json(path):
    return object()


# Good files


def test_a_video(sniffer, film):
    facts = sniffer.facts(film)
    assert facts == {"kind": "video", "width": 96, "height": 72, "fps": "25", "frames": 20, "duration": 0.8,
                     "has_sound": True}  # fmt: skip


def test_fractions_and_turned_pictures(sniffer, tmp_path):
    path = synth.write_video(tmp_path / "a.mkv", map(synth.numbered, range(30)), rate=Fraction(30000, 1001))
    assert (sniffer.facts(path)["fps"], sniffer.facts(path)["frames"]) == ("30000/1001", 30)
    assert sniffer.facts(path)["duration"] == pytest.approx(1.001)
    path = synth.write_video(tmp_path / "b.mp4", map(synth.numbered, range(3)), rotation=90)
    assert (sniffer.facts(path)["width"], sniffer.facts(path)["height"]) == (72, 96)


def test_facts_are_those_of_the_library(sniffer, clip_file):
    with open_clip(clip_file) as clip:
        wanted, facts = clip.facts, sniffer.facts(clip_file)
    assert (facts["width"], facts["height"], facts["frames"]) == (wanted.width, wanted.height, wanted.frames)
    assert (Fraction(facts["fps"]), facts["has_sound"]) == (wanted.fps, wanted.has_sound)


def test_a_photo(sniffer):
    assert sniffer.facts(portrait_file) == {
        "kind": "photo",
        "width": 512,
        "height": 512,
        "frames": 1,
        "has_sound": False,
    }


def test_a_sound(sniffer, speech_wav, tmp_path):
    facts = sniffer.facts(speech_wav)
    assert (facts["kind"], facts["has_sound"]) == ("sound", True)
    assert facts["duration"] == pytest.approx(len(read_sound(speech_wav).samples) / 16000)
    path = synth.write_sound(tmp_path / "a.mp3", synth.chirp(3, 44100), 44100, "mp3")
    assert sniffer.facts(path)["duration"] == pytest.approx(3, abs=0.1)


def test_a_changed_file_is_looked_into_again(sniffer, film):
    before = sniffer.facts(film)
    before["kind"] = "tampered"
    assert sniffer.facts(film)["kind"] == "video"  # what is remembered is not the caller's
    synth.write_video(film, map(synth.numbered, range(31)))
    assert sniffer.facts(film)["frames"] == 31


# Bad files


def png(width, height, depth=1, raw=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")


def test_a_picture_that_unpacks_to_gigabytes_is_not_unpacked(sniffer, tmp_path):
    squeeze, row = zlib.compressobj(1), bytes(1 + 30_000 // 8)
    raw = b"".join(squeeze.compress(row * 100) for _ in range(300)) + squeeze.flush()
    path = tmp_path / "bomb.png"
    path.write_bytes(png(30_000, 30_000, raw=raw))
    assert path.stat().st_size < 1_000_000
    begun = time.monotonic()
    refused(sniffer, path, "more than 50 million pixels")
    assert time.monotonic() - begun < 2.5


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.png", png(2**31 - 1, 2**31 - 1)),
        ("b.png", png(60_000, 60_000)),
        ("c.png", png(0, 0)),
        ("d.png", png(64, 64)),
        ("e.png", png(64, 64, raw=zlib.compress(bytes(10_000_000)))[:-20]),
        ("a.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 60_000, 60_000, 1, 24, 0, 0, 0, 0, 0, 0)),
        ("b.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, -1, -(2**31), 1, 24, 0, 0, 0, 0, 0, 0)),
        ("a.jpg", b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03" + bytes(9) + b"\xff\xd9"),
        ("a.tif", b"II*\x00" + b"\xff" * 40),
        ("a.webp", b"RIFF\x10\x00\x00\x00WEBPVP8L" + b"\xff" * 40),
        ("a.gif", b"GIF89a\xff\xff\xff\xff\x80\x00\x00" + b"\xff" * 6 + b"\x2c" + b"\xff" * 40 + b"\x3b"),
        ("zip.mp4", b"PK\x03\x04" + bytes(400)),
        ("text.mp4", b"hello " * 400),
        ("empty.mp4", b""),
        ("page.mp4", b"<!doctype html><html><body>hello</body></html>" * 9),
        ("zeros.mp4", bytes(100_000)),
        ("box.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00\x00\x00\x08moov"),
        ("deep.mp4", b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\x00\x00\xff\xffmoov" * 5000),
        ("list.mp4", b"ffconcat version 1.0\nfile film.mp4\n"),
        ("script.mp4", b"#!/bin/sh\nrm -rf /\n"),
    ],
)
def test_hostile_heads_are_refused(sniffer, tmp_path, film, name, data):
    path = tmp_path / name
    path.write_bytes(data)
    refused(sniffer, path, None)
    assert sniffer.facts(film)["frames"] == 20


def test_giant_frames_are_refused(sniffer, tmp_path):
    path = synth.write_video(
        tmp_path / "a.mkv", [np.zeros((6000, 9000, 3), np.uint8)], codec="mjpeg", pix_fmt="yuvj420p"
    )
    refused(sniffer, path, "more than 50 million pixels")
    shape = Fraction(4)  # pixels so wide that a small picture becomes a large one
    path = synth.write_video(tmp_path / "b.mkv", [np.zeros((3000, 5000, 3), np.uint8)], codec="mjpeg",
                             pix_fmt="yuvj420p", shape=shape)  # fmt: skip
    refused(sniffer, path, "more than 50 million pixels")


def test_a_small_file_that_lasts_for_days_is_refused(sniffer, tmp_path):
    pictures = [synth.numbered(each) for each in range(40)]
    path = synth.write_video(
        tmp_path / "slow.mkv", pictures, times=[50 * each for each in range(40)], time_base=Fraction(1)
    )
    assert path.stat().st_size < 200_000
    refused(sniffer, path, "longer than 600 seconds")


def test_a_small_sound_that_lasts_for_hours_is_refused(sniffer, tmp_path):
    path = synth.write_sound(tmp_path / "silence.flac", np.zeros(8000 * 700, np.float32), 8000, "flac")
    assert path.stat().st_size < 200_000
    refused(sniffer, path, "longer than 600 seconds")


def test_missing_files_and_folders_are_refused(sniffer, tmp_path):
    refused(sniffer, tmp_path / "none.mp4", "cannot be read")
    refused(sniffer, tmp_path, "is a folder")


# Bad luck


@pytest.mark.parametrize(
    ("function", "words"),
    [(crash, "no decoder survives"), (leave, "no decoder survives"), (hang, "longer than 3 seconds"),
     (swell, "more than 0.7 GB of memory"), (bug, "cannot be looked into"), (no_json, "cannot be looked into")],
)  # fmt: skip
def test_what_goes_wrong_in_the_process_is_a_sentence(sniffer, film, function, words):
    with pytest.raises(MediaError, match=words) as caught:
        sniffer.run(function, film)
    assert "film.mp4" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sniffer.run(number, film, 7)[1] == 7


def test_errors_keep_their_kind(sniffer, film):
    with pytest.raises(NoFaceError, match=r"^film.mp4 shows no face$"):
        sniffer.run(no_face, film)


def test_others_are_not_disturbed(sniffer, film):
    """While one file hangs a process and others crash theirs, good ones are answered, each with its own answer."""
    begun = time.monotonic()
    with ThreadPoolExecutor(12) as callers:
        hung = callers.submit(sniffer.run, hang, film)
        time.sleep(0.2)
        jobs = [(callers.submit(sniffer.run, *task), task) for each in range(8)
                for task in ((number, film, each), (crash, film))]  # fmt: skip
        for answer, task in jobs:
            if task[0] is number:
                assert answer.result()[1] == task[2]
            else:
                assert isinstance(answer.exception(), MediaError)
        assert isinstance(hung.exception(), MediaError)
    assert time.monotonic() - begun < 60


def test_it_can_be_awaited(sniffer, film):
    async def several():
        return await asyncio.gather(*(asyncio.wrap_future(sniffer.submit(number, film, each)) for each in range(6)))

    answers = asyncio.run(several())
    assert [each for _, each in answers] == list(range(6))
    assert len({process for process, _ in answers}) <= sniff.AT_ONCE


def test_a_process_can_be_ready_before_it_is_needed(film):
    fresh = Sniffer()
    fresh.start()
    end = time.monotonic() + 10
    while fresh._idle.empty():
        assert time.monotonic() < end
        time.sleep(0.01)
    ready = set(psutil.Process().children())
    assert fresh.run(number, film)[0] in {child.pid for child in ready}
    assert set(psutil.Process().children()) == ready
    fresh.close()


def test_processes_are_renewed(film, monkeypatch):
    monkeypatch.setattr(sniff, "MOST_TASKS", 2)
    fresh = Sniffer()
    seen = [fresh.run(number, film)[0] for _ in range(4)]
    fresh.close()
    assert seen[0] == seen[1] != seen[2] == seen[3]
    assert not any(psutil.pid_exists(each) for each in seen)


def test_closing_ends_what_hangs(film):
    fresh = Sniffer()
    answer = fresh.submit(hang, film)
    waiting = [fresh.submit(hang, film) for _ in range(3)]
    time.sleep(0.5)
    begun = time.monotonic()
    fresh.close()
    assert time.monotonic() - begun < 5
    assert all(each.cancelled() or isinstance(each.exception(), LipwrightError) for each in (answer, *waiting))


def test_a_hung_process_does_not_outlive_a_killed_server(tmp_path, film):
    script = tmp_path / "server.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys
            from pathlib import Path

            sys.path.insert(0, {str(Path(__file__).parent)!r})
            sys.path.insert(0, {str(Path(__file__).parents[1])!r})
            if __name__ == "__main__":
                import test_sniff
                from lipwright.service.sniff import Sniffer

                sniffer = Sniffer()
                print(sniffer.run(test_sniff.number, Path({str(film)!r}))[0], flush=True)
                sniffer.run(test_sniff.hang, Path({str(film)!r}))
            """
        ),
        "utf-8",
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as server:
        child = psutil.Process(int(server.stdout.readline()))
        assert child.is_running()
        time.sleep(0.3)
        server.kill()
    child.wait(10)  # or TimeoutExpired
