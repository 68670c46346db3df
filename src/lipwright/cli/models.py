"""`lipwright models`: weight files that others published."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal

if TYPE_CHECKING:
    from lipwright.doctor.verify import Report
    from lipwright.models.catalog import ModelCard
    from lipwright.models.store import ModelStore, Stored
    from lipwright.progress import Progress

app = typer.Typer(help="Get published model files, list and remove them.", no_args_is_help=True)

Folder = Annotated[
    Path | None, typer.Option("--models", help="Folder of the models; default: LIPWRIGHT_MODELS or the user's data.")
]


@app.command("list")
def list_models(models: Folder = None, as_json: args.Json = False) -> None:
    """Show every model: there, absent or altered, and its licence."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.models.catalog import cards
        from lipwright.models.store import ModelStore

        store = ModelStore(models)
        rows = [_row(store, card) for card in cards().values()]
        lines = [
            f"{r['name']:15}  {r['state']:7}  {_size(r['bytes'])}  {r['file']:34}  {r['licence']}. {r['commercial']}"
            for r in rows
        ]
        terminal.result(rows, "\n".join([*lines, f"pulled files lie in {store.folder}"]))


@app.command()
def pull(
    names: Annotated[
        list[str], typer.Argument(help="Models from `lipwright models list`, or heygem: all of that set.")
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the files from this folder: HeyGem's own tree, or a flat one.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="Download one model from this address instead.")] = None,
    models: Folder = None,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Download models, or import them from a folder; an interrupted download goes on where it stopped."""
    terminal = Terminal(quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.errors import OptionError
        from lipwright.models.catalog import card
        from lipwright.models.store import ModelStore

        store, wanted = ModelStore(models), _expanded(names)
        if url and (len(wanted) != 1 or source):
            raise OptionError("--url goes with one model and without --from; pull the others by themselves")
        for name in wanted:
            about = card(name)
            terminal.say(f"{about.file}: licence: {about.licence}. {about.commercial}")
        if source is not None:
            got = _take_all(store, wanted, source, terminal)
        else:
            with terminal.progress() as show:
                got = []
                for name in wanted:
                    stored = store.pull(name, urls=(url,) if url else (), progress=_in_megabytes(show))
                    got.append(_told(terminal, stored))
        terminal.result([asdict(stored) | {"path": str(stored.path)} for stored in got], f"{len(got)} models ready")


@app.command()
def path(
    name: Annotated[str, typer.Argument(help="A model from `lipwright models list`.")],
    models: Folder = None,
    as_json: args.Json = False,
) -> None:
    """Print where a model lies."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.models.store import ModelStore

        where = str(ModelStore(models).path(name))
        terminal.result({"name": name, "path": where}, where)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(help="Models from `lipwright models list`, or heygem; default: all.")
    ] = None,
    image: Annotated[
        Path | None, typer.Option(help="A picture of a face from the front; default: the bundled portrait.")
    ] = None,
    models: Folder = None,
    device: args.Device = "cpu",
    report: Annotated[Path | None, typer.Option(help="Also write the table as JSON, for a bug report.")] = None,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Measure the pulled files: whether they can be used, and whether they are what the engine takes them for."""
    terminal = Terminal(quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.doctor.verify import verify as measure
        from lipwright.example import portrait
        from lipwright.media import open_clip
        from lipwright.runtime import Models

        with open_clip(image or portrait) as clip:
            picture = next(iter(clip.frames()))
        with terminal.progress() as progress:
            made = measure(_expanded(names or []), Models(models, device), picture, progress)
        if report is not None:
            _write(report, made.facts())
        terminal.result(made.facts(), _verified(made))
        raise typer.Exit(1 if made.unusable else 0)


@app.command()
def remove(
    names: Annotated[
        list[str], typer.Argument(help="Models from `lipwright models list`, or heygem: all of that set.")
    ],
    models: Folder = None,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Delete models, what was converted from them, and the checksums they were held to."""
    terminal = Terminal(quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.models.store import ModelStore

        store = ModelStore(models)
        gone = [{"name": name, "was_there": store.remove(name)} for name in _expanded(names)]
        lines = [f"{'removed' if each['was_there'] else 'was not there:'} {each['name']}" for each in gone]
        terminal.result(gone, "\n".join(lines))


def _expanded(names: list[str]) -> list[str]:
    """The names with each set in place of its own; unknown ones are refused before anything happens."""
    from lipwright.models.catalog import card, cards

    sets = {group: [c.name for c in cards().values() if c.group == group] for group in ("heygem",)}
    wanted = [each for name in names for each in sets.get(name, [name])]
    return [card(name).name for name in dict.fromkeys(wanted)]


def _take_all(store: "ModelStore", names: list[str], source: Path, terminal: Terminal) -> "list[Stored]":
    from lipwright.errors import InputError

    got, failed = [], []
    for name in names:
        try:
            got.append(_told(terminal, store.take(name, source)))
        except InputError as error:
            failed.append(str(error))
    if failed:
        raise InputError(f"{len(got)} of {len(names)} models taken: {'; '.join(failed)}")
    return got


def _told(terminal: Terminal, stored: "Stored") -> "Stored":
    came = f"from {stored.source}" if stored.source else "was there already"
    terminal.say(f"{stored.name}: {stored.path}, {came}{'; ' * bool(stored.note)}{stored.note}")
    return stored


def _in_megabytes(show: "Progress") -> "Progress":
    def megabytes(stage: str, done: int, total: int | None) -> None:
        show(f"{stage}, MB", done // 10**6, None if total is None else total // 10**6)

    return megabytes


def _row(store: "ModelStore", card: "ModelCard") -> dict[str, Any]:
    place, state = store.place(card.name), store.state(card.name)
    return {
        "name": card.name,
        "file": card.file,
        "set": card.group,
        "state": state,
        "bytes": card.bytes if state == "absent" else place.stat().st_size,
        "path": str(place),
        "licence": card.licence,
        "commercial": card.commercial,
    }


def _size(length: int) -> str:
    return f"{length / 1e6:7.1f} MB" if length else "    unknown"


def _verified(report: "Report") -> str:
    """The table, a line for what was measured and one for what was expected, and a count."""
    lines = []
    for row in report.rows:
        lines += [f"{row.id:4} {row.item}: {row.verdict}", f"       measured  {row.measured}"]
        lines += [f"       expected  {row.expected}"] if row.expected else []
        lines += [f"       constant  {row.constant}"] if row.constant else []
    counts = Counter(row.verdict for row in report.rows)
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    if report.unusable:
        again = " ".join(report.unusable)
        lines.append(f"cannot be used: {', '.join(report.unusable)}; run `lipwright models pull {again}`")
    return "\n".join(lines)


def _write(path: Path, facts: dict[str, Any]) -> None:
    from lipwright.errors import OutputError
    from lipwright.media.partial import partial_name

    part = partial_name(path)
    try:
        part.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"--report {path} cannot be written: {error.strerror}; name a file in a folder that exists"
        ) from error
    finally:
        part.unlink(missing_ok=True)
