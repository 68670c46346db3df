"""The published models of one job: each opened once, on the job's device, when it is first asked for."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lipwright import registry
from lipwright.errors import BackendError
from lipwright.models.catalog import card
from lipwright.models.store import ModelStore
from lipwright.runtime.devices import CPU, Device, choose_device
from lipwright.runtime.network import Network
from lipwright.runtime.pictures import PictureModel

CONVERTERS = {
    "dinet_v1": "lipwright.render.dinet_network:convert",
    "wenet": "lipwright.audio.wenet_network:convert",
}
"""Checkpoints that become ONNX files beside themselves the first time they are used: "module:function"."""

CPU_AS_WELL = ("xseg",)
"""Networks whose operators some devices are known to refuse: they then run on the CPU, and the job says so."""

CONVERSION = 1  # raise it when a converter gives other files


class Models:
    """Opens models.

    Args:
        folder: of the model store; None is the user's.
        device: word for `choose_device`; tried when the first model is opened.
    """

    def __init__(self, folder: Path | None = None, device: str = "auto") -> None:
        self.store = ModelStore(folder)
        self._device = device
        self._pictures: dict[str, PictureModel] = {}
        self._networks: dict[str, Network] = {}
        self._notes: list[str] = []

    @cached_property
    def device(self) -> Device:
        """What runs them.

        Raises:
            BackendError: it does not work here.
        """
        return choose_device(self._device)

    @property
    def notes(self) -> list[str]:
        """What the user should know of where the open models run, one sentence each."""
        chosen = [self.device.note] if self._pictures or self._networks else []
        return [note for note in (*chosen, *self._notes) if note]

    def pictures(self, name: str) -> PictureModel:
        """A network that looks at pictures, by the name on its card.

        Raises:
            BackendError: the file is missing, damaged or another model, or the device does not work.
        """
        if name not in self._pictures:
            self._pictures[name] = self._picture(name, self.device)
        return self._pictures[name]

    def _picture(self, name: str, device: Device) -> PictureModel:
        try:
            return PictureModel(self.store.path(name), card(name), device)
        except BackendError as error:
            if device.name == CPU.name or name not in CPU_AS_WELL:
                raise
            self._notes.append(f"{card(name).file} runs on the CPU: {str(error).rpartition('; ')[0]}")
            return self._picture(name, CPU)

    def network(self, name: str) -> Network:
        """A network that was published as a checkpoint, by the name on its card.

        Raises:
            BackendError: as of `pictures`, or it has to be converted first and the extra `heygem` is not installed.
        """
        if name not in self._networks:
            self._networks[name] = Network(self._converted(name), self.device)
        return self._networks[name]

    def prepare(self, names: Sequence[str]) -> None:
        """Open models now rather than in the middle of a job.

        Raises:
            BackendError: as of `require`, `pictures` and `network`.
        """
        self.require(names)
        for name in names:
            self.opened(name)

    def require(self, names: Sequence[str]) -> None:
        """Refuse, before anything is opened, what cannot be.

        Raises:
            BackendError: some are missing; one sentence names them all.
        """
        missing = [name for name in names if not self.has(name)]
        if missing:
            raise BackendError(
                f"not in {self.store.folder}: {', '.join(card(name).file for name in missing)}; "
                f"run `lipwright models pull {' '.join(missing)}`"
            )

    def has(self, name: str) -> bool:
        """Whether the file is there, or for a checkpoint an ONNX export of the user's own."""
        return self.store.has(name) or (name in CONVERTERS and self._own(name).is_file())

    def opened(self, name: str) -> Network:
        """The network of that name, whichever kind it is."""
        return self.network(name) if name in CONVERTERS else self.pictures(name).network

    def sha256(self, name: str) -> str:
        """Of the file that is opened, in full; of a checkpoint itself where we converted it.

        Raises:
            BackendError: the file is missing.
        """
        if name in CONVERTERS and (own := self._own(name)).is_file():
            with own.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        return self.store.sha256(name)

    def mark(self, name: str) -> str:
        """What tells this file from another under the same name: the beginning of its sha256.

        Raises:
            BackendError: the file is missing.
        """
        return _digest(self.store.path(name))

    def _own(self, name: str) -> Path:
        return self.store.place(name).with_suffix(".onnx")

    def _converted(self, name: str) -> Path:
        """The ONNX file of a checkpoint: the user's own export beside it, or ours."""
        if (own := self._own(name)).is_file():
            return own
        checkpoint = self.store.path(name)
        kind = f"{_digest(checkpoint)}.{CONVERSION}{'.half' * self.device.half}.onnx"
        target = checkpoint.with_name(f"{checkpoint.stem}.{kind}")
        if not target.is_file():
            try:
                convert = registry.resolve(CONVERTERS[name])
            except ImportError as error:
                raise BackendError(
                    f"{checkpoint.name} must be converted once, which needs PyTorch ({error}); "
                    "pip install 'lipwright[heygem]'"
                ) from error
            convert(checkpoint, target, half=self.device.half)
        return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
