"""`lipwright ui`: the web page in the browser."""

import threading
import time
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli.console import Terminal
from lipwright.cli.serve import Config, DataDir, More, pairs, read_settings, run
from lipwright.errors import OptionError

if TYPE_CHECKING:
    from lipwright.service.settings import Settings

START_S = 120.0  # a slow machine imports for a while
LOOK_S = 0.3
ANSWER_S = 2.0
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - addresses that are listened on, not called


def ui(
    port: Annotated[int | None, typer.Option(help="Port of the service; default: 8383.")] = None,
    data_dir: DataDir = None,
    config: Config = None,
    more: More = None,
) -> None:
    """Open the service's web page in the browser; start the service where none runs."""
    terminal = Terminal(log_file=None)
    with terminal.errors():
        settings = read_settings(terminal, config, {"port": port, "data_dir": data_dir} | pairs(more))
        address = page_address(settings)
        if is_up(address):
            show(terminal, address)
            return
        threading.Thread(target=show_when_up, args=(terminal, address), daemon=True).start()
        run(terminal, settings)


def page_address(settings: "Settings") -> str:
    """Where the page of a service with these settings is.

    Raises:
        OptionError: its port is only known once it runs.
    """
    if not settings.port:
        raise OptionError("port 0 is any free port, which a browser cannot be told; name one with --port")
    host = EVERYWHERE.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}/" if ":" in host else f"http://{host}:{settings.port}/"


def is_up(address: str) -> bool:
    """Whether a service answers there."""
    import requests

    with requests.Session() as session:
        session.trust_env = False  # a proxy does not reach this machine's own addresses
        try:
            return session.get(f"{address}health", timeout=ANSWER_S).json().get("status") == "ok"
        except (requests.RequestException, AttributeError):  # nobody there, or somebody else
            return False


def show_when_up(terminal: Terminal, address: str) -> None:
    """Open the page as soon as the service answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if is_up(address):
            show(terminal, address)
            return
        time.sleep(LOOK_S)


def show(terminal: Terminal, address: str) -> None:
    """Open the page, or say where it is."""
    if webbrowser.open(address):
        terminal.say(f"opened {address}")
    else:
        terminal.say(f"no browser can be opened here; the page is at {address}")
