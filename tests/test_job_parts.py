"""A long job is made in parts: kept, gone on from, joined to the same file."""

import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import synth
from pictures import noisy, panned, scene
from unsigned import unsigned

from lipwright import DubOptions, EncodeOptions, OptionError, dub
from lipwright.example import speech as speech_file
from lipwright.media import open_clip, read_sound
from lipwright.media.segment import Coded, Segment, SegmentEncoder
from lipwright.pipeline import identity, parts
from lipwright.pipeline.parts import Part, PartStore, clear_old, cut

FRAMES, EACH = 60, 6
ALL = FRAMES // EACH
PART = Part(7, 2, Segment(2, 1, b"extra", (Coded(0, 1, True, b"first"), Coded(1, 0, False, b""))))


@pytest.fixture
def short(monkeypatch):
    """Parts of six frames."""
    monkeypatch.setattr(parts, "SECONDS", Fraction(EACH, 24))


@pytest.fixture(scope="module")
def warm(clip_file, speech_wav, tmp_path_factory):
    """A cache that has the clip's avatar."""
    cache = tmp_path_factory.mktemp("warm")
    dub(clip_file, speech_wav, cache / "a.mp4", options=DubOptions(cache=cache))
    (cache / "a.mp4").unlink()
    return cache


@pytest.fixture
def options(warm, tmp_path):
    """Of a job with a cache of its own that has the avatar."""
    shutil.copytree(warm, tmp_path / "cache")
    return DubOptions(cache=tmp_path / "cache", encode=EncodeOptions(preset="ultrafast", crf=23))


@pytest.fixture
def whole(clip_file, long_wav, options, short, tmp_path):
    """The job's file when nothing goes wrong."""
    dub(clip_file, long_wav, tmp_path / "whole.mp4", options=options)
    assert kept(options) == []
    return unsigned(tmp_path / "whole.mp4")


@pytest.fixture
def added(monkeypatch):
    """Counts encoded frames."""
    calls, add = [], SegmentEncoder.add
    monkeypatch.setattr(SegmentEncoder, "add", lambda self, picture: (calls.append(1), add(self, picture)))
    return calls


def kept(options):
    return sorted(path for path in (options.cache / "parts").rglob("*.part"))


def cut_off(video, audio, output, options, at):
    """A job that ends in the middle; returns what the user is told."""

    def stop(stage, done, _):
        if stage == "render" and done == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        dub(video, audio, output, options=options, progress=stop)
    return getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize(("fps", "step"), [(Fraction(25), 250), (Fraction(30000, 1001), 250), (Fraction(12), 120)])
def test_parts_cover_all_frames_once(fps, step):
    for frames in (1, step - 1, step, step + 1, 5 * step + 3):
        ranges = cut(frames, fps)
        assert [number for part in ranges for number in part] == list(range(frames))
        assert {len(part) for part in ranges[:-1]} <= {step}


def test_a_part_is_what_was_packed():
    assert Part.unpack(PART.pack()) == PART


