"""The moved person over the still background."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from lipwright.alive.head import NO_MAP, Head
from lipwright.alive.person import background

TOUCH = 3  # pixels around a sampled position that the cubic kernel looks at
ROW = 1024  # `cv2.remap` takes pictures, not lists
STRIPS, REACHES = 24, 8


class Layers:
    """A photo in two layers.

    Moving the whole photo moves the background along with the person; across the person's edge the background's own
    change is taken back: moved photo + (1 - moved matte) (background - moved background). Where nothing moves this is
    the photo bit for bit, and detail that the matte misses is not lost.

    Args:
        photo: (H, W, 3) uint8 RGB.
        matte: (H, W) uint8 from 0 background to 255 person; None moves all pixels of the head's box alike.
        head: what moves, and how far.
    """

    def __init__(self, photo: np.ndarray, matte: np.ndarray | None, head: Head) -> None:
        reach = head.reach()
        moved, edge, still = reach > 0, np.zeros(reach.shape, bool), photo
        if matte is not None:
            x0, y0, x1, y1 = head.box
            some, not_all = _around(matte[y0:y1, x0:x1], reach)
            moved &= some
            edge = moved & not_all
            room = int(np.ceil(reach.max())) + TOUCH
            x0, y0 = self._origin = max(x0 - room, 0), max(y0 - room, 0)
            near = np.s_[y0 : y1 + room, x0 : x1 + room]
            still = photo.copy()
            still[near] = background(photo[near], matte[near], head.unit)
            self._behind = np.dstack([still[near], matte[near]])
        self._strips = list(_strips(head.box, moved, edge, still))

    def draw(self, frame: np.ndarray, photo: np.ndarray, sources: np.ndarray) -> None:
        """Draw one pose.

        Args:
            frame: (H, W, 3) uint8 RGB copy of the photo, drawn into.
            photo: (H, W, 3) uint8 RGB, the photo, its eyes perhaps closed.
            sources: (h, w, 2) float32, where the pixels of the head's box come from.
        """
        for strip in self._strips:
            wanted = np.ascontiguousarray(sources[strip.in_box])
            pixels = cv2.remap(photo, wanted, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
            if len(strip.edge):
                self._uncover(pixels.reshape(-1, 3), wanted.reshape(-1, 2), strip)
            cv2.copyTo(pixels, strip.moved, frame[strip.in_photo])

    def _uncover(self, pixels: np.ndarray, sources: np.ndarray, strip: "_Strip") -> None:
        """Put the background back in its place at the person's edge. (n, 3) uint8, changed in place; (n, 2) float32."""
        count, (x0, y0) = len(strip.edge), self._origin
        padded = np.resize(sources.take(strip.edge, 0) - np.array((x0, y0), np.float32), (-(-count // ROW), ROW, 2))
        layer = cv2.remap(self._behind, padded, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        layer = layer.reshape(-1, 4)[:count].astype(np.float32)
        change = (1 - layer[:, 3:] / 255) * (strip.still - layer[:, :3])
        pixels[strip.edge] = np.rint(pixels.take(strip.edge, 0) + change).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Strip:
    """A part of the box, no wider than what moves in it.

    Args:
        in_box, in_photo: its rows and columns.
        moved: (h, w) uint8, 1 where pixels are drawn.
        edge: (n,) which of its pixels, row by row, may show the background.
        still: (n, 3) uint8 RGB, the background there.
    """

    in_box: tuple[slice, slice]
    in_photo: tuple[slice, slice]
    moved: np.ndarray
    edge: np.ndarray
    still: np.ndarray


def _strips(box: tuple[int, int, int, int], moved: np.ndarray, edge: np.ndarray, still: np.ndarray) -> Iterator[_Strip]:
    """The box in strips. moved, edge: (h, w) bool over the box; still: (H, W, 3) uint8 RGB over the photo."""
    high = -(-len(moved) // STRIPS)
    for top in range(0, len(moved), high):
        columns = np.flatnonzero(moved[top : top + high].any(0))
        if len(columns):
            left, right = int(columns[0]), int(columns[-1]) + 1
            area = np.s_[top : min(top + high, len(moved)), left:right]
            there = np.s_[box[1] + area[0].start : box[1] + area[0].stop, box[0] + left : box[0] + right]
            yield _Strip(
                area, there, moved[area].astype(np.uint8), np.flatnonzero(edge[area]), still[there][edge[area]]
            )


def _around(matte: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels may see the person, and which something else, within their own reach. (H, W) bool each."""
    some, not_all = np.zeros(matte.shape, bool), np.zeros(matte.shape, bool)
    steps = reach.max() * np.arange(REACHES + 1) / REACHES
    for low, high in pairwise(steps):
        these = (reach > low) & (reach <= high)
        side = 2 * (int(np.ceil(high)) + TOUCH) + 1
        kernel = np.ones((side, side), np.uint8)
        some |= these & (cv2.dilate(matte, kernel) > 0)
        not_all |= these & (cv2.erode(matte, kernel) < 255)
    return some, not_all
