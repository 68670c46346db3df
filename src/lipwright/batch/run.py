"""A whole batch: what was done before is skipped, the rest is done, and a report says how each job ended."""

import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lipwright.batch.crew import Crew, Ended
from lipwright.batch.journal import Journal, keys_of
from lipwright.batch.plan import BatchJob, Location, identity_of
from lipwright.errors import OptionError, OutputError
from lipwright.media.partial import partial_name, remove_abandoned
from lipwright.pipeline.executor import EXECUTORS
from lipwright.progress import Progress, silent
from lipwright.storage import shown

if TYPE_CHECKING:
    from lipwright.batch.cluster import ClusterCrew

MOST_WORKERS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one job of a batch ended, a line of its report.

    Args:
        job: its number in the list, from 1.
        row: which row it is.
        video, audio, output: as asked for; of URLs without what may be secret.
        state: `done`, `failed`, `skipped` (done by an earlier run) or `left` (the batch was stopped before).
        error: why it failed, a sentence.
        seconds: from when a worker got it, 0 where none did.
        frames: output frames, 0 where there are none.
        report: of the job, as `Report.as_dict` gives it.
        trace: where in the program an unexpected error came from.
    """

    job: int
    row: str
    video: str
    audio: str
    output: str
    state: Literal["done", "failed", "skipped", "left"]
    error: str = ""
    seconds: float = 0.0
    frames: int = 0
    report: dict[str, Any] | None = None
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """How a batch ended.

    Args:
        report: the file that tells of every job.
        outcomes: of all jobs, in the order of the list.
        seconds: of the whole batch.
        interrupted: whether it was stopped before its end.
    """

    report: Path
    outcomes: tuple[Outcome, ...]
    seconds: float
    interrupted: bool

    def count(self, state: str) -> int:
        """How many jobs ended so."""
        return sum(outcome.state == state for outcome in self.outcomes)

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values."""
        made = [outcome.frames for outcome in self.outcomes if outcome.state == "done"]
        counts = {state: self.count(state) for state in ("done", "failed", "skipped", "left")}
        return counts | {
            "jobs": len(self.outcomes),
            "seconds": round(self.seconds, 3),
            "frames": sum(made),
            "interrupted": self.interrupted,
        }


@dataclass(slots=True)
class _Batch:
    """The outcomes so far."""

    jobs: Sequence[BatchJob]
    keys: dict[int, str]
    journal: Journal
    progress: Progress
    told: Callable[[Outcome], None]
    outcomes: dict[int, Outcome] = field(default_factory=dict)

    def skip(self) -> list[BatchJob]:
        """Note what is done already. Returns the other jobs."""
        for job in self.jobs:
            facts = self.journal.done(job, self.keys[job.number])
            if facts is not None:
                self._add(_outcome(job, "skipped", facts=facts))
        return [job for job in self.jobs if job.number not in self.outcomes]

    def take(self, ended: Ended) -> None:
        """Note how a job ended."""
        if ended.facts is not None:
            self.journal.note(ended.job, self.keys[ended.job.number], ended.facts)
        state = "failed" if ended.facts is None else "done"
        more = {"error": ended.error, "trace": ended.trace, "seconds": round(ended.seconds, 3)}
        self._add(_outcome(ended.job, state, facts=ended.facts, **more))

    def _add(self, outcome: Outcome) -> None:
        self.outcomes[outcome.job] = outcome
        self.told(outcome)
        self.progress("batch", len(self.outcomes), len(self.jobs))


