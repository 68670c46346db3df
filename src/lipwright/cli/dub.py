"""`lipwright dub` and `lipwright demo`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal
from lipwright.errors import OptionError
from lipwright.pipeline.report import Report

if TYPE_CHECKING:
    from lipwright.pipeline.config import DubOptions
    from lipwright.pipeline.estimate import Estimate
    from lipwright.pipeline.executor import Executor
    from lipwright.progress import Progress

SHEET_FRAMES = 18
MARKS = {
    "statement": "signed statement",
    "mark": "mark in the picture",
    "records": "records beside it",
    "label": "visible label",
}


def dub(
    video: args.VideoOrUrl,
    audio: args.AudioOrUrl,
    output: args.OutputOrUrl,
    engine: args.Engine = "native",
    length: Annotated[
        str, typer.Option(help="When sound and footage differ: bounce, loop, cut_off, silence or remap.")
    ] = "bounce",
    person: args.Person = "largest",
    fps: args.Fps = None,
    codec: Annotated[str, typer.Option(help="h264, hevc or vp9.")] = "h264",
    crf: Annotated[int, typer.Option(help="Quality of the encoder; lower is better.")] = 18,
    preset: Annotated[str, typer.Option(help="Speed of the encoder: ultrafast … veryslow.")] = "veryfast",
    encoder: Annotated[
        str,
        typer.Option(
            help="Who encodes: software, hardware (nvenc, videotoolbox, qsv, amf), or auto: hardware that works here."
        ),
    ] = "software",
    tracker: args.Tracker = "facemesh",
    cache: args.Cache = None,
    intensity: Annotated[
        float, typer.Option(help="How far the mouth moves, 0 to 2: 1 as heard, 0 at rest; closed lips stay closed.")
    ] = 1.0,
    still: Annotated[bool, typer.Option("--still", help="Leave a photo's head and eyes as they are.")] = False,
    mask: Annotated[
        str,
        typer.Option(help="What may change: landmark (all drawn), parse (face) or xseg (what nothing covers)."),
    ] = "landmark",
    restore: Annotated[float, typer.Option(help="How far GFPGAN restores the face, 0 (not at all) to 1.")] = 0.0,
    restore_when: Annotated[str, typer.Option(help="before the mouth is drawn, or after.")] = "before",
    blur_threshold: Annotated[
        float, typer.Option(help="Restore only a face blurred more than this, 0 to 1; 0 restores any.")
    ] = 0.0,
    watermark: args.Watermark = None,
    digital_auth: args.DigitalAuth = None,
    label: args.Label = "off",
    label_text: args.LabelText = "",
    label_language: args.LabelLanguage = "",
    label_corner: args.LabelCorner = "top-left",
    label_size: args.LabelSize = 0.05,
    label_font: args.LabelFont = None,
    marks: args.Marks = "on",
    consent_note: args.ConsentNote = "",
    certificate: args.Certificate = None,
    private_key: args.PrivateKey = None,
    device: args.Device = "auto",
    batch_size: Annotated[int, typer.Option(help="Frames the heygem engine draws at a time.")] = 4,
    models: args.ModelFolder = None,
    preview: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Write no video, but moments of its first SECONDS: source, result, mask in a PNG."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do nothing; say what would be done, how long and how large.")
    ] = False,
    mask_debug: Annotated[
        bool, typer.Option("--mask-debug", help="Write a second video with mask, tracked lips and targets drawn over.")
    ] = False,
    executor: args.Executor = "local",
    address: args.Address = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    log_file: args.LogFile = None,
    as_json: args.Json = False,
) -> None:
    """Make the person in a video or photo say a sound."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=log_file)
    with terminal.errors():
        from lipwright.compose.overlays import heygem_overlays
        from lipwright.media import EncodeOptions
        from lipwright.media.hardware import choose_encoder
        from lipwright.media.rates import parse_rate
        from lipwright.pipeline.config import DubOptions

        check_alone({"--preview": preview is not None, "--dry-run": dry_run, "--mask-debug": mask_debug})
        options = DubOptions(
            engine=engine,
            length=length,
            person=person,
            fps=parse_rate(fps) if fps else None,
            encode=EncodeOptions(codec=codec, crf=crf, preset=preset, encoder=choose_encoder(encoder, codec)),
            tracker=tracker,
            cache=cache,
            intensity=intensity,
            still=still,
            device=device,
            batch_size=batch_size,
            mask=mask,
            restore=restore,
            restore_when=restore_when,
            blur_threshold=blur_threshold,
            models=models,
            overlays=heygem_overlays(watermark=watermark, digital_auth=digital_auth),
            label=label,
            label_text=label_text,
            label_language=label_language,
            label_corner=label_corner,
            label_size=label_size,
            label_font=label_font,
            mask_debug=mask_debug,
            marks=args.is_on("--marks", marks),
            consent_note=consent_note,
            certificate=certificate,
            private_key=private_key,
        )
        asked = (video, audio, output)
        if dry_run:
            show_plan(terminal, asked, options)
        elif preview is not None:
            show_preview(terminal, asked, preview, options)
        else:
            make(terminal, asked, options, args.open_executor(executor, address))


def make(terminal: Terminal, asked: tuple[str, str, str], options: "DubOptions", executor: "Executor") -> None:
    """The job itself; `asked` are video, audio and output, paths or URLs."""
    from lipwright.pipeline.run import dub as run
    from lipwright.runtime import share_cores
    from lipwright.storage import is_url, published, shown

    output = asked[2]
    if options.mask_debug and is_url(output):
        raise OptionError("--mask-debug writes a second file beside the output, which must be a path then, not a URL")
    share_cores()
    with (
        terminal.progress() as progress,
        published(output, progress) as made,
        sources(asked, progress) as (video, audio),
    ):
        report = run(video, audio, made, options=options, progress=progress, executor=executor)
    lines = [summary(report, shown(output))]
    if report.mask_video is not None:
        lines.append(f"{report.mask_video}: the same with mask, tracked lips and targets drawn over it")
    terminal.result(report.as_dict() | {"output": shown(output)}, "\n".join(lines))


