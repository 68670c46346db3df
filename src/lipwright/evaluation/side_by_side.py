"""Two videos in one: the reference or the footage on the left, the output on the right, in step."""

from collections.abc import Generator
from contextlib import closing
from fractions import Fraction
from itertools import repeat
from pathlib import Path

import cv2
import numpy as np

from lipwright.errors import MediaError
from lipwright.media import Clip, ClipWriter, open_clip, prefetch
from lipwright.pipeline.overlay import label
from lipwright.pipeline.run import check_output
from lipwright.progress import Progress, silent

AHEAD = 4  # frames in flight


def side_by_side(
    output: Path | str, other: Path | str, path: Path | str, *, name: str, progress: Progress = silent
) -> None:
    """Write a video that shows frame i of the output beside what the other video shows at that time.

    Both are as high as the output, and its sound is heard. A photo stands still; a video that has ended is black.

    Args:
        output: the finished video.
        other: the real video, or the footage that was dubbed.
        path: the file to make: .mp4, .m4v, .mov or .mkv.
        name: what is written on the left half, ASCII; the right one says "output".
        progress: told `("side by side", done, total)`.

    Raises:
        MediaError: a file cannot be read, or the output is a photo.
        OptionError: `path` is of a kind that is not written, or the picture would be wider than 16,384 pixels.
        OutputError: `path` is one of the two, or cannot be written.
    """
    path = Path(path)
    check_side_by_side(path, inputs=(Path(output), Path(other)))
    with open_clip(output) as right, open_clip(other, right.facts.fps) as left:
        facts = right.facts
        if facts.is_photo:
            raise MediaError(f"{facts.path} is a photo; give the finished video")
        wide = max(2, round(left.facts.width * facts.height / left.facts.height / 2) * 2)
        sound = facts.path if facts.has_sound else None
        writer = ClipWriter(path, width=wide + facts.width, height=facts.height, fps=facts.fps, sound=sound)
        with writer, closing(prefetch(right.frames(), AHEAD)) as ours, closing(_all_along(left)) as theirs:
            for number, (frame, real) in enumerate(zip(ours, theirs, strict=False)):
                writer.write(_joined(_fitted(real, (wide, facts.height)), frame, name))
                progress("side by side", number + 1, facts.frames)


def check_side_by_side(path: Path, *, inputs: tuple[Path, ...]) -> None:
    """Refuse early a file that cannot be written.

    Raises:
        OptionError: its kind is not written.
        OutputError: it is one of the inputs, a folder, or in a folder that is missing or not writable.
    """
    check_output(path, inputs=inputs)
    ClipWriter(path, width=2, height=2, fps=Fraction(1))  # checks its arguments, and opens nothing yet


def _all_along(clip: Clip) -> Generator[np.ndarray, None, None]:
    """The frames of a clip, and then for ever a photo's picture again, or black."""
    last = np.zeros((2, 2, 3), np.uint8)
    with closing(prefetch(clip.frames(), AHEAD)) as frames:
        for frame in frames:
            last = frame
            yield frame
    yield from repeat(last if clip.facts.is_photo else np.zeros_like(last))


def _fitted(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if frame.shape[0] > size[1] else cv2.INTER_LINEAR)


def _joined(left: np.ndarray, right: np.ndarray, name: str) -> np.ndarray:
    for picture, text in ((left, name), (right, "output")):
        label(picture, text)
    return np.hstack([left, right])
