"""Where a training computes, and how exactly."""

from contextlib import AbstractContextManager, nullcontext

import torch

from lipwright.errors import OptionError

DEVICES = ("auto", "cpu", "cuda")


def choose(name: str) -> torch.device:
    """The device of a name in `DEVICES`; `auto` is a GPU where there is one.

    On a CPU the process keeps to one thread: the network is so small that a second one costs more than it brings.

    Raises:
        OptionError: unknown, or `cuda` where PyTorch sees no GPU.
    """
    if name not in DEVICES:
        raise OptionError(f"--device {name!r} is unknown; use {', '.join(DEVICES)}")
    has_gpu = torch.cuda.is_available()
    if name == "cuda" and not has_gpu:
        raise OptionError("--device cuda: PyTorch sees no GPU; use --device cpu, or install PyTorch's build for yours")
    device = torch.device("cuda" if has_gpu and name != "cpu" else "cpu")
    if device.type == "cpu":
        torch.set_num_threads(1)
    return device


def precision(device: torch.device) -> AbstractContextManager[object]:
    """bfloat16 on a GPU, float32 on a CPU: few CPUs compute in bfloat16, and weights shall not depend on which."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