@contextmanager
def sources(asked: tuple[str, str, str], progress: "Progress") -> Iterator[tuple[Path, Path]]:
    """Video and audio as files of this machine."""
    from lipwright.storage import fetched

    with fetched(asked[0], progress) as video, fetched(asked[1], progress) as audio:
        yield video, audio


def show_preview(terminal: Terminal, asked: tuple[str, str, str], seconds: float, options: "DubOptions") -> None:
    """Moments of the job on one picture."""
    from lipwright.pipeline.preview import preview
    from lipwright.storage import is_url

    if is_url(asked[2]):
        raise OptionError("--preview writes a picture to look at; give --output a path for it, not a URL")
    with terminal.progress() as progress, sources(asked, progress) as (video, audio):
        made = preview(video, audio, Path(asked[2]), seconds, options=options, progress=progress)
    line = f"{made.picture}: {len(made.moments)} of {made.frames} frames"
    if made.frames_without_face:
        line += f"; {made.frames_without_face} of those shown have no usable face and are left as they are"
    terminal.result(made.as_dict(), "\n".join([line, *(f"note: {note}" for note in made.notes)]))


def show_plan(terminal: Terminal, asked: tuple[str, str, str], options: "DubOptions") -> None:
    """What the job would do."""
    from lipwright.pipeline.estimate import estimate
    from lipwright.storage import is_url, shown

    with terminal.progress() as progress, sources(asked, progress) as (video, audio):
        output = Path(shown(asked[2]).rpartition("/")[2]) if is_url(asked[2]) else Path(asked[2])
        plan = estimate(video, audio, output, options=options)
    terminal.result(plan.as_dict() | {"output": shown(asked[2])}, plan_text(plan, shown(asked[2])))


def plan_text(plan: "Estimate", output: str) -> str:
    """A table of a job that has not been done."""
    footage, use, encode, needed = plan.footage, plan.use, plan.encode, plan.seconds
    kind = "photo" if footage.is_photo else f"{footage.frames} frames ({float(footage.duration):.2f} s)"
    passes = f"{use.forward} forward" + (f", {use.backward} backward" if use.backward else "")
    used = "the photo" if footage.is_photo else f"source frames {use.first} to {use.last}, passes: {passes}"
    rows = {
        "footage": f"{footage.width}×{footage.height}, {kind}, {'with' if footage.has_sound else 'no'} sound",
        "sound": f"{plan.sound_seconds:.2f} s",
        "output": f"{plan.frames} frames at {float(footage.fps):.5g} fps ({float(plan.duration):.2f} s)",
        "length": f"{plan.length}: {used}",
        "encoder": f"{encode.codec}, crf {encode.crf}, {encode.preset}",
        "marks": told_marks(plan.marks),
        "avatar": f"{plan.avatar_key}, " + ("stored" if plan.avatar_stored else "to be made: the footage is analysed"),
        "estimate": f"{needed['avatar']:.0f} s analysis, {sum(needed.values()):.0f} s in all, {plan.size / 1e6:.1f} MB "
        f"(from {plan.tried} frames tried just now on this machine)",
    }
    lines = [f"{output}: nothing written", *(f"  {name:<9}{value}" for name, value in rows.items())]
    return "\n".join([*lines, *(f"note: {note}" for note in plan.notes)])


def check_alone(asked: dict[str, bool]) -> None:
    """Refuse options together that exclude each other; `asked` says which were given.

    Raises:
        OptionError: more than one was.
    """
    given = [name for name, was in asked.items() if was]
    if len(given) > 1:
        raise OptionError(f"{' and '.join(given)} exclude each other; give one of them")


def demo(
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder for the two files.")] = Path(),
    marks: args.Marks = "on",
    consent_note: args.ConsentNote = "",
    certificate: args.Certificate = None,
    private_key: args.PrivateKey = None,
    verbose: args.Verbose = False,
    quiet: args.Quiet = False,
    as_json: args.Json = False,
) -> None:
    """Dub the bundled example: writes lipwright-demo.mp4 and a contact sheet, lipwright-demo.png."""
    terminal = Terminal(verbose=verbose, quiet=quiet, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.example import portrait, speech
        from lipwright.pipeline.config import DubOptions
        from lipwright.pipeline.run import dub as run

        options = DubOptions(
            marks=args.is_on("--marks", marks),
            consent_note=consent_note,
            certificate=certificate,
            private_key=private_key,
        )
        output, sheet = folder / "lipwright-demo.mp4", folder / "lipwright-demo.png"
        with terminal.progress() as progress:
            report = run(portrait, speech, output, options=options, progress=progress)
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


def summary(report: Report, output: str | None = None) -> str:
    """One line about a finished job; `output`: where it went from the file the report names."""
    size = f"{report.width}×{report.height}"
    line = f"{output or report.output}: {report.frames} frames at {float(report.fps):.5g} fps, {size}"
    if report.frames_without_face:
        line += f"; {report.frames_without_face} show no usable mouth and were left as they are"
    lines = [line]
    if report.marks:
        marked = f"marked: {told_marks(report.marks)}"
        lines.append(f"{marked}; signed by {report.signed_by}" if report.signed_by else marked)
    return "\n".join([*lines, *(f"note: {note}" for note in report.notes)])


def told_marks(layers: Sequence[str]) -> str:
    """What tells of a file's origin, in words."""
    return ", ".join(MARKS[layer] for layer in layers) or "nothing"
