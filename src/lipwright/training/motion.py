"""What the motion network learns: its recipe, its clips, what mouths have in common, and the losses."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lipwright.facespace import DRIVE, LIP_BOTTOM, LIP_TOP, MOUTH_CORNERS, opening
from lipwright.training.clips import TalkingClip, allowed
from lipwright.training.dataset import UNSURE, SpokenBatches
from lipwright.training.network import PHASES, MotionNet, in_phases
from lipwright.training.shape import main_motions, mirror_of, offsets_of, opening_direction
from lipwright.training.speech import APART, BILABIAL, OPEN_VOWELS, OTHER, SILENT


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
    people_share: float = 1.0  # of the others, drawn by the seed; a smaller share is part of a larger one
    gains: tuple[float, ...] = ()  # of opening and width; without them they are found on the people held out

    @property
    def shares(self) -> dict[str, float]:
        """How often each origin is drawn."""
        return {"arabic_news": self.news, "grid": self.grid, "wild": self.wild}


def trainable(clips: list[TalkingClip], recipe: Recipe) -> list[TalkingClip]:
    """Clips to train on: those allowed, of the wanted share of people."""
    usable = allowed(clips, recipe.held_out)
    people = sorted({clip.person for clip in usable})
    order = np.random.default_rng(recipe.seed).permutation(len(people))
    wanted = {people[i] for i in order[: math.ceil(recipe.people_share * len(people))]}
    return [clip for clip in usable if clip.person in wanted]


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
    importance = torch.ones(guess.shape[2], device=guess.device)
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
    return mean_where(every, sure)


def mean_where(values: Tensor, wanted: Tensor) -> Tensor:
    """Mean of the wanted values, 0 where there are none: a small batch may hold no m, b or p. (B, M) and bool."""
    return (values * wanted).sum() / wanted.sum().clamp(min=1)


class PhoneTask:
    """Beside motion: phones told apart in synthetic speech; lips meet on m, b, p and no other."""

    def __init__(self, recipe: Recipe, lines: Tensor, mean_opening: float) -> None:
        rng = np.random.default_rng(recipe.seed + 1)
        self.recipe, self.lines = recipe, lines
        least = torch.zeros(OTHER + 1, device=lines.device)
        least[list(APART)], least[list(OPEN_VOWELS)] = recipe.apart_share, recipe.open_share
        self.least, self.closed = least * mean_opening, recipe.closed_share * mean_opening
        self.head = torch.nn.Conv1d(recipe.channels, PHASES * (OTHER + 1), 1).to(lines.device)
        self.batches = SpokenBatches.make(recipe.utterances, recipe.spoken_batch, recipe.window, rng)

    def loss(self, net: MotionNet) -> Tensor:
        """Cross entropy of the phones, how far lips stay apart on m, b, p and together elsewhere."""
        rows, classes, rests = (torch.from_numpy(part).to(self.lines.device) for part in self.batches.draw())
        heard = net.trunk(rows)
        guessed = in_phases(self.head(heard))
        phones = torch.nn.functional.cross_entropy(guessed.flatten(0, 1), classes.flatten())
        mouth = in_phases(net.head(heard))
        opening = (mouth[..., :-1] @ self.lines)[..., 0]
        too_open = (opening - self.closed).clamp(min=0).square()
        too_closed = (self.least[classes] - opening).clamp(min=0).square()
        apart, resting = mean_where(too_open, classes == BILABIAL), mean_where(too_open, rests)
        together = mean_where(too_closed, self.least[classes] > 0)
        # In silence lips may be closed or not: nobody is told there.
        shut = closure_loss(mouth[..., -1], (classes == BILABIAL).float(), classes != SILENT)
        recipe = self.recipe
        return recipe.phone_weight * phones + recipe.closure_weight * (apart + together + resting + shut)
