"""What a job can be told."""

from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from lipwright.errors import OptionError
from lipwright.face.track import check_person
from lipwright.media import EncodeOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.plan import LENGTHS


@dataclass(frozen=True, slots=True, kw_only=True)
class DubOptions:
    """Options of one job.

    Args:
        engine: row of `lipwright.pipeline.engines.ENGINES`.
        length: what to do when sound and footage differ in length, see `lipwright.pipeline.plan`.
        person: `largest`, `center`, `left`, `right`, or a number counted from the left, from 1.
        fps: rate of the output, 1..120; None keeps the footage's.
        encode: codec and quality of the output.
        cache: folder for avatars; None is the user's cache folder.
        tracker: row of `lipwright.face.base.TRACKERS`.
        intensity: how far the mouth moves from rest, 0..2; 1 as heard, 0 not at all. Closed lips stay closed.
        still: leave a photo as it is; else its head moves a little and its eyes blink. Nothing to a video.
        mask_debug: also write `<name>.mask<suffix>`, the result with what it was drawn by over it.

    Raises:
        OptionError: a value is outside its range; the sentence names the option.
    """

    engine: str = "native"
    length: str = "bounce"
    person: str = "largest"
    fps: Fraction | None = None
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    cache: Path | None = None
    tracker: str = "facemesh"
    intensity: float = 1.0
    still: bool = False
    mask_debug: bool = False

    def __post_init__(self) -> None:
        check_person(self.person)
        if self.engine not in ENGINES:
            raise OptionError(f"engine {self.engine!r} is unknown; use one of {', '.join(sorted(ENGINES))}")
        if self.length not in LENGTHS:
            raise OptionError(f"length {self.length!r} is unknown; use one of {', '.join(LENGTHS)}")
        if not 0 <= self.intensity <= 2:
            raise OptionError(f"intensity must be 0..2, got {self.intensity:g}; 1 moves the mouth as far as was heard")
        if self.fps is not None and not 1 <= self.fps <= 120:
            raise OptionError(f"fps must be 1..120, got {self.fps}; leave it out to keep the footage's own rate")