def test_a_damaged_part_is_told():
    data = PART.pack()
    for at in range(len(data)):
        with pytest.raises(ValueError, match="damaged"):
            Part.unpack(data[:at])
        with pytest.raises(ValueError, match="damaged"):
            Part.unpack(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


@pytest.mark.parametrize("at", [1, EACH + 1, 3 * EACH, FRAMES])
def test_a_job_cut_off_goes_on_and_gives_the_same_file(at, clip_file, long_wav, folder, options, whole, added):
    notes = cut_off(clip_file, long_wav, folder / "a.mp4", options, at)
    there = (at - 1) // EACH  # the part whose last frame was told is not finished yet
    assert len(kept(options)) == there
    assert bool(notes) == bool(there)
    assert list(folder.iterdir()) == []
    added.clear()
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert len(added) == FRAMES - there * EACH
    assert unsigned(folder / "a.mp4") == whole
    assert kept(options) == []
    told = f"{there} of {ALL} parts were there already, from a run that was cut off"
    assert (told in report.notes) == bool(there)
    assert not list((options.cache / "parts").glob("*"))


def test_another_output_name_and_container_go_on_as_well(clip_file, long_wav, folder, options, short, added):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    added.clear()
    report = dub(clip_file, long_wav, folder / "b.mkv", options=options)
    assert len(added) == FRAMES - 6 * EACH
    with open_clip(folder / "b.mkv") as clip:
        assert len(list(clip.frames())) == report.frames == FRAMES


OTHER = {
    "quality": {"encode": EncodeOptions(preset="ultrafast", crf=24)},
    "preset": {"encode": EncodeOptions(preset="superfast", crf=23)},
    "intensity": {"intensity": 0.9},
    "marks": {"marks": False},
    "label": {"label": "always", "label_language": "en"},
    "rate": {"fps": Fraction(25)},
}


@pytest.mark.parametrize("change", OTHER)
def test_another_job_takes_nothing(change, clip_file, long_wav, folder, options, short):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    before = kept(options)
    report = dub(clip_file, long_wav, folder / "a.mp4", options=replace(options, **OTHER[change]))
    assert not any("there already" in note for note in report.notes)
    assert kept(options) == before


def test_another_version_takes_nothing(clip_file, long_wav, folder, options, short, monkeypatch):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    monkeypatch.setattr(identity, "__version__", "9.9")
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert not any("there already" in note for note in report.notes)


def test_another_processors_header_takes_nothing(clip_file, long_wav, folder, options, short, monkeypatch):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    monkeypatch.setattr(identity, "SegmentEncoder", lambda form: SimpleNamespace(extradata=b"cpuid=1"))
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert not any("there already" in note for note in report.notes)


def test_the_label_of_another_language_is_another_job(clip_file, long_wav, folder, options, short, monkeypatch):
    labelled = replace(options, label="always")
    monkeypatch.setattr("lipwright.compose.caption.system_language", lambda: "en")
    cut_off(clip_file, long_wav, folder / "a.mp4", labelled, 40)
    monkeypatch.setattr("lipwright.compose.caption.system_language", lambda: "de")
    report = dub(clip_file, long_wav, folder / "a.mp4", options=labelled)
    assert not any("there already" in note for note in report.notes)


def test_jobs_without_marks_go_on(clip_file, long_wav, folder, options, short, added):
    plain = replace(options, marks=False)
    dub(clip_file, long_wav, folder / "whole.mp4", options=plain)
    cut_off(clip_file, long_wav, folder / "a.mp4", plain, 40)
    added.clear()
    dub(clip_file, long_wav, folder / "a.mp4", options=plain)
    assert len(added) == FRAMES - 6 * EACH
    assert (folder / "a.mp4").read_bytes() == (folder / "whole.mp4").read_bytes()


def broken(path, data):
    path.write_bytes(data)


DAMAGE = {
    "cut": lambda path: broken(path, path.read_bytes()[:-40]),
    "empty": lambda path: broken(path, b""),
    "flipped": lambda path: broken(path, path.read_bytes().replace(b"x264", b"x265", 1)),
    "of another place": lambda path: shutil.copy(path.with_name(f"{1:06d}.part"), path),
    "of another layout": lambda path: broken(path, b"LWPART\0\2" + path.read_bytes()[8:]),
    "gone": Path.unlink,
}


@pytest.mark.parametrize(("damage", "number"), [("cut", 0), *((damage, 3) for damage in DAMAGE)])
def test_a_part_that_cannot_be_used_is_made_again(damage, number, clip_file, long_wav, folder, options, whole, added):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    filled, frames = PartStore.filled, []

    def spoilt(self, make):  # after the store has looked what is there
        DAMAGE[damage](kept(options)[number])
        return filled(self, make)

    added.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PartStore, "filled", spoilt)
        dub(clip_file, long_wav, folder / "a.mp4", options=options, progress=lambda *told: frames.append(told[1:]))
    assert unsigned(folder / "a.mp4") == whole
    assert len(added) == FRAMES - 5 * EACH
    assert frames[-1] == (FRAMES, FRAMES)
    assert frames == sorted(set(frames))  # never backwards, although a part was made again


