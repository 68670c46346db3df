"""What a training did, step by step: as a table and as curves."""

import csv
import io
from pathlib import Path

from lipwright.training.files import write_whole

Row = dict[str, float]
"""Figures of some steps: their means, named as in the table's head; `step` is the last of them."""

COLOURS = ("#1f4e79", "#c1440e", "#3b7d3b", "#7a5195")


def as_csv(rows: list[Row]) -> bytes:
    """A CSV table, one line for each row."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["step"], lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
    return text.getvalue().encode()


def as_png(rows: list[Row], title: str) -> bytes:
    """Curves over the steps, one plot for each figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [name for name in (rows[0] if rows else {}) if name not in ("step", "seconds")]
    figure = Figure(figsize=(10, 2.2 * len(shown) + 0.6), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    steps = [row["step"] for row in rows]
    for number, name in enumerate(shown):
        axes = figure.add_subplot(len(shown), 1, number + 1)
        axes.plot(steps, [row[name] for row in rows], color=COLOURS[number % len(COLOURS)])
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        if number == len(shown) - 1:
            axes.set_xlabel("step")
    figure.suptitle(title)
    drawn = io.BytesIO()
    canvas.print_png(drawn)
    return drawn.getvalue()


def write_history(folder: Path, rows: list[Row], title: str) -> None:
    """Write history.csv and history.png.

    Raises:
        OutputError: they cannot be written.
    """
    write_whole(folder / "history.csv", as_csv(rows))
    if rows:
        write_whole(folder / "history.png", as_png(rows, title))
