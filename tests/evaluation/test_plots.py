import cv2
import numpy as np
import pytest

from lipwright.errors import OutputError
from lipwright.evaluation.evaluate import Curves
from lipwright.evaluation.plots import OURS, REAL, plot_curves


def made(*, real: bool) -> Curves:
    wave = np.abs(np.sin(np.arange(50) / 5)) / 5
    wave[20:24] = np.nan
    other = wave[::-1].copy() if real else None
    flat = np.zeros(50, bool)
    return Curves(fps=25.0, opening=wave, width=wave, real_opening=other, real_width=other,
                  energy=np.full(50, -20.0), silent=flat, speech=flat)  # fmt: skip


def pixels_of(picture: np.ndarray, colour: str) -> int:
    blue_green_red = [int(colour[i : i + 2], 16) for i in (5, 3, 1)]
    return int((picture == blue_green_red).all(axis=2).sum())


@pytest.mark.parametrize("real", [True, False])
def test_both_mouths_are_drawn(tmp_path, real):
    plot_curves(made(real=real), tmp_path / "a.png", title="a clip")
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture.shape == (600, 1200, 3)
    assert pixels_of(picture, OURS) > 200
    assert (pixels_of(picture, REAL) > 200) == real


def test_a_plot_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        plot_curves(made(real=True), tmp_path / "none" / "a.png")
