"""The training loop of the motion network: draw, guess, compare, step, and now and then keep the state."""

import json
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lipwright.progress import Progress, silent
from lipwright.training.checkpoint import Checkpoint
from lipwright.training.dataset import Batches, Example
from lipwright.training.device import precision
from lipwright.training.history import Row
from lipwright.training.motion import PhoneTask, Recipe, closure_loss, contours, loss_of
from lipwright.training.network import MotionNet

CPU = torch.device("cpu")
TOLD_EVERY = 25  # steps that one row of the history stands for


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run leaves.

    Args:
        net: the averaged network, on the CPU, ready to hear.
        history: one row for every `TOLD_EVERY` steps.
    """

    net: MotionNet
    history: list[Row]


def train(
    examples: list[Example],
    shape: dict[str, np.ndarray],
    recipe: Recipe,
    *,
    device: torch.device = CPU,
    checkpoint: Checkpoint | None = None,
    progress: Progress = silent,
) -> Trained:
    """The whole training, from the checkpoint on where there is one.

    Args:
        examples: from `lipwright.training.dataset.examples_of`.
        shape: from `lipwright.training.motion.measure_shape`.
        recipe: every number of the run.
        device: where it computes.
        checkpoint: where its state is kept; a run that goes on ends with the numbers of an unbroken one.
        progress: told after every step.

    Raises:
        InputError: the checkpoint is damaged or of another run.
        OutputError: it cannot be written.
    """
    run = Run(examples, shape, recipe, device)
    state = checkpoint.load() if checkpoint else None
    if state:
        run.restore(state)
    while run.done < recipe.steps:
        run.step()
        if checkpoint and (run.done % checkpoint.every == 0 or run.done == recipe.steps):
            checkpoint.save(run.state())
        progress("train", run.done, recipe.steps)
    net = run.mean.module
    return Trained(net.to(CPU).eval(), run.history)  # pyright: ignore[reportArgumentType]


class Run:
    """A training under way: everything that changes from step to step is in `state`.

    Attributes:
        done: steps taken.
        mean: the average of the network's weights.
        history: one row for every `TOLD_EVERY` steps.
    """

    def __init__(
        self, examples: list[Example], shape: dict[str, np.ndarray], recipe: Recipe, device: torch.device
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.batches = Batches(examples, recipe.batch, recipe.window, np.random.default_rng(recipe.seed))
        self.lines = torch.from_numpy(contours(shape)).to(device)
        self.weights = torch.from_numpy((shape["spread"] / shape["spread"].max()) ** 0.5).to(device)
        self.net = MotionNet(len(shape["spread"]) + 1, recipe.channels, recipe.dropout).to(device)
        mean_opening = np.mean([(example.targets @ contours(shape))[:, 0].mean() for example in examples])
        self.task = PhoneTask(recipe, self.lines, float(mean_opening)) if recipe.utterances else None
        self.learnt = [*self.net.parameters(), *(self.task.head.parameters() if self.task else ())]
        self.optimizer = torch.optim.AdamW(self.learnt, lr=recipe.rate, weight_decay=recipe.decay)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, recipe.rate, recipe.steps)
        averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.average)
        self.mean = torch.optim.swa_utils.AveragedModel(self.net, multi_avg_fn=averaging)
        self.done, self.seconds, self.history, self.sums = 0, 0.0, [], dict[str, float]()

    def step(self) -> None:
        """One step of the optimizer."""
        began = time.monotonic()
        rows, truth, mask = (torch.from_numpy(part).to(self.device) for part in self.batches.draw())
        with precision(self.device):
            guess = self.net(rows)
            parts = {"phones": self.task.loss(self.net)} if self.task else {}
        mouth, closure = guess[..., :-1].float(), guess[..., -1].float()
        parts["motion"] = loss_of(mouth, truth[..., :-1], mask, self.lines, self.weights, self.recipe)
        parts["closure"] = self.recipe.seen_weight * closure_loss(closure, truth[..., -1], mask > 0)
        loss = torch.stack(list(parts.values())).sum()
        self.optimizer.zero_grad()
        loss.backward()
        slope = torch.nn.utils.clip_grad_norm_(self.learnt, 1.0)
        rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.mean.update_parameters(self.net)
        self.done += 1
        figures = {name: float(part.detach()) for name, part in parts.items()}
        self._note(figures | {"gradient": float(slope), "rate": rate})
        self.seconds += time.monotonic() - began

    def _note(self, figures: Row) -> None:
        self.sums = {name: self.sums.get(name, 0.0) + value for name, value in figures.items()}
        if self.done % TOLD_EVERY == 0 or self.done == self.recipe.steps:
            count = (self.done - 1) % TOLD_EVERY + 1
            means = {name: value / count for name, value in self.sums.items()}
            self.history.append({"step": self.done} | means | {"seconds": self.seconds})
            self.sums = {}

    def state(self) -> dict[str, Any]:
        """Tensors, numbers and strings from which `restore` goes on."""
        gpu = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.zeros(0)
        return {
            "done": self.done,
            "net": self.net.state_dict(),
            "mean": self.mean.state_dict(),
            "head": self.task.head.state_dict() if self.task else {},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": gpu,
            "numpy_rng": json.dumps([dice.bit_generator.state for dice in self._dice()]),
            "progress": json.dumps({"seconds": self.seconds, "history": self.history, "sums": self.sums}),
        }

    def _dice(self) -> list[np.random.Generator]:
        return [self.batches.rng, *([self.task.batches.rng] if self.task else [])]

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same recipe, data and device."""
        self.net.load_state_dict(state["net"])
        self.mean.load_state_dict(state["mean"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        if self.task:
            self.task.head.load_state_dict(state["head"])
        for dice, stored in zip(self._dice(), json.loads(state["numpy_rng"]), strict=True):
            dice.bit_generator.state = stored
        torch.set_rng_state(state["torch_rng"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_rng"], self.device)
        self.done = state["done"]
        for name, value in json.loads(state["progress"]).items():
            setattr(self, name, value)
