"""Teeth, tongue and dark between the target lips.

A look into the person's own mouth is laid under the lips. What it does not cover is made, see `lipwright.render.made`.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from lipwright.facespace import INNER_RING, NOSE_BASE, STABLE, triangles
from lipwright.render.bank import MouthView
from lipwright.render.made import RULE, likely_blur, made_mouth
from lipwright.render.mesh import STRIP, sampling_map
from lipwright.render.teeth import Teeth

LEAST_BLUR = 0.3  # pixels; under it nobody sees the difference
UNSURE = 0.006  # eye distances: blur is not measured to less
MADE_BLUR = np.full(2, 0.004, np.float32)  # eye distances: what is made is never quite sharp
WHOLE = (0.55, 0.8)  # of the wanted opening: a look less open is fixed to the skull, a more open one to the lips
SLIT = (0.030, 0.050)  # eye distances: looks into a mouth less open show lip and shadow, more open ones teeth
CLOSED = 0.006  # eye distances; under it there is nothing to fill
TONE_GAIN = (0.6, 1.45)
UPPER_MIDDLE, LOWER_MIDDLE = (82, 13, 312), (87, 14, 317)


@dataclass(frozen=True, slots=True)
class Mouth:
    """The target mouth on the frame it is drawn on.

    Args:
        mesh: (478, 2) float32 the frame's own mesh, pixels.
        target: (478, 2) float32 the mesh after the warp.
        tone: (3,) float32 skin colour around the mouth, RGB.
        blur: (2,) float32 standard deviation of the frame's blur along x and y, eye distances.
        teeth: how this person's differ from those made by rule.
    """

    mesh: np.ndarray
    target: np.ndarray
    tone: np.ndarray
    blur: np.ndarray
    teeth: Teeth = RULE


def fill_cavity(canvas: np.ndarray, origin: tuple[int, int], mouth: Mouth, view: MouthView | None) -> None:
    """Draw the cavity into a picture, in place.

    Args:
        canvas: (H, W, 3) uint8 RGB, the warped area of the frame.
        origin: frame x, y of the canvas's first pixel.
        mouth: where and in which light.
        view: a look into the mouth from the bank, None when it has none.
    """
    ring = mouth.target[list(INNER_RING)] - origin
    eyes = float(np.linalg.norm(mouth.mesh[33] - mouth.mesh[263]))
    _, gap = _axis(mouth.target)
    if gap < CLOSED * eyes:
        return
    soft = max(0.6, 0.008 * eyes, float(mouth.blur.mean()) * eyes)  # as soft as the frame's own edges
    pad = int(3 * soft) + 2
    x0, y0 = np.maximum(np.floor(ring.min(0)).astype(int) - pad, 0)
    x1, y1 = np.minimum(np.ceil(ring.max(0)).astype(int) + pad, canvas.shape[1::-1])
    if x1 <= x0 or y1 <= y0:
        return
    corner = np.array((x0, y0), np.float32)
    area = canvas[y0:y1, x0:x1]
    inside = _soft_polygon(ring - corner, area.shape[:2], soft)
    drawn = _between(mouth, view, origin + corner, area.shape[:2], eyes)
    # Under the rim of the lips it is a little darker all round.
    if view is None:
        drawn *= (0.86 + 0.14 * _ramp(inside, 0.5, 1.0))[..., None]
    # Just opening: let the cavity come in with the first half percent instead of popping up.
    weight = inside[..., None] * min(1.0, (gap / eyes - CLOSED) / CLOSED)
    area[:] = np.clip(area + (drawn - area) * weight + 0.5, 0, 255).astype(np.uint8)


def _between(
    mouth: Mouth, view: MouthView | None, origin: np.ndarray, size: tuple[int, ...], eyes: float
) -> np.ndarray:
    """What lies between the lips of an area, made and looked up. (H, W, 3) float32."""
    # A look that covers a part has the upper teeth: a second row is not drawn behind it.
    slit = 1.0 if view is None else _slit(mouth, view)
    if view is not None and _reach(mouth, view) >= WHOLE[1]:
        drawn = np.zeros((*size, 3), np.float32)  # all of it is about to be covered
    else:
        drawn = made_mouth(mouth.mesh, mouth.target, mouth.tone, origin, size, upper=slit, teeth=mouth.teeth)
        _soften(drawn, likely_blur(mouth.blur), MADE_BLUR, eyes)
    if view is not None:
        _lay_view(drawn, mouth, view, origin, 1 - slit)
        _soften(drawn, mouth.blur, view.blur, eyes)
    return drawn


def _slit(mouth: Mouth, view: MouthView) -> float:
    """1 for a look through lips hardly parted into a mouth that is to be wide open: it knows of no teeth. Else 0."""
    open_in_view = float(_ramp(np.array(view.opening), *SLIT))
    return (1 - open_in_view) * (1 - float(_ramp(np.array(_reach(mouth, view)), 0.3, 0.6)))


def _reach(mouth: Mouth, view: MouthView) -> float:
    """How far open the view is, of what the target wants."""
    _, gap = _axis(mouth.target)
    _, gap_view = _axis(view.mesh)
    return gap_view / max(gap * float(np.sqrt(abs(np.linalg.det(_turn(mouth.mesh, view.mesh))))), 1e-6)


def _soften(drawn: np.ndarray, blur: np.ndarray, has: np.ndarray, eyes: float) -> None:
    """Blur a sharper look to a frame's own blur, in place. (H, W, 3) float32; (2,) each, eye distances."""
    lacks = np.sqrt(np.maximum(np.square(blur) - np.square(has) - UNSURE**2, 0)) * eyes
    if lacks.max() >= LEAST_BLUR:
        across, along = np.maximum(lacks, 0.1)
        drawn[:] = cv2.GaussianBlur(drawn, (0, 0), float(across), sigmaY=float(along), borderType=cv2.BORDER_REPLICATE)


