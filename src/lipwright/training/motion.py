"""Trains the motion network: speech rows to mouth coefficients.

    python -m lipwright.training.motion CLIPS.npz --recipe RECIPE.toml --output FOLDER

Writes FOLDER/shape.npz (what mouths have in common) and FOLDER/network.pt (weights only).
"""

import argparse
import logging
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS, opening
from lipwright.training.clips import TalkingClip, load
from lipwright.training.dataset import UNSURE, Batches, Example, SpokenBatches, examples_of
from lipwright.training.network import PHASES, MotionNet, in_phases
from lipwright.training.shape import main_motions, mirror_of, offsets_of, opening_direction
from lipwright.training.speech import APART, BILABIAL, OPEN_VOWELS, OTHER, SILENT

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run; the defaults are those of the shipped model."""

    seed: int = 1
    coefficients: int = 16
    channels: int = 128
    dropout: float = 0.2
    steps: int = 2_000
    batch: int = 32
    window: int = 40  # steps of 40 ms
    rate: float = 2e-3
    decay: float = 0.02
    average: float = 0.998  # of the weights, exponential
    variants: int = 3
    news: float = 0.4
    grid: float = 0.15
    wild: float = 0.45
    mean_weight: float = 0.2
    velocity_weight: float = 0.5
    correlation_weight: float = 0.3
    contour_weight: float = 2.0
    utterances: int = 0  # of synthetic speech, for the phones; 0 needs no eSpeak NG
    spoken_batch: int = 12
    phone_weight: float = 0.5
    closure_weight: float = 1.0
    seen_weight: float = 0.2  # of closures seen in footage
    closed_share: float = 0.45  # of the mean opening, before the calibration stretches it to none
    apart_share: float = 0.65  # of the mean opening, at least, on phones made behind parted lips
    open_share: float = 0.95  # the same on open vowels
    held_out: tuple[str, ...] = ()  # people kept from training, for choosing a recipe

    @classmethod
    def read(cls, path: Path) -> "Recipe":
        """From a TOML file; a name that does not exist is an error."""
        with path.open("rb") as file:
            values: dict[str, Any] = tomllib.load(file)
        values["held_out"] = tuple(values.get("held_out", ()))
        return cls(**values)

    @property
    def shares(self) -> dict[str, float]:
        """How often each origin is drawn."""
        return {"arabic_news": self.news, "grid": self.grid, "wild": self.wild}


def trainable(clips: list[TalkingClip], recipe: Recipe) -> list[TalkingClip]:
    """Clips to train on: allowed, confirmed in sync, not held out, not a copy of a test clip."""
    return [
        clip
        for clip in clips
        if clip.use == "train"
        and clip.confirmed
        and clip.person not in recipe.held_out
        and not (clip.origin == "wild" and clip.person.startswith("grid_"))
    ]


def measure_shape(clips: list[TalkingClip], recipe: Recipe) -> dict[str, np.ndarray]:
    """Mirror, opening direction, main motions, spreads: everything about mouths but their timing."""
    mirror = mirror_of(np.concatenate([clip.drive[::5] for clip in clips]))
    direction = opening_direction(clips, mirror)
    offsets = [offsets_of(clip, direction) for clip in clips]
    basis, _ = main_motions(offsets, mirror, recipe.coefficients)
    flat = basis.reshape(len(basis), -1).T
    within = [o.reshape(len(o), -1) @ flat for o in offsets]
    spread = np.sqrt(np.mean([np.var(c, axis=0) for c in within], axis=0))
    openings = [np.std(opening(clip.drive)) for clip in clips if len(clip.drive) >= 75]
    typical = np.median(openings or [np.std(opening(clip.drive)) for clip in clips])
    return {
        "basis": basis,
        "spread": spread.astype(np.float32),
        "opening_direction": direction,
        "opening_spread": np.asarray(typical, np.float32),
        "mirror": mirror,
    }


def contours(shape: dict[str, np.ndarray]) -> np.ndarray:
    """Opening and width as linear functions of the standardised coefficients, unit spread. (K, 2)."""
    moves = shape["basis"] * shape["spread"][:, None, None]
    top, bottom = DRIVE.index(LIP_TOP), DRIVE.index(LIP_BOTTOM)
    left, right = (DRIVE.index(corner) for corner in MOUTH_CORNERS)
    both = np.stack([moves[:, bottom, 1] - moves[:, top, 1], moves[:, right, 0] - moves[:, left, 0]])
    return (both / np.linalg.norm(both, axis=1, keepdims=True)).T.astype(np.float32)


def loss_of(guess: Tensor, truth: Tensor, mask: Tensor, lines: Tensor, weights: Tensor, recipe: Recipe) -> Tensor:
    """Distance of motion, its mean, its velocity and its correlation.

    Args:
        guess: (B, M, K) standardised coefficients.
        truth: the same.
        mask: (B, M), 1 where the truth is known.
        lines: (K, 2) from `contours`.
        weights: (K,), how much each coefficient counts.
        recipe: the parts' weights.
    """
    guess, truth = (torch.cat([x * weights, x @ lines], 2) for x in (guess, truth))
    importance = torch.ones(guess.shape[2])
    importance[-2:] = recipe.contour_weight
    known = mask[:, :, None]
    count = known.sum(1, keepdim=True).clamp(min=1)
    guess_mean, truth_mean = ((x * known).sum(1, keepdim=True) / count for x in (guess, truth))
    guess_moves, truth_moves = (guess - guess_mean) * known, (truth - truth_mean) * known
    moves = ((guess_moves - truth_moves).square() * importance).sum() / known.sum()
    means = ((guess_mean - truth_mean).square() * importance).mean(0).sum()
    steps = known[:, 1:] * known[:, :-1]
    speed = (guess.diff(dim=1) - truth.diff(dim=1)).square() * steps * importance
    together = (guess_moves * truth_moves).sum(1)
    spreads = (guess_moves.square().sum(1) * truth_moves.square().sum(1) + 1e-3).sqrt()
    apart = ((1 - together / spreads) * importance).mean(0).sum()
    return (
        moves
        + recipe.mean_weight * means
        + recipe.velocity_weight * 6 * speed.sum() / steps.sum()
        + recipe.correlation_weight * apart
    )


def closure_loss(logit: Tensor, closed: Tensor, known: Tensor) -> Tensor:
    """Binary cross entropy of closed lips where it is known for sure. All (B, M): logit, 0..1, bool."""
    sure = known & ((closed - UNSURE).abs() > UNSURE / 2)
    every = torch.nn.functional.binary_cross_entropy_with_logits(logit, closed.round(), reduction="none")
    return (every * sure).sum() / sure.sum().clamp(min=1)


class PhoneTask:
    """Beside motion: phones told apart in synthetic speech; lips meet on m, b, p and no other."""

    def __init__(self, recipe: Recipe, lines: Tensor, mean_opening: float) -> None:
        rng = np.random.default_rng(recipe.seed + 1)
        self.recipe, self.lines = recipe, lines
        least = torch.zeros(OTHER + 1)
        least[list(APART)], least[list(OPEN_VOWELS)] = recipe.apart_share, recipe.open_share
        self.least, self.closed = least * mean_opening, recipe.closed_share * mean_opening
        self.head = torch.nn.Conv1d(recipe.channels, PHASES * (OTHER + 1), 1)
        self.batches = SpokenBatches.make(recipe.utterances, recipe.spoken_batch, recipe.window, rng)

    def loss(self, net: MotionNet) -> Tensor:
        """Cross entropy of the phones, how far lips stay apart on m, b, p and together elsewhere."""
        rows, classes, rests = (torch.from_numpy(part) for part in self.batches.draw())
        heard = net.trunk(rows)
        guessed = in_phases(self.head(heard))
        phones = torch.nn.functional.cross_entropy(guessed.flatten(0, 1), classes.flatten())
        mouth = in_phases(net.head(heard))
        opening = (mouth[..., :-1] @ self.lines)[..., 0]
        apart = (opening - self.closed).clamp(min=0)[classes == BILABIAL].square().mean()
        parted = self.least[classes] > 0
        together = (self.least[classes] - opening).clamp(min=0)[parted].square().mean()
        resting = (opening - self.closed).clamp(min=0)[rests].square().sum() / rests.sum().clamp(min=1)
        # In silence lips may be closed or not: nobody is told there.
        shut = closure_loss(mouth[..., -1], (classes == BILABIAL).float(), classes != SILENT)
        recipe = self.recipe
        return recipe.phone_weight * phones + recipe.closure_weight * (apart + together + resting + shut)


def train(examples: list[Example], shape: dict[str, np.ndarray], recipe: Recipe) -> MotionNet:
    """The whole training: draw, guess, compare, step; returns the averaged network."""
    torch.manual_seed(recipe.seed)
    batches = Batches(examples, recipe.batch, recipe.window, np.random.default_rng(recipe.seed))
    lines = torch.from_numpy(contours(shape))
    weights = torch.from_numpy((shape["spread"] / shape["spread"].max()) ** 0.5)
    net = MotionNet(len(shape["spread"]) + 1, recipe.channels, recipe.dropout)
    mean_opening = np.mean([(example.targets @ contours(shape))[:, 0].mean() for example in examples])
    task = PhoneTask(recipe, lines, float(mean_opening)) if recipe.utterances else None
    learnt = [*net.parameters(), *(task.head.parameters() if task else ())]
    optimizer = torch.optim.AdamW(learnt, lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps)
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=averaging)
    began, running = time.monotonic(), 0.0
    for step in range(recipe.steps):
        rows, truth, mask = (torch.from_numpy(part) for part in batches.draw())
        guess = net(rows)
        loss = loss_of(guess[..., :-1], truth[..., :-1], mask, lines, weights, recipe)
        loss = loss + recipe.seen_weight * closure_loss(guess[..., -1], truth[..., -1], mask > 0)
        if task:
            loss = loss + task.loss(net)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(net)
        running += (float(loss.detach()) - running) * max(0.02, 1 / (step + 1))
        if step % 250 == 249:
            log.info("step %d loss %.3f, %.0f s", step + 1, running, time.monotonic() - began)
    net.load_state_dict(mean.module.state_dict())
    return net.eval()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("clips", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    torch.set_num_threads(1)
    recipe = Recipe.read(options.recipe)
    clips = trainable(load(options.clips), recipe)
    log.info("%d clips, %d people", len(clips), len({clip.person for clip in clips}))
    shape = measure_shape(clips, recipe)
    options.output.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.output / "shape.npz", **shape)
    rng = np.random.default_rng(recipe.seed)
    examples = examples_of(clips, shape, recipe.shares, variants=recipe.variants, rng=rng)
    net = train(examples, shape, recipe)
    torch.save(net.state_dict(), options.output / "network.pt")


if __name__ == "__main__":
    main()
