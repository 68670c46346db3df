"""A mouth made by rule, for faces whose own was never seen open.

Throat, tongue, a row of teeth fixed to the jaw and one fixed to the skull, in the light of this face. Read off
training clips: the line of closed lips from the tracks of 24 people; the edge of the upper teeth by eye, from the 14 of
them who show it (frame at the 97th percentile of opening, laid on one another by nose base and eye distance, ticks of
0.02 drawn in); the throat's share of the skin's colour from 25. How much of the lower row is seen, the tongue and the
enamel's course with the skin's lightness were chosen by looking at training and other clips.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from lipwright.render.mesh import LOWER_LINE, UPPER_LINE
from lipwright.render.teeth import ABOVE, BEYOND, LOWER, UPPER, Plane, Row, Teeth, face_plane, look_of

LIP_LINE = 0.295  # where closed lips meet, below the nose base, in the face's plane: mean; standard deviation 0.026
EDGE_UNDER = 0.044  # the upper front teeth end this far below that line: mean; standard deviation 0.03
EDGE_FOLLOWS = 0.7  # by so much of it, who has a longer upper lip has lower teeth; not whole: one frame's line is noisy
UPPER_SHARE = 0.28  # of an opening is the upper lip's: tells the closed line of a face whose lips are apart
LEAST_LINE, MOST_LINE = -0.04, 0.045
SMOOTH_SKIN = 0.015  # eye distances of blur along one axis that need not be blur
MOST_BARED, GUMS_HIDDEN = 0.110, 0.8  # a front tooth's length under the lip; the share of what more there would be
LOWER_SEEN = 0.018  # of the lower row over the lip, more where the lip is drawn down from the jaw
LOWER_MOST = 0.06
THROAT = np.array((0.16, 0.070, 0.070), np.float32)  # of the skin's colour (seen: 0.06-0.54, 0.01-0.35, 0.0-0.35)
TONGUE = np.array((0.84, 0.57, 0.62), np.float32)  # of the skin's colour
BRIGHTEST = 245.0  # enamel
IVORY = np.array((1.038, 0.998, 0.945), np.float32)
REDDENS = np.array((0.87, 1.02, 1.02), np.float32)  # light that has been in a mouth comes out red: its share in shade
RULE = Teeth()
USUAL_WIDTH = (0.38, 0.52)  # between the inner corners
PURSED = (0.70, 0.96)  # of the mouth's usual width
UPPER_MIDDLE, LOWER_MIDDLE, CHIN = (82, 13, 312), (87, 14, 317), 152


@dataclass(frozen=True, slots=True)
class _Lips:
    """The open mouth in face units, over an area of H by W pixels.

    Args:
        u, v: (H, W) float32 places.
        under, over: (H, W) float32 how far below the upper lip and above the lower one.
        corner: (H, W) float32 how far from the nearer corner of the mouth, across.
        gap, width, middle: of the whole mouth.
    """

    u: np.ndarray
    v: np.ndarray
    under: np.ndarray
    over: np.ndarray
    corner: np.ndarray
    gap: float
    width: float
    middle: float


def made_mouth(  # noqa: PLR0913 - where, in which light, and whose
    mesh: np.ndarray,
    target: np.ndarray,
    tone: np.ndarray,
    origin: np.ndarray,
    size: tuple[int, ...],
    *,
    upper: float = 1.0,
    teeth: Teeth = RULE,
) -> np.ndarray:
    """Draw the inside of a mouth; what the lips hide of it is drawn too.

    Args:
        mesh: (478, 2) float32 the frame's own mesh, pixels: its skull holds the upper row.
        target: (478, 2) float32 the mesh after the warp: its lips and jaw.
        tone: (3,) float32 skin colour around the mouth, RGB 0..255.
        origin: (2,) frame x, y of the area's first pixel.
        size: height and width of the area.
        upper: how much of the upper row is drawn, 0..1.
        teeth: how this person's differ from the rule.

    Returns:
        (H, W, 3) float32 RGB 0..255.
    """
    plane = face_plane(mesh)
    lips = _lips(plane, target, origin, size)
    light = _light(plane, mesh, lips)
    enamel = np.minimum(tooth_colour(tone) * np.array(teeth.enamel, np.float32), BRIGHTEST)
    enamel = enamel * (1 - (1 - light) * REDDENS)
    drawn = THROAT * tone * (0.75 + 0.25 * _ramp(lips.corner, 0.0, 0.10))[..., None]
    _lay(drawn, *_tongue(lips, tone, light))
    lower_u, lower_v = _lower_place(plane, mesh, target, lips)
    _lay_row(drawn, LOWER, plane, (lower_u, lower_v), enamel * 0.95, _lower_shade(lips))
    if upper > 0:
        middle, edge = upper_edge(plane, mesh)
        edge = _below_lip(plane, target, edge) + teeth.edge
        _lay_row(drawn, UPPER, plane, (lips.u - middle, lips.v - edge), enamel, _upper_shade(lips), upper)
    return drawn


def tooth_colour(tone: np.ndarray) -> np.ndarray:
    """Enamel in full light beside skin of that colour. (3,) RGB to (3,) float32.

    Enamel is the same on all people, so it stands out more from dark skin: in the brightest twelfth of open mouths it
    was 1.1 times as light as the skin where that was at 200, 1.2 times at 150, 1.2 to 2.9 times under 120. In a dark
    scene it may not glow. Of the skin's colour cast under two fifths is left: a pink skin has no pink teeth.
    """
    lightness = max(float(tone.mean()), 1.0)
    level = min(250 * (lightness / 255) ** 0.43, 1.80 * lightness)
    return np.clip(level * (1 + 0.38 * (tone / lightness - 1)) * IVORY, 0, BRIGHTEST).astype(np.float32)


def likely_blur(blur: np.ndarray) -> np.ndarray:
    """Blur for teeth in a frame measured to be blurred so. (2,) eye distances, along x and y, to same.

    A face smooth in one direction reads as blurred there while its mouth is sharp: only what both directions share
    counts, and what one has far beyond the other, which is motion.
    """
    least = blur.min()
    return least + np.maximum(blur - least - SMOOTH_SKIN, 0)


def upper_edge(plane: Plane, mesh: np.ndarray) -> tuple[float, float]:
    """Where the upper row's middle lies and its front teeth end: u and v, face units."""
    top, bottom = (plane.place(mesh[list(points)].mean(0)) for points in (UPPER_MIDDLE, LOWER_MIDDLE))
    line = top[1] + UPPER_SHARE * max(float(bottom[1] - top[1]), 0.0)
    follow = EDGE_FOLLOWS * float(np.clip(line - LIP_LINE, LEAST_LINE, MOST_LINE))
    return 0.5 * float(top[0]), LIP_LINE + EDGE_UNDER + follow


