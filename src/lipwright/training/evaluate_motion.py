"""Measures a trained motion model, and the baselines, on people it never heard.

    python -m lipwright.training.evaluate_motion CLIPS.npz [FOLDER] [--recipe RECIPE.toml] [--baselines]

CLIPS.npz holds offsets found by `lipwright.training.sync` with an earlier model. Without FOLDER the
shipped model is judged through its public interface; else a checkpoint behind the same gate.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch

from lipwright.audio.features import listen
from lipwright.evaluation.curves import amplitude, bootstrap, lag_of, pooled_r
from lipwright.motion.mouth import CodedDrive, MouthMotion
from lipwright.motion.style import mouth_shape, neutral_mouth
from lipwright.structures import Sound, SpeechFeatures
from lipwright.training.baselines import EnergyModel, fit_ridge
from lipwright.training.clips import SOUND_RATE, TalkingClip, load
from lipwright.training.dataset import examples_of
from lipwright.training.export import calibrated
from lipwright.training.measure import Guess, landmark_error, opening_pairs, silence_over_speech, width_pairs
from lipwright.training.motion import Recipe, measure_shape, trainable

Predictor = Callable[[SpeechFeatures], np.ndarray]
"""Speech to offsets (n, 68, 3) at the features' 100 Hz."""

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


def row_of(name: str, guesses: list[Guess], *, interval: bool) -> str:
    """One line of the table."""
    opens, widths = opening_pairs(guesses), width_pairs(guesses)
    persons = [guess.clip.person for guess in guesses]
    silent, count = silence_over_speech(guesses)
    real, _ = silence_over_speech(guesses, real=True)
    moved = [Guess(g.clip, g.real, g.made - g.made.mean(0) + g.real.mean(0)) for g in guesses]
    cells = [
        f"{name:16}",
        f"{pooled_r(opens):6.3f}",
        "[{:.2f} {:.2f}]".format(*bootstrap(opens, persons)) if interval else " " * 11,
        f"{pooled_r(widths):6.3f}",
        "[{:.2f} {:.2f}]".format(*bootstrap(widths, persons)) if interval else " " * 11,
        f"{amplitude(opens):5.2f} {amplitude(widths):5.2f}",
        f"{lag_of(opens):+3d}",
        f"{silent:6.2f} of {real:.2f} ({count})",
        f"{landmark_error(guesses):6.2f} {landmark_error(moved):6.2f}",
        f"{len(guesses)} clips, {len(set(persons))} people",
    ]
    return " | ".join(cells)


HEADER = (
    "set, model       | open r |             | width r|             | ampl. o, w  | lag | "
    "silence motion | LMD, with true mean"
)


def table(predictors: dict[str, Predictor], clips: list[TalkingClip], direction: np.ndarray) -> Iterator[str]:
    """Lines of the table: each set, each predictor."""
    yield HEADER
    for title, belongs in SETS.items():
        part = [clip for clip in clips if belongs(clip)]
        for name, predict in predictors.items() if part else ():
            guesses = [guess_clip(clip, predict, direction) for clip in part]
            yield row_of(f"{title} {name}", guesses, interval=title.startswith("wild"))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", help="a checkpoint; the shipped model if left out")
    parser.add_argument("--recipe", type=Path, help="judge the people that this recipe holds out, not the test set")
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    clips = load(options.clips)
    recipe = Recipe.read(options.recipe) if options.recipe else Recipe()
    predictors = {"model": network_predictor(options.folder) if options.folder else shipped_predictor()}
    if options.baselines:
        train = trainable(clips, recipe)
        shape = measure_shape(train, recipe)
        examples = examples_of(train, shape, recipe.shares, variants=0, rng=np.random.default_rng(0))
        predictors["energy"] = EnergyModel(shape["opening_direction"])
        predictors["ridge"] = fit_ridge(examples, shape)
    chosen = [c for c in clips if (c.person in recipe.held_out if options.recipe else c.use == "test")]
    for line in table(predictors, chosen, mouth_shape()["opening_direction"]):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
