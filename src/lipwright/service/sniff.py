"""Strangers' files are looked into by processes of their own, which may crash, hang or swell without harm."""

import json
import logging
import multiprocessing
import os
import queue
import signal
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from lipwright import errors
from lipwright.errors import LipwrightError, MediaError
from lipwright.service.sniffed import facts_of

AT_ONCE = 2  # processes; the second is started when the first is busy
MOST_TASKS = 200  # of one process, then a fresh one follows: decoders leak
MOST_MEMORY = 2 * 2**30  # bytes of one process
SECONDS, BYTES_PER_S = 60.0, 10e6  # time for a look at a file, and how much more a large one has
MOST_SECONDS = 4 * 3600.0  # of footage or sound
MOST_ANSWER = 16 * 2**20  # bytes
_LOOK_S = 0.05
_KEPT = 512  # files whose facts are remembered
_SPAWN = multiprocessing.get_context("spawn")
log = logging.getLogger(__name__)


class Sniffer:
    """Looks into files, in processes of its own. Safe for many threads.

    Args:
        most_seconds: of footage or sound; longer files are refused.
        most_memory: bytes that a process may take.
        seconds: for one look; large files have more.
    """

    def __init__(
        self, *, most_seconds: float = MOST_SECONDS, most_memory: int = MOST_MEMORY, seconds: float = SECONDS
    ) -> None:
        self._most_seconds, self._most_memory, self._seconds = most_seconds, most_memory, seconds
        self._threads = ThreadPoolExecutor(AT_ONCE, "sniffer")
        self._idle: queue.LifoQueue[_Child] = queue.LifoQueue()  # the last one used first: it is warm
        self._alive: set[_Child] = set()
        self._facts: OrderedDict[tuple[object, ...], dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Have a process ready before the first file comes; without it the first one starts it."""
        self._threads.submit(lambda: self._idle.put(self._child()))

    def facts(self, path: Path) -> dict[str, Any]:
        """What a file holds: `kind`, `width`, `height`, `fps`, `frames`, `duration` and `has_sound`.

        The kind is video, photo or sound; what one does not have is missing.

        Raises:
            MediaError: it is no media, damaged, too large or too long.
        """
        try:
            state = path.stat()
        except OSError as exc:
            raise MediaError(f"{path.name} cannot be read: {exc.strerror}; check the name") from exc
        key = (path, state.st_ino, state.st_size, state.st_mtime_ns)
        with self._lock:
            known = self._facts.get(key)
        if known is None:
            known = self.run(facts_of, path, self._most_seconds)
            with self._lock:
                self._facts[key] = known
                while len(self._facts) > _KEPT:
                    self._facts.popitem(last=False)
        return dict(known)

    def run(self, function: Callable[..., Any], path: Path, *arguments: object) -> Any:  # noqa: ANN401 - JSON
        """Have a function look into a file. See `submit`; this waits."""
        return self.submit(function, path, *arguments).result()

    def submit(self, function: Callable[..., Any], path: Path, *arguments: object) -> "Future[Any]":
        """Have a function look into a file; `asyncio.wrap_future` makes the answer one to await.

        Args:
            function: of a module, by name; what it returns must be JSON, as nothing else is taken from the process.
            path: its first argument.
            arguments: the others.

        Returns:
            The answer to come, or the function's `LipwrightError`; `MediaError` where it crashed, took too long or too
            much memory.
        """
        return self._threads.submit(self._look, function, path, arguments)

    def close(self) -> None:
        """End, whatever is under way."""
        with self._lock:
            self._closed = True
            children = list(self._alive)
        for child in children:
            child.kill()
        self._threads.shutdown(cancel_futures=True)

    def _look(self, function: Callable[..., Any], path: Path, arguments: tuple[object, ...]) -> Any:  # noqa: ANN401
        seconds = self._seconds + (path.stat().st_size / BYTES_PER_S if path.is_file() else 0)
        child = self._child()
        try:
            answer = child.ask((function, path, arguments), seconds, self._most_memory)
        except _Lost as exc:
            self._drop(child)
            log.warning("%s: the process that looked into it %s", path.name, exc.how)
            raise MediaError(
                f"{path.name} {exc}; convert it to H.264 video, JPEG or WAV, or give another file"
            ) from None
        if child.served < MOST_TASKS:
            self._idle.put(child)
        else:
            self._drop(child)
        return _unpacked(answer, path)

    def _child(self) -> "_Child":
        """One that waits, or a new one."""
        while True:
            try:
                child = self._idle.get_nowait()
            except queue.Empty:
                break
            if child.is_alive():
                return child
            self._drop(child)
        child = _Child()
        with self._lock:
            self._alive.add(child)
            closed = self._closed
        if closed:
            child.kill()
        return child

    def _drop(self, child: "_Child") -> None:
        child.kill()
        with self._lock:
            self._alive.discard(child)


class _Lost(Exception):
    """The process gave no answer; says of the file why, and of the process how."""

    def __init__(self, why: str, how: str) -> None:
        super().__init__(why)
        self.how = how


class _Child:
    """One process that looks into one file after the other."""

    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs,), name="sniffer", daemon=True)
        self._process.start()
        theirs.close()
        self.served = 0

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def ask(self, task: tuple[Any, ...], seconds: float, most_memory: int) -> bytes:
        """Its answer.

        Raises:
            _Lost: it died, or took too long or too much memory; it is to be dropped.
        """
        self.served += 1
        end = time.monotonic() + seconds
        try:
            self._pipe.send(task)
            seen = psutil.Process(self._process.pid)
            while not self._pipe.poll(_LOOK_S):
                if time.monotonic() > end:
                    raise _Lost(f"takes longer than {seconds:.0f} seconds to look into", "hung")
                if seen.memory_info().rss > most_memory:
                    raise _Lost(f"takes more than {most_memory / 2**30:.1f} GB of memory to look into", "swelled")
            return self._pipe.recv_bytes(MOST_ANSWER)
        except (OSError, EOFError, psutil.Error) as exc:
            self._process.join(1)
            raise _Lost("is damaged in a way that no decoder survives", f"died ({self._process.exitcode})") from exc


def _unpacked(answer: bytes, path: Path) -> Any:  # noqa: ANN401 - JSON
    told = json.loads(answer)
    if "value" in told:
        return told["value"]
    kind = getattr(errors, str(told["kind"]), None)
    if isinstance(kind, type) and issubclass(kind, LipwrightError):
        raise kind(told["error"])
    log.error("%s: unexpected error in the process that looked into it\n%s", path.name, told["error"])
    raise MediaError(f"{path.name} cannot be looked into ({told['kind']}); the server's log says more")


# In the process


def _serve(pipe: Connection) -> None:
    """Answer until the other end is closed; ends with the server, also where a decoder hangs."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's
    logging.getLogger().addHandler(logging.NullHandler())  # what is odd about a file is not told on the terminal
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 - this is a child
    threading.Thread(target=lambda: (parent.join(), os._exit(0)), daemon=True).start()
    while True:
        try:
            function, path, arguments = pipe.recv()
        except EOFError:
            return
        pipe.send_bytes(_answer(function, path, arguments).encode())


def _answer(function: Callable[..., Any], path: Path, arguments: tuple[object, ...]) -> str:
    try:
        return json.dumps({"value": function(path, *arguments)})
    except LipwrightError as exc:
        return _failed(type(exc).__name__, str(exc).replace(str(path), path.name))
    except MemoryError:
        return _failed("MediaError", f"{path.name} needs more memory than there is; scale it down")
    except Exception as exc:  # noqa: BLE001 - whatever a hostile file brings about; the server logs it
        return _failed(type(exc).__name__, traceback.format_exc())


def _failed(kind: str, error: str) -> str:
    return json.dumps({"kind": kind, "error": error})
