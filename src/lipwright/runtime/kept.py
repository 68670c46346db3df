"""Published models that stay open from one job to the next."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from lipwright.runtime.models import Models

_kept: ContextVar[dict[tuple[Path | None, str], Models] | None] = ContextVar("kept", default=None)


@contextmanager
def keep_models() -> Iterator[None]:
    """In this block, a job finds open what those before it opened, if of the same folder and on the same device."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def keep_models_on() -> None:
    """As `keep_models`, from here on; for a process that others hand one job after another."""
    if _kept.get() is None:
        _kept.set({})


def models_of(folder: Path | None, device: str) -> Models:
    """`Models` of that folder on that device: those that are kept, if they are and of the same."""
    kept, wanted = _kept.get(), (folder, device)
    if kept is None:
        return Models(folder, device)
    if wanted not in kept:
        kept.clear()  # those of one folder and device only: a GPU's memory is small
        kept[wanted] = Models(folder, device)
    return kept[wanted]
