"""A network in a file, on one device: float32 in, float32 out, whatever the file declares."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lipwright.errors import BackendError
from lipwright.runtime.devices import CPU, Device
from lipwright.runtime.sessions import open_session, out_of_memory

log = logging.getLogger(__name__)
DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as the file declares it; a free axis is a name or None."""

    name: str
    shape: tuple[int | str | None, ...]
    dtype: str


class Network:
    """An open network.

    Args:
        path: the ONNX file.
        device: what runs it.

    Attributes:
        file: name for messages.
        inputs, outputs: as declared.
        device: what runs it.
        warm_up: seconds that the first run took, 0 before it.

    Raises:
        BackendError: ONNX Runtime cannot open it on that device.
    """

    def __init__(self, path: Path, device: Device = CPU) -> None:
        self.file, self.device, self.warm_up = path.name, device, 0.0
        self._session = open_session(str(path), path.name, providers=device.providers)
        self.inputs = _ports(self._session.get_inputs())
        self.outputs = _ports(self._session.get_outputs())
        strange = [port for port in (*self.inputs, *self.outputs) if port.dtype not in DTYPES]
        if strange:
            raise BackendError(
                f"{path.name}: {strange[0].name} is {strange[0].dtype}, numbers were expected; pull the model again"
            )

    def run(self, *arrays: np.ndarray) -> list[np.ndarray]:
        """One pass. Arrays in the order of `inputs`, of any numeric dtype; outputs float32 in the file's order.

        Raises:
            BackendError: the arrays do not fit, or the device's memory does not do.
        """
        if len(arrays) != len(self.inputs):
            raise BackendError(f"{self.file} takes {len(self.inputs)} inputs, not {len(arrays)}; it is another model")
        feed = {p.name: a.astype(DTYPES[p.dtype], copy=False) for p, a in zip(self.inputs, arrays, strict=True)}
        begun = time.perf_counter()
        try:
            results = self._session.run(None, feed)
        except Exception as error:  # ONNX Runtime's own errors share no base class
            raise BackendError(self._told(error, arrays)) from error
        if not self.warm_up:
            self.warm_up = time.perf_counter() - begun
            log.debug("%s on %s: first run %.2f s", self.file, self.device.name, self.warm_up)
        return [np.asarray(result).astype(np.float32, copy=False) for result in results]

    def _told(self, error: Exception, arrays: tuple[np.ndarray, ...]) -> str:
        shapes = ", ".join(str(array.shape) for array in arrays)
        if out_of_memory(error):
            return (
                f"{self.file} does not fit into the memory of {self.device.name} with inputs {shapes}; use a smaller "
                "--batch-size (1 needs least), close what else uses the device, or use --device cpu"
            )
        return (
            f"{self.file} cannot take {shapes}: {str(error).strip().partition(chr(10))[0]}; `lipwright models verify`"
        )


def _ports(declared: Sequence[Any]) -> tuple[Port, ...]:
    return tuple(Port(port.name, tuple(port.shape), port.type) for port in declared)
