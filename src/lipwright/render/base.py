"""What a renderer is, and the table of those there are."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from lipwright import registry
from lipwright.errors import ShapeError
from lipwright.render.bank import MouthBank
from lipwright.render.teeth import Teeth


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


class Renderer(Protocol):
    """Draws one output frame's mouth. Pure: the same shot gives the same patch, in any order, in any process."""

    needs: RenderSpec

    def __init__(self, bank: MouthBank, teeth: Teeth = ...) -> None: ...

    def render(self, shot: Shot) -> Patch:
        """Draw the mouth of one frame; the patch lies inside the frame."""
        ...


RENDERERS = {"warp": "lipwright.render.warp:WarpRenderer"}


def load_renderer(name: str) -> type[Renderer]:
    """The renderer class of that name.

    Raises:
        BackendError: there is none.
    """
    return registry.load("renderer", RENDERERS, name)
