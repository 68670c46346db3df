"""Trains the sync scorer: two towers that lay a mouth and its sound on the same point.

Learns from clips whose offsets are known (`lipwright.training.sync`); `lipwright train scorer` is its command, and
`lipwright.training.scorer_figures` measures the result.

Nothing is padded: a vector stands on real mouths and real sound only, so that no network can tell where a clip
begins or ends, which would date mouth and sound without looking at either.
"""

import logging
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from lipwright.errors import InputError
from lipwright.evaluation.synchrony import MOUTH_RATE, MOUTHS, ROWS, SLIDES, SPEECH_RATE, STEP, between, speech_rows
from lipwright.progress import Progress, silent
from lipwright.training.clips import TalkingClip, allowed
from lipwright.training.dataset import vary
from lipwright.training.export import OPSET, card, replace_cards
from lipwright.training.files import write_whole
from lipwright.training.network import INPUTS, Block, ChannelNorm
from lipwright.training.shape import main_motions, mirror_of
from lipwright.training.sounds import disturb

log = logging.getLogger(__name__)
POINTS = 204  # 68 drive points, three coordinates
WINDOW = 30  # mouths of one training window: 1.2 s
LEAD = int(-SLIDES[0] * STEP * SPEECH_RATE)  # rows of sound before the window's first mouth
HEARD = 2 * (WINDOW - MOUTHS) + len(SLIDES)  # vectors of sound that a window meets
WINDOW_ROWS = ROWS + 2 * (HEARD - 1)
UNHEARD = -1e4  # logit of a slide that the clip has no sound for
FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One training run; the defaults are those of the shipped model."""

    seed: int = 1
    motions: int = 16
    channels: int = 128
    vector: int = 64
    dropout: float = 0.35
    steps: int = 2_000
    batch: int = 48
    rate: float = 2e-3
    decay: float = 0.2
    average: float = 0.998  # of the weights, exponential
    variants: int = 4
    news: float = 0.35
    grid: float = 0.1
    wild: float = 0.55
    blur: float = 1.5  # steps of 20 ms: how exactly a clip's own offset is known
    strangers: float = 0.5  # how much telling other clips' sounds apart counts
    held_out: tuple[str, ...] = ()  # people kept from training, for choosing a recipe

    @property
    def shares(self) -> dict[str, float]:
        """How often each origin is drawn."""
        return {"arabic_news": self.news, "grid": self.grid, "wild": self.wild}


class SyncNet(nn.Module):
    """A tower for mouths and one for speech."""

    motions: Tensor

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        wide, drop = recipe.channels, recipe.dropout
        self.register_buffer("motions", torch.zeros(recipe.motions, POINTS))
        self.mouth = nn.Sequential(
            nn.Dropout1d(drop / 2),  # of whole motions: no single one may carry the decision
            nn.Conv1d(recipe.motions, wide, 3),
            *(Block(wide, dilation, backward=False, dropout=drop) for dilation in (1, 2, 3)),
            ChannelNorm(wide),
            nn.Conv1d(wide, recipe.vector, 1),
        )
        self.speech = nn.Sequential(
            nn.Conv1d(INPUTS, wide, 5, stride=2),
            *(Block(wide, dilation, backward=False, dropout=drop) for dilation in (1, 2, 4, 6)),
            ChannelNorm(wide),
            nn.Conv1d(wide, recipe.vector, 1),
        )
        self.sharpness = nn.Parameter(torch.tensor(2.5))  # of the logits, as a logarithm

    def forward(self, mouth: Tensor, speech: Tensor) -> tuple[Tensor, Tensor]:
        """(B, n, 204) and (B, m, 81) to unit vectors (B, n - 14, D) and (B, (m - 57) // 2 + 1, D)."""
        seen = self.mouth((mouth @ self.motions.T).transpose(1, 2))
        heard = self.speech(speech.transpose(1, 2))
        seen, heard = (x / x.square().sum(1, keepdim=True).clamp(min=1e-8).sqrt() for x in (seen, heard))
        return seen.transpose(1, 2), heard.transpose(1, 2)


@dataclass(frozen=True, slots=True)
class Example:
    """A clip ready to be cut: mouths (F, 204) about their mean, variants of its speech rows, how often it is drawn."""

    clip: TalkingClip
    mouths: np.ndarray
    rows: list[np.ndarray]
    weight: float


def examples_of(clips: list[TalkingClip], recipe: Recipe, rng: np.random.Generator) -> list[Example]:
    """Mouths and speech rows of every clip, the sound also after another clip of the person and in other rooms."""
    of = {person: [clip for clip in clips if clip.person == person] for person in {clip.person for clip in clips}}
    total = {origin: sum(len(c.drive) ** 0.7 for c in clips if c.origin == origin) for origin in recipe.shares}
    examples = []
    for clip in clips:
        rows = [speech_rows(clip.samples)]
        for number in range(recipe.variants):
            before = of[clip.person][rng.integers(len(of[clip.person]))].samples
            before = before[: len(before) // 160 * 160 if number % 2 == 0 else 0]
            loud, before = disturb(clip.samples, before, rng)
            rows.append(speech_rows(np.concatenate([before, loud]))[len(before) // 160 :].astype(np.float16))
        mouths = (clip.drive - clip.drive.mean(0)).reshape(len(clip.drive), -1)
        weight = recipe.shares[clip.origin] * len(clip.drive) ** 0.7 / total[clip.origin]
        examples.append(Example(clip, mouths, rows, weight))
    return examples


def motions_of(examples: list[Example], count: int) -> np.ndarray:
    """The main motions about the mean that left and right share, to unit spread. (count, 204) float32."""
    mirror = mirror_of(np.concatenate([example.clip.drive[::5] for example in examples]))
    moves = [example.mouths.reshape(-1, POINTS // 3, 3) for example in examples]
    basis = main_motions(moves, mirror, count)[0].reshape(count, -1)
    spread = np.concatenate([example.mouths @ basis.T for example in examples]).std(0)
    floor = 0.02 * spread[0]  # smaller motions are the tracker's noise
    return (basis / np.maximum(spread, floor)[:, None]).astype(np.float32)


Window = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Mouths (30, 204), speech rows (197, 81), and which vectors stand on what the clip has: (16,) and (71,) bool."""


def window_of(example: Example, rng: np.random.Generator) -> Window:
    """A random window: 1.2 s of mouths and the sound from 400 ms before to 400 ms after, at another tempo and voice."""
    clip = example.clip
    speed = rng.uniform(0.88, 1.14)
    room = len(clip.drive) / float(clip.fps) - speed * WINDOW / MOUTH_RATE
    start = rng.uniform(min(room, 0), max(room, 0))
    mouths = between(example.mouths, (start + speed * np.arange(WINDOW) / MOUTH_RATE) * float(clip.fps))
    ticks = start + clip.late + speed * (np.arange(WINDOW_ROWS) - LEAD) / SPEECH_RATE
    rows = between(example.rows[rng.integers(len(example.rows))], ticks * SPEECH_RATE)
    no_mouth, no_sound = np.isnan(mouths[:, 0]), np.isnan(rows[:, 0])
    seen = np.convolve(no_mouth, np.ones(MOUTHS), "valid") == 0
    heard = np.convolve(no_sound, np.ones(ROWS), "valid")[::2] == 0
    # A short clip's mean is uncertain: another rest position, as far off as a mouth of the clip may be.
    rest = rng.normal(0, 0.4) * example.mouths[rng.integers(len(example.mouths))]
    mouths = np.where(no_mouth[:, None], 0, mouths * rng.uniform(0.7, 1.4) + rest)
    return mouths.astype(np.float32), vary(np.where(no_sound[:, None], 0, rows), rng), seen, heard


def batch_of(windows: list[Window]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Windows one on another."""
    mouths, rows, seen, heard = (torch.from_numpy(np.stack(part)) for part in zip(*windows, strict=True))
    return mouths, rows, seen, heard


def pair_scores(seen: Tensor, heard: Tensor, seen_known: Tensor, heard_known: Tensor) -> tuple[Tensor, Tensor]:
    """Mean cosine of every mouth with its own sound at every slide, and with all sounds at none.

    Args:
        seen: (B, 16, D). heard: (B, 71, D). seen_known, heard_known: (B, 16) and (B, 71) bool.

    Returns:
        (B, 41) and (B, B), `nan` where fewer than three pairs are known.
    """
    at = 2 * torch.arange(seen.shape[1])[:, None] + torch.arange(len(SLIDES))  # (16, 41)
    own = torch.einsum("bkd,bksd->bks", seen, heard[:, at])
    known = (seen_known[:, :, None] & heard_known[:, at]).float()
    slides = _mean(own * known, known, 1)
    middle = at[:, len(SLIDES) // 2]
    known = seen_known[:, None].float() * heard_known[None, :, middle].float()  # (B, B, 16)
    strangers = torch.einsum("bkd,ckd->bck", seen, heard[:, middle])
    return slides, _mean(strangers * known, known, 2)


def _mean(total: Tensor, known: Tensor, axis: int) -> Tensor:
    count = known.sum(axis)
    return torch.where(count >= FEWEST_PAIRS, total.sum(axis) / count.clamp(min=1), torch.nan)


def loss_of(slides: Tensor, strangers: Tensor, sharpness: Tensor, recipe: Recipe) -> Tensor:
    """Cross entropy: of the right slide among all, of the own sound among everybody's and of the own mouth likewise."""
    wanted = torch.exp(-0.5 * (torch.from_numpy(SLIDES) / recipe.blur) ** 2)
    scale = sharpness.exp()
    logits = torch.where(slides.isnan(), UNHEARD, scale * slides.nan_to_num())
    usable = ~strangers.diagonal().isnan()
    target = (wanted * ~slides.isnan())[usable]
    target = target / target.sum(1, keepdim=True)
    right = -(target * logits[usable].log_softmax(1)).sum(1).mean()
    logits = torch.where(strangers.isnan(), UNHEARD, scale * strangers.nan_to_num())[usable][:, usable]
    own = torch.arange(len(logits))
    among = nn.functional.cross_entropy(logits, own) + nn.functional.cross_entropy(logits.T, own)
    return right + recipe.strangers * among / 2


def train_scorer(clips: list[TalkingClip], recipe: Recipe, progress: Progress = silent) -> SyncNet:
    """The whole training: cut windows, embed, compare, step; returns the averaged network.

    Raises:
        InputError: no clip may be learnt from.
    """
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    examples = examples_of(_usable(clips, recipe), recipe, rng)
    log.info("%d clips, %d people", len(examples), len({example.clip.person for example in examples}))
    weights = np.array([example.weight for example in examples])
    net = SyncNet(recipe)
    net.motions.copy_(torch.from_numpy(motions_of(examples, recipe.motions)))
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, recipe.steps)
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
    mean = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=averaging)
    began, running = time.monotonic(), 0.0
    for step in range(recipe.steps):
        picks = rng.choice(len(examples), recipe.batch, p=weights / weights.sum())
        mouths, rows, seen_known, heard_known = batch_of([window_of(examples[pick], rng) for pick in picks])
        seen, heard = net(mouths, rows)
        slides, strangers = pair_scores(seen, heard, seen_known, heard_known)
        loss = loss_of(slides, strangers, net.sharpness, recipe)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(net)
        running += (float(loss.detach()) - running) * max(0.02, 1 / (step + 1))
        if step % 250 == 249:
            log.info("step %d loss %.3f, %.0f s", step + 1, running, time.monotonic() - began)
        progress("train", step + 1, recipe.steps)
    net.load_state_dict(mean.module.state_dict())
    return net.eval()


def _usable(clips: list[TalkingClip], recipe: Recipe) -> list[TalkingClip]:
    usable = allowed(clips, recipe.held_out)
    if not usable:
        raise InputError(
            "there is no clip to learn from: none is for training, confirmed in sync and of a person who is not held "
            "out; run `lipwright train sync` first, with footage whose speech fits its lips"
        )
    return usable


def to_onnx(net: SyncNet) -> bytes:
    """The network as an ONNX file with free batch and time axes."""
    example = torch.zeros(1, MOUTHS + 2, POINTS), torch.zeros(1, ROWS + 6, INPUTS)
    axes = {name: {0: "batch", 1: f"{name}_steps"} for name in ("mouth", "speech", "seen", "heard")}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs a further package and gives the same few operators.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder, "model.onnx")
        torch.onnx.export(
            net, example, path, input_names=["mouth", "speech"], output_names=["seen", "heard"],
            dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
        onnx.checker.check_model(str(path))
        return path.read_bytes()


def export_scorer(net: SyncNet, models: Path) -> Path:
    """Write `sync_scorer.onnx` into the folder of models and its row into the manifest there; returns the file."""
    path = models / "sync_scorer.onnx"
    write_whole(path, to_onnx(net))
    inputs = [
        "mouth (batch, n, 204) float32: drive points in face space about the clip's mean, 25 a second",
        "speech (batch, m, 81) float32: 80 mel bands and energy, 100 rows a second",
    ]
    outputs = [
        "seen (batch, n - 14, 64) float32: unit vectors of the mouth, 25 a second",
        "heard (batch, (m - 57) // 2 + 1, 64) float32: unit vectors of the sound, 50 a second",
    ]
    origin = "lipwright.training, recipe sync_scorer; data and measures in sync_scorer.md"
    row = card("sync_scorer", path, origin, inputs, outputs)
    replace_cards(models / "manifest.toml", {"sync_scorer": row})
    return path
