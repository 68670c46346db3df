"""Bad input and bad luck, through the command line: one sentence, the right exit code, nothing left behind.

What the library itself refuses is in `test_dub.py` and `media/`; damaged copies by the hundred are in `fuzz.py`.
"""

import json
import os
import struct
import subprocess
import sys
import tracemalloc
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import synth
from pictures import placed, scene
from typer.testing import CliRunner

from lipwright.audio.features import hear
from lipwright.avatar.store import AvatarStore
from lipwright.cli.main import app
from lipwright.example import speech as speech_file
from lipwright.media import open_clip, read_sound
from lipwright.motion.mouth import MouthMotion
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.hearing import read_speech
from lipwright.runtime import Models

QUICK = ("--preset", "ultrafast", "--crf", "30")
RATE = 16_000


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cache for jobs that are not about the cache."""
    return tmp_path_factory.mktemp("shared cache")


@pytest.fixture(scope="session")
def said():
    """Three seconds of speech, 16 kHz."""
    return read_sound(speech_file, RATE).samples[8000 : 8000 + 3 * RATE]


def tree(folder):
    """Everything under a folder, with its bytes."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def command(video, audio, output, *more):
    return [str(a) for a in ("dub", "--video", video, "--audio", audio, "-o", output, *QUICK, *more)]


def done(*args):
    """A job that is expected to run: its report."""
    result = CliRunner().invoke(app, command(*args, "--json"))
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def refused(arguments, code, words, around, capfd):
    """A job that is expected not to run: sentence, exit code, and nothing changed under the folder."""
    before = tree(around)
    for style in ([], ["--json"]):
        capfd.readouterr()
        result = CliRunner().invoke(app, [*arguments, *style])
        assert result.exit_code == code, result.stderr
        assert result.stderr.startswith("lipwright: ")
        assert result.stderr.count("\n") == 1
        assert words in result.stderr
        assert "Traceback" not in result.stderr
        sentence = result.stderr[len("lipwright: ") : -1]
        assert result.stdout == ("" if not style else json.dumps({"error": sentence, "exit_code": code}) + "\n")
        assert tuple(capfd.readouterr()) == ("", "")  # nor a word from a C library
        assert tree(around) == before


# --- what is refused ------------------------------------------------------------------------------


def cut(source, path, share):
    data = source.read_bytes()
    path.write_bytes(data[: round(len(data) * share)])
    return path


def written(path, data):
    path.write_bytes(data)
    return path


def resized(path, portrait, width, height):
    picture = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
    return written(path, cv2.imencode(path.suffix, picture[:, :, ::-1])[1].tobytes())


def with_nan(path, said):
    spoilt = said[:RATE].copy()
    spoilt[5000] = np.nan
    return synth.write_sound(path, spoilt, RATE, "pcm_f32le")


def photo(path, portrait, harm):
    data = bytearray(cv2.imencode(path.suffix, portrait[::2, ::2, ::-1])[1].tobytes())
    harm(data)
    return written(path, data)


def spoil(data):
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)


