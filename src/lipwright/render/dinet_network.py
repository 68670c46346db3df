"""The DINet generator, version 1, in torch: loaded from its published checkpoint, converted to ONNX.

After Zhang et al., DINet: Deformation Inpainting Network for Realistic Face Visually Dubbing on High Resolution
Video (AAAI 2023), wider and with skips as the published version 1 has it. Names of modules are the keys of the file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lipwright.checkpoints.conversion import Graph, write_onnx
from lipwright.checkpoints.reading import advice, filled, read_checkpoint, without_prefix
from lipwright.errors import BackendError

MODEL = "dinet_v1"
SIZE = 256
SPEECH, WINDOW = 256, 20  # features of a step, steps of a window
WIDEST = 256  # model_ngf beyond this is no network
AUDIO_GAIN = 1.5  # unverified: on what the audio encoder gives
PI = 3.14159  # what the network was trained with
USUAL_WH = 0.97  # where the file tells none; unverified
NARROWEST_WH, WIDEST_WH = 0.3, 3.0  # a face's width over its height; unverified, the published value is near 1


class Block(nn.Module):
    """Convolution, batch norm, ReLU; at every second place with `stride` 2, at twice the size with `up`."""

    def __init__(
        self, taken: int, given: int, kernel: int, *, stride: int = 1, up: bool = False, flat: bool = True
    ) -> None:
        super().__init__()
        convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if flat else (nn.Conv1d, nn.BatchNorm1d)
        self.up = up
        self.conv = convolution(taken, given, kernel, stride, kernel // 2)
        self.norm = norm(given)

    def forward(self, features: Tensor) -> Tensor:
        """(B, taken, ...) to (B, given, ...)."""
        if self.up:
            features = functional.interpolate(features, scale_factor=2.0, mode="nearest")
        return self.norm(self.conv(features)).relu()


class Residual(nn.Module):
    """Norm, ReLU and convolution, twice, added to what came in."""

    def __init__(self, channels: int, *, flat: bool = True) -> None:
        super().__init__()
        convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if flat else (nn.Conv1d, nn.BatchNorm1d)
        self.norm1, self.norm2 = norm(channels), norm(channels)
        self.conv1, self.conv2 = (convolution(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        inner = self.conv1(self.norm1(features).relu())
        return features + self.conv2(self.norm2(inner).relu())


class AdaAT(nn.Module):
    """Each channel of a feature map rotated, scaled and shifted as a condition says.

    The original samples the map as a volume whose depth is the channel. A channel's depth is the same for every
    pixel: its place in -1..1 from the first to the last, which the sampler, whose corners are not aligned, reads as
    index c C / (C - 1) - 1/2. So two neighbouring channels are mixed first, and then each is sampled flat.
    """

    def __init__(self, condition: int, channels: int) -> None:
        super().__init__()
        self.commn_linear = nn.Sequential(nn.Linear(condition, condition))
        self.scale = nn.Sequential(nn.Linear(condition, channels))
        self.rotation = nn.Sequential(nn.Linear(condition, channels))
        self.translation = nn.Sequential(nn.Linear(condition, 2 * channels))

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """Features (B, C, H, W), condition (B, N) to (B, C, H, W)."""
        channels, height, width = features.shape[1:]
        hidden = self.commn_linear(condition).relu()
        scale = 2 * self.scale(hidden).sigmoid().float()
        angle = PI * self.rotation(hidden).tanh().float()
        shift = self.translation(hidden).tanh().float().reshape(-1, channels, 2)
        cos, sin = scale * angle.cos(), scale * angle.sin()
        rows = [torch.stack([cos, -sin, shift[..., 0]], -1), torch.stack([sin, cos, shift[..., 1]], -1)]
        # Places are float32 whatever the weights are: float16 knows only some eleven bits of them.
        grid = torch.stack(rows, 2).reshape(-1, 1, 2, 3) @ self._places(height, width, features.device)
        grid = grid.reshape(-1, 2, height, width).permute(0, 2, 3, 1)
        mixed = self._mixed(features.float()).reshape(-1, 1, height, width)
        moved = functional.grid_sample(mixed, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return moved.reshape(-1, channels, height, width).to(features.dtype)

    @staticmethod
    def _places(height: int, width: int, device: torch.device) -> Tensor:
        """x, y and 1 of every pixel, -1..1 from the first to the last centre. (3, H W) float32."""
        y = torch.linspace(-1, 1, height, device=device).repeat_interleave(width)
        x = torch.linspace(-1, 1, width, device=device).repeat(height)
        return torch.stack([x, y, torch.ones_like(x)])

    @staticmethod
    def _mixed(features: Tensor) -> Tensor:
        channels = features.shape[1]
        number = torch.arange(channels, device=features.device, dtype=torch.float32)
        index = number * (channels / (channels - 1)) - 0.5
        lower = index.floor()
        share = (index - lower).reshape(1, -1, 1, 1)
        beyond = torch.zeros_like(features[:, :1])
        padded = torch.cat([beyond, features, beyond], 1)
        first = lower.long() + 1
        return (1 - share) * padded[:, first] + share * padded[:, first + 1]


def _pyramid(n: int) -> nn.ModuleList:
    widths = [(3, n, 7, 2 * n), (2 * n, 2 * n, 3, 4 * n), (4 * n, 4 * n, 3, 8 * n)]
    return nn.ModuleList(
        nn.Sequential(Block(taken, same, kernel), Block(same, given, 3, stride=2))
        for taken, same, kernel, given in widths
    )


class Generator(nn.Module):
    """Source picture, reference picture and speech to the drawn picture.

    Args:
        n: channels of the first layer; 64 in the published file.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        self.source_in_conv, self.ref_in_conv = _pyramid(n), _pyramid(n)
        steps = [(11, 1), (11, 1), (3, 2), (7, 1), (7, 1), (3, 2), (5, 1), (5, 2), (3, 1), (3, 2)]
        self.trans_conv = nn.Sequential(
            Block(16 * n, 4 * n, 3), *(Block(4 * n, 4 * n, kernel, stride=stride) for kernel, stride in steps)
        )
        same, rest = partial(Block, given=4 * n, flat=False), partial(Residual, 4 * n, flat=False)
        self.audio_encoder = nn.Sequential(
            same(SPEECH, kernel=5), rest(), same(4 * n, kernel=3, stride=2),
            rest(), same(4 * n, kernel=3, stride=2), same(4 * n, kernel=3),
        )  # fmt: skip
        self.appearance_conv_list = nn.ModuleList(
            [
                nn.Sequential(Block(8 * n, 8 * n, 5), *(Residual(8 * n) for _ in range(4))),
                nn.Sequential(*(Residual(8 * n) for _ in range(4))),
            ]
        )
        self.adaAT = AdaAT(8 * n, 8 * n)
        self.out_conv = nn.ModuleList(
            [
                nn.Sequential(Block(16 * n, 8 * n, 3), Block(8 * n, 8 * n, 3, up=True), Residual(8 * n)),
                nn.Sequential(Block(12 * n, 4 * n, 3, up=True), Residual(4 * n)),
                nn.Sequential(Block(6 * n, 2 * n, 3, up=True), Residual(2 * n), nn.Conv2d(2 * n, 3, 7, padding=3)),
            ]
        )

    def forward(self, source: Tensor, reference: Tensor, audio: Tensor) -> Tensor:
        """Source and reference (B, 3, H, W) 0..1 RGB, audio (B, 256, T) to (B, 3, H, W) 0..1 RGB."""
        skips = [source]
        for level, step in enumerate(self.source_in_conv):
            skips.append(step(skips[level]))
        for step in self.ref_in_conv:
            reference = step(reference)
        picture_code = self.trans_conv(torch.cat([skips[3], reference], 1)).mean((2, 3))
        audio_code = AUDIO_GAIN * self.audio_encoder(audio).mean(2)
        moved = self.adaAT(self.appearance_conv_list[0](reference), torch.cat([picture_code, audio_code], 1))
        drawn = torch.cat([skips[3], self.appearance_conv_list[1](moved)], 1)
        drawn = self.out_conv[0](drawn)
        drawn = self.out_conv[1](torch.cat([drawn, skips[2]], 1))
        return self.out_conv[2](torch.cat([drawn, skips[1]], 1)).sigmoid()


