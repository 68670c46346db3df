"""The native renderer: the frame's own pixels warped to the target lips and jaw, the cavity from the mouth bank."""

from functools import lru_cache

import cv2
import numpy as np

from lipwright.facespace import DRIVE, FACE_OVAL, OUTER_RING
from lipwright.render.bank import MouthBank, MouthView, skin_tone
from lipwright.render.base import Patch, RenderSpec, Shot
from lipwright.render.cavity import Mouth, fill_cavity
from lipwright.render.lips import close_lips, roll_in, roll_out, shade_seam
from lipwright.render.made import RULE
from lipwright.render.mesh import part_lips, quick_map, ringed_triangles, settle, spread_matrix, unfold, with_ring
from lipwright.render.teeth import Teeth

LOWER_OVAL = tuple(FACE_OVAL[8:29])  # from one ear lobe round the chin to the other
BRIDGE = (116, 50, 5, 280, 345)  # the mask's upper edge: cheekbones and nose, where nothing moves
MASK_REACH = 1.36  # how far beyond the face outline the mask goes; the warp is nearly still there
FEATHER = 0.06  # of the eye distance
BEYOND = 0.05  # of the eye distance, around all that and its feather: no outline goes further than its drive points
RIM = 0.03  # of the eye distance, around the lips: there the warp is made pixel by pixel
BAND = 32  # rows that are warped at a time, as wide as the mask is there
MASK_STEP = 4  # the mask is drawn at a quarter of the size: it holds nothing finer


