"""The training loop of the motion network."""

import logging
import time

import numpy as np
import torch

from lipwright.training.dataset import Batches, Example
from lipwright.training.motion import PhoneTask, Recipe, contours, loss_of
from lipwright.training.network import MotionNet

log = logging.getLogger(__name__)


def train(examples: list[Example], shape: dict[str, np.ndarray], recipe: Recipe) -> MotionNet:
    """The whole training: draw, guess, compare, step; returns the averaged network."""
    torch.manual_seed(recipe.seed)
    batches = Batches(examples, recipe.batch, recipe.window, np.random.default_rng(recipe.seed))
    lines = torch.from_numpy(contours(shape))
    weights = torch.from_numpy((shape["spread"] / shape["spread"].max()) ** 0.5)
    net = MotionNet(len(shape["spread"]), recipe.channels, recipe.dropout)
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
        loss = loss_of(net(rows), truth, mask, lines, weights, recipe)
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
