"""The generator of the HeyGem engine in PyTorch: reads the published checkpoint, writes the ONNX file the engine runs.

The blocks are those of DINet (Zhang et al., AAAI 2023), its adaptive affine transformation AdaAT among them; their
arrangement agrees with the totals of the published file: 97,747,203 parameters in 416 entries.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lipwright.checkpoints import export, fill, open_checkpoint, wrong_checkpoint

NAME = "dinet_v1"
SIZE = 256  # pixels a side
FEATURES, ROWS = 256, 20
AUDIO_GAIN = 1.5  # of the audio code in the condition (unverified)
DEFAULT_WH = 0.97  # width over height of a face's landmarks where none was measured (unverified)
PI = 3.14159  # as the generator was trained with


class Same(nn.Module):
    """Convolution, batch norm, ReLU; `up` doubles the size first, `stride` 2 halves it."""

    def __init__(
        self, width: int, out: int, kernel: int, *, stride: int = 1, up: bool = False, flat: bool = False
    ) -> None:
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if flat else (nn.Conv2d, nn.BatchNorm2d)
        self.conv = conv(width, out, kernel, stride, kernel // 2)
        self.norm = norm(out)
        self.up = up

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, …) to (B, out, …)."""
        x = functional.interpolate(x, scale_factor=2.0, mode="nearest") if self.up else x
        return torch.relu(self.norm(self.conv(x)))


