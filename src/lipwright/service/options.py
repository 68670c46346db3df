"""The options of a request as the library takes them."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from lipwright.compose.caption import WHEN
from lipwright.compose.overlays import Overlay, heygem_overlays
from lipwright.errors import OptionError
from lipwright.media import EncodeOptions
from lipwright.media.rates import parse_rate
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.service.settings import Settings

ENCODE = ("codec", "crf", "preset")
DEFAULTED = ("mask", "restore", "restore_when", "blur_threshold", "batch_size")  # by the service's settings
SIGNING = ("certificate", "private_key")
LABEL = ("label", "label_text", "label_language", "label_corner", "label_size", "label_font")  # likewise, and held to


def dub_options(asked: dict[str, Any], settings: Settings, device: str = "auto") -> DubOptions:
    """Options of a job.

    Args:
        asked: `options` of the request; `fps` is text.
        settings: where defaults, models and avatars are.
        device: the worker's.

    Raises:
        OptionError: a value is outside its range, or the service demands more marks than it leaves.
    """
    check_demands(asked, settings)
    engine = ENGINES.get(asked.get("engine", "native"))
    ignored = engine.ignores if engine else ()
    defaults = {name: getattr(settings, name) for name in (*DEFAULTED, *LABEL) if name not in ignored}
    plain = {name: value for name, value in asked.items() if name not in (*ENCODE, "fps")}
    encode = {name: asked[name] for name in ENCODE if name in asked}
    return DubOptions(
        **(defaults | plain),
        fps=parse_rate(str(asked["fps"])) if asked.get("fps") else None,
        encode=EncodeOptions(**encode),
        cache=settings.data_dir / "cache",
        models=settings.models,
        device=device,
        # What is not marked is not signed.
        **({} if asked.get("marks") is False else {name: getattr(settings, name) for name in SIGNING}),
    )


def check_demands(asked: dict[str, Any], settings: Settings) -> None:
    """Hold a job to the marks and the label that the service is set to.

    Raises:
        OptionError: it asks for less.
    """
    if settings.marks == "always" and asked.get("marks") is False:
        raise OptionError("this service marks every result; leave `marks` out")
    if WHEN.index(asked.get("label", settings.label)) < WHEN.index(settings.label):
        raise OptionError(
            f"this service labels every result (`label` {settings.label}); ask for that or more, or leave `label` out"
        )
    own = ["label_text", "label_corner", *(["label_language"] if settings.label_language else [])]
    if settings.label != "off" and (own := [name for name in own if name in asked]):
        raise OptionError(f"this service's own label is over every result; leave `{own[0]}` out")


def chosen_overlays(names: Collection[str], settings: Settings) -> tuple[Overlay, ...]:
    """The configured pictures of these names, `watermark` and `digital_auth`, in the corners they belong to."""
    pictures = {"watermark": settings.watermark_path, "digital_auth": settings.digital_auth_path}
    return heygem_overlays(**{name: path for name, path in pictures.items() if name in names})


def inside(settings: Settings, name: str) -> Path:
    """A path of a record, which is relative to the data folder."""
    return settings.data_dir / name