def halve(data):
    del data[len(data) // 2 :]


# name → (video or None, sound or None, words); made in `inputs`, the other input is a good one
REFUSED = {
    "text named .mp4": (lambda m: written(m.at / "a.mp4", b"not a video\n" * 9), None, "a.mp4"),
    "MP4 cut off before its index": (lambda m: cut(m.ended(), m.at / "a.mp4", 0.9), None, "is incomplete: the index"),
    "MP4 cut off in its first second": (lambda m: cut(m.front, m.at / "a.mp4", 0.4), None, "seconds of it decode"),
    "photo cut off": (lambda m: photo(m.at / "a.jpg", m.portrait, halve), None, "a.jpg is incomplete"),
    "photo cut off (PNG)": (lambda m: photo(m.at / "a.png", m.portrait, halve), None, "a.png is incomplete"),
    "damaged photo": (lambda m: photo(m.at / "a.png", m.portrait, spoil), None, "cannot decode the photo"),
    "16×16 source": (lambda m: resized(m.at / "a.png", m.portrait, 16, 16), None, "a.png: no usable face"),
    "sound of no bytes": (None, lambda m: written(m.at / "a.wav", b""), "a.wav is empty (0 bytes)"),
    "sound of no length": (None, lambda m: written(m.at / "a.wav", m.wav[:44]), "a.wav"),
    "sound of 0.05 s": (None, lambda m: m.sound("a.wav", m.said[:800]), "a.wav lasts 0.050 seconds, at least 0.1"),
    "NaN in sound": (None, lambda m: with_nan(m.at / "a.wav", m.said), "a.wav holds values that are not numbers"),
}


class Makers:
    """What `REFUSED` makes its files of."""

    def __init__(self, at, front, portrait, said):
        self.at, self.front, self.portrait, self.said = at, front, portrait, said
        self.wav = self.sound("good.wav", said[:RATE]).read_bytes()

    def ended(self):
        """An MP4 whose index comes last."""
        return synth.write_video(self.at / "ended.mp4", [self.portrait] * 30)

    def sound(self, name, samples):
        return synth.write_sound(self.at / name, samples, RATE, "pcm_s16le")


@pytest.fixture(scope="session")
def front_file(footage, tmp_path_factory):
    """The footage three times over as an MP4 whose index comes first: 3 seconds."""
    path = tmp_path_factory.mktemp("front") / "front.mp4"
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=24, options={"g": "8"})
        stream.height, stream.width = footage[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in footage * 3:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def makers(tmp_path, front_file, portrait, said):
    (tmp_path / "in").mkdir()
    return Makers(tmp_path / "in", front_file, portrait, said)


@pytest.mark.parametrize("name", REFUSED)
def test_one_sentence_and_nothing_left(name, makers, clip_file, speech_wav, folder, tmp_path, capfd):
    video, sound, words = REFUSED[name]
    video = video(makers) if video else clip_file
    sound = sound(makers) if sound else speech_wav
    refused(command(video, sound, folder / "a.mp4"), 2, words, tmp_path, capfd)


@pytest.mark.parametrize("role", ["video", "sound"])
def test_the_output_may_not_be_an_input(role, clip_file, speech_wav, copy, tmp_path, capfd):
    video, sound = copy(clip_file), copy(clip_file if role == "sound" else speech_wav, "sound.mp4")
    output = video if role == "video" else sound
    refused(command(video, sound, output), 3, "is an input of this job; choose another", tmp_path, capfd)


def test_a_read_only_folder(clip_file, speech_wav, folder, tmp_path, monkeypatch, capfd):
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):  # this user may write anywhere: let the question be answered as for another
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, *how, **more: path != folder and real(path, *how, **more))
    try:
        refused(command(clip_file, speech_wav, folder / "a.mp4"), 3, "out is not writable", tmp_path, capfd)
    finally:
        folder.chmod(0o700)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_lacks_letters_of_the_name(encoding, tmp_path):
    name = str(tmp_path / "日本é.mp4")
    for style in ((), ("--json",)):
        run = subprocess.run(
            [sys.executable, "-c", MAIN, *command(name, name, tmp_path / "ö日.mp4", *style)],
            capture_output=True, check=False, env={**os.environ, "PYTHONIOENCODING": encoding},
        )  # fmt: skip
        assert run.returncode == 2
        assert run.stderr.decode(encoding).endswith("mp4 does not exist; check the name\n")
        assert not style or "日本é.mp4 does not exist" in json.loads(run.stdout)["error"]


# --- what is used as far as it goes ---------------------------------------------------------------


def test_a_cut_off_mp4_is_used_and_said(front_file, said, folder, tmp_path, shared):
    video = cut(front_file, tmp_path / "cut.mp4", 0.7)
    sound = synth.write_sound(tmp_path / "s.wav", said, RATE, "pcm_s16le")
    report = done(video, sound, folder / "a.mp4", "--cache", shared, "--length", "cut_off")
    assert 24 <= report["frames"] < 60
    (note,) = report["notes"]
    assert note.startswith("cut.mp4 is incomplete (")
    assert note.endswith(f"; the {report['frames'] / 24:.1f} seconds that decode are used")


