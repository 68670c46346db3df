"""What a motion is: speech features in, one mouth per output frame out; and the table of those we have."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Protocol, TypeVar

from lipwright.structures import MouthDrive, SpeechFeatures

Code = TypeVar("Code")  # what a motion keeps of the speech

MOTIONS = {"mouth": "lipwright.motion.mouth:MouthMotion", "window": "lipwright.motion.window:WindowMotion"}
"""Motion backends by name, for `lipwright.registry.load`."""


class Drive(Protocol):
    """Mouths of all output frames, made when they are asked for: hours of them need no room."""

    def __len__(self) -> int: ...

    def part(self, frames: range) -> MouthDrive:
        """The mouths of consecutive output frames; the same for a frame whatever part it is asked for in."""
        ...


class Motion(Protocol[Code]):
    """Turns speech into mouth motion, in two steps: how much of it is wanted is known only when all was heard."""

    def hear(self, pieces: Iterable[SpeechFeatures]) -> Code:
        """What `drive` needs of the speech, much smaller than the features; pieces follow each other in time."""
        ...

    def drive(self, code: Code, fps: Fraction, frames: int, intensity: float = 1.0) -> Drive:
        """One mouth per output frame; frame i is at i / fps seconds. Beyond the end of the speech lips rest.

        `intensity` is how far the mouth moves, as a share of what was heard: 0 rests.
        """
        ...
