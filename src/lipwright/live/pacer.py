"""The clock of one page: a thread that draws each frame when it is due."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import av
import numpy as np

from lipwright.errors import LipwrightError
from lipwright.live.tracks import Packets, to_send
from lipwright.streaming.session import LOOK_AHEAD, Session

LATE = 0.12  # seconds behind the clock from which on pictures are left out
CALM_S, SPARE_S, MOST_SPARE_S = 2.0, 0.06, 0.25  # sound that waits for nothing: since when, how much, how much at most
QUIET = 100  # peak of 32767 under which a piece of sound may be left out unheard
REMEMBERED = 50  # frames whose delay is told

log = logging.getLogger(__name__)


class Pacer:
    """Feeds a page from a session, frame by frame.

    Args:
        session: with sound at the page's rate.
        send: called in the clock's thread with every picture (None where it was left out) and its packets of sound.
        fail: called there with a sentence where the session cannot go on.
    """

    def __init__(
        self,
        session: Session,
        send: Callable[[av.VideoFrame | None, list[av.AudioFrame]], None],
        fail: Callable[[str], None],
    ) -> None:
        self._session, self._send, self._fail = session, send, fail
        self._packets = Packets()
        self._ended = threading.Event()
        self._spare: deque[float] = deque(maxlen=max(1, round(CALM_S * session.fps)))
        self._delays: deque[float] = deque(maxlen=REMEMBERED)
        self._drawn: deque[float] = deque(maxlen=REMEMBERED)
        self._thread = threading.Thread(target=self._run, name="lipwright-live", daemon=True)
        self.skipped = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, once the frame that is being drawn is done."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def hear(self, samples: np.ndarray) -> None:
        """Sound that a page sent just now; left out where too much waits already. (n,) int16.

        What stood in for late sound, and a sender's clock that runs fast, would else make everything later for good.
        """
        least = min(self._spare, default=0.0)
        quiet = bool(np.abs(samples.astype(np.int32)).max(initial=0) < QUIET)
        if least > MOST_SPARE_S or (quiet and least > SPARE_S):
            self._spare.clear()
            return
        self._session.hear(samples)

    def told(self) -> dict[str, float]:
        """How it goes: delay in ms that 95 of 100 frames stay under, frames per second, frames left out."""
        delays, drawn = list(self._delays), list(self._drawn)
        span = drawn[-1] - drawn[0] if len(drawn) > 1 else 0.0
        return {
            "delay": round(1000 * float(np.percentile(delays, 95))) if delays else 0,
            "fps": round((len(drawn) - 1) / span, 1) if span else 0.0,
            "skipped": self.skipped,
        }

    def _run(self) -> None:
        began, number, each = time.monotonic(), 0, float(1 / self._session.fps)
        try:
            while not self._ended.wait(max(0.0, began + number * each - time.monotonic())):
                late = time.monotonic() - began - number * each
                self._next(late=late > LATE)
                number += 1
        except LipwrightError as exc:
            self._fail(str(exc))
        except Exception as exc:  # the page is told; the log has the rest
            log.exception("a live session ended")
            self._fail(f"unexpected {type(exc).__name__}: {exc}")

    def _next(self, *, late: bool) -> None:
        waited, start = self._session.waiting, time.monotonic()
        self._spare.append(waited - float(LOOK_AHEAD))
        if late:
            self.skipped += 1
            self._send(None, self._packets.cut(self._session.skip_frame()))
            return
        frame = self._session.next_frame()
        picture = to_send(frame.picture, frame.time)
        self._send(picture, self._packets.cut(frame.sound))
        done = time.monotonic()
        self._delays.append(max(waited, float(LOOK_AHEAD)) + done - start)
        self._drawn.append(done)