def run_batch(  # noqa: PLR0913 - what a batch can be told, by keyword
    jobs: Sequence[BatchJob],
    report: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    executor: str = "local",
    address: str | None = None,
    progress: Progress = silent,
    told: Callable[[Outcome], None] = lambda _: None,
) -> BatchResult:
    """Do many jobs. One that fails stops no other; one whose worker is killed is tried once more.

    Args:
        jobs: see `plan_jobs`.
        report: the file to write, a line of JSON for every job and a last one that sums up. What is done is kept
            beside it as `<name>.state.jsonl` after every job.
        workers: processes, 1..256, which share out the cores of this machine; as many as it has cores do most.
        resume: leave out what an earlier run with this report has done, if inputs, options and outputs are the same.
        executor: `local`, or `ray`: a cluster does the jobs, and paths must mean the same on all its machines.
        address: of the head of a Ray cluster; None: one of this machine alone.
        progress: told `("batch", done, total)`, and `("worker N", done, total)` of what each is at.
        told: given every outcome as it is known.

    Raises:
        OptionError: `workers` is out of range, or there is no such executor.
        BackendError: Ray is not installed, or no cluster answers.
        OutputError: the report, or what is kept beside it, cannot be written, or is a file of one of the jobs.
    """
    if not 1 <= workers <= MOST_WORKERS:
        raise OptionError(f"workers must be 1..{MOST_WORKERS}, got {workers}; one per core does most")
    if executor not in EXECUTORS:
        raise OptionError(f"executor {executor!r} is unknown; use one of {', '.join(EXECUTORS)}")
    if address is not None and executor == "local":
        raise OptionError("--address belongs to --executor ray; give both or neither")
    check_report(report, [place for job in jobs for place in (job.video, job.audio, *job.outputs())])
    begun, interrupted = time.monotonic(), False
    remove_abandoned(report)
    with Journal(state_file(report), resume=resume) as journal:
        batch = _Batch(jobs, keys_of(jobs), journal, progress, told)
        try:
            with tempfile.TemporaryDirectory(prefix="lipwright-", ignore_cleanup_errors=True) as folder:
                left = batch.skip()
                crew = _cluster(left, address) if executor == "ray" else Crew(left, workers, Path(folder), progress)
                with closing(crew.work()) as ended:
                    for each in ended:
                        batch.take(each)
        except KeyboardInterrupt:
            interrupted = True
    outcomes = tuple(batch.outcomes.get(job.number) or _outcome(job, "left") for job in jobs)
    result = BatchResult(report=report, outcomes=outcomes, seconds=time.monotonic() - begun, interrupted=interrupted)
    _write_report(result)
    return result


def _cluster(jobs: Sequence[BatchJob], address: str | None) -> "ClusterCrew":
    from lipwright.batch.cluster import ClusterCrew

    return ClusterCrew(jobs, address)


def check_report(report: Path, others: Iterable[Location]) -> None:
    """Refuse a report that would be written over one of these files.

    Raises:
        OutputError: it, or what is kept beside it, would be.
    """
    written = {identity_of(path): path for path in (report, state_file(report))}
    for path in (written.get(identity_of(other)) for other in others):
        if path is not None:
            raise OutputError(f"{path} is the list or a file of one of its jobs; name another --report")


def state_file(report: Path) -> Path:
    """Where a batch with this report keeps what it has done."""
    return report.with_name(f"{report.stem}.state.jsonl")


def _outcome(job: BatchJob, state: Any, *, facts: dict[str, Any] | None = None, **more: Any) -> Outcome:  # noqa: ANN401 - fields of `Outcome`
    return Outcome(
        job=job.number,
        row=job.where,
        video=shown(job.video),
        audio=shown(job.audio),
        output=shown(job.output),
        state=state,
        frames=facts["frames"] if facts else 0,
        report=facts,
        **more,
    )


def _write_report(result: BatchResult) -> None:
    lines: Iterable[dict[str, Any]] = (*map(asdict, result.outcomes), {"summary": result.as_dict()})
    part = partial_name(result.report)
    try:
        part.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8", newline="\n")
        part.replace(result.report)
    except OSError as exc:
        raise OutputError(f"{result.report} cannot be written: {exc.strerror}; name another --report") from exc
    finally:
        part.unlink(missing_ok=True)
