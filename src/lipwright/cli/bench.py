"""`lipwright bench`."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lipwright.cli import arguments as args
from lipwright.cli.console import Terminal

LABELS = {
    "analyse": "analyse (once per footage)",
    "decode": "decode",
    "sound": "sound and its features",
    "render": "face to RGB, render",
    "compose": "compose, to YUV",
    "encode": "encode and mux",
}


def bench(
    video: Annotated[
        Path | None, typer.Option(help="Footage; default: the bundled portrait under a moving camera.")
    ] = None,
    audio: Annotated[Path | None, typer.Option(help="A sound; default: the bundled speech.")] = None,
    seconds: Annotated[float, typer.Option(help="Length of the job; footage bounces, the sound repeats.")] = 10,
    runs: Annotated[int, typer.Option(help="Pairs of floor and job; the ratio is their median.")] = 5,
    long: Annotated[
        float | None, typer.Option(help="Also compare the memory of a job of so many seconds on the same footage.")
    ] = None,
    verbose: args.Verbose = False,
    as_json: args.Json = False,
) -> None:
    """Measure each stage, whole commands against the floor (decoding and encoding alone), and memory."""
    terminal = Terminal(verbose=verbose, as_json=as_json, log_file=None)
    with terminal.errors():
        from lipwright.bench.run import BenchOptions
        from lipwright.bench.run import bench as run

        options = BenchOptions(video=video, audio=audio, seconds=seconds, runs=runs, long=long)
        with terminal.progress() as progress:
            figures = run(options, progress).as_dict()
        if not as_json:
            terminal.say(_title(figures))
            Console(highlight=False).print(_table(figures))
        terminal.result(figures, _summary(figures))


def _title(figures: dict[str, Any]) -> str:
    where = figures["machine"]
    return (
        f"{figures['footage']}: {figures['width']}x{figures['height']}, {figures['frames']} frames, "
        f"{figures['fps']} fps; {where['threads']} threads, {where['memory_gb']:g} GB, {where['system']}"
    )


def _table(figures: dict[str, Any]) -> Table:
    table = Table("stage alone", box=None, padding=(0, 2, 0, 0))
    table.add_column("ms a frame", justify="right")
    table.add_column("share", justify="right")
    for row in figures["stages"]:
        share = "" if row["share"] is None else f"{row['share']:.1%}"
        table.add_row(LABELS.get(row["stage"], row["stage"]), f"{row['ms_per_frame']:.2f}", share)
    return table


def _summary(figures: dict[str, Any]) -> str:
    ratios, memory = figures["ratios"], figures["memory_mb"]
    lines = [
        f"floor: {figures['floor_ms_per_frame']:.1f} ms a frame",
        f"dub: {figures['dub_ms_per_frame']:.1f} ms a frame, whole command; {figures['ratio']:.2f} times the floor, "
        f"median of {len(ratios)} ({min(ratios):.2f} to {max(ratios):.2f}); peak memory {memory['dub']} MB",
        f"first frame: within {figures['first_frame_s']:.2f} s, the whole command for a tenth of a second",
        f"avatar build: {figures['avatar_build_fps']:.0f} frames/s, whole command; "
        f"peak memory {memory['avatar_build']} MB",
    ]
    if "long" in memory:
        lines.append(
            f"long job: peak memory {memory['long']} MB, {memory['long'] / memory['short']:.2f} times the "
            f"{memory['short']} MB of the short one on the same footage"
        )
    return "\n".join(lines)
