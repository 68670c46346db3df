"""The motion network: a small temporal convolution net without padding.

Input rows come at 100 Hz; the trunk steps at 25 Hz and gives two outputs a step, so outputs come at
50 Hz: step j answers for rows 4 j and 4 j + 2 and sees rows 4 j - PAST to 4 j + FUTURE. Callers pad;
so a stream, a chunk and a whole sound give the same numbers.
"""

import torch
from torch import Tensor, nn

INPUTS = 81  # 80 mel bands, energy
STRIDE = 4  # rows per step
PHASES = 2  # outputs per step
STEM, SECOND = 5, 3  # taps of the two strided convolutions
SYMMETRIC = (1, 1, 2)  # dilations of blocks that look both ways
BACKWARD = (2, 4)  # dilations of blocks that look back only
FUTURE = STEM // 2 + 2 * (SECOND // 2) + STRIDE * sum(SYMMETRIC)
PAST = FUTURE + STRIDE * 2 * sum(BACKWARD)


def rows_for(steps: int) -> int:
    """Input rows that so many trunk steps take."""
    return STRIDE * (steps - 1) + PAST + FUTURE + 1


class ChannelNorm(nn.Module):
    """Each step's channels to unit mean square: no statistics over time, so it streams."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to the same shape."""
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5) * self.scale


class Block(nn.Module):
    """Dilated convolution of three taps on a residual path."""

    def __init__(self, channels: int, dilation: int, *, backward: bool, dropout: float) -> None:
        super().__init__()
        self.cut = (2 * dilation, 0) if backward else (dilation, dilation)
        self.body = nn.Sequential(
            ChannelNorm(channels),
            nn.Conv1d(channels, channels, 3, dilation=dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T) to (B, C, T - 2 * dilation)."""
        first, last = self.cut
        return x[:, :, first : x.shape[2] - last] + self.body(x)


class MotionNet(nn.Module):
    """Speech rows to standardised mouth coefficients."""

    def __init__(self, outputs: int, channels: int = 128, dropout: float = 0.2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv1d(INPUTS, 96, STEM, stride=2),
            nn.ReLU(),
            nn.Conv1d(96, channels, SECOND, stride=2),
            nn.ReLU(),
        )
        blocks = [Block(channels, d, backward=False, dropout=dropout) for d in SYMMETRIC]
        blocks += [Block(channels, d, backward=True, dropout=dropout) for d in BACKWARD]
        self.blocks = nn.Sequential(*blocks)
        self.norm = ChannelNorm(channels)
        self.head = nn.Conv1d(channels, PHASES * outputs, 1)

    def trunk(self, speech: Tensor) -> Tensor:
        """(B, rows_for(n), 81) at 100 Hz to (B, channels, n) at 25 Hz."""
        return self.norm(self.blocks(self.stem(speech.transpose(1, 2))))

    def forward(self, speech: Tensor) -> Tensor:
        """(B, rows_for(n), 81) at 100 Hz to (B, 2 n, outputs) at 50 Hz."""
        return in_phases(self.head(self.trunk(speech)))


def in_phases(steps: Tensor) -> Tensor:
    """(B, 2 K, n) at 25 Hz to (B, 2 n, K) at 50 Hz."""
    batch, double, count = steps.shape
    return steps.transpose(1, 2).reshape(batch, PHASES * count, double // PHASES)
