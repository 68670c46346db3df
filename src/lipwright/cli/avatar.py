"""`lipwright avatar`: analyses of footage, kept for the next job."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal

if TYPE_CHECKING:
    from lipwright.pipeline.tune import TuneReport

app = typer.Typer(help="Analyse footage once and keep it; list and remove what is kept.", no_args_is_help=True)


@app.command()
def build(
    video: Annotated[Path, typer.Argument(help="A video or photo of the person.")],
    person: args.Person = "largest",
    fps: args.Fps = None,
    tracker: args.Tracker = "facemesh",
    engine: args.Engine = "native",
    device: args.Device = "auto",
    models: args.ModelFolder = None,
    cache: args.Cache = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Analyse footage now, so that jobs on it start at once."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.avatar.avatar import Avatar
        from lipwright.media import open_clip
        from lipwright.media.rates import parse_rate
        from lipwright.pipeline.config import DubOptions
        from lipwright.pipeline.job import load_avatar
        from lipwright.runtime import share_cores

        share_cores()
        rate = parse_rate(fps) if fps else None
        looks = {"engine": engine, "device": device, "models": models}
        options = DubOptions(person=person, fps=rate, tracker=tracker, cache=cache, **looks)
        with open_clip(video, rate) as clip, terminal.progress() as progress:
            avatar, key, stored = load_avatar(clip, options, progress)
        shown = int(avatar.track.present.sum())
        facts = {"key": key, "frames": len(avatar.track), "frames_with_face": shown, "stored_before": stored}
        line = f"{key}: {video.name}, face in {shown} of {len(avatar.track)} frames"
        if isinstance(avatar, Avatar):
            facts["mouth_views"] = len(avatar.bank)
            line += f", {len(avatar.bank)} looks into the mouth"
        terminal.result(facts, line + (" (was there already)" if stored else ""))


@app.command()
def tune(
    avatar: Annotated[
        str, typer.Argument(help="The footage, or a key from `lipwright avatar list` whose footage is where it was.")
    ],
    person: args.Person = "largest",
    fps: args.Fps = None,
    tracker: args.Tracker = "facemesh",
    cache: args.Cache = None,
    reset: Annotated[bool, typer.Option("--reset", help="Forget what was fitted.")] = False,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Fit neutral, range and teeth to the person, from their footage and its own sound; jobs then use it."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.media.rates import parse_rate
        from lipwright.pipeline import tune as tuning
        from lipwright.pipeline.config import DubOptions

        rate = parse_rate(fps) if fps else None
        options = DubOptions(person=person, fps=rate, tracker=tracker, cache=cache)
        if reset:
            key = tuning.forget(avatar, options=options)
            terminal.result({"avatar_key": key}, f"{key}: not tuned any more")
            return
        with terminal.progress() as progress:
            report = tuning.tune(avatar, options=options, progress=progress)
        terminal.result(report.as_dict(), tune_text(report))


def tune_text(report: "TuneReport") -> str:
    """What was fitted, in a few lines."""
    style = (
        f"{report.seconds:.1f} s of speech, lips off by {report.error_before:.2f} % of the eye distance before, "
        f"{report.error_after:.2f} % after (moments held out)"
    )
    reach = f"opens {report.opens:.2f} and widens {report.widens:.2f} times as far as the model"
    colour = "/".join(f"{part:.2f}" for part in report.enamel)
    teeth = f"enamel {colour} of the rule's, upper teeth {report.edge:+.3f} lower, from {report.mouth_looks} looks"
    lines = [f"{report.avatar_key}: {report.footage.name}, {style}", f"  {reach}", f"  {teeth}"]
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


@app.command("list")
def list_avatars(cache: args.Cache = None, as_json: args.Json = False) -> None:
    """Show what is kept."""
    terminal = Terminal(as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.avatar.store import AvatarStore

        store = AvatarStore(cache)
        kept = store.list()
        lines = [
            f"{a.key}  {a.size / 1e6:7.1f} MB  {a.frames:6} frames  {a.person:8} {a.footage}{' (tuned)' * a.tuned}"
            for a in kept
        ]
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
