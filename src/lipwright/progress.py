"""How long work tells its caller where it is."""

from typing import Protocol


class Progress(Protocol):
    """Called by the stages; `total` is None while it is not known."""

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Say that `done` of `total` items of `stage` are finished."""
        ...


def silent(stage: str, done: int, total: int | None) -> None:
    """The default: tell nobody."""
