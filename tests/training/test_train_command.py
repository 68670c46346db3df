"""`lipwright train` from the outside; the whole path on clips made of arithmetic."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lipwright.cli import train as command
from lipwright.cli.main import app


def lipwright(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_without_the_extra_one_sentence_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "find_spec", lambda _: None)
    done = lipwright("train", "motion", tmp_path / "clips.npz", "-o", tmp_path / "run", "--json")
    assert done.exit_code == 4
    told = json.loads(done.stdout)
    assert told == {"error": "training needs torch; install the extra: pip install 'lipwright[train]'", "exit_code": 4}


@pytest.mark.torch
def test_no_footage_and_no_clips_are_said(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert "name what to learn from" in lipwright("train", "prepare", "-o", tmp_path / "clips.npz").output
    (tmp_path / "odd.npz").write_text("no archive")
    for path in (tmp_path / "absent.npz", tmp_path / "odd.npz"):
        done = lipwright("train", "motion", path, "-o", tmp_path / "run", "--device", "cpu")
        assert (done.exit_code, "holds no prepared clips" in done.output) == (2, True)
    assert lipwright("train", "export", tmp_path).exit_code == 2


@pytest.mark.torch
def test_from_prepared_clips_to_a_model_that_moves_mouths(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from training.test_motion_training import talking

    from lipwright.training.clips import save

    onnxruntime = pytest.importorskip("onnxruntime")
    from dataclasses import replace

    from lipwright.audio.features import listen
    from lipwright.motion.mouth import MouthMotion
    from lipwright.structures import Sound

    made = [talking(i, origin) for i, origin in enumerate(["arabic_news", "grid", "wild"] * 2)]
    tested = replace(talking(7, "wild"), use="test", listed=True)
    clips, run = tmp_path / "clips.npz", tmp_path / "run"
    save(clips, [*made, tested])
    changes = [x for c in ("steps=3", "batch=4", "channels=16", "variants=1", "utterances=0") for x in ("--set", c)]
    start = ("train", "motion", clips, "-o", run, "--device", "cpu", *changes, "--json")
    done = lipwright(*start)
    assert done.exit_code == 0, done.output
    assert json.loads(lipwright(*start).stdout) == json.loads(done.stdout)
    other = lipwright(*start, "--set", "seed=2")
    assert (other.exit_code, "seed was 1, is 2" in json.loads(other.stdout)["error"]) == (2, True)

    assert '"opening": 1.5' in lipwright("train", "calibrate", clips, run, "--gains", "1.5", "1.2", "--json").stdout
    rows = json.loads(lipwright("train", "evaluate", clips, run, "--json").stdout)
    assert [(row["set"], row["clips"]) for row in rows] == [("wild", 1), ("wild+", 1)]
    assert lipwright("train", "export", run).exit_code == 0
    assert "| wild | 2 | 2 | 0.1 |" in (run / "models" / "mouth_motion.md").read_text()
    assert "recipe mouth_motion" in (run / "models" / "manifest.toml").read_text()

    motion = MouthMotion(onnxruntime.InferenceSession((run / "models" / "mouth_motion.onnx").read_bytes()))
    drive = motion.move(listen(Sound(tested.samples, 16_000)), tested.fps, len(tested.drive))
    assert drive.offsets.shape == tested.drive.shape

    lipwright("train", "calibrate", clips, run, "--gains", "1", "1")
    assert "taken with other gains" in lipwright("train", "export", run).output
