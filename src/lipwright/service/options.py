"""The options of a request as the library takes them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lipwright.compose.overlays import Overlay, heygem_overlays
from lipwright.media import EncodeOptions
from lipwright.media.rates import parse_rate
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.service.settings import Settings

ENCODE = ("codec", "crf", "preset")
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


def chosen_overlays(names: Collection[str], settings: Settings) -> tuple[Overlay, ...]:
    """The configured pictures of these names, `watermark` and `digital_auth`, in the corners they belong to."""
    pictures = {"watermark": settings.watermark_path, "digital_auth": settings.digital_auth_path}
    return heygem_overlays(**{name: path for name, path in pictures.items() if name in names})


def inside(settings: Settings, name: str) -> Path:
    """A path of a record, which is relative to the data folder."""
    return settings.data_dir / name
