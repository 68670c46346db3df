"""What is laid over drawn frames before they are written: pictures in the corners, and the visible label."""

import math

from lipwright.compose.blend import Frame
from lipwright.compose.caption import START_S, Caption
from lipwright.compose.overlays import Overlays
from lipwright.pipeline.config import DubOptions
from lipwright.structures import ClipFacts


class Finish:
    """Pictures and label of one job, read and fitted to its frames.

    Args:
        options: the job's.
        facts: of its footage.

    Raises:
        MediaError: a picture cannot be read.
        OptionError: no font has the label's letters, or it does not fit.
    """

    def __init__(self, options: DubOptions, facts: ClipFacts) -> None:
        self._overlays = Overlays(options.overlays, facts.width, facts.height)
        self._captioned = {"off": 0, "start": math.ceil(START_S * facts.fps), "always": math.inf}[options.label]
        if self._captioned:
            self._caption = Caption(
                facts.width,
                facts.height,
                text=options.label_text,
                language=options.label_language,
                corner=options.label_corner,
                size=options.label_size,
                font=options.label_font,
            )

    def over(self, frame: Frame, output: int) -> Frame:
        """A drawn frame with all of it, itself where there is nothing.

        Args:
            frame: (H, W, 3) uint8 RGB or a picture, not written to.
            output: its number in the result.
        """
        frame = self._overlays.over(frame)
        return self._caption.over(frame) if output < self._captioned else frame
