"""`lipwright batch`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import EXIT_INTERRUPTED, Terminal
from lipwright.errors import OptionError, OutputError

if TYPE_CHECKING:
    from lipwright.batch.manifest import Row
    from lipwright.batch.run import BatchResult, Outcome

EXIT_SOME_FAILED = 7
REPORT = "batch.report.jsonl"

Word = str | None  # a value for all jobs; None leaves it to the job


def batch(
    manifest: Annotated[
        Path | None,
        typer.Argument(
            help="A CSV table or JSON lines: video, audio, output, and any option of `lipwright dub` by its name.",
            show_default=False,
        ),
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Instead of a list: every video or photo of this folder …")
    ] = None,
    audios: Annotated[Path | None, typer.Option(help="… with every sound of this one …")] = None,
    outputs: Annotated[
        str | None, typer.Option(help="… becomes <video>.<audio>.mp4 in this one (a folder, or a URL of s3 or gs).")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes, which share out the cores; one per core does most.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out what an earlier run with this report has done.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where to tell how each job ended (JSON lines); default: beside the list."),
    ] = None,
    executor: args.Executor = "local",
    address: args.Address = None,
    engine: Annotated[Word, typer.Option(help="For all jobs that say nothing else, as of `lipwright dub`.")] = None,
    length: Annotated[Word, typer.Option(help="Likewise.")] = None,
    person: Annotated[Word, typer.Option(help="Likewise.")] = None,
    fps: Annotated[Word, typer.Option(help="Likewise.")] = None,
    codec: Annotated[Word, typer.Option(help="Likewise.")] = None,
    crf: Annotated[Word, typer.Option(help="Likewise.")] = None,
    preset: Annotated[Word, typer.Option(help="Likewise.")] = None,
    encoder: Annotated[Word, typer.Option(help="Likewise.")] = None,
    mask: Annotated[Word, typer.Option(help="Likewise.")] = None,
    restore: Annotated[Word, typer.Option(help="Likewise.")] = None,
    label: Annotated[Word, typer.Option(help="Likewise.")] = None,
    marks: Annotated[Word, typer.Option(help="Likewise.")] = None,
    consent_note: Annotated[Word, typer.Option(help="Likewise.")] = None,
    certificate: Annotated[Word, typer.Option(help="Likewise.")] = None,
    private_key: Annotated[Word, typer.Option(help="Likewise.")] = None,
    device: Annotated[Word, typer.Option(help="Likewise.")] = None,
    models: Annotated[Word, typer.Option(help="Likewise.")] = None,
    cache: Annotated[Word, typer.Option(help="Likewise.")] = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Do many jobs: those of a list, or every video of a folder with every sound of another.

    A job that fails stops no other. Exit codes: 0 all are done · 7 some failed, the report says why · 2, 3, 4 nothing
    was begun · 130 interrupted: the same command with --resume goes on.
    """
    common = {
        "engine": engine,
        "length": length,
        "person": person,
        "fps": fps,
        "codec": codec,
        "crf": crf,
        "preset": preset,
        "encoder": encoder,
        "mask": mask,
        "restore": restore,
        "label": label,
        "marks": marks,
        "consent-note": consent_note,
        "certificate": certificate,
        "private-key": private_key,
        "device": device,
        "models": models,
        "cache": cache,
    }
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.batch.plan import plan_jobs
        from lipwright.batch.run import check_report, run_batch

        rows = rows_of(manifest, videos, audios, outputs)
        jobs = plan_jobs(rows, {name: word for name, word in common.items() if word is not None})
        report = report or default_report(manifest, outputs)
        if manifest is not None:
            check_report(report, [manifest])
        if outputs is not None:
            make_folder(outputs)
        with terminal.progress() as progress:
            result = run_batch(
                jobs,
                report,
                workers=workers,
                resume=resume,
                executor=executor,
                address=address,
                progress=progress,
                told=lambda outcome: terminal.say(line_of(outcome, len(jobs))),
            )
    show(terminal, result)


def rows_of(manifest: Path | None, videos: Path | None, audios: Path | None, outputs: str | None) -> "list[Row]":
    """The rows that are asked for.

    Raises:
        OptionError: neither a list nor all three folders are named, or both.
        InputError: as of `read_manifest` and `every_pair`.
    """
    from lipwright.batch.manifest import every_pair, read_manifest

    folders = (videos, audios, outputs)
    if manifest is not None and folders == (None, None, None):
        return read_manifest(manifest)
    if manifest is not None or videos is None or audios is None or outputs is None:
        raise OptionError("name a list of jobs (CSV or JSON lines), or all of --videos, --audios and --outputs")
    return every_pair(videos, audios, outputs)


def default_report(manifest: Path | None, outputs: str | None) -> Path:
    """Beside the list, in the folder of outputs, or else here."""
    from lipwright.storage import is_url

    if manifest is not None:
        return manifest.with_name(f"{manifest.stem}.report.jsonl")
    return Path(REPORT) if outputs is None or is_url(outputs) else Path(outputs, REPORT)


def make_folder(outputs: str) -> None:
    """Make the folder of outputs.

    Raises:
        OutputError: it cannot be made.
    """
    from lipwright.storage import is_url

    if is_url(outputs):
        return
    try:
        Path(outputs).mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(f"the folder {outputs} cannot be made: {exc.strerror}; name another") from exc


def line_of(outcome: "Outcome", count: int) -> str:
    """One line about a job that ended."""
    line = f"[{outcome.job}/{count}] {outcome.output}: {outcome.state}"
    if outcome.state == "done":
        line += f", {outcome.frames} frames in {outcome.seconds:.1f} s"
    return line + (f": {outcome.error}" if outcome.error else "")


def show(terminal: Terminal, result: "BatchResult") -> None:
    """The outcome of the batch, and the exit code."""
    facts: dict[str, Any] = result.as_dict() | {"report": str(result.report)}
    failed = [outcome for outcome in result.outcomes if outcome.state == "failed"]
    facts["errors"] = [{"job": one.job, "row": one.row, "error": one.error} for one in failed]
    told = ", ".join(f"{facts[state]} {state}" for state in ("done", "skipped", "failed", "left") if facts[state])
    line = f"{told}; {facts['frames']} frames in {result.seconds:.1f} s; {result.report} tells of every job"
    if result.interrupted:
        line += "\ninterrupted: the same command with --resume goes on"
    terminal.result(facts, line)
    if result.interrupted or failed:
        raise typer.Exit(EXIT_INTERRUPTED if result.interrupted else EXIT_SOME_FAILED)
