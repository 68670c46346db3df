"""Twins of the generator's checkpoint: every key of the published one, seeded weights, small unless asked otherwise."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

from lipwright.render.dinet_network import Generator

FILE = "landmark2face_wy/checkpoints/anylang/dinet_v1_20240131.pth"
ROWS, COLUMNS = slice(86, 252), slice(37, 218)  # that the network does not see


def contents(width: int = 4) -> dict:
    """What the published file holds, with other weights; batch norms have lived, so that nothing runs away."""
    torch.manual_seed(5)
    network = Generator(width)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
        elif name.endswith("running_mean"):
            value.normal_(0, 0.1)
    network.out_conv[2][2].weight.data.mul_(20)  # else all it draws is grey
    mask = np.ones((256, 256), np.float64)
    mask[ROWS, COLUMNS] = 0
    return {
        "model_name": "dinet_v1",
        "model_input_size": [256, 256],
        "model_ngf": width,
        "face_G": OrderedDict(network.state_dict()),
        "input_mask": mask,
        "input_mask_re": np.ones((256, 256), np.uint8),
        "nblend": True,
        "wh": np.float64(0.97),
        "fuse_mask": np.full((192, 160), 0.5, np.float32),
    }


def write(path: Path, stored: object) -> Path:
    """Save a checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(stored, path)
    return path


def build(folder: Path, width: int = 4) -> Path:
    """The twin in its published place."""
    return write(folder / FILE, contents(width))
