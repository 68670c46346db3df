"""`lipwright verify`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal

if TYPE_CHECKING:
    from lipwright.provenance.findings import Layer
    from lipwright.provenance.verify import Verdict

EXIT_CODES = {"holds": 0, "marked": 0, "changed": 5, "nothing_found": 6}
COLOURS = {"holds": "green", "found": "green", "changed": "bold red", "absent": "dim", "unknown": "yellow"}
NAMES = {"statement": "signed statement", "mark": "mark in the picture", "records": "records"}


def verify(
    file: Annotated[Path, typer.Argument(help="A video, photo or sound, made with any tool.", show_default=False)],
    trust: Annotated[
        Path | None,
        typer.Option(help="Certificates (PEM) whose word is taken for who a signer is.", show_default=False),
    ] = None,
    verbose: args.Verbose = False,
    as_json: args.Json = False,
) -> None:
    """Say what a file tells of its origin, and whether it was changed since. Nothing is sent or fetched.

    Exit codes: 0 what was found holds · 5 something was changed · 6 nothing found (which does not mean that it is
    real) · 2 the file cannot be read.
    """
    terminal = Terminal(verbose=verbose, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.provenance.verify import verify as look

        verdict = look(file, trust=trust)
        code = EXIT_CODES[verdict.conclusion]
        if as_json:
            terminal.result(verdict.as_dict() | {"exit_code": code}, "")
        else:
            _print(verdict)
        raise typer.Exit(code)


def _print(verdict: "Verdict") -> None:
    console = Console(highlight=False)
    console.print(Text(verdict.summary.text, "bold"))
    console.print(_table(verdict.layers))


def _table(layers: "tuple[Layer, ...]") -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for layer in layers:
        head = Text(layer.state, COLOURS[layer.state]), NAMES[layer.name]
        for finding in layer.findings:
            table.add_row(*head, Text(finding.text))
            head = Text(), ""
    return table
