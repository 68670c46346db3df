"""Checkpoints read as data only, and their weights compared with what a network of ours expects."""

import _codecs
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from lipwright.errors import BackendError

if TYPE_CHECKING:
    from torch import nn

Net = TypeVar("Net", bound="nn.Module")
SHOWN = 3  # keys of each kind that an error names
LFS_POINTER = b"version https://git-lfs"


def load_torch() -> ModuleType:
    """The torch module.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise BackendError(
            "PyTorch is not installed, and this checkpoint is converted with it once; pip install 'lipwright[heygem]'"
        ) from error
    return torch


def advice(model: str) -> str:
    """What to do about a file that cannot be used."""
    return f"pull it again with `lipwright models pull {model}`, or run `lipwright models verify`"


def read_checkpoint(path: Path, model: str) -> dict[str, Any]:
    """The dict a checkpoint holds: tensors, numpy arrays and plain values; no other object is ever made.

    Args:
        path: of the file.
        model: its name in the manifest, for errors.

    Raises:
        BackendError: torch is missing; the file is absent, cut off, a Git LFS pointer, or no such checkpoint.
    """
    torch = load_torch()
    try:
        with path.open("rb") as file:
            head = file.read(len(LFS_POINTER))
    except OSError as error:
        raise BackendError(f"{path} cannot be read ({error.strerror}); {advice(model)}") from error
    if head == LFS_POINTER:
        raise BackendError(f"{path} is a Git LFS pointer, not the {model} checkpoint itself; {advice(model)}")
    try:
        with torch.serialization.safe_globals(list(_numpy_globals())):
            stored = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BackendError(
            f"{path} is not the {model} checkpoint: it is no PyTorch file, or holds objects other than tensors, "
            f"arrays and numbers, which are not loaded; {advice(model)}"
        ) from error
    except Exception as error:  # what a damaged file raises depends on where it is damaged
        raise BackendError(f"{path} is damaged or cut off, or no {model} checkpoint; {advice(model)}") from error
    if not isinstance(stored, dict):
        raise BackendError(f"{path} is not the {model} checkpoint: got a {type(stored).__name__}, wanted a dict; "
                           f"{advice(model)}")  # fmt: skip
    return stored


def _numpy_globals() -> Iterator[Any]:
    """What numpy arrays are pickled with, under the module names from before and after numpy 2."""
    from numpy.core import multiarray

    yield from (np.ndarray, np.dtype, _codecs.encode)
    yield from (type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd")
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        yield multiarray._reconstruct, f"{module}._reconstruct"  # type: ignore[attr-defined]
        yield multiarray.scalar, f"{module}.scalar"  # type: ignore[attr-defined]


def without_prefix(state: Mapping[str, Any], prefix: str = "module.") -> dict[str, Any]:
    """The state without a prefix that every key carries, such as `module.` of data-parallel training."""
    if state and all(isinstance(key, str) and key.startswith(prefix) for key in state):
        return {key[len(prefix) :]: value for key, value in state.items()}
    return dict(state)


def filled(build: Callable[[], Net], state: Mapping[str, Any], path: Path, model: str) -> Net:
    """A network with the weights of a checkpoint, as float32 and ready to infer.

    Args:
        build: makes the network; called on the meta device, so that nothing is computed or kept twice.
        state: weights by key.
        path: where they come from.
        model: name in the manifest.

    Raises:
        BackendError: a key is missing, unexpected or of another shape; the message counts and names them.
    """
    torch = load_torch()
    with torch.device("meta"):
        network = build()
    compare(state, network.state_dict(), path, model)
    network.load_state_dict(state, assign=True)
    return network.float().requires_grad_(requires_grad=False).eval()


def compare(state: Mapping[str, Any], wanted: Mapping[str, Any], path: Path, model: str) -> None:
    """Compare keys and shapes of a state with those wanted.

    Raises:
        BackendError: they differ.
    """
    missing = [key for key in wanted if key not in state]
    unexpected = [str(key) for key in state if key not in wanted]
    differing = [
        f"{key} {got} → {tuple(wanted[key].shape)}"
        for key in wanted
        if key in state and (got := _shape(state[key])) != tuple(wanted[key].shape)
    ]
    found = [
        f"{len(keys)} {kind} ({', '.join(keys[:SHOWN])}{', …' if len(keys) > SHOWN else ''})"
        for keys, kind in ((missing, "missing"), (unexpected, "unexpected"), (differing, "of another shape"))
        if keys
    ]
    if found:
        raise BackendError(
            f"{path} does not fit the network of {model}: of {len(wanted)} keys {'; '.join(found)}; {advice(model)}"
        )


def _shape(value: Any) -> tuple[int, ...] | str:  # noqa: ANN401 - whatever the file holds
    return tuple(value.shape) if isinstance(value, load_torch().Tensor) else f"a {type(value).__name__}"