def _below_lip(plane: Plane, target: np.ndarray, edge: float) -> float:
    """The row's edge under a lip that is drawn up: whoever bares the teeth that far has them higher. Face units."""
    lip = float(plane.place(target[list(UPPER_MIDDLE)].mean(0))[1])
    return edge - GUMS_HIDDEN * max(edge - lip - MOST_BARED, 0.0)


def _light(plane: Plane, mesh: np.ndarray, lips: _Lips) -> float:
    """Share of the light that comes in: pursed lips stand before the teeth, nearly closed ones let little through."""
    corners = plane.place(mesh[[UPPER_LINE[0], UPPER_LINE[-1]]])
    # A smiling frame has no pursed mouth, nor has a small mouth at rest.
    usual = float(np.clip(corners[1, 0] - corners[0, 0], *USUAL_WIDTH))
    spread, parted = float(_ramp(lips.width / usual, *PURSED)), float(_ramp(lips.gap, 0.02, 0.09))
    return (0.30 + 0.70 * spread) * (0.55 + 0.45 * parted)


def _lips(plane: Plane, target: np.ndarray, origin: np.ndarray, size: tuple[int, ...]) -> _Lips:
    height, width = size
    inverse = np.linalg.inv(np.column_stack([plane.across, plane.down])).astype(np.float32)
    x = np.arange(width, dtype=np.float32) + np.float32(origin[0] - plane.origin[0])
    y = (np.arange(height, dtype=np.float32) + np.float32(origin[1] - plane.origin[1]))[:, None]
    u, v = (row[0] * x + row[1] * y for row in inverse)
    upper, lower = plane.place(target[list(UPPER_LINE)]), plane.place(target[list(LOWER_LINE)])
    under, over = v - _line(upper, u), _line(lower, u) - v
    left, right = float(upper[0, 0]), float(upper[-1, 0])
    gap = float((lower[4:7, 1] - upper[4:7, 1]).mean())
    return _Lips(u, v, under, over, np.minimum(u - left, right - u), gap, right - left, (left + right) / 2)


