"""Processes beside each other: which cores each may use, and how one ended."""

import os
import signal

import psutil

KILLED = 9  # the signal that cannot be caught


def usable_cores() -> list[int]:
    """Numbers of the cores this process may use."""
    asked = getattr(psutil.Process(), "cpu_affinity", None)  # macOS binds no process to a core
    return sorted(asked()) if asked is not None else list(range(os.cpu_count() or 1))


def share_of(cores: list[int], place: int, places: int) -> list[int]:
    """The cores of one of several processes that share them out evenly; they take turns where there are too few.

    Args:
        cores: to be shared, at least one.
        place: which of the processes, from 0.
        places: how many there are.
    """
    if places >= len(cores):
        return [cores[place % len(cores)]]
    return cores[place * len(cores) // places : (place + 1) * len(cores) // places]


def keep_to(cores: list[int]) -> None:
    """Let this process, and the threads it is going to start, use these cores only, as far as the system can."""
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity(cores)


def how_ended(code: int | None) -> str:
    """How a worker process ended, for somebody who does not know of signals."""
    if code is not None and code < 0:
        name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")  # not all have names
        hint = ", as happens when memory runs out" if -code == KILLED else ""
        return f"the worker was ended by {name}{hint}"
    return f"the worker ended with exit code {code}"
