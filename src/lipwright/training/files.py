"""Files of a training run: each appears under its name only when it is complete."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lipwright.errors import OutputError
from lipwright.media.partial import partial_name


def write_whole(path: Path, stored: bytes) -> None:
    """Write a file, its folder too where there is none.

    Raises:
        OutputError: it cannot be written.
    """
    part = partial_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(stored)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as exc:
        raise OutputError(f"{path} cannot be written: {exc.strerror}; name another folder or make room") from exc


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a compressed npz.

    Raises:
        OutputError: it cannot be written.
    """
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)
    write_whole(path, stored.getvalue())
