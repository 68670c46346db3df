"""What a motion is: speech features in, one mouth per output frame out; and the table of those we have."""

from fractions import Fraction
from typing import Protocol

from lipwright.structures import MouthDrive, SpeechFeatures

MOTIONS = {"mouth": "lipwright.motion.mouth:MouthMotion"}
"""Motion backends by name, for `lipwright.registry.load`."""


class Motion(Protocol):
    """Turns speech into mouth motion."""

    def move(self, speech: SpeechFeatures, fps: Fraction, frames: int) -> MouthDrive:
        """One mouth per output frame; frame i is at i / fps seconds. Beyond the end of the speech lips rest."""
        ...
