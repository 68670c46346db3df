"""A live session: sound as it comes, frames a moment later."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np

from lipwright.audio.mel import RATE
from lipwright.errors import InputError, OptionError
from lipwright.media import open_clip
from lipwright.motion.mouth import MouthMotion
from lipwright.motion.style import lips_apart
from lipwright.pipeline.config import DubOptions
from lipwright.progress import Progress, silent
from lipwright.streaming.hearing import LOOK_AHEAD, Speech
from lipwright.streaming.person import Person
from lipwright.streaming.waiting import Waiting

RELEASE = Fraction(12, 100)  # seconds in which an interrupted mouth comes to rest
MEANINGLESS = ("length", "encode", "mask_debug", "consent_note", "certificate", "private_key")


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One frame and the sound that is heard while it is seen.

    Args:
        number: counted from 0.
        time: seconds since the session began, exact.
        picture: (H, W, 3) uint8 RGB, with label and mark.
        sound: (n,) float32 at the session's rate; silence where nothing was said.
    """

    number: int
    time: Fraction
    picture: np.ndarray
    sound: np.ndarray


class Session:
    """A person who says what is given piece by piece; use as a context manager.

    A frame can be drawn once the `LOOK_AHEAD` seconds of sound behind its own moment were heard. Two ways of use:

    - *push*: `hear` some sound, take what is ready from `frames()`, and so on; `finish()` after the last piece;
    - *pull*: a clock asks for `next_frame()` whenever one is due, `hear` is called as sound comes; what is missing is
      silence, in which the person goes on living with the mouth at rest.

    `hear`, `interrupt` and the properties may be used by another thread than the one that takes the frames.

    Args:
        video: a video, played forwards and backwards, or a photo, which is brought to life.
        options: see `DubOptions`; of the engines, `native`.
        rate: samples per second that `hear` is given.
        progress: told `("analyse", done, total)` where the footage is not known yet.

    Attributes:
        fps, width, height: of the frames.
        rate: as given.
        avatar_key, avatar_reused: name of the analysis in the store, and whether it was there already.
        notes: what the user should know of how the footage was taken, one sentence each.
        origin: what the frames are made of; its `mark_id()` is in every drawn picture unless marks are off.

    Raises:
        InputError: the footage or an option cannot be used.
        BackendError: a part of the engine is missing.
    """

    def __init__(
        self,
        video: Path | str,
        *,
        options: DubOptions | None = None,
        rate: int = RATE,
        progress: Progress = silent,
    ) -> None:
        self._options = options or DubOptions()
        check_live(self._options)
        self._open = ExitStack()
        try:
            clip = self._open.enter_context(open_clip(Path(video), self._options.fps))
            self.fps, self.width, self.height, self.rate = clip.facts.fps, clip.facts.width, clip.facts.height, rate
            self._waiting = Waiting(rate, self.fps)
            self._person = Person(clip, self._options, progress)
            self._open.callback(self._person.close)
        except BaseException:
            self._open.close()
            raise
        self.avatar_key, self.avatar_reused = self._person.avatar_key, self._person.avatar_reused
        self.notes, self.origin = self._person.notes, self._person.origin
        self._motion = MouthMotion.open()
        self._speech = Speech(self._motion, rate, self._options.intensity)
        self._lock = threading.Lock()
        self._interrupted = False
        self._number = 0
        self._mouth: np.ndarray | None = None  # as it was drawn last
        self._released: np.ndarray | None = None  # as it was when interrupted
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the footage; no frame can be taken any more."""
        self._closed = True
        self._open.close()

    @property
    def ready(self) -> int:
        """How many frames can be drawn with the sound that is there."""
        with self._lock:
            return self._waiting.frames

    @property
    def waiting(self) -> float:
        """Seconds of sound that are not shown yet; never less than `LOOK_AHEAD` of it stay behind."""
        with self._lock:
            return self._waiting.seconds

    def hear(self, samples: np.ndarray) -> None:
        """Some more sound, a piece of any length.

        Args:
            samples: (n,) float32 in -1..1, or int16, at the session's rate.

        Raises:
            InputError: it is no such sound, or ten seconds would wait to be shown: take frames first.
        """
        sound = _checked(samples)
        with self._lock:
            self._waiting.add(sound)

    def finish(self) -> None:
        """Nothing more is said: let the frames that still wait for what follows become ready."""
        self.hear(np.zeros(round((LOOK_AHEAD + 1 / self.fps) * self.rate), np.float32))

    def interrupt(self) -> None:
        """Forget what is not shown yet; the mouth comes to rest, and what is heard from now on is said next."""
        with self._lock:
            self._waiting.drop()
            self._interrupted = True

    def frames(self) -> Iterator[LiveFrame]:
        """The frames that are ready."""
        while self.ready:
            yield self.next_frame()

    def next_frame(self) -> LiveFrame:
        """The next frame, whether it is ready or not: silence stands in for sound that is missing.

        Raises:
            InputError: the session is closed.
            MediaError: the footage can no longer be read.
        """
        mouth, sound = self._next_mouth()
        number = self._number
        self._number += 1
        return LiveFrame(number, number / self.fps, self._person.draw(mouth, number), sound)

    def skip_frame(self) -> np.ndarray:
        """Leave a frame out that would come too late. Returns its sound; time and person go on. (n,) float32.

        Raises:
            InputError, MediaError: as `next_frame`.
        """
        _, sound = self._next_mouth()
        self._number += 1
        self._person.skip()
        return sound

    def _next_mouth(self) -> tuple[np.ndarray, np.ndarray]:
        """The next frame's mouth, (68, 3) float32 displacements, and its sound."""
        if self._closed:
            raise InputError("this session is closed; take frames inside the `with` block")
        with self._lock:
            self._waiting.fill()
            unheard, sound, moment = self._waiting.take()
            interrupted, self._interrupted = self._interrupted, False
        if interrupted:
            self._released = self._mouth
            self._speech = Speech(self._motion, self.rate, self._options.intensity, self._speech)
        self._speech.hear(unheard)
        self._mouth = self._eased(self._speech.mouth(moment), moment)
        return self._mouth, sound

    def _eased(self, mouth: np.ndarray, moment: Fraction) -> np.ndarray:
        """A mouth with what is left of the one that was interrupted. (68, 3) float32."""
        gone = float((moment + 1 / self.fps) / RELEASE)
        if self._released is None or gone >= 1:
            self._released = None
            return mouth
        left = 0.5 + 0.5 * np.cos(np.pi * gone)
        return lips_apart((mouth + np.float32(left) * self._released)[None])[0]


def check_live(options: DubOptions) -> None:
    """Refuse what a live session would silently leave out.

    Raises:
        OptionError: an option means nothing here.
    """
    if options.engine != "native":
        raise OptionError(f"engine {options.engine} hears whole sounds only; a live session needs engine native")
    plain = DubOptions()
    for name in MEANINGLESS:
        if getattr(options, name) != getattr(plain, name):
            raise OptionError(f"{name.replace('_', '-')} means nothing to a live session; leave it out")


def _checked(samples: np.ndarray) -> np.ndarray:
    """Samples as (n,) float32.

    Raises:
        InputError: they are none.
    """
    if samples.ndim != 1 or samples.dtype not in (np.float32, np.int16):
        raise InputError(
            f"live sound is (n,) float32 or int16 samples of one channel, got {samples.shape} {samples.dtype}"
        )
    if samples.dtype == np.int16:
        return samples.astype(np.float32) / 32768
    if not np.isfinite(samples).all():
        raise InputError("the live sound holds values that are not numbers; send ordinary PCM")
    return samples
