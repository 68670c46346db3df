"""Networks in torch to ONNX files, each compared with the network it was made from before it gets its name."""

import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipwright.checkpoints.reading import load_torch
from lipwright.errors import BackendError, OutputError
from lipwright.media.partial import partial_name
from lipwright.runtime.network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

OPSET = 17
# Largest difference between ONNX Runtime and torch in float32, over the largest value that torch gives.
SINGLE_TOLERANCE, HALF_TOLERANCE = 1e-3, 5e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """What an ONNX file is to look like.

    Args:
        inputs, outputs: their names.
        axes: name to free axes and what they are called.
        example: inputs to trace with.
        trial: inputs to compare with, of other sizes along the free axes.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    axes: Mapping[str, Mapping[int, str]]
    example: tuple["Tensor", ...]
    trial: tuple["Tensor", ...]


def write_onnx(network: "nn.Module", graph: Graph, target: Path, *, half: bool) -> None:
    """Write a network as an ONNX file that takes and gives float32.

    Args:
        network: in float32, ready to infer; with `half` its weights are made float16 in place.
        graph: names, free axes and examples.
        target: the file; it appears when it is complete and gives what the network gives.
        half: weights and computation in float16.

    Raises:
        BackendError: onnx is missing, PyTorch cannot export, or the file does not give what the network gives.
        OutputError: the file cannot be written.
    """
    torch = load_torch()
    with torch.no_grad():
        wanted = network(*graph.trial).numpy()
    part = partial_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _export(_halved(network) if half else network, graph, part)
        _verify(part, graph, wanted, HALF_TOLERANCE if half else SINGLE_TOLERANCE)
        part.replace(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror}); make room, or name another "
                          f"folder with LIPWRIGHT_MODELS") from error  # fmt: skip
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _export(network: "nn.Module", graph: Graph, part: Path) -> None:
    torch = load_torch()
    try:
        import onnx  # noqa: F401 - PyTorch's exporter needs it, and would say so less clearly
    except ImportError as error:
        raise BackendError(
            "the package onnx is not installed, and this checkpoint is converted with it once; "
            "pip install 'lipwright[heygem]'"
        ) from error
    with torch.no_grad(), warnings.catch_warnings():
        # The newer exporter needs a further package and gives the same operators; sizes read while tracing are fixed.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        try:
            torch.onnx.export(
                network,
                graph.example,
                str(part),
                input_names=list(graph.inputs),
                output_names=list(graph.outputs),
                dynamic_axes={name: dict(axes) for name, axes in graph.axes.items()},
                opset_version=OPSET,
                dynamo=False,
            )
        except OSError:
            raise
        except Exception as error:  # whatever another version of torch or onnx stumbles over
            raise BackendError(
                f"PyTorch {torch.__version__} cannot write this network as ONNX "
                f"({str(error).strip().partition(chr(10))[0] or type(error).__name__}); "
                "pip install --upgrade 'lipwright[heygem]', or convert it on another computer"
            ) from error


def _verify(part: Path, graph: Graph, wanted: np.ndarray, tolerance: float) -> None:
    got = Network(part).run(*(tensor.numpy() for tensor in graph.trial))[0]
    if got.shape != wanted.shape:
        raise BackendError(f"the converted network gives {got.shape}, torch gives {wanted.shape}; report this")
    off = float(np.abs(got - wanted).max() / max(np.abs(wanted).max(), 1e-6))
    if not off <= tolerance:
        raise BackendError(
            f"the converted network differs from the one in torch by {off:.2g} of its largest value, wanted at most "
            f"{tolerance:.2g}; convert it in float32, or check the weights with `lipwright models verify`"
        )


def _halved(network: "nn.Module") -> "nn.Module":
    """The network in float16 that takes and gives float32."""
    torch = load_torch()

    class Halved(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network.half()

        def forward(self, *inputs: "Tensor") -> "Tensor":
            return self.network(*(tensor.half() for tensor in inputs)).float()

    return Halved().eval()
