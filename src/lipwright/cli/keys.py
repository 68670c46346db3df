"""`lipwright keys`: who may use the service."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.cli.serve import Config, Database, DataDir, read_settings

if TYPE_CHECKING:
    from pathlib import Path

    from lipwright.service.keys import KeyRing

app = typer.Typer(help="Keys of the service: once there is one, its API answers nobody without.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Whose key, or what for.")]


@app.command()
def add(
    name: Name,
    data_dir: DataDir = None,
    database_url: Database = None,
    config: Config = None,
    as_json: args.Json = False,
) -> None:
    """Make a key; it is shown now and never again."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors(), _ring(terminal, data_dir, database_url, config) as ring:
        token = ring.add(name)
        terminal.result({"name": name, "key": token}, token)


@app.command(name="list")
def show(
    data_dir: DataDir = None, database_url: Database = None, config: Config = None, as_json: args.Json = False
) -> None:
    """The keys' names, and when each was made and last used."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors(), _ring(terminal, data_dir, database_url, config) as ring:
        keys = ring.list()
        lines = [f"{key.name}: made {_day(key.created)}, last used {_day(key.last_used)}" for key in keys]
        terminal.result(
            [asdict(key) for key in keys], "\n".join(lines) or "no keys; the API answers this machine alone"
        )


@app.command()
def remove(name: Name, data_dir: DataDir = None, database_url: Database = None, config: Config = None) -> None:
    """Take a key out of use, from the next request on."""
    terminal = Terminal(log_file=None)
    with terminal.errors(), _ring(terminal, data_dir, database_url, config) as ring:
        ring.remove(name)
        terminal.say(f"{name}: not valid any more")


@contextmanager
def _ring(
    terminal: Terminal, data_dir: "Path | None", database_url: str | None, config: "Path | None"
) -> "Iterator[KeyRing]":
    settings = read_settings(terminal, config, {"data_dir": data_dir, "database_url": database_url}).prepared()
    from lipwright.service.jobs.database import Database as Opened
    from lipwright.service.keys import KeyRing

    database = Opened(settings.database)
    try:
        yield KeyRing(database.engine)
    finally:
        database.close()


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