def _axis(mesh: np.ndarray) -> tuple[np.ndarray, float]:
    """Direction down the face (unit vector), and the gap between the lips along it in pixels."""
    down = mesh[152] - mesh[168]
    down = down / max(float(np.hypot(*down)), 1e-6)
    gap = float((mesh.take(LOWER_MIDDLE, 0) - mesh.take(UPPER_MIDDLE, 0)).sum(0) @ down) / len(UPPER_MIDDLE)
    return down, gap


def _soft_polygon(ring: np.ndarray, size: tuple[int, ...], soft: float) -> np.ndarray:
    mask = np.zeros(size, np.uint8)
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    return cv2.GaussianBlur(mask, (0, 0), soft).astype(np.float32) / 255


def _ramp(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _lay_view(drawn: np.ndarray, mouth: Mouth, view: MouthView, origin: np.ndarray, share: float) -> None:
    """Lay the look into the mouth over the made one, in place.

    About as open as the target: stretched a little to fit the lips. Much less open: fixed to the skull, its teeth in
    their own size, the made mouth showing beneath them; of this only a share in 0..1 is laid.
    """
    turn = _turn(mouth.mesh, view.mesh)
    whole = float(_ramp(np.array(_reach(mouth, view)), *WHOLE))
    gain = np.clip(mouth.tone / np.maximum(view.tone, 1), *TONE_GAIN)
    if whole < 1:
        colour, inside = _look(view, _skull_map(turn, mouth, view, origin, drawn.shape[:2]))
        drawn += (colour * gain - drawn) * (share * inside)[..., None]
    if whole > 0:
        target = mouth.target - origin
        # The cavity's soft edge may run over a thin lip's: beyond it the look just goes on.
        beyond = (view.mesh - target)[list(INNER_RING)].mean(0)
        fitted = sampling_map(view.mesh, target, _mouth_triangles(), drawn.shape[:2], beyond)
        colour, _ = _look(view, fitted)
        drawn += whole * (colour * gain - drawn)


@cache
def _mouth_triangles() -> np.ndarray:
    """The strip between the lips and the lip around it, which the cavity's soft edge runs over. (T, 3)."""
    around = triangles()[:-STRIP]
    rim = around[np.isin(around, INNER_RING).any(1)]
    return np.concatenate([triangles()[-STRIP:], around[np.isin(around, rim).any(1)]])


def _turn(mesh: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Rotation and scale from one mesh's stable points to another's. (478, 2) each to (2, 2)."""
    a, b = mesh[list(STABLE)], other[list(STABLE)]
    a, b = a - a.mean(0), b - b.mean(0)
    norm = np.square(a).sum()
    cosine, sine = (a * b).sum() / norm, (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / norm
    return np.array(((cosine, -sine), (sine, cosine)))


def _skull_map(
    turn: np.ndarray, mouth: Mouth, view: MouthView, origin: np.ndarray, size: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Sampling map (two (H, W) float32) that fixes the view to the skull.

    Where it would show the view's upper lip inside the target mouth, it is pushed on just far enough.
    """
    shift = view.mesh[list(NOSE_BASE)].mean(0) - turn @ mouth.mesh[list(NOSE_BASE)].mean(0)
    down, _ = _axis(view.mesh)
    # Sideways the teeth follow the middle of the mouth by half: a lip pulled to one side must not uncover skin.
    for_lips = view.mesh[list(UPPER_MIDDLE)].mean(0) - (turn @ mouth.target[list(UPPER_MIDDLE)].mean(0) + shift)
    along = float(for_lips @ down)
    shift = shift + down * max(along, 0.0) + (for_lips - down * along) * 0.5
    x = np.arange(size[1], dtype=np.float32) + origin[0]
    y = np.arange(size[0], dtype=np.float32)[:, None] + origin[1]
    map_x, map_y = (turn[i, 0] * x + turn[i, 1] * y + shift[i] for i in range(2))
    return map_x.astype(np.float32), map_y.astype(np.float32)


def _look(view: MouthView, maps: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The view seen through a sampling map: (H, W, 3) float32 RGB, and its soft inside, (H, W) float32."""
    seen = cv2.remap(view.pixels, *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT)
    return seen[..., :3].astype(np.float32), seen[..., 3].astype(np.float32) / 255
