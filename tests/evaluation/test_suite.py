"""A small folder of clips, dubbed and measured; and what happens when something goes wrong."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lipwright.errors import InputError, OptionError, OutputError
from lipwright.evaluation.suite import SuiteOptions, run_job, run_suite, short_sound, suite_jobs, write_whole
from lipwright.media import open_clip, read_sound

FACTS = ("clip", "person", "use", "sync_ok", "drive", "sound", "seconds", "version", "error")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, talking, saying_other):
    """Two people, really one, and a clip that is none."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "sub").mkdir()
    (folder / "sub" / "a.mp4").write_bytes(talking.read_bytes())
    (folder / "b.mp4").write_bytes(saying_other.read_bytes())
    (folder / "broken.mp4").write_bytes(b"no video")
    (folder / "MANIFEST.csv").write_text(
        "file,person_id,use,has_audio,sync_ok\n"
        "sub/a.mp4,ann,test,yes,yes\nb.mp4,bob,test,yes,no\nbroken.mp4,cat,test,no,\n",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def done(folder, tmp_path_factory):
    """The suite run once: output folder, options, rows."""
    output = tmp_path_factory.mktemp("suite") / "out"
    options = SuiteOptions(seconds=1.0, cache=tmp_path_factory.mktemp("suite cache"))
    told = []
    rows = run_suite(suite_jobs(folder, output, options), 2, told.append)
    assert sorted(map(str, told)) == sorted(map(str, rows))
    return output, options, rows


def test_every_clip_speaks_its_own_sound_and_a_strangers(done):
    _, _, rows = done
    jobs = [(row["clip"], row["drive"], row["sound"], bool(row["error"])) for row in rows]
    assert jobs == [
        ("sub/a.mp4", "self", "sub/a.mp4", False),
        ("b.mp4", "self", "b.mp4", False),
        ("sub/a.mp4", "cross", "b.mp4", False),
        ("b.mp4", "cross", "sub/a.mp4", False),
        ("broken.mp4", "cross", jobs[4][2], True),
    ]
    assert "broken.mp4" in rows[4]["error"]


def test_rows_hold_what_only_a_job_can_tell(done):
    for row in done[2][:4]:
        assert row["outside"] == 0
        assert abs(row["seam_step"]) < 2
        assert not {"outside", "seam_step"} & set(row["missing"])
        assert row["frames"] == 25


def test_self_driven_rows_know_the_real_mouth(done):
    for row in done[2][:2]:
        assert row["lag_against"] == "reference"
        assert row["opening_r"] > 0.3
        assert row["landmark_error"] is not None
    for row in done[2][2:4]:
        assert row["lag_against"] == "sound energy"
        assert row["opening_r"] is None
        assert row["head_jitter"] is not None


def test_pictures_of_every_job(done):
    output = done[0]
    names = {path.name for path in (output / "jobs").iterdir()}
    for name in ("sub__a.mp4.self", "b.mp4.self", "sub__a.mp4.cross", "b.mp4.cross"):
        assert {f"{name}.json", f"{name}.png", f"{name}.curves.png"} <= names
    assert len(names) == 13  # nothing half-written


def test_a_run_goes_on_where_it_stopped(done, folder, monkeypatch):
    output, options, rows = done
    (output / "jobs" / "b.mp4.self.json").write_text('{"clip": "b.m', encoding="utf-8")  # as a crash would leave it
    ran = []

    def instead(jobs, workers):
        ran.extend(job.name for job in jobs)
        yield from ((job.name, rows[1] | {"again": True}) for job in jobs)

    monkeypatch.setattr("lipwright.evaluation.suite._run", instead)
    again = run_suite(suite_jobs(folder, output, options), 1, lambda row: None)
    assert ran == ["b.mp4.self", "broken.mp4.cross"]  # what is not there, and what failed
    assert again[0] == rows[0]
    assert again[1]["again"]


def test_a_stopped_run_keeps_what_is_finished_and_starts_nothing_more(folder, tmp_path):
    def stop(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_suite(suite_jobs(folder, tmp_path, SuiteOptions(names=("broken", "b.mp4"), seconds=0.5)), 1, stop)
    assert [path.name for path in (tmp_path / "jobs").glob("*.json")] == ["b.mp4.self.json"]


def test_videos_are_kept_when_asked_for_and_made_when_they_lack(done, folder):
    output, options, rows = done
    wanted = replace(options, videos=True, names=("sub/a.mp4",))
    self_driven, cross_driven = suite_jobs(folder, output, wanted)
    told = run_suite([self_driven], 1, lambda row: None)  # its row is there, its video not
    assert {**told[0], "curves": None} == {**rows[0], "curves": None}
    with open_clip(self_driven.video_file) as clip:
        assert (clip.facts.frames, clip.facts.width) == (rows[0]["frames"], 1024)
    assert not cross_driven.video_file.exists()


def test_other_seconds_are_another_run(done, folder, monkeypatch):
    output, _, rows = done
    ran = []
    monkeypatch.setattr(
        "lipwright.evaluation.suite._run",
        lambda jobs, workers: ((job.name, rows[0]) for job in jobs if not ran.append(job.name)),
    )
    run_suite(suite_jobs(folder, output, SuiteOptions(seconds=2.0)), 1, lambda row: None)
    assert len(ran) == 5


def test_names_choose_clips_and_change_nobodys_partner(folder, tmp_path):
    jobs = suite_jobs(folder, tmp_path, SuiteOptions(names=("b.mp4",)))
    assert [(job.clip.file, job.drive, job.speaker) for job in jobs] == [
        ("b.mp4", "self", "b.mp4"),
        ("b.mp4", "cross", "sub/a.mp4"),
    ]
    with pytest.raises(InputError, match="--names"):
        suite_jobs(folder, tmp_path, SuiteOptions(names=("nobody",)))


def test_footage_of_nobody_talking_has_no_amplitude(folder, tmp_path, cache, talking):
    (tmp_path / "MANIFEST.csv").write_text(
        f"file,kind,person_id\n{talking},silent,ann\n{folder / 'b.mp4'},real,bob\n", encoding="utf-8"
    )
    options = SuiteOptions(seconds=1.0, cache=cache)
    job = next(j for j in suite_jobs(tmp_path, tmp_path, options) if j.clip.person == "ann")
    (tmp_path / "jobs").mkdir()
    row = run_job(job)
    assert (row["error"], row["amplitude"]) == ("", None)
    assert "nobody talking" in row["missing"]["amplitude"]


def test_options_are_checked():
    for wrong in ({"seconds": 0}, {"seconds": float("nan")}, {"seconds": float("inf")}, {"workers": 0}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            SuiteOptions(**wrong)


def test_a_folder_that_cannot_be_made_is_one_sentence(folder, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be made"):
        run_suite(suite_jobs(folder, tmp_path / "file", SuiteOptions()), 1, lambda row: None)


def test_a_short_sound_is_the_beginning(long_wav, tmp_path):
    whole, part = read_sound(long_wav).samples, read_sound(short_sound(long_wav, 0.5, tmp_path)).samples
    assert len(part) == 8000
    np.testing.assert_allclose(part, whole[:8000], atol=1e-4)
    assert len(read_sound(short_sound(long_wav, 60, tmp_path)).samples) == len(whole)


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "a", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(Path(tmp_path / "none" / "a"), "text")


def test_rows_on_disk_are_the_rows(done):
    output, _, rows = done
    kept = json.loads((output / "jobs" / "sub__a.mp4.self.json").read_text(encoding="utf-8"))
    assert kept == rows[0]
    assert tuple(kept)[: len(FACTS)] == FACTS
