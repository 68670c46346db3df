# ruff: noqa: PT012 - a loop inside `raises` is what is tested

import threading
import time

import pytest

from lipwright.errors import OptionError
from lipwright.media import prefetch


def workers():
    return [t for t in threading.enumerate() if t.name == "lipwright-prefetch"]


def test_items_come_in_order():
    assert list(prefetch(range(100), depth=3)) == list(range(100))
    assert list(prefetch([])) == []
    assert not workers()


def test_reading_ahead_is_bounded():
    taken = []
    ahead = prefetch((taken.append(n) or n for n in range(100)), depth=4)
    assert next(ahead) == 0
    time.sleep(0.05)
    assert len(taken) <= 6  # one handed over, four waiting, one in the worker's hands
    ahead.close()
    assert not workers()


def test_the_sources_error_comes_after_its_items():
    def source():
        yield from range(3)
        raise KeyError("broken")

    seen = []
    with pytest.raises(KeyError, match="broken"):
        for item in prefetch(source()):
            seen.append(item)  # noqa: PERF402 - extend() would hide what came before the error
    assert seen == [0, 1, 2]
    assert not workers()


def test_an_error_in_the_consumer_ends_the_thread_and_closes_the_source():
    ended_in = []

    def source():
        try:
            while True:
                yield 1
        finally:
            ended_in.append(threading.current_thread().name)

    ahead = prefetch(source(), depth=2)
    with pytest.raises(ValueError, match="mine"):
        for _ in ahead:
            raise ValueError("mine")
    ahead.close()
    assert ended_in == ["lipwright-prefetch"]
    assert not workers()


def test_nothing_runs_before_the_first_item_is_asked_for():
    started = []
    prefetch(started.append(n) for n in range(3))
    assert not started
    assert not workers()


def test_a_depth_below_one_is_refused():
    with pytest.raises(OptionError, match="depth"):
        prefetch([], depth=0)
