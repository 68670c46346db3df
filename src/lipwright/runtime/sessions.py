"""ONNX Runtime's sessions, and the weights that ship with the package: none is opened that differs from its card."""

import hashlib
import os
import warnings
from collections.abc import Sequence
from importlib.resources import files
from types import ModuleType
from typing import TYPE_CHECKING

from lipwright.errors import BackendError
from lipwright.models.catalog import card, cards
from lipwright.runtime.processes import usable_cores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU_PROVIDER = "CPUExecutionProvider"


def weights(name: str) -> bytes:
    """The bytes of a shipped weight file, checked against its card.

    Raises:
        BackendError: no such card, no such file, or other bytes than the card says.
    """
    about = card(name)
    try:
        stored = files("lipwright.models").joinpath(about.file).read_bytes()
    except OSError as error:
        raise BackendError(f"{about.file} cannot be read ({error}); install Lipwright again") from error
    got = hashlib.sha256(stored).hexdigest()
    if got not in about.sha256:
        raise BackendError(
            f"{about.file} has sha256 {got[:12]}…, its card says {about.sha256[0][:12]}…; install Lipwright again"
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


def open_session(
    source: bytes | str, name: str, *, providers: Sequence[str] = (CPU_PROVIDER,), threads: int = 0
) -> "InferenceSession":
    """A session that runs on the first of the providers, or none.

    Args:
        source: an ONNX file's bytes or path.
        name: of the file, for messages.
        providers: execution providers in order of preference; the later ones take what the first cannot.
        threads: worker threads inside one operator; 0: as many as it likes, or as this process has cores where those
            are fewer than the machine's.

    Raises:
        BackendError: ONNX Runtime cannot open it, or not on that provider.
    """
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or _bound()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of what is found out and told below
            session = onnxruntime.InferenceSession(source, options, providers=list(dict.fromkeys(providers)))
    except Exception as error:  # ONNX Runtime's own errors share no base class
        raise BackendError(f"ONNX Runtime cannot open {name}: {_first_line(error)}; {_cure(error, name)}") from error
    # Where a provider's libraries are missing, ONNX Runtime goes on without it and only prints so.
    if session.get_providers()[0] != providers[0]:
        raise BackendError(f"ONNX Runtime cannot run {name} on {providers[0]}; `lipwright doctor` says what is missing")
    session.disable_fallback()
    return session


def open_model(name: str, *, threads: int = 1, providers: Sequence[str] = (CPU_PROVIDER,)) -> "InferenceSession":
    """A session for a shipped model; arguments as of `open_session`.

    Raises:
        BackendError: the file is missing or altered, or ONNX Runtime cannot open it.
    """
    return open_session(weights(name), cards()[name].file, providers=providers, threads=threads)


def _bound() -> int:
    """The number of cores of a process that may not use them all, 0 of any other: ONNX Runtime counts the machine's."""
    usable = len(usable_cores())
    return usable if usable < (os.cpu_count() or 1) else 0


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _cure(error: Exception, name: str) -> str:
    if out_of_memory(error):
        return "free memory of the device, or use --device cpu"
    if files("lipwright.models").joinpath(name).is_file():
        return "install Lipwright again"
    return "`lipwright models verify` says whether the file is whole, `lipwright models pull` fetches it again"


def out_of_memory(error: Exception) -> bool:
    """Whether ONNX Runtime failed for want of memory; it says so in words only."""
    text = str(error).lower()
    return any(word in text for word in ("out of memory", "failed to allocate", "bad allocation", "cudaerrormemory"))
