"""`lipwright dub` and `lipwright demo`."""

from pathlib import Path
from typing import Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.pipeline.report import Report

SHEET_FRAMES = 18


def dub(
    video: args.Video,
    audio: args.Audio,
    output: args.Output,
    engine: Annotated[str, typer.Option(help="The engine to draw with.")] = "native",
    length: Annotated[
        str, typer.Option(help="When sound and footage differ: bounce, loop, cut_off, silence or remap.")
    ] = "bounce",
    person: args.Person = "largest",
    fps: args.Fps = None,
    codec: Annotated[str, typer.Option(help="h264, hevc or vp9.")] = "h264",
    crf: Annotated[int, typer.Option(help="Quality of the encoder; lower is better.")] = 18,
    preset: Annotated[str, typer.Option(help="Speed of the encoder: ultrafast … veryslow.")] = "veryfast",
    tracker: args.Tracker = "facemesh",
    cache: args.Cache = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    log_file: args.LogFile = None,
    as_json: args.Json = False,
) -> None:
    """Make the person in a video or photo say a sound."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=log_file)
    with terminal.errors():
        from lipwright.media import EncodeOptions
        from lipwright.pipeline.config import DubOptions
        from lipwright.pipeline.run import dub as run

        options = DubOptions(
            engine=engine,
            length=length,
            person=person,
            fps=args.parse_fps(fps) if fps else None,
            encode=EncodeOptions(codec=codec, crf=crf, preset=preset),
            tracker=tracker,
            cache=cache,
        )
        with terminal.progress() as progress:
            report = run(video, audio, output, options=options, progress=progress)
        terminal.result(report.as_dict(), summary(report))


def demo(
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the two files.")] = Path(),
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Dub the bundled example: writes lipwright-demo.mp4 and a contact sheet, lipwright-demo.png."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.example import portrait, speech
        from lipwright.pipeline.run import dub as run

        output, sheet = folder / "lipwright-demo.mp4", folder / "lipwright-demo.png"
        with terminal.progress() as progress:
            report = run(portrait, speech, output, progress=progress)
        write_sheet(output, report, sheet)
        terminal.result(report.as_dict() | {"sheet": str(sheet)}, f"{summary(report)}\n{sheet}: contact sheet")


def write_sheet(video: Path, report: Report, sheet: Path) -> None:
    """Frames of a finished job, evenly spaced, cut to the face where one is found."""
    from lipwright.evaluation.sheet import contact_sheet, face_box, spread
    from lipwright.face.base import open_tracker
    from lipwright.media import open_clip

    with open_clip(video) as clip, open_tracker("facemesh") as tracker:
        frames = list(clip.play(spread(report.frames, SHEET_FRAMES)))
        mesh = tracker.fit(frames[0])
        if mesh is not None:
            x0, y0, x1, y1 = face_box(mesh, (report.height, report.width))
            frames = [frame[y0:y1, x0:x1] for frame in frames]
    contact_sheet(frames, sheet)


def summary(report: Report) -> str:
    """One line about a finished job."""
    line = f"{report.output}: {report.frames} frames at {float(report.fps):.5g} fps, {report.width}×{report.height}"
    if report.frames_without_face:
        line += f"; {report.frames_without_face} without a usable face were left as they are"
    return "\n".join([line, *(f"note: {note}" for note in report.notes)])
