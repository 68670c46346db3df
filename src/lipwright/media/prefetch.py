"""Bounded read-ahead in a thread of its own."""

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextvars import copy_context
from typing import Generic, TypeVar

from lipwright.errors import OptionError

T = TypeVar("T")


def prefetch(items: Iterable[T], depth: int = 8) -> Generator[T, None, None]:
    """Read `items` up to `depth` ahead of the consumer, in a thread that has the consumer's context variables.

    The thread starts with the first `next()`. Closing the generator, or an error in the consumer
    that lets go of it, ends the thread before control returns and closes `items` if it is a
    generator. A source that blocks inside its own `next()` blocks the close for as long.

    Args:
        items: Read in the worker thread only, in order.
        depth: Items held at most between the two sides (one more is in the source's hands).

    Yields:
        The items, in order.

    Raises:
        OptionError: `depth` is less than 1.
        BaseException: Whatever `items` raised, after the items that came before it.
    """
    if depth < 1:
        raise OptionError(f"depth must be 1 or more, got {depth}")
    return _consume(_Belt(items, depth))


def _consume(belt: "_Belt[T]") -> Generator[T, None, None]:
    worker = threading.Thread(target=copy_context().run, args=(belt.fill,), name="lipwright-prefetch", daemon=True)
    worker.start()
    try:
        yield from belt.drain()
    finally:
        belt.stop()
        worker.join()


class _Belt(Generic[T]):
    """What the two sides share: a bounded queue that either side may end."""

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._items = items
        self._depth = depth
        self._queue: deque[T] = deque()
        self._changed = threading.Condition()
        self._stopped = False
        self._finished = False
        self._failure: BaseException | None = None

    def fill(self) -> None:
        """Run in the worker until the source ends, fails, or the consumer stops."""
        source: Iterator[T] | None = None
        try:
            source = iter(self._items)
            for item in source:
                if not self._put(item):
                    break
            if isinstance(source, Generator):  # its `finally` blocks belong to the thread that ran it
                source.close()
        except BaseException as exc:  # noqa: BLE001 - raised again in the consumer
            self._failure = exc
        finally:
            with self._changed:
                self._finished = True
                self._changed.notify_all()

    def drain(self) -> Iterator[T]:
        """Run in the consumer: the items in order, then the source's failure if it had one."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._finished)
                if not self._queue:
                    break
                item = self._queue.popleft()
                self._changed.notify_all()
            yield item
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Let the worker go, whatever it is waiting for."""
        with self._changed:
            self._stopped = True
            self._queue.clear()
            self._changed.notify_all()

    def _put(self, item: T) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._queue) < self._depth)
            if self._stopped:
                return False
            self._queue.append(item)
            self._changed.notify_all()
            return True
