"""`lipwright bench`: the figures are those of what was run, and nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
import synth
from typer.testing import CliRunner

from lipwright.bench import commands, stages
from lipwright.bench.commands import Cost, run_floor, run_lipwright
from lipwright.bench.material import write_bundled_clip, write_footage, write_sound
from lipwright.bench.run import BenchOptions, Figures, bench
from lipwright.bench.stages import STAGES, Stopwatch, time_stages
from lipwright.cli.main import app
from lipwright.errors import BackendError, InputError, LipwrightError, MediaError, OptionError, OutputError
from lipwright.example import speech as speech_file
from lipwright.face.base import open_tracker
from lipwright.media import EncodeOptions, open_clip, read_sound
from lipwright.structures import ClipFacts


@pytest.fixture
def temporary(monkeypatch, tmp_path):
    """The system's folder for temporary files."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def material(clip_file, tmp_path_factory):
    """One second of footage with sound, and that sound."""
    folder = tmp_path_factory.mktemp("material")
    write_sound(folder / "sound.wav", speech_file, 1)
    write_footage(folder / "footage.mp4", clip_file, folder / "sound.wav")
    return folder / "footage.mp4", folder / "sound.wav"


def lipwright_cli(*args):
    return CliRunner().invoke(app, ["bench", *map(str, args)])


def test_the_whole_bench(clip_file, temporary):
    told = []
    options = BenchOptions(video=clip_file, seconds=1, runs=1, long=2)
    figures = bench(options, lambda *step: told.append(step)).as_dict()
    assert not any(temporary.glob("lipwright*"))
    assert (figures["footage"], figures["width"], figures["height"]) == ("talking.mp4", 288, 256)
    assert (figures["fps"], figures["frames"]) == ("24", 24)
    assert [row["stage"] for row in figures["stages"]] == list(STAGES)
    assert all(row["ms_per_frame"] > 0 for row in figures["stages"])
    assert len(figures["ratios"]) == 1
    assert 0 < figures["first_frame_s"] < 60
    assert min(figures["ratios"]) > 1  # a job that is faster than decoding and encoding alone measured something else
    memory = figures["memory_mb"]
    assert set(memory) == {"dub", "avatar_build", "short", "long"}
    assert all(50 < megabytes < 5000 for megabytes in memory.values())
    assert told[-1] == ("whole commands", 1, 1)
    assert json.loads(json.dumps(figures)) == figures


def test_the_figures_are_what_the_runs_say():
    facts = ClipFacts(
        path=Path("a.mp4"), width=64, height=48, fps=Fraction(25), frames=50, has_sound=True, is_photo=False
    )
    figures = Figures(
        footage="a.mp4",
        facts=facts,
        stages={"analyse": 1.0, "decode": 0.1, "render": 0.3},
        floors=[1.0, 2.0, 4.0],
        jobs=[Cost(3.0, 500_000_000), Cost(4.0, 700_000_000), Cost(20.0, 600_000_000)],
        first=Cost(0.75, 1),
        build=Cost(2.0, 400_000_000),
        short=None,
        long=None,
    ).as_dict()
    assert figures["stages"] == [
        {"stage": "analyse", "ms_per_frame": 20.0, "share": None},
        {"stage": "decode", "ms_per_frame": 2.0, "share": 0.25},
        {"stage": "render", "ms_per_frame": 6.0, "share": 0.75},
    ]
    assert figures["ratios"] == [3.0, 2.0, 5.0]
    assert figures["ratio"] == 3.0
    assert (figures["floor_ms_per_frame"], figures["dub_ms_per_frame"]) == (40.0, 80.0)
    assert figures["avatar_build_fps"] == 25.0
    assert figures["first_frame_s"] == 0.75
    assert figures["memory_mb"] == {"dub": 700, "avatar_build": 400}