class Residual(nn.Module):
    """Two convolutions behind norm and ReLU, added to what came in."""

    def __init__(self, width: int, kernel: int = 3, *, flat: bool = False) -> None:
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if flat else (nn.Conv2d, nn.BatchNorm2d)
        self.norm1, self.norm2 = norm(width), norm(width)
        self.conv1, self.conv2 = (conv(width, width, kernel, padding=kernel // 2) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, …) to the same."""
        return x + self.conv2(torch.relu(self.norm2(self.conv1(torch.relu(self.norm1(x))))))


class AdaAT(nn.Module):
    """Rotates, scales and shifts each channel of a feature map as a condition says.

    The original samples the map as one volume whose depth is its channels, with a grid made for aligned corners and a
    sampling that does not align them. Along the depth every channel then takes a fixed mixture of two neighbours, which
    is made first here; what is left is a plain sampling of each channel.
    """

    def __init__(self, condition: int, width: int, side: int) -> None:
        super().__init__()
        self.commn_linear = nn.Sequential(nn.Linear(condition, condition), nn.ReLU())
        self.scale = nn.Sequential(nn.Linear(condition, width))
        self.rotation = nn.Sequential(nn.Linear(condition, width))
        self.translation = nn.Sequential(nn.Linear(condition, 2 * width))
        line = torch.linspace(-1, 1, side)
        y, x = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("grid", torch.stack([x, y]).reshape(1, 1, 2, -1), persistent=False)
        at = torch.arange(width) * (width / (width - 1)) - 0.5
        low = at.floor()
        self.register_buffer("below", (1 - (at - low)).reshape(1, -1, 1, 1), persistent=False)
        self.register_buffer(
            "index", low.long() + 1, persistent=False
        )  # into the map with a channel of zeros around it

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """(B, width, side, side) and (B, condition) to (B, width, side, side)."""
        batch, width, side, _ = features.shape
        hidden = self.commn_linear(condition)
        scale = 2 * torch.sigmoid(self.scale(hidden)).unsqueeze(-1)
        angle = PI * torch.tanh(self.rotation(hidden)).unsqueeze(-1)
        shift = torch.tanh(self.translation(hidden)).reshape(batch, width, 2, 1)
        x, y = self.grid[:, :, 0], self.grid[:, :, 1]
        turned = torch.stack(
            [torch.cos(angle) * x - torch.sin(angle) * y, torch.sin(angle) * x + torch.cos(angle) * y], 2
        )
        places = (turned * scale.unsqueeze(-1) + shift).transpose(2, 3).reshape(batch * width, side, side, 2)
        mixed = self._mixed(features).reshape(batch * width, 1, side, side)
        return functional.grid_sample(mixed, places, align_corners=False).reshape(batch, width, side, side)

    def _mixed(self, features: Tensor) -> Tensor:
        padded = functional.pad(features, (0, 0, 0, 0, 1, 1))
        return padded[:, self.index] * self.below + padded[:, self.index + 1] * (1 - self.below)


class Generator(nn.Module):
    """The network of the checkpoint's `face_G`.

    Args:
        width: channels of the first layer, `model_ngf` of the checkpoint; all others scale with it.
    """

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        n = width
        self.source_in_conv, self.ref_in_conv = _pyramid(n), _pyramid(n)
        self.trans_conv = nn.Sequential(
            Same(16 * n, 4 * n, 3), Same(4 * n, 4 * n, 11), Same(4 * n, 4 * n, 11), Same(4 * n, 4 * n, 3, stride=2),
            Same(4 * n, 4 * n, 7), Same(4 * n, 4 * n, 7), Same(4 * n, 4 * n, 3, stride=2), Same(4 * n, 4 * n, 5),
            Same(4 * n, 4 * n, 5, stride=2), Same(4 * n, 4 * n, 3), Same(4 * n, 4 * n, 3, stride=2),
        )  # fmt: skip
        self.audio_encoder = nn.Sequential(
            Same(FEATURES, 4 * n, 5, flat=True), Residual(4 * n, flat=True), Same(4 * n, 4 * n, 3, stride=2, flat=True),
            Residual(4 * n, flat=True), Same(4 * n, 4 * n, 3, stride=2, flat=True), Same(4 * n, 4 * n, 3, flat=True),
        )  # fmt: skip
        self.appearance_conv_list = nn.ModuleList([
            nn.Sequential(Same(8 * n, 8 * n, 5), *(Residual(8 * n) for _ in range(4))),
            nn.Sequential(*(Residual(8 * n) for _ in range(4))),
        ])  # fmt: skip
        self.adaAT = AdaAT(8 * n, 8 * n, SIZE // 8)
        self.out_conv = nn.ModuleList([
            nn.Sequential(Same(16 * n, 8 * n, 3), Same(8 * n, 8 * n, 3, up=True), Residual(8 * n)),
            nn.Sequential(Same(12 * n, 4 * n, 3, up=True), Residual(4 * n)),
            nn.Sequential(
                Same(6 * n, 2 * n, 3, up=True), Residual(2 * n), nn.Conv2d(2 * n, 3, 7, padding=3), nn.Sigmoid()
            ),
        ])  # fmt: skip

    def forward(self, source: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Draw the lower face.

        Args:
            source: (B, 3, 256, 256) RGB 0..1, the crop with the mouth masked out.
            reference: (B, 3, 256, 256) RGB 0..1, the crop that shows the person.
            audio: (B, 256, 20) speech features around the frame.

        Returns:
            (B, 3, 256, 256) RGB 0..1, the whole crop.
        """
        large, middle, small = _levels(self.source_in_conv, source)
        shown = _levels(self.ref_in_conv, reference)[-1]
        image = self.trans_conv(torch.cat([small, shown], 1)).mean((2, 3))
        condition = torch.cat([image, AUDIO_GAIN * self.audio_encoder(audio).mean(2)], 1)
        moved = self.adaAT(self.appearance_conv_list[0](shown), condition)
        out = self.out_conv[0](torch.cat([small, self.appearance_conv_list[1](moved)], 1))
        out = self.out_conv[1](torch.cat([out, middle], 1))
        return self.out_conv[2](torch.cat([out, large], 1))


def _pyramid(n: int) -> nn.ModuleList:
    return nn.ModuleList([
        nn.Sequential(Same(3, n, 7), Same(n, 2 * n, 3, stride=2)),
        nn.Sequential(Same(2 * n, 2 * n, 3), Same(2 * n, 4 * n, 3, stride=2)),
        nn.Sequential(Same(4 * n, 4 * n, 3), Same(4 * n, 8 * n, 3, stride=2)),
    ])  # fmt: skip


def _levels(convolutions: nn.ModuleList, picture: Tensor) -> list[Tensor]:
    levels = []
    for convolution in convolutions:
        picture = convolution(picture)
        levels.append(picture)
    return levels


class MaskedGenerator(nn.Module):
    """What the engine runs: the checkpoint's masks are applied inside. float32 in and out, whatever it computes in."""

    def __init__(self, generator: Generator, hidden: np.ndarray, shown: np.ndarray) -> None:
        super().__init__()
        self.generator = generator
        self.register_buffer("hidden", torch.from_numpy(hidden.astype(np.float32)))
        self.register_buffer("shown", torch.from_numpy(shown.astype(np.float32)))

    def forward(self, inner: Tensor, audio: Tensor) -> Tensor:
        """(B, 3, 256, 256) RGB 0..1 and (B, 256, 20) to (B, 3, 256, 256) RGB 0..1."""
        kind = self.hidden.dtype
        inner, audio = inner.to(kind), audio.to(kind)
        return self.generator(inner * self.hidden, inner * self.shown, audio).float()


def load(path: Path) -> tuple[MaskedGenerator, float]:
    """The checkpoint's generator with its masks, and its `wh`.

    Raises:
        BackendError: it is damaged, of another model, or a mask is missing or none.
    """
    stored = open_checkpoint(path, NAME)
    weights = stored.get("face_G")
    if not isinstance(weights, dict):
        raise wrong_checkpoint(path, NAME, f"no entry face_G, but {', '.join(map(str, list(stored)[:3])) or 'nothing'}")
    size = [int(side) for side in np.atleast_1d(stored.get("model_input_size", [SIZE, SIZE]))]
    if size != [SIZE] * len(size):
        raise wrong_checkpoint(path, NAME, f"a generator for pictures of {size}, wanted {SIZE}")
    width = int(stored.get("model_ngf", 64))
    generator = fill(lambda: Generator(width), weights, path, NAME)
    masks = [_mask(stored, name, path) for name in ("input_mask", "input_mask_re")]
    wh = float(stored.get("wh", DEFAULT_WH))
    if not 0.3 < wh < 3:
        raise wrong_checkpoint(path, NAME, f"wh {wh:g}, wanted a face's width over its height, 0.3 to 3")
    return MaskedGenerator(generator, *masks).eval(), wh


def _mask(stored: dict, name: str, path: Path) -> np.ndarray:
    if name not in stored:
        raise wrong_checkpoint(path, NAME, f"no entry {name}")
    mask = np.asarray(stored[name], np.float32).squeeze()
    if mask.shape != (SIZE, SIZE) or not (mask.min() >= 0 and mask.max() <= 1):
        raise wrong_checkpoint(
            path,
            NAME,
            f"{name} of shape {mask.shape} from {mask.min():g} to {mask.max():g}, wanted ({SIZE}, {SIZE}), 0..1",
        )
    return mask


def convert(checkpoint: Path, target: Path, *, half: bool = False) -> None:
    """Write the ONNX file of a checkpoint: `inner`, `audio` to `drawn`, any batch.

    Raises:
        BackendError: as `load`, or an extra is missing.
        OutputError: the file cannot be written.
    """
    model, _ = load(checkpoint)
    example = (torch.full((2, 3, SIZE, SIZE), 0.5), torch.zeros(2, FEATURES, ROWS))
    axes = {"inner": {0: "batch"}, "audio": {0: "batch"}, "drawn": {0: "batch"}}
    export(model.half() if half else model, example, target, axes)
