"""`lipwright live`."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.cli.serve import listen
from lipwright.errors import BackendError, OptionError

if TYPE_CHECKING:
    from lipwright.pipeline.config import DubOptions

EXTRA = "pip install 'lipwright[live]'"


def live(
    video: args.Video,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8384,
    public: Annotated[
        bool, typer.Option("--public", help="Allow an address that other machines reach; a key is made for its pages.")
    ] = False,
    sessions: Annotated[int, typer.Option(help="Pages that may be connected at once.")] = 1,
    person: args.Person = "largest",
    fps: args.Fps = None,
    tracker: args.Tracker = "facemesh",
    cache: args.Cache = None,
    intensity: Annotated[
        float, typer.Option(help="How far the mouth moves, 0 to 2: 1 as heard, 0 at rest; closed lips stay closed.")
    ] = 1.0,
    still: Annotated[bool, typer.Option("--still", help="Leave a photo's head and eyes as they are.")] = False,
    label: args.Label = "off",
    label_text: args.LabelText = "",
    label_language: args.LabelLanguage = "",
    label_corner: args.LabelCorner = "top-left",
    label_size: args.LabelSize = 0.05,
    label_font: args.LabelFont = None,
    marks: Annotated[str, typer.Option(help="on: a mark in the pictures says what they are; or off.")] = "on",
    verbose: args.Verbose = False,
) -> None:
    """Let a person in a video or photo say what is spoken into a web page, as it is spoken."""
    terminal = Terminal(verbose=verbose, log_file=None)
    with terminal.errors():
        from lipwright.media.rates import parse_rate
        from lipwright.pipeline.config import DubOptions

        check_extra()
        if sessions < 1:
            raise OptionError(f"sessions must be 1 or more, got {sessions}")
        if not 0 <= port <= 65535:
            raise OptionError(f"port must be 0..65535, got {port}")
        options = DubOptions(
            person=person,
            fps=parse_rate(fps) if fps else None,
            tracker=tracker,
            cache=cache,
            intensity=intensity,
            still=still,
            label=label,
            label_text=label_text,
            label_language=label_language,
            label_corner=label_corner,
            label_size=label_size,
            label_font=label_font,
            marks=args.is_on("--marks", marks),
        )
        run(terminal, video, options, (host, port), sessions=sessions, public=public)


def run(
    terminal: Terminal, video: Path, options: "DubOptions", address: tuple[str, int], *, sessions: int, public: bool
) -> None:
    """Serve until told to end.

    Raises:
        OptionError: the address cannot be listened on, or must not be.
        InputError: the footage cannot be used.
    """
    from aiohttp import web

    from lipwright.live.guard import is_loopback
    from lipwright.live.server import Server
    from lipwright.live.tracks import SOUND_RATE
    from lipwright.streaming.session import Session

    host, port = address
    if not is_loopback(host) and not public:
        raise OptionError(f"{host} is reached by other machines; add --public if that is meant")
    key = None if is_loopback(host) else secrets.token_urlsafe(18)
    with terminal.progress() as progress, Session(video, options=options, progress=progress) as first:
        for note in first.notes:  # and what cannot be used is refused before any page asks
            terminal.say(f"note: {note}")
    server = Server(lambda: Session(video, options=options, rate=SOUND_RATE), sessions=sessions, host=host, key=key)
    with listen(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        page = f"http://{shown}:{listener.getsockname()[1]}/" + (f"#key={key}" if key else "")
        terminal.say(f"{page} shows {video.name}; Ctrl-C ends it")
        web.run_app(server.app, sock=listener, print=None, access_log=None, shutdown_timeout=1.0)


def check_extra() -> None:
    """Refuse to begin without what it needs.

    Raises:
        BackendError: the extra is not installed.
    """
    try:
        import aiohttp  # noqa: F401
        import aiortc  # noqa: F401
    except ImportError as exc:
        raise BackendError(f"the live page needs the extra `live` ({exc}); install it with {EXTRA}") from exc
