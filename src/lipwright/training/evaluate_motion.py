"""Measures a trained motion model, and the baselines, on people it never heard.

The clips' offsets come from an earlier model, which never trained on them either.
"""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lipwright.audio.features import listen
from lipwright.errors import InputError
from lipwright.evaluation.curves import amplitude, bootstrap, lag_of, pooled_r
from lipwright.motion.mouth import CodedDrive, MouthMotion
from lipwright.motion.style import mouth_shape, neutral_mouth
from lipwright.progress import Progress, silent
from lipwright.structures import Sound, SpeechFeatures
from lipwright.training.baselines import EnergyModel, fit_ridge
from lipwright.training.clips import SOUND_RATE, TalkingClip
from lipwright.training.dataset import examples_of
from lipwright.training.export import calibrated
from lipwright.training.measure import Guess, landmark_error, opening_pairs, silence_over_speech, width_pairs
from lipwright.training.motion import Recipe, measure_shape, trainable

Predictor = Callable[[SpeechFeatures], np.ndarray]
"""Speech to offsets (n, 68, 3) at the features' 100 Hz."""

FEWEST_PEOPLE = 5  # for an interval over people

SETS = {
    "news": lambda c: c.origin == "arabic_news",
    "grid": lambda c: c.origin == "grid",
    "wild": lambda c: c.origin == "wild" and c.confirmed and c.listed,
    "wild+": lambda c: c.origin == "wild" and c.confirmed,
}


class TorchSession:
    """A checkpoint behind the shipped motion code, in the place of an ONNX session."""

    def __init__(self, folder: Path) -> None:
        self.model, self.shape = calibrated(folder)

    def run(self, _: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        """As ONNX Runtime's."""
        with torch.inference_mode():
            return [part.numpy() for part in self.model(torch.from_numpy(feed["speech"]))]


def network_predictor(folder: Path) -> Predictor:
    """The checkpoint of a folder with its own mouth shape, gate and lips as shipped."""
    session = TorchSession(folder)
    motion, basis = MouthMotion(session), session.shape["basis"]  # pyright: ignore[reportArgumentType]

    def predict(speech: SpeechFeatures) -> np.ndarray:
        code = motion.hear([speech])
        return CodedDrive(code, Fraction(100), len(speech), basis=basis).part(range(len(speech))).offsets

    return predict


def shipped_predictor() -> Predictor:
    """The model in the package, through its public interface."""
    motion = MouthMotion.open()
    return lambda speech: motion.move(speech, Fraction(100), len(speech)).offsets


def guess_clip(clip: TalkingClip, predict: Predictor, direction: np.ndarray) -> Guess:
    """Mouths of a clip from its sound, the clip's own offset taken out."""
    offsets = predict(listen(Sound(clip.samples, SOUND_RATE)))
    at = (np.arange(len(clip.drive)) / float(clip.fps) + clip.late) * 100
    inside = (at >= 0) & (at <= len(offsets) - 1)
    low = at[inside].astype(int)
    part = (at[inside] - low)[:, None, None].astype(np.float32)
    high = np.minimum(low + 1, len(offsets) - 1)
    made = offsets[low] * (1 - part) + offsets[high] * part
    neutral = neutral_mouth(clip.drive, direction)
    return Guess(clip, clip.drive[inside], neutral + made)


def measures_of(guesses: list[Guess]) -> dict[str, Any]:
    """The measures of some clips, pooled; docs/evaluation.md says what they mean. Intervals are over people."""
    opens, widths = opening_pairs(guesses), width_pairs(guesses)
    persons = [guess.clip.person for guess in guesses]
    silent_made, count = silence_over_speech(guesses)
    silent_real, _ = silence_over_speech(guesses, real=True)
    moved = [Guess(g.clip, g.real, g.made - g.made.mean(0) + g.real.mean(0)) for g in guesses]
    several = len(set(persons)) >= FEWEST_PEOPLE
    figures = {
        "clips": len(guesses),
        "people": len(set(persons)),
        "opening_r": pooled_r(opens),
        "opening_r_interval": bootstrap(opens, persons) if several else None,
        "width_r": pooled_r(widths),
        "width_r_interval": bootstrap(widths, persons) if several else None,
        "opening_amplitude": amplitude(opens),
        "width_amplitude": amplitude(widths),
        "lag": lag_of(opens),
        "silence_motion": silent_made,
        "silence_motion_real": silent_real,
        "silent_frames": count,
        "landmark_error": landmark_error(guesses),
        "landmark_error_true_mean": landmark_error(moved),
    }
    return {name: _plain(value) for name, value in figures.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a measure gives
    """As JSON can hold it: what cannot be told is None."""
    if isinstance(value, tuple):
        return [_plain(end) for end in value]
    if isinstance(value, float | np.floating):
        return round(float(value), 4) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


def baselines(clips: list[TalkingClip], recipe: Recipe) -> dict[str, Predictor]:
    """What any model must beat, fitted to the clips that the recipe trains on."""
    train = trainable(clips, recipe)
    shape = measure_shape(train, recipe)
    examples = examples_of(train, shape, recipe.shares, variants=0, rng=np.random.default_rng(0))
    return {"energy": EnergyModel(shape["opening_direction"]), "ridge": fit_ridge(examples, shape)}


def measure(
    predictors: dict[str, Predictor], clips: list[TalkingClip], progress: Progress = silent
) -> list[dict[str, Any]]:
    """One row for each set of `SETS` and each predictor.

    Raises:
        InputError: no clip belongs to a set.
    """
    direction, rows = mouth_shape()["opening_direction"], []
    sets = {title: [clip for clip in clips if belongs(clip)] for title, belongs in SETS.items()}
    jobs = [(title, part, name) for title, part in sets.items() if part for name in predictors]
    if not jobs:
        raise InputError("there is no clip to measure on: none is confirmed in sync and not trained on")
    for title, part, name in jobs:
        guesses = [guess_clip(clip, predictors[name], direction) for clip in part]
        rows.append({"set": title, "model": name} | measures_of(guesses))
        progress("measure", len(rows), len(jobs))
    return rows
