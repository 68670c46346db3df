"""Checkpoints: what a run needs to go on as if it had never stopped; tensors, numbers and strings only."""

import io
import json
import pickle
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lipwright.errors import InputError
from lipwright.training.files import write_whole
from lipwright.training.motion import Recipe

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The file of a run's state, and whose run it is.

    Args:
        path: the file.
        recipe: of the run; a state of another one is refused.
        data: fingerprint of what it learns from; likewise.
        device: where it computes; likewise, for dropout would go on with other numbers.
        every: steps between two states.
    """

    path: Path
    recipe: Recipe
    data: str
    device: str
    every: int = 100

    def save(self, state: dict[str, Any]) -> None:
        """Write a state in the place of the one before.

        Raises:
            OutputError: it cannot be written.
        """
        stored = io.BytesIO()
        torch.save(self._owner() | {"state": state}, stored)
        write_whole(self.path, stored.getvalue())

    def load(self) -> dict[str, Any] | None:
        """The last state, None where there is none.

        Raises:
            InputError: the file is damaged, or of another run.
        """
        if not self.path.exists():
            return None
        try:
            stored = torch.load(self.path, weights_only=True, map_location="cpu")
            owner = {name: stored[name] for name in self._owner()}
            state = stored["state"]
        except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as exc:
            raise InputError(f"{self.path} is no checkpoint that can be read; remove it to start anew") from exc
        differs = self._differences(owner)
        if differs:
            raise InputError(
                f"{self.path} is of another run ({', '.join(differs)}); name another output folder, or remove the "
                f"file to start anew"
            )
        return state

    def _owner(self) -> dict[str, Any]:
        recipe = json.dumps(asdict(self.recipe), sort_keys=True)
        return {"version": VERSION, "recipe": recipe, "data": self.data, "device": self.device}

    def _differences(self, owner: dict[str, Any]) -> list[str]:
        mine = self._owner()
        differs = [f"another {name}" for name in ("version", "data", "device") if owner[name] != mine[name]]
        before, now = json.loads(owner["recipe"]), json.loads(mine["recipe"])
        changed = [name for name in sorted(before | now) if before.get(name) != now.get(name)]
        return differs + [f"{name} was {before.get(name)!r}, is {now.get(name)!r}" for name in changed]
