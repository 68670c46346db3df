"""A run's folder to the shipped model: calibrated, one ONNX file, the mouth shape, and their manifest rows.

The folder holds `shape.npz`, `network.pt` and, from `calibrate`, `gain.npz`.
"""

import hashlib
import json
import pickle
import re
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from lipwright.errors import InputError
from lipwright.training.files import write_arrays, write_whole
from lipwright.training.network import INPUTS, MotionNet, rows_for

OPSET = 17


class Calibrated(nn.Module):
    """The network with its outputs brought to the motion's natural size, in face-space units."""

    def __init__(self, net: MotionNet, spread: np.ndarray, mean: np.ndarray, gain: np.ndarray) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("factor", torch.from_numpy((gain * spread).astype(np.float32)))
        self.register_buffer("rest", torch.from_numpy(((1 - gain) * mean * spread).astype("f4")))

    def forward(self, speech: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, 81) to coefficients (B, 2 n, K) and closure (B, 2 n), 0..1."""
        mouth = self.net(speech)
        return mouth[..., :-1] * self.factor + self.rest, mouth[..., -1].sigmoid()


def load_network(folder: Path) -> tuple[MotionNet, dict[str, np.ndarray]]:
    """A trained network and its mouth shape.

    Raises:
        InputError: the folder holds none.
    """
    try:
        with np.load(folder / "shape.npz") as stored:
            shape = {name: stored[name] for name in stored.files}
        state = torch.load(folder / "network.pt", weights_only=True)
    except (OSError, EOFError, ValueError, RuntimeError, pickle.UnpicklingError) as exc:
        raise InputError(f"{folder} holds no trained network: {exc}; `lipwright train motion` writes one") from exc
    channels = state["head.weight"].shape[1]
    net = MotionNet(len(shape["spread"]) + 1, channels)
    net.load_state_dict(state)
    return net.eval(), shape


def calibrated(folder: Path) -> tuple[Calibrated, dict[str, np.ndarray]]:
    """The network of a folder with its gain, 1 where none was measured."""
    net, shape = load_network(folder)
    count = len(shape["spread"])
    mean, gain = np.zeros(count, np.float32), np.ones(count, np.float32)
    if (folder / "gain.npz").exists():
        with np.load(folder / "gain.npz") as stored:
            mean, gain = stored["mean"], stored["gain"]
    return Calibrated(net, shape["spread"], mean, gain).eval(), shape


def to_onnx(model: nn.Module) -> bytes:
    """The model as an ONNX file with free batch and time axes."""
    example = torch.zeros(1, rows_for(4), INPUTS)
    axes = {"speech": {0: "batch", 1: "rows"}, "coefficients": {0: "batch", 1: "steps"}}
    axes["closure"] = axes["coefficients"]
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        # The newer exporter needs a further package and gives the same few operators.
        warnings.simplefilter("ignore", DeprecationWarning)
        path = Path(folder, "model.onnx")
        torch.onnx.export(
            model,
            (example,),
            path,
            input_names=["speech"],
            output_names=["coefficients", "closure"],
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )
        onnx.checker.check_model(str(path))
        return path.read_bytes()


def card(name: str, path: Path, origin: str, inputs: list[str], outputs: list[str]) -> str:
    """A manifest row for a file."""
    stored = path.read_bytes()
    lines = [
        "[[model]]",
        f'name = "{name}"',
        f'file = "{path.name}"',
        f'sha256 = ["{hashlib.sha256(stored).hexdigest()}"]',
        f"bytes = {len(stored)}",
        'licence = "Apache-2.0"',
        'commercial = "Commercial use is allowed."',
        f"origin = {json.dumps(origin)}",
        f"inputs = {json.dumps(inputs)}",
        f"outputs = {json.dumps(outputs)}",
    ]
    return "\n".join(lines) + "\n"


def replace_cards(manifest: Path, cards: dict[str, str]) -> None:
    """Put rows into the manifest in the place of those of the same names; others stay."""
    stored = manifest.read_text("utf-8") if manifest.exists() else ""
    head, *rows = re.split(r"^(?=\[\[model\]\])", stored, flags=re.MULTILINE)
    named = {re.findall(r'^name = "(.*)"', row, re.MULTILINE)[0]: row for row in rows}
    merged = {name: row.strip() + "\n" for name, row in (named | cards).items()}
    write_whole(manifest, (head + "\n".join(merged.values())).encode())


def export(folder: Path, models: Path, recipe: str) -> tuple[Path, Path]:
    """Write `mouth_motion.onnx`, `mouth_shape.npz` and their rows of `manifest.toml`. Returns the two files.

    Args:
        folder: of the run.
        models: where to.
        recipe: name of the run's recipe, for the rows.

    Raises:
        InputError: the run's folder holds no network.
        OutputError: a file cannot be written.
    """
    model, shape = calibrated(folder)
    network, arrays = models / "mouth_motion.onnx", models / "mouth_shape.npz"
    write_whole(network, to_onnx(model))
    write_arrays(arrays, {name: shape[name] for name in ("basis", "opening_direction", "opening_spread")})
    origin = f"lipwright.training, recipe {recipe}; data and measures in mouth_motion.md"
    count = len(shape["basis"])
    heard = ["speech (batch, rows, 81) float32: 80 mel bands and energy, 100 rows a second"]
    said = [
        f"coefficients (batch, steps, {count}) float32: weights of the basis, 50 a second",
        "closure (batch, steps) float32: how surely the lips are closed, 0 to 1",
    ]
    held = [
        f"basis ({count}, 68, 3) float32: displacements of the drive points, face space",
        "opening_direction (68, 3) float32: displacement per unit of opening",
        "opening_spread () float32: median over speakers of the opening's deviation",
    ]
    rows = {
        "mouth_motion": card("mouth_motion", network, origin, heard, said),
        "mouth_shape": card("mouth_shape", arrays, origin, [], held),
    }
    replace_cards(models / "manifest.toml", rows)
    return network, arrays