class WarpRenderer:
    """Draws by warping; see `lipwright.render.base.Renderer`.

    Args:
        bank: looks into the person's mouth.
        teeth: how this person's differ from those made by rule.
    """

    needs = RenderSpec(drive="mouth", crop="mesh")

    def __init__(self, bank: MouthBank, teeth: Teeth = RULE) -> None:
        self._teeth = teeth
        self._view = lru_cache(maxsize=32)(bank.view)

    @staticmethod
    def area(mesh: np.ndarray, target: np.ndarray, size: tuple[int, ...]) -> tuple[int, int, int, int]:
        """See `Renderer.area`: all that the mask may cover, with room for its blur."""
        middle = mesh[list(FACE_OVAL), :2].mean(0)
        outline = middle + (np.concatenate([mesh[list(LOWER_OVAL), :2], target]) - middle) * MASK_REACH
        points = np.concatenate([outline, mesh[list(BRIDGE), :2]])
        eyes = float(np.linalg.norm(mesh[33, :2] - mesh[263, :2]))
        room = 3 * max(FEATHER * eyes, MASK_STEP) + BEYOND * eyes + 2
        x0, y0 = np.clip(np.floor(points.min(0) - room).astype(int) // 2 * 2, 0, np.subtract(size[1::-1], 2).clip(0))
        x1, y1 = np.clip(np.ceil(points.max(0) + room).astype(int), (x0 + 1, y0 + 1), size[1::-1])
        return int(x0), int(y0), int(x1 - x0), int(y1 - y0)

    def render(self, shot: Shot) -> Patch:
        """See `Renderer.render`."""
        tracked = shot.mesh[:, :2]
        target = tracked + spread_matrix() @ (shot.target - tracked[list(DRIVE)])
        mesh = settle(tracked)
        source = with_ring(mesh, mesh)
        eyes = float(np.linalg.norm(mesh[33] - mesh[263]))
        wanted, seam = close_lips(mesh, settle(part_lips(target)), eyes)
        moved = unfold(source, with_ring(roll_out(mesh, wanted, eyes), mesh))
        (x, y), mask = face_mask(source, moved, shot.frame.shape[:2])
        corner = np.array((x, y))
        there = moved - corner
        maps = quick_map(source, there, ringed_triangles(), mask.shape, corner, _mouth_box(there, eyes))
        if seam is not None:
            roll_in(maps, seam, corner)
        pixels = _sampled(shot.frame, maps, mask, (x, y))
        if seam is not None:
            shade_seam(pixels, seam, corner)
        mouth = Mouth(mesh, moved[: len(mesh)], skin_tone(shot.frame, mesh), shot.blur, self._teeth)
        fill_cavity(pixels, (x, y), mouth, self._look(shot.view))
        return Patch(x, y, pixels, mask)

    def _look(self, entry: int) -> MouthView | None:
        return None if entry < 0 else self._view(entry)


def _sampled(
    frame: np.ndarray, maps: tuple[np.ndarray, np.ndarray], mask: np.ndarray, corner: tuple[int, int]
) -> np.ndarray:
    """The frame seen through a sampling map, where the mask shows it; elsewhere as it is. (H, W, 3) uint8."""
    (height, width), (x, y) = mask.shape, corner
    out = frame[y : y + height, x : x + width].copy()
    shows = mask > 0
    left, right = shows.argmax(1), width - shows[:, ::-1].argmax(1)
    left[~shows[np.arange(height), left]] = width  # rows that show nothing
    for top in range(0, height, BAND):
        rows = slice(top, top + BAND)
        some = rows, slice(int(left[rows].min()), int(right[rows].max()))
        if some[1].start < some[1].stop:
            across, down = (values[some] for values in maps)
            cv2.remap(frame, across, down, cv2.INTER_CUBIC, dst=out[some], borderMode=cv2.BORDER_REPLICATE)
    return out


def _mouth_box(mesh: np.ndarray, eyes: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the lips and a rim around them, whole pixels."""
    lips, rim = mesh[list(OUTER_RING)], RIM * eyes
    (left, top), (right, bottom) = np.floor(lips.min(0) - rim).astype(int), np.ceil(lips.max(0) + rim).astype(int) + 1
    return int(left), int(top), int(right), int(bottom)


def face_mask(source: np.ndarray, target: np.ndarray, size: tuple[int, ...]) -> tuple[tuple[int, int], np.ndarray]:
    """Soft mask of the lower face, before and after the warp.

    Args:
        source, target: (514, 2) float32 mesh and ring, frame pixels.
        size: height and width of the frame.

    Returns:
        Frame x and y of the mask's first pixel, and the (H, W) float32 mask, inside the frame, fading to 0 at its edge.
    """
    middle = source[list(FACE_OVAL)].mean(0)
    outline = np.concatenate([points[list(LOWER_OVAL)] for points in (source, target)])
    hull = cv2.convexHull(np.concatenate([middle + (outline - middle) * MASK_REACH, source[list(BRIDGE)]]))[:, 0]
    height, width = size
    sigma = max(1.0, FEATHER * float(np.linalg.norm(source[33] - source[263])) / MASK_STEP)
    room = 3 * sigma * MASK_STEP  # the blur must not feel the box; where the frame ends, it goes on beyond
    x0, y0 = np.clip(np.floor(hull.min(0) - room), 0, (width - 1, height - 1)).astype(int)
    x1, y1 = np.clip(np.ceil(hull.max(0) + room) + 1, (x0 + 1, y0 + 1), (width, height)).astype(int)
    small = np.zeros((-(-(y1 - y0) // MASK_STEP) + 1, -(-(x1 - x0) // MASK_STEP) + 1), np.uint8)
    cv2.fillConvexPoly(small, np.round((hull - (x0, y0)) / MASK_STEP * 16).astype(np.int32), (255,), cv2.LINE_AA, 4)
    # Half of a blurred edge lies outside the polygon: subtract it, so the feather goes inwards only.
    soft = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE).astype(np.float32) / 255
    soft = np.clip(soft * 2 - 1, 0, 1)
    whole = cv2.resize(soft, None, fx=MASK_STEP, fy=MASK_STEP, interpolation=cv2.INTER_LINEAR)[: y1 - y0, : x1 - x0]
    left, top, wide, high = cv2.boundingRect((whole > 0).view(np.uint8))
    left, top, wide, high = max(left - 1, 0), max(top - 1, 0), wide + 2, high + 2  # a rim of zeros, if the frame has it
    whole = whole[top : top + high, left : left + wide]
    return (int(x0) + left, int(y0) + top), np.ascontiguousarray(whole)
