"""`lipwright train`: from footage to a model that ships, each step a command of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import EXIT_INTERRUPTED, Terminal
from lipwright.errors import BackendError, OptionError

app = typer.Typer(
    help="Train the mouth-motion model: prepare, sync, motion, calibrate, evaluate, export, or all of them. "
    "Needs the extra `train`.",
    no_args_is_help=True,
)

Clips = Annotated[
    list[Path] | None, typer.Option(help="Folder of talking videos, with or without a MANIFEST.csv; may be repeated.")
]
Motion = Annotated[list[Path] | None, typer.Option(help="Folder of landmark sets; may be repeated.")]
Prepared = Annotated[Path, typer.Argument(help="What `prepare` or `sync` wrote.")]
Run = Annotated[Path, typer.Argument(help="Folder of a run, as `motion` writes it.")]
Folder = Annotated[Path, typer.Option("--output", "-o", help="Folder of the run; a run there goes on.")]
File = Annotated[Path, typer.Option("--output", "-o", help="The file to write (npz).")]
RecipeName = Annotated[str, typer.Option("--recipe", help="mouth_motion, mouth_motion_trial, …, or a TOML file.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", help="Change a value of the recipe, as in steps=500; may be repeated.")
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Card = Annotated[str, typer.Option(help="Template of the model card: own, mouth_motion, or a Markdown file.")]


@contextmanager
def training(terminal: Terminal) -> Iterator[Any]:
    """Errors as sentences and a progress callback for a training command; says what is missing, and how to go on."""
    with terminal.errors():
        for module in ("torch", "onnx"):
            if find_spec(module) is None:
                raise BackendError(f"training needs {module}; install the extra: pip install 'lipwright[train]'")
        try:
            with terminal.progress() as progress:
                yield progress
        except KeyboardInterrupt:
            terminal.say("interrupted; what is finished is kept, and the same command goes on from there")
            raise typer.Exit(EXIT_INTERRUPTED) from None


@app.command()
def prepare(
    output: File,
    clips: Clips = None,
    motion: Motion = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Track videos and read their sound, once."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.prepare import prepare as run

        _need_footage(clips, motion)
        found = run(output, clips=tuple(clips or ()), motion=tuple(motion or ()), progress=progress)
        facts = {"output": str(output), "clips": len(found), "people": len({clip.person for clip in found})}
        terminal.result(facts, f"{output}: {facts['clips']} clips of {facts['people']} people")


@app.command()
def sync(
    clips: Prepared,
    output: File,
    by: Annotated[Path | None, typer.Option(help="Folder of the run that judges; default: the shipped model.")] = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Find how late each clip's sound is, and which clips are in sync at all."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.run import sync_clips

        done = sync_clips(clips, output, by, progress)
        facts = {"output": str(output), "clips": len(done), "confirmed": sum(clip.confirmed for clip in done)}
        terminal.result(facts, f"{output}: {facts['confirmed']} of {facts['clips']} clips confirmed in sync")


@app.command()
def motion(
    clips: Prepared,
    output: Folder,
    recipe: RecipeName = "mouth_motion",
    changes: Changes = None,
    device: Device = "auto",
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Train the network; stopped, the same command goes on where it was."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.clips import load
        from lipwright.training.motion import Recipe
        from lipwright.training.recipes import read_recipe
        from lipwright.training.run import train_motion

        values = read_recipe(Recipe, recipe, changes or ())
        record = train_motion(load(clips), values, output, name=Path(recipe).stem, device=device, progress=progress)
        facts = {"output": str(output), "clips": len(record["clips"]), "seconds": record["seconds"]}
        text = f"{output}: {values.steps} steps on {facts['clips']} clips, {facts['seconds']} s; curves in history.png"
        terminal.result(facts, text)


@app.command()
def calibrate(
    clips: Prepared,
    run: Run,
    gains: Annotated[
        tuple[float, float] | None, typer.Option(help="Of opening and width; default: the recipe's, or found.")
    ] = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Give mouths their natural size: by the people held out, or with gains found before."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from dataclasses import replace

        from lipwright.training.calibrate import calibrate as find
        from lipwright.training.clips import load
        from lipwright.training.run import recipe_of

        recipe = recipe_of(run)
        opening, width = find(run, load(clips), replace(recipe, gains=gains) if gains else recipe, progress).round(2)
        facts = {"opening": float(opening), "width": float(width)}
        terminal.result(facts, f"gains of opening and width: {opening:.2f} and {width:.2f}")


@app.command()
def evaluate(
    clips: Prepared,
    run: Annotated[Path | None, typer.Argument(help="Folder of a run; default: the shipped model.")] = None,
    held_out: Annotated[bool, typer.Option("--held-out", help="On the people held out, not on test clips.")] = False,
    baselines: Annotated[bool, typer.Option("--baselines", help="Energy and ridge regression beside it.")] = False,
    recipe: Annotated[str | None, typer.Option(help="Recipe to go by without a run. [default: mouth_motion]")] = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Measure a model on people it never heard."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.card import measures_table
        from lipwright.training.clips import load
        from lipwright.training.motion import Recipe
        from lipwright.training.recipes import read_recipe
        from lipwright.training.run import measure_run, recipe_of

        if run and recipe:
            raise OptionError("--recipe cannot be joined with a run, which knows its own; leave one of them out")
        values = recipe_of(run) if run else read_recipe(Recipe, recipe or "mouth_motion")
        rows = measure_run(load(clips), run, values, unheard=held_out, beside=baselines, progress=progress)
        people = "held-out" if held_out else "test"
        terminal.result(rows, measures_table({"people": people, "rows": rows}))


@app.command()
def export(
    run: Run,
    models: Annotated[Path | None, typer.Option(help="Folder to write to; default: `models` in the run's.")] = None,
    card: Card = "own",
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Write the ONNX file, the mouth shape, their rows in manifest.toml, and the model card."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal):
        from lipwright.training.card import find
        from lipwright.training.run import export_run

        files = export_run(run, models or run / "models", find(card))
        terminal.result({"files": [str(path) for path in files]}, "\n".join(str(path) for path in files))


@app.command()
def scorer(
    clips: Prepared,
    models: Annotated[Path, typer.Option(help="Folder for sync_scorer.onnx and its row in manifest.toml.")],
    recipe: RecipeName = "sync_scorer",
    changes: Changes = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Train the sync scorer of `lipwright evaluate`, on one core."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.clips import load
        from lipwright.training.device import choose
        from lipwright.training.recipes import read_recipe
        from lipwright.training.scorer import Recipe, export_scorer, train_scorer

        values = read_recipe(Recipe, recipe, changes or ())
        choose("cpu")
        models.mkdir(parents=True, exist_ok=True)
        path = export_scorer(train_scorer(load(clips), values, progress), models)
        terminal.result({"model": str(path)}, str(path))


@app.command("all")
def whole(
    output: Folder,
    clips: Clips = None,
    motion: Motion = None,
    recipe: RecipeName = "mouth_motion",
    changes: Changes = None,
    device: Device = "auto",
    card: Card = "own",
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Everything: prepare, sync by the shipped model, train, calibrate, measure, export."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with training(terminal) as progress:
        from lipwright.training.card import find
        from lipwright.training.motion import Recipe
        from lipwright.training.recipes import read_recipe
        from lipwright.training.run import Whole

        _need_footage(clips, motion)
        job = Whole(
            clips=tuple(clips or ()),
            motion=tuple(motion or ()),
            name=Path(recipe).stem,
            recipe=read_recipe(Recipe, recipe, changes or ()),
            folder=output,
            device=device,
            template=find(card),
        )
        files = job.run(progress)
        terminal.result({"files": [str(path) for path in files]}, "\n".join(str(path) for path in files))


def _need_footage(clips: list[Path] | None, motion: list[Path] | None) -> None:
    if not clips and not motion:
        raise OptionError("name what to learn from: --clips FOLDER of talking videos, or --motion FOLDER of landmarks")
