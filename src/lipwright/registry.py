"""Backends by name: a literal table in each stage, loaded when first asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lipwright.errors import BackendError


def resolve(place: str) -> Any:  # noqa: ANN401 - the caller's protocol types it
    """The object that "module:attribute" names."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def load(kind: str, table: Mapping[str, str], name: str) -> Any:  # noqa: ANN401
    """The object that a table's row names.

    Raises:
        BackendError: the name is not in the table (the message lists those that are).
    """
    if name not in table:
        raise BackendError(f"unknown {kind} {name!r}; known: {', '.join(sorted(table))}")
    return resolve(table[name])
