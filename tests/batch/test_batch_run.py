"""Whole batches: real jobs in real worker processes."""

import json
import os
import signal
import subprocess
import sys
import time
from contextvars import copy_context
from pathlib import Path

import numpy as np
import psutil
import pytest
import synth
from typer.testing import CliRunner

from lipwright.batch.manifest import Row
from lipwright.batch.plan import plan_jobs
from lipwright.batch.run import run_batch, state_file
from lipwright.batch.work import do_alone
from lipwright.cli.main import app
from lipwright.errors import OptionError, OutputError
from lipwright.media import open_clip, read_sound
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import open_models
from lipwright.runtime.kept import keep_models

QUICK = {"preset": "ultrafast", "crf": "30"}


@pytest.fixture
def rows(clip_file, speech_wav, long_wav, faceless_file, folder):
    """Four jobs, of which the third and fourth cannot be done."""

    def row(name, video, audio):
        return Row(name, {"video": str(video), "audio": str(audio), "output": f"{name}.mp4"}, folder)

    return [
        row("one", clip_file, speech_wav),
        row("two", clip_file, long_wav),
        row("three", faceless_file, speech_wav),
        row("four", folder / "none.mp4", speech_wav),
    ]


@pytest.fixture
def jobs(rows, quick):
    return plan_jobs(rows, QUICK | {"cache": str(quick.cache)})