class MaskedGenerator(nn.Module):
    """The generator with its masks: one crop serves as source, its mouth taken out, and as reference.

    Args:
        generator: the network.
        source_mask, reference_mask: (256, 256) float32, 0..1.
    """

    def __init__(self, generator: nn.Module, source_mask: np.ndarray, reference_mask: np.ndarray) -> None:
        super().__init__()
        self.generator = generator
        self.source_mask = nn.Buffer(torch.from_numpy(source_mask))
        self.reference_mask = nn.Buffer(torch.from_numpy(reference_mask))

    def forward(self, inner: Tensor, audio: Tensor) -> Tensor:
        """Crop (B, 3, 256, 256) 0..1 RGB and speech (B, 256, 20) to the drawn crop (B, 3, 256, 256) 0..1 RGB."""
        return self.generator(inner * self.source_mask, inner * self.reference_mask, audio)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the published file holds.

    network: the generator with its masks, float32.
    wh: width over height of a face's landmarks, for footage in which none was measured; this engine always measures.
    """

    network: MaskedGenerator
    wh: float


def load(path: Path) -> Checkpoint:
    """The published checkpoint, all of it checked that is used.

    Raises:
        BackendError: the file cannot be read, is another model's, or a mask or number in it is missing or off.
    """
    stored = read_checkpoint(path, MODEL)
    check = partial(_require, path)
    check(stored.get("model_name") == MODEL, f"model_name {_short(stored.get('model_name'))}, wanted {MODEL!r}")
    size = _array(stored.get("model_input_size"))
    check(size.tolist() == [SIZE, SIZE], f"model_input_size {size.tolist()}, wanted [{SIZE}, {SIZE}]")
    width, wh = (_array(stored.get(name, usual)) for name, usual in (("model_ngf", None), ("wh", USUAL_WH)))
    fits = width.size == 1 and width % 1 == 0 and 1 <= width <= WIDEST
    check(fits, f"model_ngf {_short(stored.get('model_ngf'))}, wanted 1 to {WIDEST}")
    fits = wh.size == 1 and NARROWEST_WH <= wh.min() <= WIDEST_WH
    check(fits, f"wh {_short(stored.get('wh'))}, wanted a number from {NARROWEST_WH} to {WIDEST_WH}")
    state = stored.get("face_G")
    check(isinstance(state, Mapping), f"face_G {_short(state)}, wanted weights by key")
    masks = [_mask(stored, name, check) for name in ("input_mask", "input_mask_re")]
    weights = without_prefix(cast("Mapping[str, Any]", state))
    generator = filled(partial(Generator, int(width.min())), weights, path, MODEL)
    return Checkpoint(MaskedGenerator(generator, *masks).eval(), float(wh.min()))


def _mask(stored: Mapping[str, Any], name: str, check: Callable[[Any, str], None]) -> np.ndarray:
    """A mask of the file as (256, 256) float32; integers or floats, with or without axes of one."""
    mask = _array(stored.get(name)).astype(np.float32).squeeze()
    check(mask.shape == (SIZE, SIZE), f"{name} of shape {mask.shape}, wanted ({SIZE}, {SIZE})")
    inside = mask.min() >= 0 and mask.max() <= 1
    check(inside, f"{name} from {mask.min():g} to {mask.max():g}, wanted 0 to 1")
    return mask


def _require(path: Path, holds: Any, got: str) -> None:  # noqa: ANN401 - anything true or false
    if not holds:
        raise BackendError(f"{path} is not the {MODEL} checkpoint: got {got}; {advice(MODEL)}")


def _short(value: Any) -> str:  # noqa: ANN401 - whatever the file holds
    return repr(value) if value is None or isinstance(value, int | float | str) else f"a {type(value).__name__}"


def _array(value: Any) -> np.ndarray:  # noqa: ANN401 - whatever the file holds
    """The value as float64, an array of no size where it is no finite numbers."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, RuntimeError):
        return np.zeros((0, 0))
    return array if np.isfinite(array).all() else np.zeros((0, 0))


def convert(checkpoint: Path, target: Path, *, half: bool = False) -> None:
    """Write the published checkpoint as ONNX.

    The file takes `inner` (B, 3, 256, 256) float32, 0..1 RGB, the crop as it is, and `audio` (B, 256, 20) float32;
    it gives `drawn` (B, 3, 256, 256) float32, 0..1 RGB.

    Args:
        checkpoint: the published file.
        target: the ONNX file; it appears when it is complete and agrees with torch.
        half: weights and computation in float16.

    Raises:
        BackendError: the checkpoint cannot be used, onnx is missing, or the two do not agree.
        OutputError: the file cannot be written.
    """
    held = load(checkpoint)
    random = torch.Generator().manual_seed(0)
    inner = torch.rand(2, 3, SIZE, SIZE, generator=random)
    audio = torch.rand(2, SPEECH, WINDOW, generator=random) - 0.5
    graph = Graph(
        inputs=["inner", "audio"],
        outputs=["drawn"],
        axes={name: {0: "batch"} for name in ("inner", "audio", "drawn")},
        example=(inner[:1], audio[:1]),
        trial=(inner, audio),
    )
    write_onnx(held.network, graph, target, half=half)
