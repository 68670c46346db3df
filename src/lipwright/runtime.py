"""Weight files and the sessions that run them: nothing is loaded that does not match its card."""

import hashlib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING

from lipwright.errors import BackendError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU = ("CPUExecutionProvider",)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a weight file that ships with the package.

    `inputs` and `outputs` name the arrays with shape, dtype and meaning, one sentence each.
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    origin: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@cache
def cards() -> dict[str, ModelCard]:
    """Cards of `models/manifest.toml` by name."""
    rows = tomllib.loads(files("lipwright.models").joinpath("manifest.toml").read_text("utf-8"))
    return {
        row["name"]: ModelCard(**row | {"inputs": tuple(row["inputs"]), "outputs": tuple(row["outputs"])})
        for row in rows["model"]
    }


def weights(name: str) -> bytes:
    """The bytes of a shipped weight file, checked against its card.

    Raises:
        BackendError: no such card, no such file, or other bytes than the card says.
    """
    card = cards().get(name)
    if card is None:
        raise BackendError(f"unknown model {name!r}; known: {', '.join(sorted(cards()))}")
    try:
        stored = files("lipwright.models").joinpath(card.file).read_bytes()
    except OSError as error:
        raise BackendError(f"{card.file} cannot be read ({error}); install Lipwright again") from error
    got = hashlib.sha256(stored).hexdigest()
    if got != card.sha256:
        raise BackendError(
            f"{card.file} has sha256 {got[:12]}…, its card says {card.sha256[:12]}…; install Lipwright again"
        )
    return stored


def load_onnxruntime() -> ModuleType:
    """The ONNX Runtime module, told to keep to itself: its wheels report usage to their maker unless asked not to.

    Raises:
        BackendError: it is not installed.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when the library is loaded
    try:
        import onnxruntime
    except ImportError as error:
        raise BackendError("ONNX Runtime is not installed; pip install onnxruntime") from error
    return onnxruntime


def open_model(name: str, *, threads: int = 1, providers: Sequence[str] = CPU) -> "InferenceSession":
    """An ONNX Runtime session for a shipped model.

    Args:
        name: of its card.
        threads: worker threads inside one operator; 0 lets ONNX Runtime choose.
        providers: execution providers in order of preference.

    Raises:
        BackendError: the file is missing or altered, or ONNX Runtime cannot open it.
    """
    stored = weights(name)
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(stored, options, providers=list(providers))
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise BackendError(f"ONNX Runtime cannot open {cards()[name].file}: {error}") from error