class TestCommand:
    def run(self, monkeypatch, *args):
        """The command with the work itself left out."""
        facts = ClipFacts(
            path=Path("a.mp4"), width=64, height=48, fps=Fraction(25), frames=50, has_sound=True, is_photo=False
        )
        seen = []

        def measured(options, progress):
            seen.append(options)
            return Figures(footage="a.mp4", facts=facts, stages={"analyse": 1.0, "decode": 0.1, "encode": 0.3},
                           floors=[1.0], jobs=[Cost(3.0, 500_000_000)], build=Cost(2.0, 400_000_000),
                           first=Cost(0.75, 1), short=Cost(1.0, 200_000_000), long=Cost(1.0, 300_000_000))  # fmt: skip

        monkeypatch.setattr("lipwright.bench.run.bench", measured)
        done = lipwright_cli(*args)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout, *seen

    def test_options_arrive(self, monkeypatch):
        words = ("--video", "v.mp4", "--audio", "a.wav", "--seconds", "7.5", "--runs", "3", "--long", "60")
        assert self.run(monkeypatch, *words)[1] == BenchOptions(
            video=Path("v.mp4"), audio=Path("a.wav"), seconds=7.5, runs=3, long=60
        )
        assert self.run(monkeypatch)[1] == BenchOptions()

    def test_text(self, monkeypatch):
        printed = self.run(monkeypatch)[0]
        rows = [line.split("  ") for line in printed.splitlines()]
        assert [[part.strip() for part in row if part.strip()] for row in rows[2:5]] == [
            ["analyse (once per footage)", "20.00"],
            ["decode", "2.00", "25.0%"],
            ["encode and mux", "6.00", "75.0%"],
        ]
        assert "dub: 60.0 ms a frame, whole command; 3.00 times the floor" in printed
        assert "peak memory 300 MB, 1.50 times the 200 MB" in printed

    def test_json_is_one_object(self, monkeypatch):
        printed = self.run(monkeypatch, "--json")[0]
        assert printed.count("\n") == 1
        assert json.loads(printed)["ratio"] == 3.0


