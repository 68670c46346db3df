"""Videos and photos as clips: facts first, frames one at a time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.errors import MediaError, OptionError
from lipwright.media import rates
from lipwright.media.colour import ColourTags, ToRgb
from lipwright.media.photo import is_photo, read_photo
from lipwright.media.picture import Picture, Stored, is_own
from lipwright.media.player import Player
from lipwright.media.probe import Reel, Upright, scan
from lipwright.structures import ClipFacts


class Clip:
    """An open video or photo; made by `open_clip`.

    Attributes:
        facts: Size, rate and exact number of frames.
        colour: What the stored YUV numbers mean, for a writer that keeps the source's look.
        notes: What the user should know of how the file was taken, one sentence each.
    """

    def __init__(
        self,
        facts: ClipFacts,
        colour: ColourTags,
        play: Callable[[Iterable[int]], Iterator[Picture]],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.facts = facts
        self.colour = colour
        self.notes = notes
        self._play = play
        self._closed = False

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        """The frames from `start` up to, not including, `stop` (default: the end).

        Yields:
            (H, W, 3) uint8 RGB, upright, C-contiguous; each array is the caller's own.

        Raises:
            IndexError: The range leaves the clip.
            MediaError: The file can no longer be read.
        """
        return self.play(range(start, self.facts.frames if stop is None else stop))

    def play(self, order: Iterable[int]) -> Iterator[np.ndarray]:
        """Frames by index, in any order made of forward runs, backward runs and jumps.

        Memory is bounded whatever the clip's length. May be called again, also while an earlier
        iterator is in use: each reads the file for itself.

        Args:
            order: Indices in 0..facts.frames - 1, taken one at a time.

        Yields:
            (H, W, 3) uint8 RGB, upright, C-contiguous; the same bits for the same index every time.

        Raises:
            IndexError: An index is outside the clip.
            MediaError: The file can no longer be read.
        """
        return (picture.rgb for picture in self.pictures(order))

    def pictures(self, order: Iterable[int]) -> Iterator[Picture]:
        """As `play`, but nothing is converted to RGB that nobody asks for.

        Args:
            order: Indices in 0..facts.frames - 1, taken one at a time.

        Raises:
            IndexError: An index is outside the clip.
            MediaError: The file can no longer be read.
        """
        if self._closed:
            raise MediaError(f"{self.facts.path} is closed; read frames inside the `with` block")
        return self._play(self._checked(order))

    def close(self) -> None:
        """Refuse further reading. Iterators in use stay valid."""
        self._closed = True

    def _checked(self, order: Iterable[int]) -> Iterator[int]:
        for index in order:
            if not 0 <= index < self.facts.frames:
                last = self.facts.frames - 1
                raise IndexError(f"{self.facts.path.name} has frames 0..{last}, got {index}")
            yield index


@contextmanager
def open_clip(path: Path | str, fps: Fraction | None = None) -> Iterator[Clip]:
    """Open a video or photo; its frames come upright, with square pixels, at one constant rate.

    Opening walks the packets and decodes a single frame. A video of variable rate is resampled by
    presentation time. Time zero is the first frame's, moved back by whole frames where the sound
    begins earlier (the first frame then stands meanwhile), so that `read_sound` of the same file is
    in step.

    Args:
        path: Any video FFmpeg reads; or a PNG, JPEG, WebP, BMP or TIFF photo, which is a clip of
            one frame.
        fps: The rate to play at; default: the file's own (25 for a photo), halved or more where
            above 120.

    Yields:
        The clip, closed at the end of the block.

    Raises:
        MediaError: The file is missing, a folder, no media, holds only sound, or shows no frame.
        OptionError: `fps` is not in 1..240.
    """
    if fps is not None and not 1 <= fps <= 240:
        raise OptionError(f"fps must be 1..240, got {fps}")
    path = Path(path)
    clip = _photo_clip(path, fps) if is_photo(path) else _video_clip(path, fps)
    try:
        yield clip
    finally:
        clip.close()


def _video_clip(path: Path, fps: Fraction | None) -> Clip:
    reel = scan(path)
    rate = reel.nominal if fps is None else Fraction(fps)
    slots = reel.schedule(rate)
    width, height = reel.upright.size(reel.width, reel.height)
    facts = ClipFacts(
        path=path,
        width=width,
        height=height,
        fps=rate,
        frames=len(slots),
        has_sound=reel.has_sound,
        is_photo=False,
    )
    return Clip(facts, reel.colour, lambda order: _pictures(reel, slots, order), reel.notes)


def _pictures(reel: Reel, slots: np.ndarray, order: Iterable[int]) -> Iterator[Picture]:
    to_rgb = ToRgb(reel.colour, reel.width, reel.height)
    plain = reel.upright == Upright() and not reel.interlaced and reel.own
    with Player(reel) as player:
        for index in order:
            frame = player.frame(int(slots[index]))
            kept = plain and (frame.width, frame.height) == (reel.width, reel.height) and is_own(frame)
            yield Picture(Stored(frame, reel.colour) if kept else reel.upright(to_rgb(frame)))


def _photo_clip(path: Path, fps: Fraction | None) -> Clip:
    picture = read_photo(path)
    height, width = picture.shape[:2]
    facts = ClipFacts(
        path=path,
        width=width,
        height=height,
        fps=rates.DEFAULT if fps is None else Fraction(fps),
        frames=1,
        has_sound=False,
        is_photo=True,
    )
    return Clip(facts, ColourTags.standard(height), lambda order: (Picture(picture.copy()) for _ in order))
