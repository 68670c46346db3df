"""Curves on a picture: the mouth over time, beside the sound and the real mouth."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipwright.errors import OutputError
from lipwright.evaluation.evaluate import FLOOR_DB, Curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, REAL, SOUND = "#c1440e", "#1f4e79", "#b8b8b8"


def plot_curves(curves: Curves, path: Path, *, title: str = "") -> None:
    """Write opening (over the sound's energy) and width against time as one PNG.

    Args:
        curves: of an `Evaluation`.
        path: the file to write.
        title: over the plot.

    Raises:
        OutputError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True)
    times = np.arange(len(curves.opening)) / curves.fps
    _sound(upper.twinx(), times, curves)
    upper.set_zorder(1)  # the curves lie over the sound
    upper.patch.set_visible(False)
    for axes, made, real in (
        (upper, curves.opening, curves.real_opening),
        (lower, curves.width, curves.real_width),
    ):
        if real is not None:
            axes.plot(times, real, color=REAL, label="real")
        axes.plot(times, made, color=OURS, label="output")
        axes.grid(alpha=0.3)
    upper.set_ylabel("opening / eye distance")
    lower.set_ylabel("width / eye distance")
    lower.set_xlabel("seconds")
    upper.legend(loc="upper right")
    figure.suptitle(title)
    try:
        with path.open("wb") as file:
            canvas.print_png(file)
    except OSError as exc:
        raise OutputError(f"the plot {path} cannot be written: {exc.strerror}") from exc


def _sound(axes: "Axes", times: np.ndarray, curves: Curves) -> None:
    axes.fill_between(times, -FLOOR_DB, curves.energy, color=SOUND, alpha=0.5, linewidth=0)
    axes.set_ylim(-FLOOR_DB, 0)
    axes.set_ylabel("sound, dB under the loudest")
