"""What a batch has done so far, on disk after every job, so that nothing is forgotten however it ends."""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO

from lipwright import __version__
from lipwright.batch.plan import BatchJob, Location
from lipwright.errors import LipwrightError, OutputError
from lipwright.storage import state_of

ASKED_AT_ONCE = 16  # files of which their stores are asked


class Journal:
    """Finished jobs by what they were made of; use as a context manager.

    Args:
        path: the file, one line of JSON a job.
        resume: keep what an earlier run noted; else it is begun anew.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._done = _read(path) if resume else {}
        try:
            self._file: BinaryIO = path.open("ab" if resume else "wb")
            if resume and path.stat().st_size:
                self._file.write(b"\n")  # ends a line that a killed run did not
        except OSError as exc:
            raise OutputError(f"{path} cannot be written: {exc.strerror}; name another --report") from exc

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def done(self, job: BatchJob, key: str) -> dict[str, Any] | None:
        """The report of a job that was done and whose file is as it left it, None of any other."""
        noted = self._done.get(key)
        if noted is None or noted["made"] != _states(job.outputs()):
            return None
        return noted["facts"]

    def note(self, job: BatchJob, key: str, facts: dict[str, Any]) -> None:
        """Keep that a job is done; it is on the disk when this returns.

        Raises:
            OutputError: it cannot be written.
        """
        line = json.dumps({"key": key, "made": _states(job.outputs()), "facts": facts})
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as exc:
            raise OutputError(f"{self._path} cannot be written: {exc.strerror}; free space on the disk") from exc


def keys_of(jobs: Iterable[BatchJob]) -> dict[int, str]:
    """What each job, by its number, is made of, as one word: another one when an input or an option changes."""
    jobs = list(jobs)
    locations = list({source for job in jobs for source in (job.video, job.audio, *_own_files(job))})
    with ThreadPoolExecutor(ASKED_AT_ONCE) as threads:
        states = dict(zip(locations, threads.map(_state, locations), strict=True))
    return {job.number: _key(job, states) for job in jobs}


def _key(job: BatchJob, states: dict[Location, Any]) -> str:
    sources = [(str(source), states[source]) for source in (job.video, job.audio, *_own_files(job))]
    told = json.dumps([__version__, sources, str(job.output), repr(job.options)])
    return hashlib.sha256(told.encode()).hexdigest()


def _own_files(job: BatchJob) -> list[Path]:
    """Files that the options name."""
    named = [getattr(job.options, field.name) for field in fields(job.options)]
    paths = [value for value in named if isinstance(value, Path) and value.is_file()]
    return paths + [overlay.picture for overlay in job.options.overlays]


def _state(location: Location) -> Any:  # noqa: ANN401 - as of `state_of`, as JSON holds it
    try:
        state = state_of(location)
    except LipwrightError:  # the job will say what is wrong
        return None
    return None if state is None else list(state)


def _states(outputs: list[Location]) -> list[Any] | None:
    """Of all of a job's outputs, None where one is missing."""
    states = [_state(output) for output in outputs]
    return None if None in states else states


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The notes of earlier runs by their keys, the latest of each; a line that was cut off is left out."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise OutputError(f"{path} cannot be read: {exc.strerror}; leave --resume out to begin anew") from exc
    found = {}
    for line in lines:
        try:
            noted = json.loads(line)
            found[noted["key"]] = {"made": noted["made"], "facts": noted["facts"]}
        except (ValueError, KeyError, TypeError):
            continue
    return found
