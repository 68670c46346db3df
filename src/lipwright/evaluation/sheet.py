"""Contact sheets: many frames on one picture, for the eye."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np

from lipwright.errors import OutputError


def spread(total: int, count: int) -> list[int]:
    """`count` frame numbers evenly over `total`, all different, the first and last included; all of a smaller total."""
    count = min(count, total)
    return [round(i * (total - 1) / max(1, count - 1)) for i in range(count)]


def face_box(points: np.ndarray, size: tuple[int, int], reach: float = 0.75) -> tuple[int, int, int, int]:
    """A square around a face that has room for a dropped jaw.

    Args:
        points: (N, 2 or 3) mesh in pixels.
        size: height and width of the frame.
        reach: half of the side, in heights of the mesh.

    Returns:
        x0, y0, x1, y1 inside the frame.
    """
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    middle, half = (low + high) / 2, float(high[1] - low[1]) * reach
    x0, y0 = np.maximum(middle - half, 0).astype(int)
    x1, y1 = np.minimum(middle + half, size[::-1]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def in_rows(upper: Sequence[np.ndarray], lower: Sequence[np.ndarray], columns: int = 6) -> list[np.ndarray]:
    """Frames for a sheet on which every row of `upper` stands over the same row of `lower`, if there are any."""
    if not lower:
        return list(upper)
    blank = np.full_like(upper[0], 255)
    rows = []
    for start in range(0, len(upper), columns):
        for row in (upper[start : start + columns], lower[start : start + columns]):
            rows += [*row, *[blank] * (columns - len(row))]
    return rows


def contact_sheet(frames: Sequence[np.ndarray], path: Path, *, columns: int = 6, width: int = 240) -> None:
    """Write frames as one PNG, row by row.

    Args:
        frames: (H, W, 3) uint8 RGB each, all of one size.
        path: the file to write.
        columns: frames per row.
        width: pixels of one frame on the sheet.

    Raises:
        OutputError: the file cannot be written.
    """
    height = max(1, round(frames[0].shape[0] * width / frames[0].shape[1]))
    sheet = np.full((ceil(len(frames) / columns) * height, columns * width, 3), 255, np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        small = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = small
    try:
        path.write_bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())
    except OSError as exc:
        raise OutputError(f"the contact sheet {path} cannot be written: {exc.strerror}") from exc
