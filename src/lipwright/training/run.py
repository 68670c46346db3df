"""A run's folder, step by step: training, calibration, measures, export; and all of them after each other.

A folder holds, in the order of writing: checkpoint.pt, shape.npz, network.pt, history.csv and .png, run.json (recipe,
clips, machine), gain.npz, measures.json, and models/ with what ships.
"""

import io
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lipwright.errors import InputError
from lipwright.progress import Progress, silent
from lipwright.training import card
from lipwright.training.calibrate import calibrate, held_out
from lipwright.training.checkpoint import Checkpoint
from lipwright.training.clips import TalkingClip, fingerprint, load, save
from lipwright.training.dataset import examples_of
from lipwright.training.device import choose
from lipwright.training.evaluate_motion import baselines, measure, network_predictor, shipped_predictor
from lipwright.training.export import export
from lipwright.training.files import write_arrays, write_whole
from lipwright.training.history import write_history
from lipwright.training.loop import train
from lipwright.training.motion import Recipe, measure_shape, trainable
from lipwright.training.prepare import prepare
from lipwright.training.sync import shipped_ear, synced, trained_ear

log = logging.getLogger(__name__)


def sync_clips(clips: Path, output: Path, by: Path | None = None, progress: Progress = silent) -> list[TalkingClip]:
    """Write prepared clips with their offsets.

    Args:
        clips: what `prepare` wrote.
        output: the file to write.
        by: folder of the run whose network judges; the shipped model if left out.
        progress: told after every clip.

    Raises:
        InputError: the clips or the network cannot be read.
        OutputError: the file cannot be written.
    """
    stored = load(clips)
    done = synced(stored, trained_ear(by) if by else shipped_ear(stored), progress)
    save(output, done)
    return done