def test_a_full_disk_costs_the_parts_and_not_the_job(clip_file, long_wav, folder, options, whole, monkeypatch):
    class Usage:
        free = (2 << 30) + 0

    usage = Usage()
    monkeypatch.setattr(parts.shutil, "disk_usage", lambda _: usage)

    def fill(stage, done, _):
        if stage == "render" and done == 3 * EACH:
            assert len(kept(options)) == 2
            usage.free = 5_000_000

    report = dub(clip_file, long_wav, folder / "a.mp4", options=options, progress=fill)
    assert any("were not kept (only 5 MB are free" in note for note in report.notes)
    assert unsigned(folder / "a.mp4") == whole
    assert kept(options) == []


@pytest.mark.parametrize("error", [28, 30])
def test_a_part_that_cannot_be_written_costs_no_job(error, clip_file, long_wav, folder, options, whole, monkeypatch):
    write, calls = Path.write_bytes, []

    def fail(self, data):
        if ".partial" in self.name:
            calls.append(write(self, data[:1000]))
            if len(calls) == 3:
                raise OSError(error, os.strerror(error))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", fail)
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    (note,) = (note for note in report.notes if "were not kept" in note)
    assert os.strerror(error) in note
    assert unsigned(folder / "a.mp4") == whole
    assert not [path for path in (options.cache / "parts").rglob("*") if path.is_file()]


def test_a_cache_that_is_a_file_costs_no_job(clip_file, long_wav, folder, options, whole):
    (options.cache / "parts").rmdir()
    (options.cache / "parts").write_text("in the way")
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert any("were not kept" in note for note in report.notes)
    assert unsigned(folder / "a.mp4") == whole


def test_a_job_of_one_part_keeps_nothing(clip_file, long_wav, folder, options):
    dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert not (options.cache / "parts").exists()


def test_who_looks_on_sees_every_frame(clip_file, long_wav, folder, options, whole):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    seen = []
    dub(clip_file, long_wav, folder / "a.mp4", options=options, watch=lambda shot: seen.append(shot.output))
    assert seen == list(range(FRAMES))
    assert unsigned(folder / "a.mp4") == whole


def test_the_mask_video_is_whole(clip_file, long_wav, folder, options, short):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    dub(clip_file, long_wav, folder / "a.mp4", options=replace(options, mask_debug=True))
    with open_clip(folder / "a.mask.mp4") as clip:
        assert len(list(clip.frames())) == FRAMES


def test_frames_without_a_face_are_counted_over_all_runs(portrait, long_wav, folder, options, short):
    pictures = [panned(portrait, n / 30) for n in range(12)] + [noisy(scene(288, 256), n) for n in range(12)]
    path = synth.write_video(folder / "leaves.mp4", pictures, rate=24)
    wanted = dub(path, long_wav, folder / "whole.mp4", options=options).frames_without_face
    assert 0 < wanted < FRAMES
    cut_off(path, long_wav, folder / "a.mp4", options, 40)
    assert dub(path, long_wav, folder / "a.mp4", options=options).frames_without_face == wanted


def test_old_parts_are_cleared_by_the_next_job(clip_file, long_wav, folder, options, short):
    cut_off(clip_file, long_wav, folder / "a.mp4", options, 40)
    (old,) = (options.cache / "parts").iterdir()
    other = replace(options, intensity=0.5)
    dub(clip_file, long_wav, folder / "b.mp4", options=other)
    assert old.is_dir()
    os.utime(old, (time.time() - parts.KEPT_S - 60,) * 2)
    dub(clip_file, long_wav, folder / "b.mp4", options=other)
    assert not old.exists()
    clear_old(folder / "nowhere")