def _line(points: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A lip's height at each place across. (11, 2), (H, W) to (H, W) float32."""
    across = np.maximum.accumulate(points[:, 0] + 1e-6 * np.arange(len(points)))
    return np.interp(u.ravel(), across, points[:, 1]).reshape(u.shape).astype(np.float32)


def _tongue(lips: _Lips, tone: np.ndarray, light: float) -> tuple[np.ndarray, np.ndarray]:
    """The tongue: colour (H, W, 3) and cover (H, W). A soft hill behind the lower teeth, darker to the back."""
    tall = 0.02 + 0.58 * lips.gap
    side = np.clip(np.abs(lips.u - lips.middle) / max(0.42 * lips.width, 0.05), 0, 1)
    top = tall * np.sqrt(1 - 0.8 * side * side)
    rise = lips.over / max(tall, 1e-3)  # 0 at the lower lip, 1 at the hill's top
    cover = _ramp(top - lips.over, -0.35 * tall, 0.35 * tall) * (1 - _ramp(side, 0.75, 1.0))
    bright = (0.33 + 0.60 * _ramp(rise, 1.1, 0.3)) * (1 - 0.25 * side * side)
    bright *= 1 - 0.10 * np.exp(-np.square((lips.u - lips.middle) / 0.02))  # the furrow
    wet = 0.10 * np.exp(-np.square((rise - 0.55) / 0.16) - np.square((lips.u - lips.middle - 0.05) / 0.045))
    return (TONGUE * tone) * ((bright + wet) * light)[..., None], cover


def _lower_place(plane: Plane, mesh: np.ndarray, target: np.ndarray, lips: _Lips) -> tuple[np.ndarray, np.ndarray]:
    """Places in the lower row's picture: (H, W) each. The row goes with the jaw."""
    lip, chin = plane.place(target[list(LOWER_MIDDLE)].mean(0)), plane.place(target[CHIN])
    lip_was, chin_was = plane.place(mesh[list(LOWER_MIDDLE)].mean(0)), plane.place(mesh[CHIN])
    drawn_down = float((lip - lip_was)[1] - (chin - chin_was)[1])
    seen = LOWER_SEEN + 0.7 * drawn_down
    seen = LOWER_MOST * float(_ramp(seen, -0.02, 1.6 * LOWER_MOST)) * (0.6 + 0.4 * float(_ramp(lips.gap, 0.06, 0.16)))
    return lips.u - 0.5 * float(lip[0]), (float(lip[1]) - seen) - lips.v


def _upper_shade(lips: _Lips) -> np.ndarray:
    """Light on the upper row, (H, W): the lip's shadow falls on it, the corners are dark."""
    return (0.50 + 0.50 * _ramp(lips.under, -0.004, 0.034)) * _ramp(lips.corner, -0.03, 0.10)


def _lower_shade(lips: _Lips) -> np.ndarray:
    """Light on the lower row, (H, W): little while the mouth is nearly closed."""
    shade = (0.78 + 0.22 * _ramp(lips.over, -0.004, 0.025)) * _ramp(lips.corner, -0.02, 0.11)
    return shade * (0.40 + 0.60 * _ramp(lips.gap, 0.05, 0.14)) * (0.4 + 0.6 * _ramp(lips.under, 0.0, 0.05))


def _lay_row(  # noqa: PLR0913 - one row, where, and in which light
    drawn: np.ndarray,
    row: Row,
    plane: Plane,
    at: tuple[np.ndarray, np.ndarray],
    enamel: np.ndarray,
    shade: np.ndarray,
    cover: float = 1.0,
) -> None:
    """A row of teeth over what is drawn, in place; `at` are the places in its picture, (H, W) each."""
    crossed = np.flatnonzero((at[1].min(1) < BEYOND) & (at[1].max(1) > -ABOVE))
    if not len(crossed):
        return
    part = slice(int(crossed[0]), int(crossed[-1]) + 1)
    seen = look_of(row, plane, at[0][part], at[1][part]) * cover
    light = cv2.merge([enamel[i] * (1 - (1 - shade[part]) * REDDENS[i]) for i in range(3)])
    hidden = cv2.cvtColor(1 - seen[..., 3], cv2.COLOR_GRAY2RGB)
    drawn[part] = drawn[part] * hidden + seen[..., :3] * light


def _lay(drawn: np.ndarray, colour: np.ndarray, cover: np.ndarray) -> None:
    drawn += (colour - drawn) * cover[..., None]


def _ramp(values: np.ndarray | float, low: float, high: float) -> np.ndarray:
    """Smooth step from 0 at `low` to 1 at `high`; float32."""
    t = np.clip((np.asarray(values, np.float32) - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)
