"""Recipes, the model card and the folders that a training starts from; no torch."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lipwright.errors import InputError, OptionError
from lipwright.training import card, history, recipes
from lipwright.training.prepare import videos_of


@dataclass(frozen=True, kw_only=True)
class Small:
    steps: int = 5
    rate: float = 0.1
    held_out: tuple[str, ...] = ()


def test_values_come_from_the_file_and_then_from_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('steps = 7\nheld_out = ["a"]\n')
    assert recipes.read_recipe(Small, str(path)) == Small(steps=7, held_out=("a",))
    changed = recipes.read_recipe(Small, str(path), ["steps=9", "rate=1"])
    assert changed == Small(steps=9, rate=1.0, held_out=("a",))
    assert isinstance(changed.rate, float)


@pytest.mark.parametrize(
    ("text", "changes", "error", "said"),
    [
        ("stepps = 3", [], InputError, "no value 'stepps'; it may set steps, rate, held_out"),
        ("steps = 'many'", [], InputError, "sets steps to 'many'"),
        ("steps = true", [], InputError, "sets steps to True"),
        ("steps =", [], InputError, "cannot be read"),
        ("", ["steps"], OptionError, "not name=value"),
    ],
)
def test_what_is_wrong_with_a_recipe_is_said(tmp_path: Path, text, changes, error, said) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(error, match=said):
        recipes.read_recipe(Small, str(path), changes)


def test_an_unknown_recipe_names_those_there_are() -> None:
    with pytest.raises(InputError, match="mouth_motion, mouth_motion_gpu, mouth_motion_trial"):
        recipes.find("nothing")


@pytest.mark.torch
def test_every_recipe_that_ships_can_be_read() -> None:
    pytest.importorskip("torch")
    from lipwright.training.motion import Recipe

    for name in ("mouth_motion", "mouth_motion_trial", "mouth_motion_gpu"):
        assert recipes.read_recipe(Recipe, name).steps > 100


RECORD = {
    "name": "mine",
    "recipe": {"steps": 7, "held_out": ["Bo"], "gains": []},
    "device": "cpu",
    "seconds": 3,
    "parameters": 410_000,
    "clips": [
        {"name": "one", "person": "Ann", "set": "wild", "seconds": 30.0},
        {"name": "two", "person": "Ann", "set": "wild", "seconds": 60.0},
        {"name": "three", "person": "g", "set": "news", "seconds": 6.0},
    ],
}
ROW = dict.fromkeys(card.TITLES, 0.5) | {"set": "wild", "model": "model", "clips": 2, "people": 1, "lag": None}


@pytest.mark.parametrize("template", ["own", "mouth_motion"])
def test_the_card_tells_data_recipe_and_measures(template: str) -> None:
    measures = {"people": "test", "rows": [ROW | {"opening_r_interval": [0.4, 0.6]}]}
    text = card.fill(card.find(template), RECORD, [1.5, 1.25], measures)
    assert "| wild | 2 | 1 | 1.5 |" in text
    assert "- Ann: one, two" in text
    assert "| held out | Bo |" in text
    assert "1.50 and 1.25" in text
    assert "| wild | model | 2 | 1 | 0.50 [0.40 0.60] | 0.50 | 0.50 | – |" in text
    assert "$" not in text


def test_a_card_without_measures_says_so(tmp_path: Path) -> None:
    assert "Not measured" in card.fill(card.find("own"), RECORD, [1, 1], None)
    (tmp_path / "odd.md").write_text("$nothing")
    with pytest.raises(InputError, match="its places are parameters, data"):
        card.fill(card.find(str(tmp_path / "odd.md")), RECORD, [1, 1], None)


def test_the_history_as_table_and_curves(tmp_path: Path) -> None:
    history.write_history(tmp_path, [{"step": 25, "motion": 3.0}, {"step": 50, "motion": 2.0}], "a run")
    assert (tmp_path / "history.csv").read_text() == "step,motion\n25,3\n50,2\n"
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_a_manifest_is_one_person_a_video(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.mov", "notes.txt"):
        (tmp_path / name).touch()
    found = videos_of(tmp_path)
    assert [(video.name, video.person, video.use) for video in found] == [("a", "a", "train"), ("b", "b", "train")]


def test_a_manifest_tells_who_and_what_for(tmp_path: Path) -> None:
    (tmp_path / "MANIFEST.csv").write_text(
        "file,kind,has_audio,pair_audio,person_id,use,sync_ok\n"
        "a.mp4,real,yes,,Ann,test,weak\nb.mp4,silent,no,,Bo,train,\nc.mp4,real,pair,c.wav,Cy,train,no\n"
    )
    ann, cy = videos_of(tmp_path)
    assert (ann.person, ann.use, ann.listed, ann.sound) == ("Ann", "test", True, tmp_path / "a.mp4")
    assert (cy.person, cy.use, cy.listed, cy.sound) == ("Cy", "train", False, tmp_path / "c.wav")


def test_a_folder_that_holds_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no talking video"):
        videos_of(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        videos_of(tmp_path / "absent")
