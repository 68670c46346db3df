"""From rows to jobs, with everything refused that can be refused before the first one begins."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from lipwright.batch.manifest import PLACES, Row
from lipwright.batch.options import options_of, values_of
from lipwright.errors import InputError, LipwrightError, OptionError
from lipwright.media import ClipWriter
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.marks import check_marks
from lipwright.pipeline.run import mask_name
from lipwright.storage import check_source, check_target, is_url, shown

Location = Path | str
"""A path, or a URL."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One job of a batch.

    Args:
        number: its place in the list, from 1.
        where: which row it is, for messages.
        video, audio, output: as of `dub`, or URLs, see `lipwright.storage`.
        options: of the job.
    """

    number: int
    where: str
    video: Location
    audio: Location
    output: Location
    options: DubOptions

    @property
    def footage(self) -> tuple[object, ...]:
        """What jobs have in common that look at the same footage in the same way: they share its analysis."""
        options = self.options
        return str(self.video), options.engine, options.person, options.tracker, options.fps, options.cache

    def outputs(self) -> list[Location]:
        """All the files it writes."""
        if self.options.mask_debug and isinstance(self.output, Path):
            return [self.output, mask_name(self.output)]
        return [self.output]


def plan_jobs(rows: Iterable[Row], common: Mapping[str, str] | None = None) -> list[BatchJob]:
    """The jobs of some rows.

    Args:
        rows: see `read_manifest` and `every_pair`.
        common: options for all rows, by their names on the command line; a row's own count more. Relative paths in
            them are relative to the working folder.

    Raises:
        InputError: a row asks for what cannot be done, two write the same file, or one writes what another reads.
            The sentence names the first, and how many more there are.
    """
    shared = values_of(common or {}, Path.cwd())
    jobs, wrong = [], []
    for number, row in enumerate(rows, 1):
        try:
            jobs.append(_job(number, row, shared))
        except LipwrightError as exc:
            wrong.append(f"{row.where}: {exc}")
    wrong += _meetings(jobs)
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(f"{wrong[0]}{more}; nothing was begun")
    return jobs


def _job(number: int, row: Row, common: Mapping[str, Any]) -> BatchJob:
    video, audio, output = (_located(row.words[name], row.folder) for name in PLACES)
    own = {name: word for name, word in row.words.items() if name not in PLACES}
    options = options_of({**common, **values_of(own, row.folder)})
    for source in (video, audio):
        check_source(source)
    check_target(output)
    if options.mask_debug and is_url(output):
        raise OptionError("mask-debug writes a second file beside the output, which must be a path then, not a URL")
    place = Path(shown(output).rpartition("/")[2]) if isinstance(output, str) else output
    ClipWriter(place, width=2, height=2, fps=Fraction(25), options=options.encode)  # refuses suffix and codec
    check_marks(options, place)
    return BatchJob(number, row.where, video, audio, output, options)


def _located(word: str, folder: Path) -> Location:
    return word if is_url(word) else folder / word


def _meetings(jobs: list[BatchJob]) -> list[str]:
    """Jobs that would get in each other's way, a sentence each."""
    told, writers = [], {}
    for job in jobs:
        for output in job.outputs():
            first = writers.setdefault(identity_of(output), job)
            if first is not job:
                told.append(f"{job.where} writes {shown(output)}, as {first.where} does")
    read = ((job, source) for job in jobs for source in (job.video, job.audio))
    met = ((writers.get(identity_of(source)), job, source) for job, source in read)
    return told + [f"{one.where} writes {shown(source)}, which {job.where} reads" for one, job, source in met if one]


def identity_of(location: Location) -> object:
    """The same for two names of one file, existing or not."""
    if isinstance(location, str):
        return location
    try:
        facts = location.stat()
    except OSError:
        return os.path.normcase(location.resolve())
    return facts.st_dev, facts.st_ino
