"""`lipwright keys`: who may use the service."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.cli.serve import Config, Database, DataDir, More, pairs, read_settings

if TYPE_CHECKING:
    from lipwright.service.keys import KeyRing
    from lipwright.service.settings import Settings

app = typer.Typer(
    help="Keys of the service: make, show and remove them. A running service heeds a change at once.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Whose key it is, or what for.")]


@app.command()
def add(
    name: Name,
    data_dir: DataDir = None,
    database_url: Database = None,
    config: Config = None,
    more: More = None,
    as_json: args.Json = False,
) -> None:
    """Make a key and show it, this once."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        flags = {"data_dir": data_dir, "database_url": database_url} | pairs(more)
        with _ring(read_settings(terminal, config, flags)) as ring:
            key = ring.add(name)
        terminal.result({"name": name, "key": key}, key)


@app.command("list")
def list_keys(
    data_dir: DataDir = None,
    database_url: Database = None,
    config: Config = None,
    more: More = None,
    as_json: args.Json = False,
) -> None:
    """Show the names of the keys, and when they were used last."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        flags = {"data_dir": data_dir, "database_url": database_url} | pairs(more)
        with _ring(read_settings(terminal, config, flags)) as ring:
            kept = ring.list()
        lines = [f"{key.name}  made {_day(key.created)}, last used {_day(key.last_used)}" for key in kept]
        terminal.result([asdict(key) for key in kept], "\n".join(lines) or "no keys; only this machine is answered")


@app.command()
def remove(
    name: Name,
    data_dir: DataDir = None,
    database_url: Database = None,
    config: Config = None,
    more: More = None,
) -> None:
    """Take a key out of use."""
    terminal = Terminal(log_file=None)
    with terminal.errors():
        flags = {"data_dir": data_dir, "database_url": database_url} | pairs(more)
        with _ring(read_settings(terminal, config, flags)) as ring:
            ring.remove(name)
        terminal.say(f"removed {name}")


@contextmanager
def _ring(settings: "Settings") -> Iterator["KeyRing"]:
    from lipwright.service.jobs.database import Database as Opened
    from lipwright.service.keys import KeyRing

    database = Opened(settings.prepared().database)
    try:
        yield KeyRing(database.engine)
    finally:
        database.close()


def _day(when: float | None) -> str:
    return "never" if when is None else f"{datetime.fromtimestamp(when).astimezone():%Y-%m-%d %H:%M}"
