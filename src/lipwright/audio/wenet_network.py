"""WeNet's Conformer encoder in PyTorch: reads the published checkpoint, writes the ONNX file the engine runs.

Conformer: Gulati et al., Interspeech 2020. Positions enter the attention as in Dai et al. 2019, but, as in WeNet (Zhang
et al., Interspeech 2021), without the shift that makes them relative.
"""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lipwright.checkpoints import export, fill, open_checkpoint, wrong_checkpoint

NAME = "wenet"
BANDS, WIDTH, HEADS, KERNEL = 80, 256, 4, 15
POSITIONS = 5_000  # longest sound of one pass, encoder rows: 200 seconds
LAYER_NORM = 1e-12  # added to a variance
BLOCKS, FORWARD = 12, 2048  # of the published file


class Subsampling(nn.Module):
    """Two strided convolutions and a projection: four rows of sound make one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, WIDTH, 3, 2), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, 2), nn.ReLU())
        self.out = nn.Sequential(nn.Linear(WIDTH * (((BANDS - 1) // 2 - 1) // 2), WIDTH))

    def forward(self, speech: Tensor) -> Tensor:
        """(B, T, 80) to (B, ((T - 1) // 2 - 1) // 2, 256)."""
        x = self.conv(speech.unsqueeze(1)).transpose(1, 2)
        return self.out(x.flatten(2))


class FeedForward(nn.Module):
    """Two linear layers with swish between them."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(WIDTH, hidden), nn.Linear(hidden, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 256) to the same."""
        return self.w_2(functional.silu(self.w_1(x)))


class Attention(nn.Module):
    """Attention over the whole utterance whose scores also see where a row is."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))
        self.linear_pos = nn.Linear(WIDTH, WIDTH, bias=False)
        self.pos_bias_u, self.pos_bias_v = (nn.Parameter(torch.zeros(HEADS, WIDTH // HEADS)) for _ in range(2))

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(B, T, 256) and (1, T, 256) to (B, T, 256)."""
        batch, rows, _ = x.shape
        query, key, value, place = (
            part.reshape(part.shape[0], rows, HEADS, WIDTH // HEADS)
            for part in (self.linear_q(x), self.linear_k(x), self.linear_v(x), self.linear_pos(positions))
        )
        by_content = (query + self.pos_bias_u).transpose(1, 2) @ key.permute(0, 2, 3, 1)
        by_place = (query + self.pos_bias_v).transpose(1, 2) @ place.permute(0, 2, 3, 1)
        weights = torch.softmax((by_content + by_place) / math.sqrt(WIDTH // HEADS), -1)
        return self.linear_out((weights @ value.transpose(1, 2)).transpose(1, 2).reshape(batch, rows, WIDTH))


class Convolution(nn.Module):
    """Gated pointwise, depthwise over time, batch norm, swish, pointwise."""

    def __init__(self) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(WIDTH, 2 * WIDTH, 1)
        self.depthwise_conv = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=KERNEL // 2, groups=WIDTH)
        self.norm = nn.BatchNorm1d(WIDTH)
        self.pointwise_conv2 = nn.Conv1d(WIDTH, WIDTH, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, 256) to the same."""
        gated = functional.glu(self.pointwise_conv1(x.transpose(1, 2)), 1)
        return self.pointwise_conv2(functional.silu(self.norm(self.depthwise_conv(gated)))).transpose(1, 2)


class Block(nn.Module):
    """Half a feed-forward, attention, convolution, half a feed-forward; each behind its norm, one norm at the end."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.self_attn, self.conv_module = Attention(), Convolution()
        self.feed_forward, self.feed_forward_macaron = FeedForward(hidden), FeedForward(hidden)
        for name in ("ff", "mha", "ff_macaron", "conv", "final"):
            self.add_module(f"norm_{name}", nn.LayerNorm(WIDTH, LAYER_NORM))
        self.concat_linear = nn.Linear(2 * WIDTH, WIDTH)  # in the file, of no use to the network

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        """(B, T, 256) and (1, T, 256) to (B, T, 256)."""
        x = x + 0.5 * self.feed_forward_macaron(self.norm_ff_macaron(x))
        x = x + self.self_attn(self.norm_mha(x), positions)
        x = x + self.conv_module(self.norm_conv(x))
        x = x + 0.5 * self.feed_forward(self.norm_ff(x))
        return self.norm_final(x)


class Encoder(nn.Module):
    """The encoder.

    Args:
        blocks: how many.
        hidden: width of their feed-forwards.
    """

    def __init__(self, blocks: int = BLOCKS, hidden: int = FORWARD) -> None:
        super().__init__()
        self.embed = Subsampling()
        self.encoders = nn.ModuleList(Block(hidden) for _ in range(blocks))
        self.after_norm = nn.LayerNorm(WIDTH, LAYER_NORM)
        self.register_buffer("positions", _sinusoids(), persistent=False)

    def forward(self, speech: Tensor) -> Tensor:
        """(B, T, 80) log-mel to (B, T', 256). Whole-utterance attention: T' is at most `POSITIONS`."""
        x = self.embed(speech)
        positions = self.positions[:, : x.shape[1]]
        x = x * math.sqrt(WIDTH)
        for block in self.encoders:
            x = block(x, positions)
        return self.after_norm(x)


def _sinusoids() -> Tensor:
    at = torch.arange(POSITIONS, device="cpu").float().unsqueeze(1)
    rate = torch.exp(torch.arange(0, WIDTH, 2, device="cpu").float() * -(math.log(10_000) / WIDTH))
    return torch.stack([torch.sin(at * rate), torch.cos(at * rate)], 2).reshape(1, POSITIONS, WIDTH)


class OwnDtype(nn.Module):
    """float32 in and out, whatever it computes in."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, speech: Tensor) -> Tensor:
        """As of `Encoder`."""
        return self.encoder(speech.to(self.encoder.positions.dtype)).float()


def load(path: Path) -> Encoder:
    """The encoder of a whole speech recogniser's checkpoint; its decoder and other parts are left out.

    Raises:
        BackendError: it is damaged or of another model.
    """
    stored = open_checkpoint(path, NAME)
    head = "encoder."
    weights = {
        key.removeprefix("module.").removeprefix(head): value
        for key, value in stored.items()
        if key.removeprefix("module.").startswith(head) and "global_cmvn" not in key
    }
    if not weights:
        first = ", ".join(map(str, list(stored)[:3])) or "nothing"
        raise wrong_checkpoint(path, NAME, f"no entry that begins with {head!r}, but {first}")
    blocks, hidden = _sizes(weights)
    return fill(lambda: Encoder(blocks, hidden), weights, path, NAME)


def _sizes(weights: dict[str, Any]) -> tuple[int, int]:
    """Blocks and feed-forward width as the entries have them; the published ones where they say nothing."""
    numbers = [int(key.split(".")[1]) for key in weights if key.startswith("encoders.") and key.split(".")[1].isdigit()]
    first = weights.get("encoders.0.feed_forward.w_1.weight")
    return max(numbers, default=BLOCKS - 1) + 1, FORWARD if first is None else int(first.shape[0])


def convert(checkpoint: Path, target: Path, *, half: bool = False) -> None:
    """Write the ONNX file of a checkpoint: `speech` (batch, rows, 80) to `encoder_out` (batch, steps, 256).

    Raises:
        BackendError: as `load`, or an extra is missing.
        OutputError: the file cannot be written.
    """
    model = OwnDtype(load(checkpoint)).eval()
    axes = {"speech": {0: "batch", 1: "rows"}, "encoder_out": {0: "batch", 1: "steps"}}
    export(model.half() if half else model, (torch.zeros(1, 203, BANDS),), target, axes)
