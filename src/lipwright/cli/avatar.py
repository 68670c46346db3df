"""`lipwright avatar`: analyses of footage, kept for the next job."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal

app = typer.Typer(help="Analyse footage once and keep it; list and remove what is kept.", no_args_is_help=True)


@app.command()
def build(
    video: Annotated[Path, typer.Argument(help="A video or photo of the person.")],
    person: args.Person = "largest",
    fps: args.Fps = None,
    tracker: args.Tracker = "facemesh",
    cache: args.Cache = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Analyse footage now, so that jobs on it start at once."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.media import open_clip
        from lipwright.pipeline.config import DubOptions
        from lipwright.pipeline.job import load_avatar

        rate = args.parse_fps(fps) if fps else None
        options = DubOptions(person=person, fps=rate, tracker=tracker, cache=cache)
        with open_clip(video, rate) as clip, terminal.progress() as progress:
            avatar, key, stored = load_avatar(clip, options, progress)
        facts = {
            "key": key,
            "frames": len(avatar.track),
            "frames_with_face": len(avatar.seen),
            "mouth_views": len(avatar.bank),
            "stored_before": stored,
        }
        terminal.result(
            facts,
            f"{key}: {video.name}, face in {facts['frames_with_face']} of {facts['frames']} frames, "
            f"{facts['mouth_views']} looks into the mouth{' (was there already)' if stored else ''}",
        )


@app.command("list")
def list_avatars(cache: args.Cache = None, as_json: args.Json = False) -> None:
    """Show what is kept."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.avatar.store import AvatarStore

        store = AvatarStore(cache)
        kept = store.list()
        lines = [f"{a.key}  {a.size / 1e6:7.1f} MB  {a.frames:6} frames  {a.person:8} {a.footage}" for a in kept]
        terminal.result([asdict(a) for a in kept], "\n".join(lines) or f"no avatars in {store.folder}")


@app.command()
def remove(
    keys: Annotated[list[str], typer.Argument(help="Keys from `lipwright avatar list`, or unambiguous beginnings.")],
    cache: args.Cache = None,
    quiet: args.Quiet = False,
) -> None:
    """Delete kept avatars."""
    terminal = Terminal(quiet=quiet, log_file=None)
    with terminal.errors():
        from lipwright.avatar.store import AvatarStore

        for key in keys:
            AvatarStore(cache).remove(key)
            terminal.say(f"removed {key}")