def train_motion(
    clips: list[TalkingClip],
    recipe: Recipe,
    folder: Path,
    *,
    name: str,
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Train a network, or go on with one; write its files. Returns what run.json holds.

    Args:
        clips: all there are; the recipe says which are learnt from.
        recipe: of the run.
        folder: of the run.
        name: of the recipe, for the record.
        device: see `lipwright.training.device.choose`.
        progress: told after every step.

    Raises:
        InputError: nothing to learn from, or the folder is of another run.
        OutputError: a file cannot be written.
        BackendError: the recipe wants synthetic speech, and eSpeak NG is not installed.
    """
    where, chosen = choose(device), trainable(clips, recipe)
    if not chosen:
        raise InputError(
            "there is no clip to learn from: of all clips none is for training, confirmed in sync and of a person who "
            "is not held out; run `lipwright train sync` first, with footage whose speech fits its lips"
        )
    checkpoint = Checkpoint(path=folder / "checkpoint.pt", recipe=recipe, data=fingerprint(chosen), device=where.type)
    state = checkpoint.load()
    if state and state["done"] == recipe.steps and (folder / "run.json").exists():
        return record_of(folder)
    shape = measure_shape(chosen, recipe)
    rng = np.random.default_rng(recipe.seed)
    examples = examples_of(chosen, shape, recipe.shares, variants=recipe.variants, rng=rng)
    trained = train(examples, shape, recipe, device=where, checkpoint=checkpoint, progress=progress)
    write_arrays(folder / "shape.npz", shape)
    write_whole(folder / "network.pt", _tensors(trained.net))
    write_history(folder, trained.history, f"{name}: {recipe.steps} steps on {len(chosen)} clips")
    record = {
        "name": name,
        "recipe": asdict(recipe),
        "device": where.type,
        "torch": torch.__version__,
        "seconds": round(trained.history[-1]["seconds"]),
        "parameters": sum(value.numel() for value in trained.net.parameters()),
        "clips": [_facts(clip) for clip in chosen],
    }
    write_json(folder / "run.json", record)
    return record


def _tensors(net: torch.nn.Module) -> bytes:
    stored = io.BytesIO()
    torch.save(net.state_dict(), stored)
    return stored.getvalue()


def _facts(clip: TalkingClip) -> dict[str, Any]:
    seconds = round(len(clip.drive) / float(clip.fps), 2)
    return {"name": clip.name, "person": clip.person, "set": clip.origin, "seconds": seconds}


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Write a JSON file.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(path, json.dumps(value, ensure_ascii=False, indent=1).encode())


def record_of(folder: Path) -> dict[str, Any]:
    """What run.json holds.

    Raises:
        InputError: there is none that can be read.
    """
    try:
        return json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise InputError(f"{folder} holds no finished run (run.json); `lipwright train motion` makes one") from exc


def recipe_of(folder: Path) -> Recipe:
    """The recipe that a run was made by.

    Raises:
        InputError: the folder holds no finished run.
    """
    stored = record_of(folder)["recipe"]
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}
    return Recipe(**values)


def measure_run(
    clips: list[TalkingClip],
    folder: Path | None,
    recipe: Recipe,
    *,
    unheard: bool = False,
    beside: bool = False,
    progress: Progress = silent,
) -> list[dict[str, Any]]:
    """Measure a run on people it never heard, and write measures.json beside it.

    Args:
        clips: all there are.
        folder: of the run; the shipped model if left out, and nothing is written.
        recipe: of the run.
        unheard: measure on the people held out, not on the test clips.
        beside: measure the baselines too, fitted to what the recipe trains on.
        progress: told after every row.

    Raises:
        InputError: there is no such clip, or no network.
        OutputError: the file cannot be written.
    """
    chosen = [clip for clip in clips if (clip.person in recipe.held_out if unheard else clip.use == "test")]
    predictors = {"model": network_predictor(folder) if folder else shipped_predictor()}
    if beside:
        predictors |= baselines(clips, recipe)
    rows = measure(predictors, chosen, progress)
    if folder:
        people = "held-out" if unheard else "test"
        write_json(folder / "measures.json", {"people": people, "gains": gains_of(folder), "rows": rows})
    return rows


def export_run(folder: Path, models: Path, template: Path) -> list[Path]:
    """Write what ships of a run, and its card. Returns the files.

    Args:
        folder: of the run.
        models: where to.
        template: of the card, see `lipwright.training.card`.

    Raises:
        InputError: the folder holds no finished run, or the template cannot be read.
        OutputError: a file cannot be written.
    """
    record = record_of(folder)
    text = card.fill(template, record, gains_of(folder), measures_of(folder))
    files = export(folder, models, record["name"])
    write_whole(models / "mouth_motion.md", text.encode())
    return [*files, models / "mouth_motion.md"]


def gains_of(folder: Path) -> list[float]:
    """The gains of opening and width of a run, 1 where it is not calibrated."""
    path = folder / "gain.npz"
    if not path.exists():
        return [1.0, 1.0]
    with np.load(path) as stored:
        return [round(float(value), 2) for value in stored["gains"]]


def measures_of(folder: Path) -> dict[str, Any] | None:
    """What measures.json holds, None where there is none.

    Raises:
        InputError: the gains have changed since.
    """
    path = folder / "measures.json"
    if not path.exists():
        return None
    measures = json.loads(path.read_text("utf-8"))
    if measures["gains"] != gains_of(folder):
        raise InputError(f"{path} was taken with other gains; run `lipwright train evaluate` on {folder} again")
    return measures


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """From footage to what ships.

    Args:
        clips: folders of videos.
        motion: folders of landmark sets.
        name: of the recipe.
        recipe: of the run.
        folder: of the run.
        device: see `lipwright.training.device.choose`.
        template: of the card.
    """

    clips: tuple[Path, ...]
    motion: tuple[Path, ...]
    name: str
    recipe: Recipe
    folder: Path
    device: str
    template: Path

    def run(self, progress: Progress = silent) -> list[Path]:
        """Every step in its order; what was tracked and trained before is not again. Returns the shipped files.

        Raises:
            InputError: footage or recipe cannot be used, or the folder is of another run.
            OutputError: a file cannot be written.
        """
        prepared, in_sync = self.folder / "clips.npz", self.folder / "synced.npz"
        prepare(prepared, clips=self.clips, motion=self.motion, progress=progress)
        clips = sync_clips(prepared, in_sync, progress=progress)
        if not self.recipe.gains:
            held_out(clips, self.recipe)  # said now, not after hours of training
        train_motion(clips, self.recipe, self.folder, name=self.name, device=self.device, progress=progress)
        calibrate(self.folder, clips, self.recipe, progress)
        without_test = not any(clip.use == "test" for clip in clips)
        if without_test and not self.recipe.held_out:
            log.warning("nothing is measured: no clip is for testing, and the recipe holds nobody out")
        else:
            measure_run(clips, self.folder, self.recipe, unheard=without_test, beside=True, progress=progress)
        return export_run(self.folder, self.folder / "models", self.template)
