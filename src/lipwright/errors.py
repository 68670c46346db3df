"""Every error Lipwright raises on purpose, in one tree.

LipwrightError
├── InputError          a file or value the caller gave cannot be used   (exit code 2)
│   ├── MediaError      a video, photo or sound cannot be read
│   ├── NoFaceError     the footage shows no usable face
│   └── OptionError     an option has a value outside its range
├── OutputError         the result cannot be written                     (exit code 3)
├── BackendError        a backend is unknown, incomplete or not installed (exit code 4)
└── ShapeError          an array between two stages has the wrong shape: a bug in a backend

Each message is one sentence or two: what was got, what was wanted, what to do.
"""

from collections.abc import Sequence


class LipwrightError(Exception):
    """The root: catch this to catch everything the library raises on purpose."""

    exit_code = 1


class InputError(LipwrightError):
    """A file or value the caller gave cannot be used."""

    exit_code = 2


class MediaError(InputError):
    """A video, photo or sound cannot be read."""


class NoFaceError(InputError):
    """The footage shows no usable face."""


class OptionError(InputError):
    """An option has a value outside its range."""


class OutputError(LipwrightError):
    """The result cannot be written."""

    exit_code = 3


class BackendError(LipwrightError):
    """A backend is unknown, incomplete or not installed."""

    exit_code = 4


class ShapeError(LipwrightError):
    """An array between two stages has the wrong shape."""

    def __init__(self, name: str, *, expected: str, got: Sequence[int] | str) -> None:
        super().__init__(f"{name}: expected {expected}, got {tuple(got) if not isinstance(got, str) else got}")
