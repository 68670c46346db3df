"""Options of a job as words, by the names that `lipwright dub` gives them."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipwright.compose.overlays import heygem_overlays
from lipwright.errors import OptionError
from lipwright.media import EncodeOptions
from lipwright.media.hardware import choose_encoder
from lipwright.media.rates import parse_rate
from lipwright.pipeline.config import DubOptions

ON, OFF = ("on", "true", "yes", "1"), ("off", "false", "no", "0")
ENCODE: dict[str, type] = {"codec": str, "crf": int, "preset": str, "encoder": str}
NOT_WORDS = ("encode", "overlays", "parts")  # made of several words, or the service's alone
OVERLAYS = ("watermark", "digital-auth")
KINDS: dict[str, Any] = {
    **{field.name.replace("_", "-"): field.type for field in fields(DubOptions) if field.name not in NOT_WORDS},
    **ENCODE,
    **dict.fromkeys(OVERLAYS, Path | None),
}  # fmt: skip
"""What kind of value each option takes."""


def values_of(words: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """What the words stand for, by the same names.

    Args:
        words: values by the options' names on the command line, without the dashes.
        folder: what relative paths are relative to.

    Raises:
        OptionError: a value is of another kind.
    """
    return {name: _value(name, text, folder) for name, text in words.items()}


def options_of(values: Mapping[str, Any]) -> DubOptions:
    """Options of a job, from values as `values_of` gives them.

    Raises:
        OptionError: a value is outside its range.
        BackendError: an encoder does not work here.
    """
    encode = {name: values[name] for name in ENCODE if name in values}
    if "encoder" in encode:
        encode["encoder"] = choose_encoder(encode["encoder"], encode.get("codec", EncodeOptions().codec))
    overlays = {name.replace("-", "_"): values[name] for name in OVERLAYS if name in values}
    plain = {name.replace("-", "_"): value for name, value in values.items() if name not in (*ENCODE, *OVERLAYS)}
    return DubOptions(**plain, encode=EncodeOptions(**encode), overlays=heygem_overlays(**overlays))


def _value(name: str, text: str, folder: Path) -> Any:  # noqa: ANN401 - as the option's field has it
    kind = KINDS[name]
    if kind == Path | None:
        return folder / text
    try:
        return READERS[kind](text)
    except OptionError as exc:
        raise OptionError(f"{name}: {exc}" if name not in str(exc) else str(exc)) from None
    except ValueError:
        wanted = {int: "a whole number", float: "a number"}[kind]
        raise OptionError(f"{name} must be {wanted}, got {text!r}") from None


def _truth(text: str) -> bool:
    word = text.lower()
    if word not in ON + OFF:
        raise OptionError(f"must be on or off, got {text!r}")
    return word in ON


READERS: dict[Any, Callable[[str], Any]] = {
    bool: _truth,
    str: str,
    int: int,
    float: float,
    Fraction | None: parse_rate,
}
