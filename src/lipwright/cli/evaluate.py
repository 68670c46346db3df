"""`lipwright evaluate`: the measures of one finished clip, or of a whole folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from lipwright.cli import arguments as args
from lipwright.cli.console import EXIT_INTERRUPTED, Terminal
from lipwright.errors import InputError, OptionError

if TYPE_CHECKING:
    from lipwright.evaluation.evaluate import Evaluation
    from lipwright.evaluation.scores import Scores
    from lipwright.evaluation.suite import Row

WIDEST = 200  # columns of a table that is not shown on a terminal
WRITTEN = {"sheet": "contact sheet", "plot": "curves", "side_by_side": "both videos side by side"}
EXIT_FAILED_JOBS = InputError.exit_code

Output = Annotated[Path | None, typer.Argument(help="The finished video.", show_default=False)]
Audio = Annotated[
    Path | None,
    typer.Option("--audio", "--audio_path", help="What the video was to say; default: its own sound."),
]
Reference = Annotated[
    Path | None, typer.Option(help="The real video of the same words: mouths and pixels are compared with it.")
]
Source = Annotated[
    Path | None, typer.Option(help="The footage that was dubbed, if it is not the reference: for jitter and flicker.")
]
Phones = Annotated[
    Path | None,
    typer.Option(help="CSV with start_s, end_s and phone, or a Praat TextGrid: do lips close on m, b and p?"),
]
Sheet = Annotated[Path | None, typer.Option(help="Write a contact sheet (PNG), the reference under the output.")]
Plot = Annotated[Path | None, typer.Option(help="Write opening, width and sound over time (PNG).")]
SideBySide = Annotated[
    Path | None,
    typer.Option(help="Write a video: the reference, or else the source, left, the output right."),
]
Suite = Annotated[Path | None, typer.Option(help="A folder of clips with a MANIFEST.csv: dub and measure them all.")]
OutputDir = Annotated[Path | None, typer.Option(help="With --suite: folder for the tables; a run there goes on.")]
Seconds = Annotated[float | None, typer.Option(help="With --suite: seconds of each sound. [default: 4]")]
Workers = Annotated[int | None, typer.Option(help="With --suite: processes. [default: 1]")]
Use = Annotated[str | None, typer.Option(help="With --suite: only clips whose column `use` says this, e.g. test.")]
Names = Annotated[
    list[str] | None, typer.Option(help="With --suite: only clips whose file name holds this; may be repeated.")
]
Videos = Annotated[bool, typer.Option("--videos", help="With --suite: keep a side-by-side video of every job.")]
Cache = Annotated[Path | None, typer.Option(help="With --suite: folder for avatars; default: the user's cache folder.")]


def evaluate(
    output: Output = None,
    audio: Audio = None,
    reference: Reference = None,
    source: Source = None,
    phones: Phones = None,
    person: args.Person = "largest",
    sheet: Sheet = None,
    plot: Plot = None,
    side_by_side: SideBySide = None,
    suite: Suite = None,
    output_dir: OutputDir = None,
    seconds: Seconds = None,
    workers: Workers = None,
    use: Use = None,
    names: Names = None,
    videos: Videos = False,
    cache: Cache = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    log_file: args.LogFile = None,
    as_json: args.Json = False,
) -> None:
    """Measure a finished video, or with --suite the engine itself on a folder of clips."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=log_file)
    alone = {"--audio": audio, "--reference": reference, "--source": source, "--phones": phones, "--sheet": sheet,
             "--plot": plot, "--side-by-side": side_by_side, "the video": output}  # fmt: skip
    many = {"--output-dir": output_dir, "--seconds": seconds, "--workers": workers, "--use": use, "--names": names,
            "--cache": cache, "--videos": videos or None}  # fmt: skip
    with terminal.errors():
        if suite is None:
            _refuse(many, "belongs to --suite DIR; leave it out to measure one video")
            if output is None:
                raise OptionError("name the finished video to measure, or a folder of clips with --suite DIR")
            clip = {"reference": reference, "source": source, "phones": phones, "person": person}
            _evaluate_one(terminal, output, audio, clip, {"sheet": sheet, "plot": plot, "side_by_side": side_by_side})
            return
        _refuse(alone | {"--person": None if person == "largest" else person}, "cannot be joined with --suite")
        if output_dir is None:
            raise OptionError("--suite needs --output-dir OUT, the folder for its tables and contact sheets")
        chosen = {"seconds": seconds, "workers": workers, "use": use, "cache": cache, "names": tuple(names or ()),
                  "videos": videos}  # fmt: skip
        _run_suite(terminal, suite, output_dir, {name: value for name, value in chosen.items() if value is not None})


def _refuse(options: dict[str, Any], why: str) -> None:
    for name, value in options.items():
        if value is not None:
            raise OptionError(f"{name} {why}")


