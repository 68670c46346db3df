"""`lipwright serve`."""

import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipwright.cli.console import Terminal
from lipwright.errors import BackendError, OptionError

if TYPE_CHECKING:
    from lipwright.service.settings import Settings

EXTRA = "pip install 'lipwright[serve]'"
GRACE_S = 3  # for requests under way when the service is told to end

Config = Annotated[
    Path | None, typer.Option(help="A TOML file of settings; default: the one named in LIPWRIGHT_CONFIG.")
]
DataDir = Annotated[Path | None, typer.Option(help="Folder for inputs, results, avatars, logs and the database.")]
Database = Annotated[
    str | None, typer.Option(help="Such as postgresql+psycopg://user:password@host/name; default: SQLite.")
]
More = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Any other setting of docs/service.md; may be given several times."
    ),
]


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default: 8383.")] = None,
    public: Annotated[
        bool | None, typer.Option("--public", help="Allow an address that other machines reach; needs a key.")
    ] = None,
    data_dir: DataDir = None,
    database_url: Database = None,
    device: Annotated[
        list[str] | None, typer.Option(help="One worker each: auto, cpu, cuda, cuda:1 …; may be given several times.")
    ] = None,
    easy_remote: Annotated[
        bool | None, typer.Option("--easy-remote", help="Take HeyGem clients from other machines, without a key.")
    ] = None,
    heygem_config: Annotated[Path | None, typer.Option(help="A HeyGem config.ini to take settings from.")] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of published models.")] = None,
    config: Config = None,
    more: More = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the whole log.")] = False,
) -> None:
    """Run the service: HTTP for HeyGem's clients and others, a queue, and a web page."""
    terminal = Terminal(verbose=verbose, log_file=None)
    with terminal.errors():
        flags = {
            "host": host,
            "port": port,
            "public": public,
            "data_dir": data_dir,
            "database_url": database_url,
            "devices": tuple(device) if device else None,
            "easy_remote": easy_remote,
            "heygem_config": heygem_config,
            "models": models,
            "log_level": "debug" if verbose else None,
        }
        settings = read_settings(terminal, config, flags | pairs(more))
        run(terminal, settings)


def run(terminal: Terminal, settings: "Settings") -> None:
    """Serve until told to end.

    Raises:
        OptionError: the address cannot be listened on, or must not be.
    """
    import uvicorn

    from lipwright.service.app import create_app, only_one
    from lipwright.service.logs import configure_logs

    settings = settings.prepared()
    lock = only_one(settings)
    configure_logs(settings, "server")
    check_address(settings)
    app = create_app(settings)
    app.state.parts.store.database.hold()  # here a refusal is a sentence; within uvicorn it would be a traceback
    with lock, listen(settings.host, settings.port) as listener:
        port = listener.getsockname()[1]
        shown = f"[{settings.host}]" if ":" in settings.host else settings.host
        terminal.say(f"http://{shown}:{port}/ serves {settings.data_dir}; Ctrl-C ends it")
        options = uvicorn.Config(
            app,
            http="h11",  # whatever else is installed: it limits the size of headers
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        with suppress(KeyboardInterrupt):  # uvicorn repeats the signal once it has ended in good order
            uvicorn.Server(options).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        OptionError: it cannot.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as exc:
        raise OptionError(
            f"{host}:{port} cannot be listened on: {exc.strerror or exc}; choose another --port or --host"
        ) from exc
    # asyncio sends at once, not 40 ms later, on sockets that say they are TCP's; `create_server` leaves that open.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=listener.detach())


def check_address(settings: "Settings") -> None:
    """Refuse to be reached from elsewhere without being asked to, or without a key.

    Raises:
        OptionError: `public` is not set, or there is no key.
    """
    if settings.loopback:
        return
    if not settings.public:
        raise OptionError(f"{settings.host} is reached by other machines; add --public if that is meant")
    from lipwright.service.jobs.database import Database
    from lipwright.service.keys import KeyRing

    database = Database(settings.database)
    try:
        if not KeyRing(database.engine).defined():
            raise OptionError("a service that others reach needs a key; make one with `lipwright keys add NAME`")
    finally:
        database.close()


def read_settings(terminal: Terminal, config: Path | None, flags: dict[str, Any]) -> "Settings":
    """The settings from all their sources; notes are told.

    Raises:
        BackendError: the extra is not installed.
        OptionError: see `load_settings`.
    """
    try:
        import fastapi  # noqa: F401
        import pydantic_settings  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ImportError as exc:
        raise BackendError(f"the service needs the extra `serve` ({exc}); install it with {EXTRA}") from exc
    from lipwright.service.settings import load_settings

    settings, notes = load_settings(config, **flags)
    for note in notes:
        terminal.say(f"note: {note}")
    return settings


def pairs(given: list[str] | None) -> dict[str, str]:
    """`--set NAME=VALUE` as settings.

    Raises:
        OptionError: one is no pair.
    """
    split = [text.partition("=") for text in given or ()]
    for name, sign, _ in split:
        if not (name and sign):
            raise OptionError(f"--set {name}: write NAME=VALUE, such as --set queue_length=50")
    return {name.strip().replace("-", "_"): value for name, _, value in split}
