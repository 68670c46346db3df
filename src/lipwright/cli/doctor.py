"""`lipwright doctor`."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lipwright import __version__
from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.errors import BackendError

if TYPE_CHECKING:
    from lipwright.doctor.finding import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(verbose: args.Verbose = False, as_json: args.Json = False) -> None:
    """Say what runs on this machine, what does not, and what to do about it."""
    terminal = Terminal(verbose=verbose, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.doctor.checks import diagnose

        with terminal.progress() as progress:
            findings = diagnose(progress)
        code = BackendError.exit_code if any(finding.status == "fail" for finding in findings) else 0
        if as_json:
            checks = [asdict(finding) for finding in findings]
            terminal.result({"version": __version__, "exit_code": code, "checks": checks}, "")
        else:
            Console(highlight=False).print(_table(findings))
        raise typer.Exit(code)


def _table(findings: "list[Finding]") -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        table.add_row(Text(finding.status, COLOURS[finding.status]), finding.name, Text(finding.detail))
        if finding.remedy:
            table.add_row("", "", Text(f"-> {finding.remedy}", "bold"))
    return table
