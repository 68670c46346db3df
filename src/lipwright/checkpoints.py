"""Published PyTorch checkpoints: read without running anything in them, and told apart by all their keys and shapes."""

import pickle
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lipwright.errors import BackendError, OutputError
from lipwright.media.partial import partial_name

OPSET = 17
SHOWN = 3  # of each kind of difference
M = TypeVar("M", bound=nn.Module)


def wrong_checkpoint(path: Path, name: str, what: str) -> BackendError:
    """The error of a file that is not the checkpoint it should be."""
    return BackendError(
        f"{path.name} is not {name}: it has {what}; run `lipwright models pull {name}`, or `lipwright models verify`"
    )


def open_checkpoint(path: Path, name: str) -> dict[str, Any]:
    """What a checkpoint holds: tensors, NumPy arrays, numbers and text, never objects that run code.

    Raises:
        BackendError: it cannot be read, or holds something else.
    """
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            raise wrong_checkpoint(path, name, "a Git LFS pointer in place of weights")
    try:
        with torch.serialization.safe_globals(_numpy_types()):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise wrong_checkpoint(path, name, f"content that PyTorch cannot read safely ({reason[:120]})") from error
    if not isinstance(stored, dict):
        raise wrong_checkpoint(path, name, f"a {type(stored).__name__} in place of a table of weights")
    return stored


def _numpy_types() -> list[Any]:
    """What NumPy's arrays and numbers are pickled by, under the names from before NumPy 2 and since."""
    core = np.core.multiarray
    made = [core._reconstruct, core.scalar]
    named = [
        (one, f"{home}.{one.__name__}") for one in made for home in ("numpy.core.multiarray", "numpy._core.multiarray")
    ]
    kinds = {type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"}
    return [*named, np.ndarray, np.dtype, *kinds]


def fill(build: Callable[[], M], weights: Mapping[str, Any], path: Path, name: str) -> M:
    """A module with these weights, all of them and no others.

    Args:
        build: makes the module.
        weights: entry name to tensor; a prefix that all names share is taken off.
        path, name: the file, and the model it should be, for messages.

    Raises:
        BackendError: names or shapes differ; the sentence says how many and names the first.
    """
    with torch.device("meta"):
        wanted = {key: tuple(value.shape) for key, value in build().state_dict().items()}
    weights = _without_prefix(weights, set(wanted))
    missing = [key for key in wanted if key not in weights]
    unexpected = [key for key in weights if key not in wanted]
    shapes = [
        f"{key} {tuple(weights[key].shape)} → {shape}"
        for key, shape in wanted.items()
        if key in weights and tuple(getattr(weights[key], "shape", ())) != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    told = [f"{len(found)} entries {kind} ({', '.join(found[:SHOWN])})" for kind, found in kinds.items() if found]
    if told:
        raise wrong_checkpoint(path, name, "; ".join(told))
    module = build()
    module.load_state_dict({key: torch.as_tensor(value) for key, value in weights.items()})
    return module.eval()


def _without_prefix(weights: Mapping[str, Any], wanted: set[str]) -> dict[str, Any]:
    heads = {key.partition(".")[0] for key in weights}
    if len(heads) == 1 and (head := f"{heads.pop()}.") and not any(key.startswith(head) for key in wanted):
        return {key.removeprefix(head): value for key, value in weights.items()}
    return dict(weights)


def export(
    model: nn.Module,
    example: tuple[Tensor, ...],
    target: Path,
    axes: dict[str, dict[int, str]],
) -> None:
    """Write a module as an ONNX file that appears whole or not at all.

    Args:
        model: in eval mode; its one output is the last of `axes`.
        example: inputs to trace it with, in the order of `axes`.
        target: the file.
        axes: name of each input and then of the output, with its free axes.

    Raises:
        BackendError: the onnx package is missing.
        OutputError: the file cannot be written.
    """
    if find_spec("onnx") is None:  # which PyTorch's exporter needs
        raise BackendError("writing ONNX files needs the onnx package; pip install 'lipwright[heygem]'")
    *inputs, output = axes
    part = partial_name(target)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # tracing fixes nothing here that should be free
            torch.onnx.export(
                model, example, str(part), input_names=inputs, output_names=[output], dynamic_axes=axes,
                opset_version=OPSET, dynamo=False,
            )  # fmt: skip
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror}; free space or use another --models"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()
