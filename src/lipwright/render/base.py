"""What a renderer is, and the table of those there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np

from lipwright import registry
from lipwright.errors import ShapeError
from lipwright.render.bank import MouthBank
from lipwright.render.teeth import Teeth
from lipwright.runtime import Models


@dataclass(frozen=True, slots=True)
class Patch:
    """A drawn area of a frame.

    Args:
        x, y: frame column and row of the patch's first pixel.
        pixels: (H, W, 3) uint8 RGB.
        mask: (H, W) float32 in 0..1; 0 = the frame shows, 1 = the patch shows.
    """

    x: int
    y: int
    pixels: np.ndarray
    mask: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.shape[2:] != (3,):
            raise ShapeError("Patch.pixels", expected="(H, W, 3) uint8", got=self.pixels.shape)
        if self.mask.shape != self.pixels.shape[:2]:
            raise ShapeError("Patch.mask", expected=str(self.pixels.shape[:2]), got=self.mask.shape)


@dataclass(frozen=True, slots=True)
class RenderSpec:
    """What a renderer needs of the stages before it.

    Args:
        drive: which kind of drive it draws, `mouth` (68 target points) or `window` (speech features around a frame).
        crop: which geometry it is given, `mesh` (the face mesh on the whole frame) or `rectangle`.
    """

    drive: str
    crop: str


@dataclass(frozen=True, slots=True)
class Shot:
    """One output frame to draw.

    Args:
        frame: (H, W, 3) uint8 RGB, the planned source frame; never written to.
        mesh: (478, 3) float32 pixels, its face.
        target: (68, 2) float32 pixels, where the drive points shall be.
        view: entry of the mouth bank, -1 for none.
        blur: (2,) float32 standard deviation of the frame's blur along x and y, eye distances; sharp by default.
    """

    frame: np.ndarray
    mesh: np.ndarray
    target: np.ndarray
    view: int
    blur: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))


@dataclass(frozen=True, slots=True)
class WindowShot:
    """One output frame to draw from the speech around it.

    Args:
        frame: (H, W, 3) uint8 RGB, the planned source frame; never written to.
        points: (68, 2) float32 pixels, its face.
        square: (3,) float x, y and side of the crop, pixels; may reach beyond the frame.
        window: (20, 256) float32 speech features around the frame.
    """

    frame: np.ndarray
    points: np.ndarray
    square: np.ndarray
    window: np.ndarray

    def __post_init__(self) -> None:
        if self.points.shape != (68, 2):
            raise ShapeError("WindowShot.points", expected="(68, 2)", got=self.points.shape)


class Renderer(Protocol):
    """Draws one output frame's mouth. Pure: the same shot gives the same patch, in any order, in any process."""

    needs: RenderSpec

    def __init__(self, bank: MouthBank, teeth: Teeth = ...) -> None: ...

    @staticmethod
    def area(mesh: np.ndarray, target: np.ndarray, size: tuple[int, ...]) -> tuple[int, int, int, int]:
        """The part of a frame that `render` looks at: x, y, width, height; whole chroma samples.

        Args:
            mesh, target: as of `Shot`.
            size: height and width of the frame.
        """
        ...

    def render(self, shot: Shot) -> Patch:
        """Draw the mouth of one frame; the patch lies inside the frame."""
        ...


class WindowRenderer(Protocol):
    """Draws the mouths of some output frames from the speech around them. Pure, as `Renderer`."""

    needs: RenderSpec

    @classmethod
    def open(cls, models: Models) -> Self:
        """Load what it draws with.

        Raises:
            BackendError: a model is missing or another one.
        """
        ...

    def render(self, shots: Sequence[WindowShot]) -> list[Patch]:
        """Draw; the patches lie inside their frames."""
        ...


RENDERERS = {"warp": "lipwright.render.warp:WarpRenderer", "dinet": "lipwright.render.dinet:DinetRenderer"}


def load_renderer(name: str) -> Any:  # noqa: ANN401 - what it needs tells which of the protocols it keeps
    """The renderer class of that name.

    Raises:
        BackendError: there is none.
    """
    return registry.load("renderer", RENDERERS, name)