def lines_of(path: Path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_failed_jobs_stop_no_other(jobs, folder):
    report, seen, told = folder / "r.jsonl", [], []
    result = run_batch(jobs, report, workers=2, progress=lambda *at: seen.append(at), told=told.append)
    assert [outcome.state for outcome in result.outcomes] == ["done", "done", "failed", "failed"]
    assert "no usable face" in result.outcomes[2].error or "no face" in result.outcomes[2].error
    assert "none.mp4" in result.outcomes[3].error
    with open_clip(folder / "one.mp4") as one, open_clip(folder / "two.mp4") as two:
        assert (one.facts.frames, two.facts.frames) == (20, 60)
    *lines, summary = lines_of(report)
    assert [line["state"] for line in lines] == ["done", "done", "failed", "failed"]
    assert (lines[0]["row"], lines[0]["frames"], lines[0]["report"]["fps"]) == ("one", 20, "24")
    assert summary["summary"] == result.as_dict()
    assert (result.as_dict()["done"], result.as_dict()["failed"], result.as_dict()["frames"]) == (2, 2, 80)
    assert names_in(folder) == ["one.mp4", "r.jsonl", "r.state.jsonl", "two.mp4"]
    assert ("batch", 4, 4) in seen
    assert any(stage.startswith("worker ") for stage, _, _ in seen)
    assert sorted(outcome.job for outcome in told) == [1, 2, 3, 4]


def test_resume_does_only_what_is_missing_or_changed(jobs, rows, quick, folder, copy, speech_wav):
    sound = copy(speech_wav)
    rows[1].words["audio"] = str(sound)
    common = QUICK | {"cache": str(quick.cache)}
    report = folder / "r.jsonl"

    def states(**more):
        planned = plan_jobs(rows[:2], common | more)
        return [outcome.state for outcome in run_batch(planned, report, resume=True).outcomes]

    assert states() == ["done", "done"]
    assert states() == ["skipped", "skipped"]
    assert [line.get("frames") for line in lines_of(report)[:2]] == [20, 20]
    (folder / "one.mp4").unlink()
    assert states() == ["done", "skipped"]
    synth.write_sound(sound, synth.chirp(0.5, 16000), 16000, "pcm_s16le")
    assert states() == ["skipped", "done"]
    assert states(crf="31") == ["done", "done"]
    with state_file(report).open("ab") as file:
        file.write(b'{"key": "torn')
    assert states(crf="31") == ["skipped", "skipped"]
    (folder / "one.mp4").write_bytes(b"another's")
    assert states(crf="31") == ["done", "skipped"]
    assert [outcome.state for outcome in run_batch(plan_jobs(rows[:2], common), report).outcomes] == ["done", "done"]


def workers_of(parent=None):
    spawned = psutil.Process(parent).children()
    return [process for process in spawned if "spawn_main" in " ".join(process.cmdline())]


def killer(times):
    """Progress that kills the worker once it draws, so many times."""
    left = [times]

    def progress(stage, done, total):
        if stage.startswith("worker ") and done and left[0]:
            left[0] -= 1
            for process in workers_of():
                process.kill()

    return progress


@pytest.mark.parametrize(("kills", "states"), [(1, ["done", "done"]), (2, ["failed", "done"])])
def test_a_killed_worker_costs_its_job_once_more(kills, states, jobs, folder):
    result = run_batch(jobs[:2], folder / "r.jsonl", progress=killer(kills))
    assert [outcome.state for outcome in result.outcomes] == states
    if "failed" in states:
        assert result.outcomes[0].error.endswith("for the second time at this job; it is not tried again")
    assert not [name for name in names_in(folder) if "partial" in name]
    assert not workers_of()


def test_what_cannot_be_written_is_told(jobs, folder):
    with pytest.raises(OutputError, match="name another --report"):
        run_batch(jobs, folder / "none" / "r.jsonl")
    with pytest.raises(OptionError, match=r"workers must be 1..256, got 0"):
        run_batch(jobs, folder / "r.jsonl", workers=0)
    with pytest.raises(OutputError, match=r"clip.* is the list or a file of one of its jobs; name another --report"):
        run_batch(jobs, jobs[0].video)


def test_models_stay_open_from_job_to_job(tmp_path):
    here, there = DubOptions(models=tmp_path), DubOptions(models=tmp_path / "other")
    assert open_models(here) is not open_models(here)
    with keep_models():
        first = open_models(here)
        assert open_models(here) is first
        assert open_models(there) is not first
        assert open_models(here) is not first  # one folder's are kept


def test_models_stay_open_in_a_process_of_a_cluster(jobs, monkeypatch):
    seen, process = [], copy_context()
    monkeypatch.setattr("lipwright.batch.work.perform", lambda job, *_: seen.append(open_models(job.options)) or {})
    for job in jobs[:2]:
        process.run(do_alone, job)
    assert seen[0] is seen[1]


# ------------------------------------------------------------------------------------------------ the command


def batch(*args):
    return CliRunner().invoke(app, ["batch", *map(str, args)])


@pytest.fixture
def two_folders(clip_file, speech_wav, long_wav, copy, tmp_path):
    for name, file in {"v/clip.mp4": clip_file, "s/short.wav": speech_wav, "s/long.wav": long_wav}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(file.read_bytes())
    return ("--videos", tmp_path / "v", "--audios", tmp_path / "s", "--outputs", tmp_path / "made" / "here",
            "--preset", "ultrafast", "--crf", "30")  # fmt: skip


def test_the_command_makes_every_pair(two_folders, tmp_path):
    done = batch(*two_folders)
    assert done.exit_code == 0, done.stderr
    made = tmp_path / "made" / "here"
    assert names_in(made) == ["batch.report.jsonl", "batch.report.state.jsonl", "clip.long.mp4", "clip.short.mp4"]
    assert "2 done; 80 frames in" in done.stdout
    first, second = lines_of(made / "batch.report.jsonl")[:2]
    assert (first["report"]["avatar_reused"], second["report"]["avatar_reused"]) == (False, True)
    again = batch(*two_folders, "--resume", "--json")
    assert json.loads(again.stdout)["skipped"] == 2


def test_the_command_says_what_failed(clip_file, speech_wav, tmp_path):
    rows = [{"video": str(clip_file), "audio": str(speech_wav), "output": "a.mp4", "preset": "ultrafast"},
            {"video": "none.mp4", "audio": str(speech_wav), "output": "b.mp4"}]  # fmt: skip
    manifest = tmp_path / "jobs.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)))
    done = batch(manifest, "--json")
    assert done.exit_code == 7
    facts = json.loads(done.stdout)
    assert (facts["done"], facts["failed"], facts["report"]) == (1, 1, str(tmp_path / "jobs.report.jsonl"))
    assert "none.mp4" in facts["errors"][0]["error"]
    assert facts["errors"][0]["row"] == "jobs.jsonl, line 2"


@pytest.mark.parametrize(("name", "report"), [("jobs.csv", "jobs.csv"), ("jobs.state.jsonl", "jobs.jsonl")])
def test_the_list_is_not_written_over(name, report, tmp_path):
    rows = {".csv": "video,audio,output\nv,a,o.mp4\n", ".jsonl": '{"video": "v", "audio": "a", "output": "o.mp4"}'}
    manifest = tmp_path / name
    manifest.write_text(rows[manifest.suffix])
    done = batch(manifest, "--report", tmp_path / report)
    assert done.exit_code == 3
    assert "name another --report" in done.stderr
    assert manifest.read_text() == rows[manifest.suffix]


@pytest.mark.parametrize("args", [(), ("x.csv", "--videos", "v"), ("--videos", "v", "--audios", "a")])
def test_neither_a_list_nor_folders_is_refused(args):
    done = batch(*args)
    assert done.exit_code == 2
    assert "name a list of jobs" in done.stderr


def begun(two_folders, tmp_path, long_wav):
    """The command with jobs of some seconds, at work."""
    samples = np.tile(read_sound(long_wav, 16000).samples, 30)
    synth.write_sound(tmp_path / "s" / "long.wav", samples, 16000, "pcm_s16le")
    command = [sys.executable, "-m", "lipwright.cli.main", "batch", *map(str, two_folders), "--workers", "2"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    made = tmp_path / "made" / "here"
    until = time.monotonic() + 60
    while not (made.is_dir() and any("partial" in name for name in names_in(made))):
        assert time.monotonic() < until, process.communicate()
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    return process, made


def wait_until_gone(processes):
    assert not psutil.wait_procs(processes, timeout=15)[1]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_within_seconds_and_leaves_nothing_half_done(two_folders, tmp_path, long_wav):
    process, made = begun(two_folders, tmp_path, long_wav)
    workers = workers_of(process.pid)
    asked = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of them
    out, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < 8
    assert process.returncode == 130, err
    assert "the same command with --resume goes on" in out
    assert "Traceback" not in err
    wait_until_gone(workers)
    assert not [name for name in names_in(made) if "partial" in name]
    *lines, _ = lines_of(made / "batch.report.jsonl")
    assert "left" in {line["state"] for line in lines}


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_killed_batch_goes_on(two_folders, tmp_path, long_wav):
    process, made = begun(two_folders, tmp_path, long_wav)
    workers = workers_of(process.pid)
    until = time.monotonic() + 60
    while not (made / "clip.short.mp4").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until_gone(workers)  # they see that nobody listens
    (tmp_path / "s" / "long.wav").unlink()
    (tmp_path / "s" / "other.wav").write_bytes((tmp_path / "s" / "short.wav").read_bytes())
    done = batch(*two_folders, "--resume", "--json")
    facts = json.loads(done.stdout)
    assert (facts["skipped"], facts["done"]) == (1, 1)
    assert not [name for name in names_in(made) if "partial" in name and "long" not in name]
