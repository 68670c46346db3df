"""A short training of the sync scorer on clips made of arithmetic, from clips to ONNX and its figures."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from lipwright.cli.main import app  # noqa: E402
from lipwright.errors import InputError  # noqa: E402
from lipwright.evaluation.synchrony import MOUTHS, ROWS  # noqa: E402
from lipwright.facespace import DRIVE, LIP_BOTTOM, open_face  # noqa: E402
from lipwright.training import scorer, scorer_figures  # noqa: E402
from lipwright.training.clips import TalkingClip, save  # noqa: E402
from lipwright.training.recipes import read_recipe  # noqa: E402

pytestmark = pytest.mark.torch
RATE = 16_000
RECIPE = scorer.Recipe(steps=40, batch=12, channels=24, vector=16, motions=4, variants=1, dropout=0.0, rate=6e-3,
                       average=0.9)  # fmt: skip


def talking(seed: int, origin: str, use: str = "train", late: float = 0.0) -> TalkingClip:
    """Three seconds of noise whose loudness, never twice the same, opens the mouth `late` seconds before."""
    rng = np.random.default_rng(seed)
    knots = rng.uniform(0, 1, 24)
    at = np.arange(3 * RATE) / RATE
    loud = np.interp(at - late, np.arange(24) / 8, knots)
    samples = (0.3 * loud**2 * rng.normal(0, 1, len(at))).astype(np.float32)
    opens = np.interp(np.arange(75) / 25, np.arange(24) / 8, knots)
    drive = np.tile(open_face()[list(DRIVE)], (75, 1, 1))
    drive[:, [DRIVE.index(i) for i in (LIP_BOTTOM, 17, 87, 317, 152)], 1] += 0.1 * opens[:, None].astype(np.float32)
    drive += rng.normal(0, 0.002, drive.shape).astype(np.float32)
    return TalkingClip(
        name=f"clip{seed}", person=f"p{seed}", origin=origin, use=use, fps=Fraction(25),
        drive=drive, samples=samples, late=late, confirmed=True, listed=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def clips() -> list[TalkingClip]:
    return [talking(i, origin, late=0.04 * (i % 3)) for i, origin in enumerate(["arabic_news", "grid", "wild"] * 4)]


@pytest.fixture(scope="module")
def net(clips: list[TalkingClip]) -> scorer.SyncNet:
    return scorer.train_scorer(clips, RECIPE)


def test_a_short_training_finds_offsets_of_new_people(net: scorer.SyncNet, tmp_path: Path) -> None:
    path = scorer.export_scorer(net, tmp_path)
    assert 'name = "sync_scorer"' in (tmp_path / "manifest.toml").read_text()
    towers = scorer_figures.towers_of(path)
    strangers = [talking(seed, "wild", "test", 0.08) for seed in (100, 101, 102)]
    people = scorer_figures.by_person(strangers, towers, None)
    figures = [scores.figures() for scores in people.values()]
    assert np.mean([f["AUC, shifted"] for f in figures]) > 0.9
    assert np.mean([f["within a frame"] for f in figures]) > 0.7
    assert set(scorer_figures.summary(people)) == set(figures[0])


def test_the_export_agrees_and_no_vector_sees_beyond_its_reach(net: scorer.SyncNet, tmp_path: Path) -> None:
    towers = scorer_figures.towers_of(scorer.export_scorer(net, tmp_path))
    rng = np.random.default_rng(0)
    mouths, rows = rng.normal(size=(MOUTHS + 9, 204)).astype("f4"), rng.normal(size=(ROWS + 20, 81)).astype("f4")
    seen, heard = towers(mouths, rows)
    with torch.inference_mode():
        wanted = net(torch.from_numpy(mouths)[None], torch.from_numpy(rows)[None])
    np.testing.assert_allclose(seen, wanted[0][0], atol=1e-5)
    np.testing.assert_allclose(heard, wanted[1][0], atol=1e-5)
    assert (len(seen), len(heard)) == (10, 11)
    mouths[MOUTHS:], rows[ROWS:] = 0, 0
    again = towers(mouths, rows)
    np.testing.assert_allclose(again[0][0], seen[0], atol=1e-5)
    np.testing.assert_allclose(again[1][0], heard[0], atol=1e-5)


def test_training_is_repeatable(clips: list[TalkingClip], net: scorer.SyncNet) -> None:
    again = scorer.train_scorer(clips, RECIPE).state_dict()
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, again[name])


def test_windows_know_what_their_clip_has(clips: list[TalkingClip]) -> None:
    rng = np.random.default_rng(0)
    short = replace(clips[0], drive=clips[0].drive[:20], samples=clips[0].samples[: int(0.8 * RATE)])
    example = scorer.examples_of([short], RECIPE, rng)[0]
    mouths, rows, seen, heard = scorer.window_of(example, rng)
    assert (mouths.shape, rows.shape, seen.shape, heard.shape) == ((30, 204), (197, 81), (16,), (71,))
    slowest = 0.88  # the tempo at which most samples fall on 20 frames, of which a vector needs 15
    assert 0 < seen.sum() <= int(19 / slowest) + 1 - 14
    assert 0 < heard.sum() <= 16


def test_the_recipe_that_ships_can_be_read() -> None:
    assert "ar5" in read_recipe(scorer.Recipe, "sync_scorer").held_out


def test_nothing_to_learn_from_is_one_sentence(clips: list[TalkingClip]) -> None:
    with pytest.raises(InputError, match="no clip to learn from"):
        scorer.train_scorer([replace(clip, use="test") for clip in clips], RECIPE)


def test_the_command_writes_the_model_and_its_row(clips: list[TalkingClip], tmp_path: Path) -> None:
    save(tmp_path / "clips.npz", clips)
    (tmp_path / "small.toml").write_text("steps = 2\nbatch = 4\nchannels = 8\nmotions = 4\nvariants = 1\n")
    models = tmp_path / "models"
    done = CliRunner().invoke(
        app, ["train", "scorer", str(tmp_path / "clips.npz"), "--models", str(models),
              "--recipe", str(tmp_path / "small.toml"), "--json"],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"model": str(models / "sync_scorer.onnx")}
    assert 'name = "sync_scorer"' in (models / "manifest.toml").read_text()
