"""A twin of the published DINet checkpoint: its dict, random weights, few channels; and files that are wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lipwright.render.dinet_network import Generator
from twins.speech import randomise

PATH = Path("landmark2face_wy/checkpoints/anylang/dinet_v1_20240131.pth")
CHANNELS = 4


def generator(channels: int = CHANNELS, seed: int = 2) -> Generator:
    """A seeded generator."""
    with torch.no_grad():
        return randomise(Generator(channels), seed)  # type: ignore[return-value]


def contents(channels: int = CHANNELS) -> dict[str, Any]:
    """What the published file holds, numpy arrays and all."""
    mask = np.ones((256, 256), np.int64)
    mask[86:252, 37:218] = 0
    return {
        "model_name": "dinet_v1",
        "model_input_size": [256, 256],
        "model_ngf": channels,
        "face_G": generator(channels).state_dict(),
        "input_mask": mask,
        "input_mask_re": np.ones((256, 256)),
        "nblend": True,
        "wh": np.float64(0.97),
        "fuse_mask": np.full((128, 128), 0.5, np.float32),
    }


def build(folder: Path, channels: int = CHANNELS) -> Path:
    """Write the twin into a folder like the published tree. Returns the file."""
    return write(folder, contents(channels))


def write(folder: Path, stored: Any) -> Path:
    """Write anything under the published name."""
    path = folder / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(stored, path)
    return path


def without(name: str) -> Callable[[dict[str, Any]], object]:
    """A part missing."""
    return lambda stored: stored.pop(name)


def with_part(name: str, value: Any) -> Callable[[dict[str, Any]], object]:
    """Another value in a part's place."""
    return lambda stored: stored.update({name: value})


def renamed(old: str, new: str) -> Callable[[dict[str, Any]], object]:
    """One weight under another key."""
    return lambda stored: stored["face_G"].update({new: stored["face_G"].pop(old)})


def reshaped(key: str, shape: tuple[int, ...]) -> Callable[[dict[str, Any]], object]:
    """One weight of another shape."""
    return lambda stored: stored["face_G"].update({key: torch.zeros(shape)})
