"""Recipes: TOML files whose names and kinds of values are those of a dataclass."""

import tomllib
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lipwright.errors import InputError, OptionError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER = Path(__file__).parent / "recipes"
T = TypeVar("T", bound="DataclassInstance")


def names() -> list[str]:
    """The recipes that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find(name: str) -> Path:
    """The file of a recipe of the package, or of one's own.

    Raises:
        InputError: neither.
    """
    for path in (FOLDER / f"{name}.toml", Path(name)):
        if path.is_file():
            return path
    raise InputError(f"there is no recipe {name!r}; name a TOML file, or one of {', '.join(names())}")


def read_recipe(kind: type[T], name: str, changes: Sequence[str] = ()) -> T:
    """A recipe with some values changed.

    Args:
        kind: the dataclass; each value has the kind of its default.
        name: of the package's recipe, or path of a TOML file.
        changes: `name=value`, the value as in TOML.

    Raises:
        InputError: no such recipe, no TOML, or a name or value that `kind` does not know.
        OptionError: a change that is none.
    """
    path = find(name)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise InputError(f"the recipe {path} cannot be read: {exc}") from exc
    for change in changes:
        try:
            values |= tomllib.loads(change)
        except tomllib.TOMLDecodeError:
            raise OptionError(f"--set {change!r} is not name=value; write steps=500 or held_out='[\"Ann\"]'") from None
    return kind(**_checked(kind, values, path))


def _checked(kind: type[T], values: dict[str, Any], path: Path) -> dict[str, Any]:
    defaults = asdict(kind())
    for name, value in values.items():
        if name not in defaults:
            known = ", ".join(field.name for field in fields(kind))
            raise InputError(f"the recipe {path.name} has no value {name!r}; it may set {known}")
        wanted = type(defaults[name])
        if wanted is float and type(value) is int:
            values[name] = float(value)
        elif wanted is tuple and isinstance(value, list):
            values[name] = tuple(value)
        elif type(value) is not wanted:
            raise InputError(f"the recipe {path.name} sets {name} to {value!r}; it must be like {defaults[name]!r}")
    return values