FAILURES = {
    "no video": (["--video", "none.mp4"], "none.mp4"),
    "no audio": (["--audio", "none.wav"], "none.wav"),
    "seconds": (["--seconds", "0"], "seconds must be 1..3600, got 0"),
    "long": (["--long", "1e9"], "long must be 1..3600, got 1e+09"),
    "runs": (["--runs", "0"], "runs must be 1..100, got 0"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_bad_input_is_one_sentence(name, temporary):
    options, words = FAILURES[name]
    done = lipwright_cli(*options)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert words in done.stderr
    assert not any(temporary.glob("lipwright*"))


def test_footage_of_nobody(faceless_file, temporary):
    done = lipwright_cli("--video", faceless_file, "--seconds", 1, "--json")
    assert done.exit_code == 2
    assert "no usable face" in json.loads(done.stdout)["error"]
    assert not any(temporary.glob("lipwright*"))


class TestMaterial:
    def test_the_sound_is_repeated_or_cut(self, tmp_path):
        once = read_sound(speech_file).samples
        write_sound(tmp_path / "a.wav", speech_file, 20)
        samples = read_sound(tmp_path / "a.wav").samples
        assert len(samples) == 20 * 16000
        assert np.abs(samples[len(once) : 2 * len(once)] - once).max() < 1e-3
        write_sound(tmp_path / "b.wav", speech_file, 1.5)
        assert len(read_sound(tmp_path / "b.wav").samples) == 24000

    def test_a_silent_beginning(self, tmp_path):
        late = np.concatenate([np.zeros(32000, np.float32), synth.chirp(1, 16000)])
        source = synth.write_sound(tmp_path / "late.wav", late, 16000, "pcm_s16le")
        write_sound(tmp_path / "a.wav", source, 3)
        with pytest.raises(MediaError, match=r"the first 2 s of .*late\.wav hold only silence"):
            write_sound(tmp_path / "a.wav", source, 2)

    def test_the_footage_bounces_to_the_sound(self, tmp_path):
        video = synth.write_video(tmp_path / "v.mp4", [synth.numbered(n) for n in range(5)], rate=25)
        write_sound(tmp_path / "a.wav", speech_file, 1)
        facts = write_footage(tmp_path / "f.mp4", video, tmp_path / "a.wav")
        assert (facts.frames, facts.fps, facts.has_sound) == (25, 25, True)
        with open_clip(tmp_path / "f.mp4") as clip:
            assert [synth.read_number(frame) for frame in clip.frames(0, 10)] == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1]

    def test_the_bundled_clip_shows_a_moving_face(self, tmp_path):
        write_bundled_clip(tmp_path / "b.mp4")
        with open_clip(tmp_path / "b.mp4") as clip, open_tracker("facemesh") as tracker:
            assert (clip.facts.width, clip.facts.height, clip.facts.frames) == (1280, 720, 125)
            boxes = [tracker.detect(frame) for frame in clip.play([0, 31, 62, 93])]
        assert [len(found) for found in boxes] == [1] * 4
        assert np.ptp([found[0, 0] for found in boxes]) > 20


class TestStages:
    def test_a_slow_stage_is_seen_in_its_own_row_only(self, monkeypatch, material):
        real = stages.paste

        def slow(*args):
            time.sleep(0.2)
            return real(*args)

        monkeypatch.setattr(stages, "paste", slow)
        seconds = time_stages(*material)
        assert tuple(seconds) == STAGES
        assert seconds["compose"] >= 24 * 0.2
        assert all(0 < took < 24 * 0.2 for stage, took in seconds.items() if stage != "compose")

    def test_waiting_for_frames_is_not_analysis_nor_encoding(self, monkeypatch, material):
        from lipwright.media import Clip

        real = Clip.pictures

        def slow(self, *args):
            for frame in real(self, *args):
                time.sleep(0.2)
                yield frame

        monkeypatch.setattr(Clip, "pictures", slow)
        seconds = time_stages(*material)
        assert seconds["decode"] >= 24 * 0.2
        assert seconds["analyse"] < 24 * 0.2
        assert seconds["encode"] < 24 * 0.2

    def test_the_watch_adds_up(self):
        watch = Stopwatch()
        for _ in watch.each("wait", (time.sleep(0.05) for _ in range(3))):
            raise AssertionError("None ends it")
        with watch("wait"):
            time.sleep(0.05)
        assert 0.1 <= watch.seconds["wait"] < 1


class TestFloor:
    def test_it_encodes_every_frame_and_copies_the_sound(self, material, tmp_path):
        footage, _ = material
        took = run_floor(footage, tmp_path / "floor.mp4", EncodeOptions(crf=40))
        assert 0 < took < 60
        packets = []
        for path in (footage, tmp_path / "floor.mp4"):
            with av.open(str(path)) as file:
                assert sum(1 for _ in file.decode(video=0)) == 24
            with av.open(str(path)) as file:
                packets.append([bytes(packet) for packet in file.demux(audio=0) if packet.size])
        assert packets[0] == packets[1]
        assert (tmp_path / "floor.mp4").stat().st_size < footage.stat().st_size  # the options arrived


class TestProcesses:
    def command(self, monkeypatch, code):
        """Has `run_lipwright` run some Python instead."""
        monkeypatch.setattr(commands, "COMMAND", ("-c", code))

    def test_memory_is_the_peak(self, monkeypatch):
        peaks = []
        for size in (0, 300_000_000):
            self.command(monkeypatch, f"import time; b = b'x' * {size}; time.sleep(.3); del b; time.sleep(.3)")
            cost = run_lipwright("nothing")
            assert cost.seconds > 0.6
            peaks.append(cost.memory)
        assert peaks[1] - peaks[0] == pytest.approx(300_000_000, rel=0.1)

    @pytest.mark.parametrize(
        ("code", "kind"), [(1, LipwrightError), (2, InputError), (3, OutputError), (4, BackendError)]
    )
    def test_a_failure_is_its_sentence(self, monkeypatch, code, kind):
        self.command(monkeypatch, f"import sys; print('noise\\nlipwright: no room', file=sys.stderr); sys.exit({code})")
        with pytest.raises(LipwrightError) as caught:
            run_lipwright("dub", "x")
        assert type(caught.value) is kind
        assert str(caught.value) == f"`lipwright dub` ended with exit code {code}: no room"

    def test_a_real_failure(self, tmp_path):
        with pytest.raises(InputError, match=r"`lipwright avatar` ended with exit code 2: .*none\.mp4"):
            run_lipwright("avatar", "build", tmp_path / "none.mp4", "-q")

    def test_the_process_ends_with_us(self, monkeypatch):
        def interrupt(process):
            started.append(process.pid)
            raise KeyboardInterrupt

        started = []
        self.command(monkeypatch, "import time; time.sleep(60)")
        monkeypatch.setattr(commands, "_watch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_lipwright("dub")
        assert not psutil.pid_exists(started[0])

    @pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT between processes")
    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_leaves_nothing(self, sent, temporary, clip_file):
        command = [sys.executable, "-m", "lipwright.cli.main", "bench", "--video", clip_file, "--seconds", "60"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            deadline = time.monotonic() + 60
            while not any(temporary.glob("lipwright-bench-*/*")):  # it is at work
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            time.sleep(0.5)
            running.send_signal(sent)
            stdout, stderr = running.communicate(timeout=30)
        assert (running.returncode, stdout) == (130, "")
        assert stderr == "lipwright: interrupted; nothing was written\n"
        assert not any(temporary.glob("lipwright*"))


@pytest.mark.parametrize("options", [{"seconds": 0.5}, {"seconds": float("nan")}, {"runs": 101}, {"long": 0}])
def test_options_check_themselves(options):
    with pytest.raises(OptionError):
        BenchOptions(**options)
