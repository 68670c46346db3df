"""Lipwright: the open lip-sync engine."""

import importlib
import typing

from lipwright.errors import (
    BackendError,
    InputError,
    LipwrightError,
    MediaError,
    NoFaceError,
    OptionError,
    OutputError,
    ShapeError,
)

if typing.TYPE_CHECKING:
    from lipwright.media import EncodeOptions
    from lipwright.pipeline.config import DubOptions
    from lipwright.pipeline.report import Report
    from lipwright.pipeline.run import dub, dub_frames
    from lipwright.streaming.session import Session

__version__ = "0.1.0"

__all__ = [
    "BackendError",
    "DubOptions",
    "EncodeOptions",
    "InputError",
    "LipwrightError",
    "MediaError",
    "NoFaceError",
    "OptionError",
    "OutputError",
    "Report",
    "Session",
    "ShapeError",
    "dub",
    "dub_frames",
]

_LAZY = {
    "DubOptions": "lipwright.pipeline.config",
    "EncodeOptions": "lipwright.media",
    "Report": "lipwright.pipeline.report",
    "Session": "lipwright.streaming.session",
    "dub": "lipwright.pipeline.run",
    "dub_frames": "lipwright.pipeline.run",
}


def __getattr__(name: str) -> typing.Any:  # noqa: ANN401 - `import lipwright` stays light: PEP 562
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'lipwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
