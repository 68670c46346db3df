"""The options of a request as the library takes them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lipwright.compose.labels import Label
from lipwright.media import EncodeOptions
from lipwright.media.rates import parse_rate
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.service.settings import Settings

ENCODE = ("codec", "crf", "preset")
CORNERS = {"watermark": "bottom-right", "digital_auth": "top-right"}  # the same as HeyGem's
DEFAULTED = ("mask", "restore", "restore_when", "blur_threshold", "batch_size")  # by the service's settings


def dub_options(asked: dict[str, Any], settings: Settings, device: str = "auto") -> DubOptions:
    """Options of a job.

    Args:
        asked: `options` of the request; `fps` is text.
        settings: where defaults, models and avatars are.
        device: the worker's.

    Raises:
        OptionError: a value is outside its range.
    """
    engine = ENGINES.get(asked.get("engine", "native"))
    ignored = engine.ignores if engine else ()
    defaults = {name: getattr(settings, name) for name in DEFAULTED if name not in ignored}
    plain = {name: value for name, value in asked.items() if name not in (*ENCODE, "fps")}
    encode = {name: asked[name] for name in ENCODE if name in asked}
    return DubOptions(
        **(defaults | plain),
        fps=parse_rate(str(asked["fps"])) if asked.get("fps") else None,
        encode=EncodeOptions(**encode),
        cache=settings.data_dir / "cache",
        models=settings.models,
        device=device,
    )


def chosen_labels(names: Collection[str], settings: Settings) -> tuple[Label, ...]:
    """The configured pictures of these names, rows of `CORNERS`, in the corners they belong to."""
    pictures = {"watermark": settings.watermark_path, "digital_auth": settings.digital_auth_path}
    return tuple(Label(picture, CORNERS[name]) for name, picture in pictures.items() if picture and name in names)


def inside(settings: Settings, name: str) -> Path:
    """A path of a record, which is relative to the data folder."""
    return settings.data_dir / name
