"""The Conformer encoder of WeNet in torch: loaded from its published checkpoint, converted to ONNX.

After Gulati et al., Conformer: Convolution-augmented Transformer for Speech Recognition (2020), as the speech
toolkit WeNet had it in 2021. Names of modules are the keys of the file.
"""

import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lipwright.audio.wenet import BANDS, FEATURES, frames_of
from lipwright.checkpoints.conversion import Graph, write_onnx
from lipwright.checkpoints.reading import advice, filled, read_checkpoint, without_prefix
from lipwright.errors import BackendError

MODEL = "wenet"
HEADS = 4
KERNEL = 15
EPSILON = 1e-12
LONGEST_PERIOD = 10_000.0
PREFIX, NOT_OURS = "encoder.", "encoder.global_cmvn"
FIRST_WIDTH = "encoders.0.feed_forward.w_1.weight"


class Subsampling(nn.Module):
    """Two strided convolutions over time and bands: four rows become one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, FEATURES, 3, 2), nn.ReLU(), nn.Conv2d(FEATURES, FEATURES, 3, 2), nn.ReLU()
        )
        self.out = nn.Sequential(nn.Linear(FEATURES * frames_of(BANDS), FEATURES))

    def forward(self, mel: Tensor) -> Tensor:
        """(B, T, 80) to (B, T', 256)."""
        bands = self.conv(mel.unsqueeze(1))
        return self.out(bands.transpose(1, 2).flatten(2))


class Attention(nn.Module):
    """Self-attention in which a key also counts by where it lies, with no relative shift.

    Key j scores (q + u)·k_j + (q + v)·p_j, which is q·(k_j + p_j) + u·k_j + v·p_j: one product over all pairs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(FEATURES, FEATURES) for _ in range(4))
        self.linear_pos = nn.Linear(FEATURES, FEATURES, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(HEADS, FEATURES // HEADS))
        self.pos_bias_v = nn.Parameter(torch.zeros(HEADS, FEATURES // HEADS))

    def forward(self, steps: Tensor, places: Tensor) -> Tensor:
        """Steps (B, T, 256) and places (1, T, 256) to (B, T, 256)."""
        query, key, value, place = (
            linear(features).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for linear, features in (
                (self.linear_q, steps),
                (self.linear_k, steps),
                (self.linear_v, steps),
                (self.linear_pos, places),
            )
        )
        own = key @ self.pos_bias_u.unsqueeze(-1) + place @ self.pos_bias_v.unsqueeze(-1)
        scores = query @ (key + place).transpose(2, 3) + own.transpose(2, 3)
        heard = (scores / math.sqrt(FEATURES // HEADS)).softmax(-1) @ value
        return self.linear_out(heard.transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    """Two linear layers around a swish."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(FEATURES, width), nn.Linear(width, FEATURES)

    def forward(self, steps: Tensor) -> Tensor:
        """The same shape."""
        return self.w_2(functional.silu(self.w_1(steps)))


class Convolution(nn.Module):
    """A gate, a convolution of each feature over time, batch norm, swish."""

    def __init__(self) -> None:
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(FEATURES, 2 * FEATURES, 1)
        self.depthwise_conv = nn.Conv1d(FEATURES, FEATURES, KERNEL, padding=KERNEL // 2, groups=FEATURES)
        self.norm = nn.BatchNorm1d(FEATURES)
        self.pointwise_conv2 = nn.Conv1d(FEATURES, FEATURES, 1)

    def forward(self, steps: Tensor) -> Tensor:
        """(B, T, 256) to the same shape."""
        gated = functional.glu(self.pointwise_conv1(steps.transpose(1, 2)), 1)
        smoothed = functional.silu(self.norm(self.depthwise_conv(gated)))
        return self.pointwise_conv2(smoothed).transpose(1, 2)


class Block(nn.Module):
    """Half a feed-forward, attention, convolution, the other half; each on normed steps and added to them.

    Args:
        width: of the feed-forward layers.
        unused: whether the file carries a linear layer that takes no part.
    """

    def __init__(self, width: int, *, unused: bool) -> None:
        super().__init__()
        self.self_attn = Attention()
        self.feed_forward, self.feed_forward_macaron = FeedForward(width), FeedForward(width)
        self.conv_module = Convolution()
        norm = partial(nn.LayerNorm, FEATURES, eps=EPSILON)
        self.norm_ff, self.norm_mha, self.norm_ff_macaron, self.norm_conv, self.norm_final = (norm() for _ in range(5))
        if unused:
            self.concat_linear = nn.Linear(2 * FEATURES, FEATURES)

    def forward(self, steps: Tensor, places: Tensor) -> Tensor:
        """Steps (B, T, 256) and places (1, T, 256) to (B, T, 256)."""
        steps = steps + 0.5 * self.feed_forward_macaron(self.norm_ff_macaron(steps))
        steps = steps + self.self_attn(self.norm_mha(steps), places)
        steps = steps + self.conv_module(self.norm_conv(steps))
        steps = steps + 0.5 * self.feed_forward(self.norm_ff(steps))
        return self.norm_final(steps)


class Encoder(nn.Module):
    """Log-mel rows to speech features, four rows to one, each hearing the whole of what is given.

    Args:
        blocks: how many; 12 in the published file.
        width: of their feed-forward layers; 2048 there.
        unused: whether blocks carry the linear layer that takes no part.
    """

    def __init__(self, blocks: int, width: int, *, unused: bool = True) -> None:
        super().__init__()
        self.embed = Subsampling()
        self.encoders = nn.ModuleList(Block(width, unused=unused) for _ in range(blocks))
        self.after_norm = nn.LayerNorm(FEATURES, eps=EPSILON)

    def forward(self, speech: Tensor) -> Tensor:
        """(B, T, 80) to (B, ((T - 1) // 2 - 1) // 2, 256)."""
        steps = self.embed(speech) * math.sqrt(FEATURES)
        places = self._places(steps)
        for block in self.encoders:
            steps = block(steps, places)
        return self.after_norm(steps)

    @staticmethod
    def _places(steps: Tensor) -> Tensor:
        """Sinusoids, sine and cosine by turns. (1, T, 256), as many as there are steps."""
        number = torch.ones_like(steps[0, :, 0], dtype=torch.float32).cumsum(0) - 1
        rate = torch.exp(torch.arange(0, FEATURES, 2, device=steps.device) * (-math.log(LONGEST_PERIOD) / FEATURES))
        angle = number.unsqueeze(-1) * rate
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).unsqueeze(0).to(steps.dtype)


def load(path: Path) -> Encoder:
    """The encoder of the published checkpoint of a whole recogniser; decoder and normalisation are left out.

    Raises:
        BackendError: the file cannot be read, or holds no such encoder.
    """
    stored = without_prefix(read_checkpoint(path, MODEL))
    state = {
        str(key)[len(PREFIX) :]: value
        for key, value in stored.items()
        if str(key).startswith(PREFIX) and not str(key).startswith(NOT_OURS)
    }
    return filled(partial(Encoder, **_sizes(state, path)), state, path, MODEL)


def _sizes(state: Mapping[str, Any], path: Path) -> dict[str, int]:
    """Arguments of `Encoder`, from the keys."""
    blocks = {found[1] for key in state if (found := re.match(r"encoders\.(\d+)\.", key))}
    first = state.get(FIRST_WIDTH)
    if not isinstance(first, Tensor) or first.ndim != 2:
        raise BackendError(
            f"{path} is not the {MODEL} checkpoint: it has no {PREFIX}{FIRST_WIDTH} of two dimensions; {advice(MODEL)}"
        )
    return {
        "blocks": len(blocks),
        "width": first.shape[0],
        "unused": any(".concat_linear." in key for key in state),
    }


def convert(checkpoint: Path, target: Path, *, half: bool = False) -> None:
    """Write the encoder of the published checkpoint as ONNX.

    The file takes `speech` (B, T, 80) float32, log-mel rows, and gives `encoder_out` (B, T', 256) float32.

    Args:
        checkpoint: the published file.
        target: the ONNX file; it appears when it is complete and agrees with torch.
        half: weights and computation in float16.

    Raises:
        BackendError: the checkpoint cannot be used, onnx is missing, or the two do not agree.
        OutputError: the file cannot be written.
    """
    random = torch.Generator().manual_seed(0)
    # Quiet to loud, as log-mel rows are.
    mel = 70 * torch.rand(2, 131, BANDS, generator=random) - 70
    graph = Graph(
        inputs=["speech"],
        outputs=["encoder_out"],
        axes={name: {0: "batch", 1: rows} for name, rows in (("speech", "rows"), ("encoder_out", "frames"))},
        example=(mel[:1, :67],),
        trial=(mel,),
    )
    write_onnx(load(checkpoint), graph, target, half=half)
