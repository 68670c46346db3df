"""What networks run on: a word a user writes, the execution providers of ONNX Runtime it stands for."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from lipwright.errors import BackendError, OptionError
from lipwright.runtime.sessions import CPU_PROVIDER, load_onnxruntime, open_model

AUTO = (
    "cuda",
    "rocm",
    "directml",
    "coreml",
    "openvino",
)  # in this order; TensorRT would compile for minutes
AGREES = 0.02  # largest difference between a device's output and the CPU's, of the output's own spread
PROBE = "sync_scorer"


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of `DEVICES`.

    Args:
        providers: of ONNX Runtime, the first that a build offers counts.
        package: what to install for it.
        half: whether networks of ours run in float16 there.
    """

    providers: tuple[str, ...]
    package: str
    half: bool


DEVICES = {
    "cpu": Kind((CPU_PROVIDER,), "onnxruntime", half=False),
    "cuda": Kind(("CUDAExecutionProvider",), "onnxruntime-gpu", half=True),
    "tensorrt": Kind(("TensorrtExecutionProvider",), "onnxruntime-gpu and tensorrt", half=True),
    "rocm": Kind(("MIGraphXExecutionProvider", "ROCMExecutionProvider"), "onnxruntime-migraphx", half=True),
    "directml": Kind(("DmlExecutionProvider",), "onnxruntime-directml", half=True),
    "coreml": Kind(("CoreMLExecutionProvider",), "onnxruntime on macOS", half=False),
    "openvino": Kind(("OpenVINOExecutionProvider",), "onnxruntime-openvino", half=False),
}


@dataclass(frozen=True, slots=True)
class Device:
    """A device that was seen to work.

    Args:
        name: row of `DEVICES`.
        providers: for a session, in order of preference.
        half: whether networks of ours run in float16.
        note: what the user should know of the choice, empty for nothing.
    """

    name: str
    providers: tuple[str, ...]
    half: bool = False
    note: str = ""


CPU = Device("cpu", (CPU_PROVIDER,))


def choose_device(name: str) -> Device:
    """The device of that name, tried out; `auto` is the first that works, the CPU where none does.

    Raises:
        OptionError: there is no such name.
        BackendError: the device does not work here; never another one instead.
    """
    if name == "auto":
        return _first_that_works()
    check_device(name)
    if name == "cpu":
        return CPU
    provider = offered(name)
    if provider is None:
        version = load_onnxruntime().__version__
        raise BackendError(
            f"--device {name}: ONNX Runtime {version} as installed does not offer it; "
            f"pip install {DEVICES[name].package} in its place, or use --device cpu"
        )
    if (wrong := probe(provider)) is not None:
        raise BackendError(f"--device {name}: {wrong}; check the driver and its libraries, or use --device cpu")
    return Device(name, (provider, CPU_PROVIDER), DEVICES[name].half)


def check_device(name: str) -> None:
    """Refuse a word that is no device.

    Raises:
        OptionError: it is not `auto` and not in `DEVICES`.
    """
    if name != "auto" and name not in DEVICES:
        raise OptionError(f"device {name!r} is unknown; use one of auto, {', '.join(DEVICES)}")


def offered(name: str) -> str | None:
    """The provider for a device that the installed ONNX Runtime has, None without one."""
    here = load_onnxruntime().get_available_providers()
    return next((provider for provider in DEVICES[name].providers if provider in here), None)


def _first_that_works() -> Device:
    failed = []
    for name in AUTO:
        provider = offered(name)
        if provider is None:
            continue
        wrong = probe(provider)
        if wrong is None:
            return Device(name, (provider, CPU_PROVIDER), DEVICES[name].half)
        failed.append(f"{name}: {wrong}")
    return Device("cpu", (CPU_PROVIDER,), note=f"networks run on the CPU ({'; '.join(failed)})" if failed else "")


@cache
def probe(provider: str) -> str | None:
    """Run a shipped network there and on the CPU; what is wrong, or None where both say the same."""
    rng = np.random.default_rng(0)
    feed = {
        "mouth": rng.normal(0, 0.05, (1, 25, 204)).astype(np.float32),
        "speech": rng.normal(0, 1, (1, 100, 81)).astype(np.float32),
    }
    try:
        session = open_model(PROBE, providers=(provider, CPU_PROVIDER))
        got = session.run(None, feed)
    except BackendError as error:
        return str(error).rpartition("; ")[0]
    except Exception as error:  # noqa: BLE001 - whatever the provider raises, it does not work
        return f"{provider} cannot run a network ({str(error).partition(chr(10))[0]})"
    wanted = open_model(PROBE).run(None, feed)
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(got, wanted, strict=True)]
    apart = max(float(np.abs(a - b).max() / max(float(b.std()), 1e-6)) for a, b in pairs)
    return None if apart <= AGREES else f"{provider} gives other values than the CPU (by {apart:.2g} of their spread)"