def test_what_is_no_part_stays(tmp_path):
    own, mixed, plain = tmp_path / "my parts" / "a.txt", tmp_path / ("a" * 32) / "b.txt", tmp_path / ("b" * 32)
    made = [plain / "000000.part", plain / ".000001-a.1.2.partial.part", mixed.with_name("000000.part")]
    for path in (own, mixed, *made):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    clear_old(tmp_path)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([own, mixed])
    assert not plain.exists()


# --- processes ------------------------------------------------------------------------------------

JOB = """
import sys
from fractions import Fraction
from lipwright.pipeline import parts
parts.SECONDS = Fraction(*map(int, sys.argv.pop(1).split("/")))
from lipwright.cli.main import main
main()
"""


def process(video, audio, output, options, each=EACH):
    words = ["dub", "--video", video, "--audio", audio, "-o", output, "--cache", options.cache, "--json"]
    words += ["--preset", "ultrafast", "--crf", "23"]
    command = [sys.executable, "-c", JOB, f"{each}/24", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_at_random_moments_it_ends_with_the_same_file(clip_file, long_wav, folder, options, whole):
    rng, kills, seen = random.Random(5), 0, set()  # noqa: S311 - moments, not secrets
    while kills < 5:
        running = process(clip_file, long_wav, folder / "a.mp4", options)
        deadline, before = time.monotonic() + 60, len(kept(options))
        while len(kept(options)) == before and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        if running.poll() is None:
            running.send_signal(signal.SIGKILL)
            kills += 1
        running.communicate(timeout=60)
        seen.add(len(kept(options)))
        if (folder / "a.mp4").exists():  # it was done before the kill came
            (folder / "a.mp4").unlink()
    assert len(seen) > 1
    stdout, stderr = process(clip_file, long_wav, folder / "a.mp4", options).communicate(timeout=60)
    assert stderr == ""
    assert '"frames": 60' in stdout
    assert unsigned(folder / "a.mp4") == whole
    assert not [path for path in (options.cache / "parts").rglob("*") if path.is_file()]
    assert [path.name for path in folder.iterdir()] == ["a.mp4"]


def test_two_processes_do_the_same_job_at_once(clip_file, long_wav, folder, options, whole):
    runs = [process(clip_file, long_wav, folder / name, options) for name in ("a.mp4", "b.mp4")]
    ends = [run.communicate(timeout=60) for run in runs]
    assert [stderr for _, stderr in ends] == ["", ""]
    assert unsigned(folder / "a.mp4") == unsigned(folder / "b.mp4") == whole
    assert not [path for path in (options.cache / "parts").rglob("*") if path.is_file()]


def test_a_long_job_is_cut_at_ten_seconds(tmp_path, options, clip_file):
    sound = read_sound(speech_file, 16000).samples
    long = synth.write_sound(tmp_path / "long.wav", np.tile(sound, 4)[: 16000 * 21], 16000, "pcm_s16le")
    dub(clip_file, long, tmp_path / "a.mp4", options=options)
    with av.open(str(tmp_path / "a.mp4")) as container:
        keys = [int(p.pts * p.time_base * 24 + Fraction(1, 2)) for p in container.demux(video=0) if p.is_keyframe]
    assert {0, 240, 480} <= set(keys)


def test_only_this_process_can_show_frames(clip_file, long_wav, folder, options):
    class Elsewhere:
        here = False

    for more in ({"watch": lambda shot: None}, {"options": replace(options, mask_debug=True)}):
        with pytest.raises(OptionError, match="use executor local"):
            dub(clip_file, long_wav, folder / "a.mp4", executor=Elsewhere(), **({"options": options} | more))


def test_the_layout_is_as_described():
    data = PART.pack()
    assert data[:8] == b"LWPART\0\1"
    assert struct.unpack_from("<6I", data, 8) == (7, 2, 2, 1, 2, 5)
    assert data[32:37] == b"extra"
    assert struct.unpack_from("<qIBI", data, 37) == (0, 1, 1, 5)
