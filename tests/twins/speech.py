"""A twin of the published WeNet checkpoint: its keys, random weights, one small block."""

from pathlib import Path

import torch

from lipwright.audio.wenet_network import Encoder

PATH = Path("wenet/examples/aishell/aidata/exp/conformer/wenetmodel.pt")
WIDTH = 32


def randomise(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Weights that keep signals in range, norms that do something; the same for the same seed."""
    random = torch.Generator().manual_seed(seed)
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        noise = torch.randn(tensor.shape, generator=random)
        if name.endswith("running_var"):
            tensor.copy_(0.5 + noise.abs())
        elif "norm" in name and name.endswith("weight"):
            tensor.copy_(1 + 0.2 * noise)
        elif tensor.ndim > 1:
            tensor.copy_(noise / tensor[0].numel() ** 0.5)
        else:
            tensor.copy_(0.1 * noise)
    return network.eval()


def encoder(blocks: int = 1, width: int = WIDTH, seed: int = 1) -> Encoder:
    """A seeded encoder."""
    with torch.no_grad():
        return randomise(Encoder(blocks, width), seed)  # type: ignore[return-value]


def state(network: Encoder) -> dict[str, torch.Tensor]:
    """A whole recogniser's flat state: the encoder, and what has to be left out."""
    others = {
        "encoder.global_cmvn.mean": torch.zeros(80),
        "encoder.global_cmvn.istd": torch.ones(80),
        "decoder.embed.0.weight": torch.zeros(7, 256),
        "ctc.ctc_lo.weight": torch.zeros(7, 256),
    }
    return others | {f"encoder.{key}": value for key, value in network.state_dict().items()}


def build(folder: Path, blocks: int = 1, width: int = WIDTH) -> Path:
    """Write the twin into a folder like the published tree. Returns the file."""
    path = folder / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state(encoder(blocks, width)), path)
    return path