def _evaluate_one(
    terminal: Terminal, output: Path, audio: Path | None, options: dict[str, Any], files: dict[str, Path | None]
) -> None:
    from lipwright.evaluation.evaluate import evaluate as run
    from lipwright.evaluation.side_by_side import check_side_by_side, side_by_side

    sheet, plot, joined = files["sheet"], files["plot"], files["side_by_side"]
    for name, path in (("--sheet", sheet), ("--plot", plot)):
        _check_picture(name, path)
    name = "reference" if options["reference"] else "source"
    if joined is not None:
        if options[name] is None:
            raise OptionError("--side-by-side needs --reference or --source, the video to show beside the output")
        check_side_by_side(joined, inputs=(output, options[name]))
    with terminal.progress() as progress:
        found = run(output, audio, progress=progress, **options)
        if joined is not None:
            side_by_side(output, options[name], joined, name=name, progress=progress)
    _draw(found, output.name, sheet, plot)
    scores = found.scores
    lines = [f"{output}: {scores.frames} frames, {scores.frames_without_face} without a face", _score_table(scores)]
    lines += [f"{path}: {WRITTEN[what]}" for what, path in files.items() if path]
    written = {what: str(path) if path else None for what, path in files.items()}
    terminal.result({"output": str(output)} | scores.as_dict() | written, "\n".join(lines))


def _check_picture(name: str, path: Path | None) -> None:
    if path is not None and path.suffix.lower() != ".png":
        raise OptionError(f"{name} {path} must end in .png")
    if path is not None and not path.parent.is_dir():
        raise OptionError(f"{name}: the folder {path.parent} does not exist; create it first")


def _draw(found: "Evaluation", title: str, sheet: Path | None, plot: Path | None) -> None:
    from lipwright.evaluation.plots import plot_curves
    from lipwright.evaluation.sheet import contact_sheet, in_rows

    if sheet is not None:
        contact_sheet(in_rows(found.pictures, found.real_pictures), sheet)
    if plot is not None:
        plot_curves(found.curves, plot, title=title)


def _score_table(scores: "Scores") -> str:
    from lipwright.evaluation.scores import MEASURES

    rows = []
    for name, title, unit, digits in MEASURES:
        value = getattr(scores, name)
        if value is None:
            rows.append([title, "–", scores.missing[name]])
        else:
            against = {"lag": f"frames, against the {scores.lag_against}",
                       "silence_motion": f"{unit}, {scores.silent_frames} frames",
                       "closure": f"{unit}, {scores.phones} phones"}.get(name, unit)  # fmt: skip
            rows.append([title, f"{value:z.{digits}f}", against])
    return _table([["measure", "value", ""], *rows], left=(0, 2))


def _run_suite(terminal: Terminal, folder: Path, output: Path, options: dict[str, Any]) -> None:
    from lipwright.evaluation import summary
    from lipwright.evaluation.suite import SuiteOptions, run_suite, suite_jobs, write_whole

    chosen = SuiteOptions(**options)
    jobs = suite_jobs(folder, output, chosen)
    known: list[Row] = []

    def told(row: "Row") -> None:
        known.append(row)
        write_whole(output / "suite.csv", summary.as_csv(known))
        terminal.say(f"{len(known)} of {len(jobs)}: {_row_line(row)}")

    try:
        rows = run_suite(jobs, chosen.workers, told)
    except KeyboardInterrupt:
        terminal.say("interrupted; what is finished is kept, and the same command goes on from there")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    groups = summary.groups_of(rows)
    facts = summary.as_dict(groups, rows)
    write_whole(output / "suite.csv", summary.as_csv(rows))
    write_whole(output / "suite.json", json.dumps(facts, ensure_ascii=False, indent=1))
    write_whole(output / "SUITE.md", summary.as_markdown(groups, rows))
    failed = sum(bool(row["error"]) for row in rows)
    text = [_table(summary.cells(groups)), f"{output / 'SUITE.md'}: this table; suite.csv and suite.json beside it"]
    terminal.result(facts, "\n".join(text))
    if failed:
        terminal.say(f"{failed} of {len(rows)} jobs failed; the same command tries them again")
        raise typer.Exit(EXIT_FAILED_JOBS)


def _row_line(row: "Row") -> str:
    if row["error"]:
        return f"{row['clip']}, {row['drive']}: failed: {row['error']}"
    shown = {"r": row["opening_r"], "lag": row["lag"], "amplitude": row["amplitude"], "LMD": row["landmark_error"]}
    figures = ", ".join(f"{name} {value:.3g}" for name, value in shown.items() if value is not None)
    return f"{row['clip']}, {row['drive']}: {figures}"


def _table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> str:
    """Rows as a table for people; the first row is its head."""
    table = Table(box=SIMPLE, pad_edge=False)
    for number, title in enumerate(rows[0]):
        table.add_column(title, justify="left" if number in left else "right")
    for row in rows[1:]:
        table.add_row(*row)
    console = Console(width=WIDEST, no_color=True)
    with console.capture() as text:
        console.print(table, markup=False)
    return "\n".join(line.rstrip() for line in text.get().splitlines() if line.strip())
