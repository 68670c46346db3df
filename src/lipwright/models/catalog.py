"""The cards of all weight files, those that ship with the package and those that are pulled."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from lipwright.errors import BackendError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a weight file.

    `inputs` and `outputs` name the arrays with shape, dtype and meaning, one sentence each.
    """

    name: str
    file: str
    folder: str = ""
    sha256: tuple[str, ...] = ()
    bytes: int = 0
    licence: str
    origin: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    takes: tuple[int, ...] = ()
    gives: tuple[tuple[int, ...], ...] = ()


@cache
def cards() -> dict[str, ModelCard]:
    """Cards of `manifest.toml` by name."""
    rows = tomllib.loads(files("lipwright.models").joinpath("manifest.toml").read_text("utf-8"))
    return {
        row["name"]: ModelCard(
            **row | {"inputs": tuple(row["inputs"]), "outputs": tuple(row["outputs"]), "sha256": (row["sha256"],)}
        )
        for row in rows["model"]
    }


def card(name: str) -> ModelCard:
    """The card of that name.

    Raises:
        BackendError: there is none.
    """
    if name not in cards():
        raise BackendError(f"unknown model {name!r}; known: {', '.join(sorted(cards()))}")
    return cards()[name]
