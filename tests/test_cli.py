import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from fractions import Fraction

import pytest
import synth
from typer.testing import CliRunner

import lipwright
from lipwright.cli.main import app, main
from lipwright.errors import OptionError
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.media import open_clip
from lipwright.media.rates import parse_rate

QUICK = ("--preset", "ultrafast", "--crf", "30")
MARKED = (
    "marked: signed statement, mark in the picture, records beside it; "
    "signed by Lipwright (self-made certificate, identity not checked)"
)


def lipwright_cli(*args):
    """Run in this process."""
    return CliRunner().invoke(app, [str(a) for a in args])


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def output(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "a.mp4"


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cli cache")


def job(clip_file, speech_wav, output, *more):
    return ("dub", "--video", clip_file, "--audio", speech_wav, "--output", output, *QUICK, *more)


ALIASES = [
    ("--video", "--audio", "-o"),
    ("--video_path", "--audio_path", "--video_out_path"),
    ("--source_path", "--audio_path", "--output_path"),
    ("--face", "--audio", "--outfile"),
]


@pytest.mark.parametrize("names", ALIASES, ids=lambda names: names[0])
def test_dub_by_every_name(names, clip_file, speech_wav, output, shared_cache):
    video, audio, out = names
    done = lipwright_cli("dub", video, clip_file, audio, speech_wav, out, output, "--cache", shared_cache, *QUICK)
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{output}: 20 frames at 24 fps, 288×256\n{MARKED}\n"
    assert names_in(output.parent) == ["a.mp4"]


def test_options_arrive(clip_file, speech_wav, output, tmp_path):
    options = ("--length", "remap", "--person", "1", "--fps", "29.97", "--tracker", "facemesh", "--engine", "native")
    output = output.with_suffix(".mkv")
    done = lipwright_cli(*job(clip_file, speech_wav, output, *options, "--cache", tmp_path / "here", "--json"))
    facts = json.loads(done.stdout)
    assert (facts["fps"], facts["length"], facts["person"]) == ("30000/1001", "remap", "1")
    assert list((tmp_path / "here").rglob("*.npz"))


def test_vp9_into_webm(clip_file, speech_wav, output, shared_cache):
    output = output.with_suffix(".webm")
    done = lipwright_cli("dub", "--video", clip_file, "--audio", speech_wav, "-o", output, "--codec", "vp9",
                         "--crf", "40", "--preset", "ultrafast", "--cache", shared_cache)  # fmt: skip
    assert done.exit_code == 0
    with open_clip(output) as clip:
        assert clip.facts.frames == 20


def test_json_is_one_object(clip_file, speech_wav, output, shared_cache):
    done = lipwright_cli(*job(clip_file, speech_wav, output, "--json", "--cache", shared_cache))
    facts = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
    assert facts["output"] == str(output)
    assert (facts["frames"], facts["fps"], facts["width"], facts["height"]) == (20, "24", 288, 256)


def test_quiet_says_nothing(clip_file, speech_wav, output, shared_cache):
    done = lipwright_cli(*job(clip_file, speech_wav, output, "-q", "--cache", shared_cache))
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")
    assert output.is_file()


FAILURES = {
    "no video": (["--video", "none.mp4"], 2, "none.mp4"),
    "length": (["--length", "forever"], 2, "length 'forever' is unknown"),
    "person": (["--person", "boss"], 2, "--person 'boss' is unknown"),
    "fps": (["--fps", "fast"], 2, "fps 'fast' is not a rate"),
    "intensity": (["--intensity", "3"], 2, "intensity must be 0..2, got 3"),
    "engine": (["--engine", "x"], 2, "engine 'x' is unknown; use one of heygem, native"),
    "codec": (["--codec", "mpeg1"], 2, "codec must be one of"),
    "crf": (["--crf", "99"], 2, "crf must be 0..51"),
    "log file": (["--log-file", "none/x.log"], 2, "--log-file none/x.log cannot be written"),
    "output": (["-o", "none/a.mp4"], 3, "the folder none does not exist"),
    "tracker": (["--tracker", "x"], 4, "unknown face tracker 'x'; known: facemesh, landmarker"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_sentence_and_a_code(name, clip_file, speech_wav, output):
    options, code, words = FAILURES[name]
    for style in ([], ["--json"], ["-q"]):
        done = lipwright_cli(*job(clip_file, speech_wav, output), *options, *style)
        assert done.exit_code == code
        assert done.stderr.startswith("lipwright: ")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
        if style == ["--json"]:
            assert done.stdout.count("\n") == 1
            assert json.loads(done.stdout) == {"error": done.stderr[11:-1], "exit_code": code}
        else:
            assert done.stdout == ""
    assert names_in(output.parent) == []


def test_misuse_is_told_before_anything_is_done(output):
    assert lipwright_cli("dub", "--video", "x.mp4").exit_code == 2
    assert lipwright_cli("dub", "--vidoe", "x.mp4").exit_code == 2
    assert lipwright_cli("nonesuch").exit_code == 2


def test_an_unexpected_error_is_one_sentence_too(monkeypatch, clip_file, speech_wav, output, tmp_path):
    monkeypatch.setattr("lipwright.pipeline.job.plan_frames", lambda *a: 1 / 0)
    log_file = tmp_path / "log.txt"
    done = lipwright_cli(*job(clip_file, speech_wav, output, "--json", "--log-file", log_file))
    assert done.exit_code == 1
    assert "unexpected ZeroDivisionError: division by zero" in json.loads(done.stdout)["error"]
    log = log_file.read_text()
    assert "Traceback" in log
    assert "ZeroDivisionError" in log


def test_the_log_file_holds_the_traceback_of_a_failure(faceless_file, speech_wav, output, tmp_path):
    log_file = tmp_path / "log é.txt"
    done = lipwright_cli(*job(faceless_file, speech_wav, output, "--log-file", log_file))
    assert done.exit_code == 2
    assert "Traceback" not in done.stderr
    log = log_file.read_text("utf-8")
    assert "Traceback (most recent call last)" in log
    assert "NoFaceError: stripes.mp4: no usable face" in log
    assert logging.getLogger("lipwright").handlers == []  # closed


def test_verbose_shows_the_traceback(faceless_file, speech_wav, output):
    done = lipwright_cli(*job(faceless_file, speech_wav, output, "-v"))
    assert done.exit_code == 2
    assert "Traceback" in done.stderr


def test_interrupted_is_130(monkeypatch, clip_file, speech_wav, output):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("lipwright.pipeline.run.dub", interrupt)
    done = lipwright_cli(*job(clip_file, speech_wav, output, "--json"))
    assert done.exit_code == 130
    assert json.loads(done.stdout) == {"error": "interrupted; nothing was written", "exit_code": 130}


def test_avatar_build_list_remove(clip_file, speech_wav, output):
    built = json.loads(lipwright_cli("avatar", "build", clip_file, "--json").stdout)
    assert built | {"key": "", "mouth_views": 0} == {
        "key": "", "frames": 24, "frames_with_face": 24, "mouth_views": 0, "stored_before": False
    }  # fmt: skip
    again = lipwright_cli("avatar", "build", clip_file)
    assert again.stdout.startswith(f"{built['key']}: talking.mp4, face in 24 of 24 frames, ")
    assert again.stdout.endswith("(was there already)\n")
    facts = json.loads(lipwright_cli(*job(clip_file, speech_wav, output, "--json")).stdout)
    assert facts["avatar_reused"]
    assert facts["avatar_key"] == built["key"]

    (listed,) = json.loads(lipwright_cli("avatar", "list", "--json").stdout)
    assert (listed["key"], listed["footage"], listed["frames"]) == (built["key"], "talking.mp4", 24)
    assert built["key"] in lipwright_cli("avatar", "list").stdout
    assert lipwright_cli("avatar", "remove", "nonesuch").exit_code == 2
    removed = lipwright_cli("avatar", "remove", built["key"][:6])
    assert (removed.exit_code, removed.stderr) == (0, "")
    assert lipwright_cli("avatar", "list").stdout.startswith("no avatars in ")
    assert json.loads(lipwright_cli("avatar", "list", "--json").stdout) == []


def test_avatar_build_of_nobody(faceless_file):
    done = lipwright_cli("avatar", "build", faceless_file, "--json")
    assert done.exit_code == 2
    assert "no usable face" in json.loads(done.stdout)["error"]


def test_version_and_help():
    assert lipwright_cli("--version").stdout == f"lipwright {lipwright.__version__}\n"
    for command in ([], ["dub"], ["demo"], ["avatar"], ["avatar", "build"]):
        assert lipwright_cli(*command, "--help").exit_code == 0
    assert "130 interrupted" in lipwright_cli("--help").stdout


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("25", Fraction(25)),
        ("29.97", Fraction(30000, 1001)),
        ("23.976", Fraction(24000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("30000/1001", Fraction(30000, 1001)),
        ("12.5", Fraction(25, 2)),
    ],
)
def test_rates_are_exact(text, rate):
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["fast", "1/0", "-25", "0", "nan", "inf", "25fps"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(OptionError, match="fps"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("dub", "--video", "a.mp4"), "Missing option '--audio'"),
        (("dub", "--video", "a", "--audio", "b", "-o", "c.mp4", "--crf", "fine"), "Invalid value for '--crf'"),
        (("dub", "--loud"), "No such option: --loud"),
        (("dubb",), "No such command 'dubb'"),
    ],
)
def test_a_wrong_command_line_is_told_in_json_too(words, sentence, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["lipwright", *words, "--json"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (ended.value.code, told["exit_code"]) == (2, 2)
    assert told["error"].startswith(sentence)
    assert err == f"lipwright: {told['error']}\n"


@pytest.mark.parametrize("fails", [True, False])
def test_json_keeps_the_exit_code(fails, monkeypatch, capsys, tmp_path):
    words = ["dub", "--video", "none.mp4", "--audio", "none.wav", "-o", "a.mp4"] if fails else ["avatar", "list"]
    monkeypatch.setattr(sys, "argv", ["lipwright", *words, "--json"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == (2 if fails else 0)
    json.loads(capsys.readouterr().out)


class TestProcesses:
    """The installed program, as a user runs it."""

    command = (sys.executable, "-W", "error::ResourceWarning", "-m", "lipwright.cli.main")

    def test_the_demo_writes_both_files_and_nothing_else(self, tmp_path):
        done = subprocess.run([*self.command, "demo"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr == ""  # no chatter of MediaPipe, FFmpeg or ONNX Runtime
        assert done.returncode == 0
        told = ["lipwright-demo.mp4: 180 frames at 25 fps, 512×512", MARKED, "lipwright-demo.png: contact sheet"]
        assert done.stdout.splitlines() == told
        assert names_in(tmp_path) == ["lipwright-demo.mp4", "lipwright-demo.png"]
        assert all(path.stat().st_size > 10_000 for path in tmp_path.iterdir())

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT between processes")
    def test_a_real_interrupt_leaves_nothing(self, output, tmp_path):
        long = tmp_path / "long.wav"
        synth.write_sound(long, synth.chirp(120, 16000), 16000, "pcm_s16le")
        command = [*self.command, "dub", "--video", portrait_file, "--audio", long, "-o", output]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            deadline = time.monotonic() + 30
            while not names_in(output.parent):  # the hidden partial file: drawing has begun
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.3)
            running.send_signal(signal.SIGINT)
            stdout, stderr = running.communicate(timeout=20)
        assert running.returncode == 130
        assert stdout == ""
        kept = r"; no file was written; \d+ of 12 parts are kept: the same job goes on from there"
        assert re.fullmatch(rf"lipwright: interrupted(; nothing was written|{kept})\n", stderr)
        assert names_in(output.parent) == []

    def test_speech_of_the_example_is_there(self):
        assert speech_file.is_file()
        assert portrait_file.is_file()