LIES = {
    "0": (0, 3, None),
    "unknown": (0xFFFFFFFF, 3, None),
    "ten times too much": (30 * 2 * RATE, 3, "lie.wav is incomplete ("),
    "a third": (2 * RATE, 3, None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_about_the_length_of_the_sound(lie, clip_file, said, folder, tmp_path, shared):
    size, seconds, words = LIES[lie]
    path = synth.write_sound(tmp_path / "lie.wav", said, RATE, "pcm_s16le")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", size)
    path.write_bytes(data)
    report = done(clip_file, path, folder / "a.mp4", "--cache", shared)
    assert report["frames"] == seconds * 24
    assert [note.startswith(words) for note in report["notes"]] == ([True] if words else [])


def test_a_face_that_comes_with_frame_200(portrait, speech_wav, folder, tmp_path):
    empty, here = scene(160, 128), placed(scene(160, 128), portrait, 20, 4, 120)
    video = synth.write_video(tmp_path / "late.mp4", [empty] * 200 + [here] * 15, rate=25)
    report = done(video, speech_wav, folder / "a.mp4", "--length", "silence")
    assert report["frames"] == 215
    assert 200 <= report["frames_without_face"] < 205
    with open_clip(folder / "a.mp4") as clip:
        assert clip.facts.frames == 215


def test_a_source_of_7680_by_4320(portrait, said, folder, tmp_path, shared):
    big = np.full((4320, 7680, 3), 90, np.uint8)
    big[:, 1680:6000] = cv2.resize(portrait, (4320, 4320), interpolation=cv2.INTER_LINEAR)[:, :, ::-1]
    video = written(tmp_path / "huge.bmp", cv2.imencode(".bmp", big)[1].tobytes())
    sound = synth.write_sound(tmp_path / "short.wav", said[: RATE // 8], RATE, "pcm_s16le")
    report = done(video, sound, folder / "a.mp4", "--cache", shared, "--fps", "16")
    assert (report["width"], report["height"], report["frames"]) == (7680, 4320, 2)
    assert report["frames_without_face"] == 0


# --- two hours of sound ---------------------------------------------------------------------------


def peak_of_hearing(seconds):
    """Bytes in use at most while so much sound is heard."""
    noise = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    motion = MouthMotion.open()
    tracemalloc.start()
    try:
        motion.hear(hear(noise for _ in range(seconds)))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_long_sound_is_heard_in_constant_memory():
    four, six = peak_of_hearing(250), peak_of_hearing(370)
    kept = 120 * 4_000  # bytes of coefficients for two minutes more; their samples and features would be 12 MB
    assert six - four < 2 * kept


def test_of_two_hours_only_what_is_used_is_read(clip_file, said, folder, tmp_path, shared):
    path = synth.write_sound(tmp_path / "hours.wav", said, RATE, "pcm_s16le")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 7200 * RATE * 2)
    with path.open("wb") as file:
        file.write(data)
        file.truncate(at + 4 + 7200 * RATE * 2)  # a hole: takes no room on most disks
    report = done(clip_file, path, folder / "a.mp4", "--cache", shared, "--length", "cut_off")
    assert report["frames"] == 24
    assert read_speech(path, ENGINES["native"], Models(), Fraction(1)).duration < 3


# --- the disk -------------------------------------------------------------------------------------

LIMITED = """
import resource, signal, sys
from lipwright.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
main()
"""


def process(code, *arguments, **more):
    """A program of its own: exit code, stdout, stderr."""
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False, **more)
    return run.returncode, run.stdout, run.stderr


@pytest.mark.skipif(os.name == "nt", reason="no limits on file sizes")
def test_no_space_left_for_the_output(clip_file, speech_wav, folder, cache):
    done(clip_file, speech_wav, folder / "first.mp4")
    before = tree(cache)
    (folder / "first.mp4").unlink()
    code, stdout, stderr = process(LIMITED, *command(clip_file, speech_wav, folder / "a.mp4", "--crf", "4"))
    assert (code, stdout) == (3, "")
    sentence = "the disk is full; free some space or choose another folder"
    assert stderr == f"lipwright: cannot write {folder / 'a.mp4'}: {sentence}\n"
    assert tree(folder) == {}
    assert tree(cache) == before


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 100 kB."""
    at = tmp_path / "disk"
    at.mkdir()
    options = ("-t", "tmpfs", "-o", "size=100k", "none", str(at))
    try:
        mounted = subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0  # noqa: S607
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    yield at
    subprocess.run(["umount", str(at)], check=True)  # noqa: S607


def test_a_full_disk(clip_file, speech_wav, small_disk, tmp_path, shared, capfd):
    written(small_disk / "other", bytes(80_000))
    arguments = command(clip_file, speech_wav, small_disk / "a.mp4", "--crf", "4", "--cache", shared)
    CliRunner().invoke(app, [*arguments[:-1], str(shared)])  # the avatar is made
    refused(arguments, 3, "the disk is full", small_disk, capfd)


def test_a_cache_without_room_stops_no_job(clip_file, speech_wav, folder, small_disk):
    written(small_disk / "other", bytes(90_000))
    report = done(clip_file, speech_wav, folder / "a.mp4", "--cache", small_disk)
    (note,) = report["notes"]
    assert note.startswith("the avatar cannot be kept in ")
    assert not report["avatar_reused"]
    assert [p.name for p in small_disk.rglob("*") if p.is_file()] == ["other"]


def test_a_cache_that_cannot_be_a_folder_stops_no_job(clip_file, speech_wav, folder, tmp_path, capfd):
    (tmp_path / "file").write_text("")
    for cache in (tmp_path / "file", tmp_path / "file" / "deeper"):
        report = done(clip_file, speech_wav, folder / "a.mp4", "--cache", cache)
        assert report["notes"][0].startswith("the avatar cannot be kept in ")
    arguments = ["avatar", "build", str(clip_file), "--cache", str(tmp_path / "file")]
    refused(arguments, 3, "the avatar cannot be kept in ", tmp_path, capfd)  # here it is all that was asked for


# --- the cache ------------------------------------------------------------------------------------


def of_another_layout(path):
    with np.load(path) as stored:
        parts = {name: stored[name] for name in stored.files if name != "cuts"}
    np.savez(path, **parts)


HARMS = {
    "half": lambda path: cut(path, path, 0.5),
    "garbage": lambda path: written(path, b"\x00garbage" * 99),
    "empty": lambda path: written(path, b""),
    "another layout": of_another_layout,
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_avatar_is_built_again_and_said(harm, clip_file, speech_wav, folder, tmp_path):
    job = (clip_file, speech_wav, folder / "a.mp4", "--cache", tmp_path / "own")
    key = done(*job)["avatar_key"]
    HARMS[harm](AvatarStore(tmp_path / "own").folder / f"{key}.npz")
    report = done(*job)
    (note,) = report["notes"]
    assert note.startswith(f"the stored avatar {key}.npz cannot be read (")
    assert note.endswith("); it is built again")
    assert not report["avatar_reused"]
    again = done(*job)
    assert (again["avatar_reused"], again["notes"]) == (True, [])


MAIN = "from lipwright.cli.main import main; main()"


def at_once(*commands):
    """Two programs side by side; both must succeed in silence."""
    start = [sys.executable, "-c", MAIN]
    runs = [subprocess.Popen([*start, *c], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for c in commands]
    ends = [(run.communicate(timeout=60), run.returncode) for run in runs]
    assert [(stderr, code) for (_, stderr), code in ends] == [("", 0)] * len(commands)


def test_two_processes_build_the_same_avatar_at_once(clip_file, cache):
    build = ["avatar", "build", str(clip_file)]
    at_once(build, build)
    (kept,) = AvatarStore().list()
    assert kept.frames == 24
    assert [p.name for p in cache.rglob("*") if p.is_file()] == [f"{kept.key}.npz"]


def test_two_processes_write_the_same_output_at_once(clip_file, speech_wav, folder):
    job = command(clip_file, speech_wav, folder / "a.mp4")
    at_once(job, job)
    assert [p.name for p in folder.iterdir()] == ["a.mp4"]
    with open_clip(folder / "a.mp4") as clip:
        assert len(list(clip.frames())) == 20
        assert clip.notes == ()


# --- killed ---------------------------------------------------------------------------------------

# What a kill leaves is what os._exit leaves: no block is unwound, no buffer flushed.
KILLED = """
import os, sys, numpy
from lipwright import media
from lipwright.cli.main import main
from lipwright.media.segment import SegmentEncoder
def die(*args, **kwargs):
    os._exit(9)
{}
main()
"""
MOMENTS = {
    "while drawing": "add = SegmentEncoder.add; "
    "SegmentEncoder.add = lambda self, shot: add(self, shot) if self._frames < 9 else die()",
    "before the rename": "media.ClipWriter._verify = die",
    "while the avatar is kept": "numpy.lib.format.write_array = die",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_after_a_kill_the_next_run_is_clean(moment, clip_file, speech_wav, folder, cache):
    written(folder / "a.mp4", b"an earlier result")
    job = (clip_file, speech_wav, folder / "a.mp4")
    assert process(KILLED.format(MOMENTS[moment]), *command(*job)) == (9, "", "")
    assert (folder / "a.mp4").read_bytes() == b"an earlier result"
    left = [p for p in (*folder.iterdir(), *cache.rglob("*.part")) if p.name != "a.mp4"]
    assert len(left) == 1  # the kill came at the moment meant
    assert left[0].name.startswith(".")
    report = done(*job)
    assert report["notes"] == []
    assert list(tree(folder)) == ["a.mp4"]
    assert [p.suffix for p in cache.rglob("*") if p.is_file()] == [".npz"]


def test_the_partial_file_of_a_living_job_is_left_alone(clip_file, speech_wav, folder):
    from lipwright.media.partial import partial_name

    mine = written(partial_name(folder / "a.mp4"), b"another thread writes here")
    done(clip_file, speech_wav, folder / "a.mp4")
    assert mine.read_bytes() == b"another thread writes here"
