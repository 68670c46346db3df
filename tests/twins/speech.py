"""Twins of the speech recogniser's checkpoint: the encoder's keys among others that must be left out."""

from pathlib import Path

import torch

from lipwright.audio.wenet_network import Encoder

FILE = "wenet/examples/aishell/aidata/exp/conformer/wenetmodel.pt"


def contents(blocks: int = 1, hidden: int = 32) -> dict:
    """A flat table as the published file holds it: encoder, decoder, CTC, and a normalisation that is not applied."""
    torch.manual_seed(6)
    encoder = Encoder(blocks, hidden)
    with torch.no_grad():
        for name, value in encoder.named_parameters():
            if "pos_bias" in name:
                value.normal_(0, 0.1)
    for name, value in encoder.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 1.5)
    stored = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    others = {
        "encoder.global_cmvn.mean": torch.zeros(80),
        "encoder.global_cmvn.istd": torch.ones(80),
        "decoder.embed.0.weight": torch.zeros(10, 256),
        "ctc.ctc_lo.weight": torch.zeros(10, 256),
    }
    return stored | others


def build(folder: Path, blocks: int = 1, hidden: int = 32) -> Path:
    """The twin in its published place."""
    path = folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(contents(blocks, hidden), path)
    return path
