"""Entry point of `lipwright`.

Exit codes: 0 done · 1 unexpected error · 2 unusable input or option · 3 output cannot be written · 4 a part of the
engine is missing, or `doctor` found what stops a job · 5 `verify` found what was changed · 6 `verify` found nothing ·
7 `batch` could not do all its jobs · 130 interrupted.
"""

import gc
import io
import json
import signal
import sys
from typing import Annotated

import typer

from lipwright import __version__
from lipwright.cli import avatar, batch, bench, doctor, dub, evaluate, keys, live, models, serve, train, ui, verify
from lipwright.errors import OptionError

GARBAGE = 50_000  # objects until rubbish is looked for: modules leave none, and looking took a tenth of the start

app = typer.Typer(
    help="Lip-sync: make a person in a video or photo say a sound.\n\n" + (__doc__ or "").partition("\n\n")[2],
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(dub.dub)
app.command()(dub.demo)
app.command()(batch.batch)
app.command()(doctor.doctor)
app.command()(bench.bench)
app.command()(evaluate.evaluate)
app.command()(serve.serve)
app.command()(live.live)
app.command()(ui.ui)
app.command()(verify.verify)
app.add_typer(avatar.app, name="avatar")
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="models")
app.add_typer(train.app, name="train")


def _version(asked: bool) -> None:
    if asked:
        print(f"lipwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None: ...


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line. Being told to stop (SIGTERM) ends a job as cleanly as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)
    gc.set_threshold(GARBAGE)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe on Windows knows few letters; a file's name may have others
            stream.reconfigure(errors="backslashreplace")
    if "--json" in sys.argv[1:]:
        sys.exit(_run_for_programs())
    app()


def _run_for_programs() -> int:
    """As `app()`, but what is wrong with the command line is told in JSON too. Returns the exit code."""
    try:
        return app(standalone_mode=False) or 0
    except Exception as exc:
        told = getattr(exc, "format_message", None)  # Typer does not export the class of its usage errors
        if told is None:
            raise
        code = int(getattr(exc, "exit_code", OptionError.exit_code))
        print(json.dumps({"error": told(), "exit_code": code}))
        print(f"lipwright: {told()}", file=sys.stderr)
        return code


if __name__ == "__main__":
    main()
