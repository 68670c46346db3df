"""Sound that waits to be shown, and the clock that it is: which samples belong to which frame."""

from fractions import Fraction
from math import ceil, floor

import numpy as np

from lipwright.audio.mel import RATE
from lipwright.errors import InputError, OptionError
from lipwright.streaming.hearing import LOOK_AHEAD, RESAMPLING

MOST_WAITING = 10  # seconds
STAND_IN = Fraction(1, 50)  # seconds of silence at least, where sound is late
CUSHION = Fraction(1, 25)  # seconds of silence at most before sound that follows silence put in
FADE = 0.01  # seconds in which sound that is interrupted fades away
LOWEST_RATE, HIGHEST_RATE = 8_000, 192_000


class Waiting:
    """Samples from the next frame's first one on; not safe for several threads.

    Args:
        rate: samples per second.
        fps: frames per second.

    Raises:
        OptionError: no such rate can be heard.
    """

    def __init__(self, rate: int, fps: Fraction) -> None:
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise OptionError(f"rate must be {LOWEST_RATE}..{HIGHEST_RATE} samples per second, got {rate}")
        self._rate, self._fps = rate, fps
        self._ahead = max(LOOK_AHEAD + (RESAMPLING if rate != RATE else 0), 1 / fps)  # a frame's own sound, too
        self._samples = np.zeros(0, np.float32)
        self._unheard = 0  # of them, where those begin that were not handed out to be heard
        self._fading = np.zeros(0, np.float32)
        self._frame = 0  # since the stretch began
        self._put_in = True  # whether what came last was silence put in

    @property
    def seconds(self) -> float:
        """How much waits."""
        return len(self._samples) / self._rate

    @property
    def frames(self) -> int:
        """How many frames can be drawn with it."""
        beyond = Fraction(self._begin(self._frame) + len(self._samples), self._rate) - self._ahead
        return max(0, floor(beyond * self._fps) + 1 - self._frame)

    def add(self, samples: np.ndarray) -> None:
        """Some more sound. (n,) float32.

        Raises:
            InputError: more would wait than `MOST_WAITING` seconds.
        """
        if len(self._samples) + len(samples) > MOST_WAITING * self._rate:
            raise InputError(
                f"{self.seconds:.1f} seconds of sound wait to be shown, {MOST_WAITING} are the most; "
                "take frames before more is said"
            )
        if self._put_in and self._frame:  # paced sound that begins between two frames must not run dry at once
            self._silence(min(len(samples), round(CUSHION * self._rate)))
        self._put_in = False
        self._samples = np.concatenate([self._samples, samples])

    def fill(self) -> None:
        """Put silence in for what is missing to the next frame."""
        missing = self._needed() - len(self._samples)
        if missing > 0:
            self._silence(missing if self._put_in else max(missing, round(STAND_IN * self._rate)))
            self._put_in = True

    def take(self) -> tuple[np.ndarray, np.ndarray, Fraction]:
        """Go on to the next frame.

        Returns:
            What the frame needs that was not heard so far, its sound, (n,) float32 each, and its moment in the stretch.
        """
        needed = self._needed()  # no more of it, however much waits: ears remember two seconds
        unheard = self._samples[self._unheard : needed]
        length = self._begin(self._frame + 1) - self._begin(self._frame)
        sound = self._samples[:length].copy()
        faded = min(length, len(self._fading))
        sound[:faded] += self._fading[:faded]
        self._fading = self._fading[faded:]
        self._samples = self._samples[length:]
        self._unheard = needed - length
        moment = self._frame / self._fps
        self._frame += 1
        return unheard, sound, moment

    def drop(self) -> None:
        """Begin a new stretch at the next frame; what waits is forgotten, its first moment fades away."""
        fading = self._samples[: round(FADE * self._rate)]
        self._fading = fading * np.linspace(1, 0, len(fading), dtype=np.float32)
        self._samples, self._unheard, self._frame, self._put_in = np.zeros(0, np.float32), 0, 0, True
        self._silence(ceil(self._ahead * self._rate))

    def _silence(self, samples: int) -> None:
        self._samples = np.concatenate([self._samples, np.zeros(samples, np.float32)])

    def _needed(self) -> int:
        """How many samples the next frame is drawn with, its own first one included."""
        return ceil((self._frame / self._fps + self._ahead) * self._rate) - self._begin(self._frame)

    def _begin(self, frame: int) -> int:
        """A frame's first sample, since the stretch began."""
        return round(frame * self._rate / self._fps)
