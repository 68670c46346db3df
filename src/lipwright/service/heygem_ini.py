"""A HeyGem `config.ini` as settings of the service."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class HeygemIni:
    """What such a file says.

    Args:
        values: fields of `Settings` by name.
        ignored: `section.key` of all that means nothing here.
        notes: what the user should know of how values were taken, one sentence each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_heygem_ini(path: Path) -> HeygemIni:
    """Read it."""
    raise NotImplementedError(path)
