"""Backends by name: a literal table in each stage, loaded when first asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from lipwright.errors import BackendError


def load(kind: str, table: Mapping[str, str], name: str) -> Any:  # noqa: ANN401 - the caller's protocol types it
    """Return the object that `table[name]` names as "module:attribute".

    Raises:
        BackendError: the name is not in the table (the message lists those that are).
    """
    if name not in table:
        raise BackendError(f"unknown {kind} {name!r}; known: {', '.join(sorted(table))}")
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
