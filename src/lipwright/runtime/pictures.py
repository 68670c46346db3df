"""Networks that look at pictures, checked against the contract on their card when they are opened."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lipwright.errors import BackendError
from lipwright.models.catalog import ModelCard
from lipwright.runtime.devices import CPU, Device
from lipwright.runtime.network import Network


class PictureModel:
    """A network from pictures to arrays; layout, dtype and batches are its own affair.

    Args:
        path: the ONNX file.
        card: what is expected: `takes` (channels, height, width) and `gives`, the last dimensions of the first outputs.
        device: what runs it.

    Attributes:
        network: the open file.
        size: height and width it wants; the card's where the file leaves them free.

    Raises:
        BackendError: the file is another model; the sentence says what it takes or gives and what was wanted.
    """

    def __init__(self, path: Path, card: ModelCard, device: Device = CPU) -> None:
        self.network, self._card = Network(path, device), card
        channels, height, width = card.takes
        if len(self.network.inputs) != 1 or len(shape := self.network.inputs[0].shape) != 4:
            raise self._other(f"inputs {[port.shape for port in self.network.inputs]}", f"one picture {card.takes}")
        first, last = shape[1] == channels, shape[3] == channels
        if first == last:
            raise self._other(f"an input of shape {shape}", f"{channels} channels either second or last")
        self._channels_last = last
        high, wide = shape[1:3] if last else shape[2:4]
        self.size = (high if isinstance(high, int) else height, wide if isinstance(wide, int) else width)
        self._one_by_one = shape[0] == 1
        self._check(self(np.zeros((1, *self.size, channels), np.float32)))

    def __call__(self, pictures: np.ndarray) -> list[np.ndarray]:
        """Look at pictures.

        Args:
            pictures: (B, H, W, C) float32 as the model wants its values and channel order, H and W as `size`.

        Returns:
            The file's outputs in its order, float32, batch first where the file has a batch axis. A file made for one
            picture gets them one after the other, and its outputs are joined along the first axis.
        """
        laid = pictures if self._channels_last else pictures.transpose(0, 3, 1, 2)
        laid = np.ascontiguousarray(laid)
        if not self._one_by_one or len(laid) == 1:
            return self.network.run(laid)
        each = [self.network.run(laid[i : i + 1]) for i in range(len(laid))]
        return [np.concatenate(parts) for parts in zip(*each, strict=True)]

    def _check(self, results: Sequence[np.ndarray]) -> None:
        got = [result.shape for result in results]
        for number, wanted in enumerate(self._card.gives):
            if number >= len(got) or got[number][-len(wanted) :] != tuple(wanted):
                raise self._other(
                    f"outputs {got}", f"output {number + 1} of {len(self._card.gives)} to end in {wanted}"
                )
        if not all(np.isfinite(result).all() for result in results):
            raise self._other("values that are not numbers", "numbers")

    def _other(self, got: str, wanted: str) -> BackendError:
        card = self._card
        return BackendError(
            f"{self.network.file} is not {card.name}: it has {got}, wanted {wanted}; "
            f"run `lipwright models pull {card.name}`"
        )
