"""The cards of all weight files, those that ship with the package and those that are pulled."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from lipwright.errors import BackendError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What is known of a weight file.

    Args:
        name: how the rest of the package asks for it.
        file: its published name.
        folder: where it lies in the published tree, empty for files of this package.
        group: `shipped`, the set it is pulled with, or `optional`: pulled by its own name only.
        urls: where it can be had, tried in this order.
        sha256: of the files that are accepted; empty where nobody published one.
        seen_sha256: of copies under the same name elsewhere: hints, never demands.
        bytes: its length; 0 where unknown.
        also_as: another name that users were told to give this file.
        at_least: bytes below which a file of the name `also_as` is not this one.
        licence, commercial: the terms, and what they mean for commercial use.
        origin: who made it.
        inputs, outputs: the arrays with shape, dtype and meaning, one sentence each.
        takes: of a network that looks at pictures, channels, height and width.
        gives: of such a network, the last dimensions of its first outputs.
    """

    name: str
    file: str
    folder: str = ""
    group: str = "shipped"
    urls: tuple[str, ...] = ()
    sha256: tuple[str, ...] = ()
    seen_sha256: tuple[str, ...] = ()
    bytes: int = 0
    also_as: str = ""
    at_least: int = 0
    licence: str
    commercial: str = ""
    origin: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    takes: tuple[int, ...] = ()
    gives: tuple[tuple[int, ...], ...] = ()


@cache
def cards() -> dict[str, ModelCard]:
    """Cards of `manifest.toml` by name."""
    rows = tomllib.loads(files("lipwright.models").joinpath("manifest.toml").read_text("utf-8"))
    return {row["name"]: ModelCard(**_frozen(row)) for row in rows["model"]}


def shipped() -> tuple[ModelCard, ...]:
    """Cards of the files that are part of the package."""
    return tuple(card for card in cards().values() if card.group == "shipped")


def card(name: str) -> ModelCard:
    """The card of that name.

    Raises:
        BackendError: there is none.
    """
    if name not in cards():
        raise BackendError(f"unknown model {name!r}; known: {', '.join(sorted(cards()))}")
    return cards()[name]


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    """The row with tuples for lists; `gives` holds lists of lists."""
    flat = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    return flat | {"gives": tuple(tuple(shape) for shape in row.get("gives", ()))}
