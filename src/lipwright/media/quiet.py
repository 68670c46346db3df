"""C and C++ libraries that write straight to file descriptor 2: keep a user's terminal clean."""

import contextlib
import os
import threading
from collections.abc import Iterator

_STDERR = threading.RLock()  # two jobs in one process must not take each other's silence for the terminal


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No lines from C and C++ libraries in this block.

    MediaPipe greets while a graph starts, that is with its first picture (hence the blank ones) and its first face;
    libpng and libjpeg complain about damage, of which the user is told in our own words.
    """
    with _STDERR, contextlib.ExitStack() as restore:
        try:
            saved = os.dup(2)
        except OSError:  # a service may have closed it: nothing to keep clean
            yield
            return
        restore.callback(os.close, saved)
        restore.callback(os.dup2, saved, 2)
        with open(os.devnull, "w") as null:  # noqa: PTH123 - a device, not a path
            os.dup2(null.fileno(), 2)
        yield
