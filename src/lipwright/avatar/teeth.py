"""Reads a person's own teeth off the looks into their mouth, for the mouth that is made where no look serves.

Enamel is what is light and hardly coloured between the lips. Which colour the rule would have given it in the same
light, and where it would have ended the upper row, is known, so what is kept is the difference.
"""

import numpy as np

from lipwright.render.bank import MouthBank, MouthView
from lipwright.render.made import tooth_colour, upper_edge
from lipwright.render.teeth import Teeth, face_plane

OPEN = 0.05  # eye distances: in a mouth less open the lip's shadow lies on the teeth
LOOKS = 24  # as many are read, spread over the bank
FEWEST = 5  # looks that show teeth, for a judgement
SHARPEST = 0.02  # eye distances of blur: beyond it lips and teeth mix
WHITE = 0.22  # saturation, (most - least) / most of red, green and blue: enamel stays under it
LIGHT = 0.55  # of the skin's lightness: enamel is over it
LEAST_SHARE = 0.04  # of what is seen between the lips has to be enamel
FRONT = 0.08  # face units to both sides of the middle: the two front teeth
DARKEST = 0.85  # of the rule's enamel: a darker reading is shade, which is drawn anyway; its hue is kept
BRIGHTEST = 1.5
EDGE = 0.05  # face units: a larger difference is not believed
AGREE = 0.035  # face units: looks whose edges lie further apart (quartiles) tell nothing


def read_teeth(bank: MouthBank) -> tuple[Teeth, int]:
    """How a person's teeth differ from those made by rule.

    Args:
        bank: looks into the mouth.

    Returns:
        The difference, none under `FEWEST` looks that show teeth; and how many of those there are.
    """
    able = np.flatnonzero((bank.openings >= OPEN) & (bank.blurs.max(1) <= SHARPEST))
    chosen = able[np.linspace(0, len(able) - 1, min(LOOKS, len(able))).astype(int)]
    read = [seen for entry in chosen if (seen := _read(bank.view(int(entry)))) is not None]
    if len(read) < FEWEST:
        return Teeth(), len(read)
    colour = np.median([colour for colour, _ in read], 0)
    colour *= max(1.0, DARKEST / colour.mean())
    red, green, blue = (float(part) for part in np.minimum(colour, BRIGHTEST))
    return Teeth((red, green, blue), _agreed([edge for _, edge in read if edge is not None])), len(read)


def _agreed(edges: list[float]) -> float:
    """The edge that looks agree on, 0 where too few show it or they do not."""
    if len(edges) < FEWEST:
        return 0.0
    low, middle, high = np.percentile(edges, (25, 50, 75))
    return float(np.clip(middle, -EDGE, EDGE)) if high - low <= AGREE else 0.0


def _read(view: MouthView) -> tuple[np.ndarray, float | None] | None:
    """Colour of the enamel as a factor of the rule's (3,), and how much lower it ends; None where none is seen."""
    rgb, inside = view.pixels[..., :3].astype(np.float32), view.pixels[..., 3] > 250
    most, least = rgb.max(2), rgb.min(2)
    white = inside & (most - least < WHITE * most) & (rgb.mean(2) > LIGHT * view.tone.mean())
    if white.sum() < max(LEAST_SHARE * inside.sum(), 12):
        return None
    light = rgb.mean(2)[white]
    full = rgb[white][light >= np.percentile(light, 80)]  # in full light
    return np.median(full, 0) / tooth_colour(view.tone), _edge(view, white, inside)


def _edge(view: MouthView, white: np.ndarray, inside: np.ndarray) -> float | None:
    """How much lower the upper front teeth end than by rule, face units; None where that is not seen."""
    plane = face_plane(view.mesh)
    middle, rule = upper_edge(plane, view.mesh)
    y, x = np.nonzero(inside)
    place = plane.place(np.column_stack([x, y]).astype(np.float64))
    front = np.abs(place[:, 0] - middle) <= FRONT
    heights, is_white = place[front, 1], white[y[front], x[front]]
    if not is_white.any():
        return None
    step = max(0.006, 1.5 / plane.scale)  # no row of pixels between two steps
    steps = np.arange(heights.min(), heights.max() + step, step)
    share = np.histogram(heights[is_white], steps)[0] / np.maximum(np.histogram(heights, steps)[0], 1)
    lit = np.flatnonzero(share >= 0.5)
    if not len(lit):
        return None
    ends = lit[0] + int(np.argmax(np.append(share[lit[0] :], 0.0) < 0.4))
    # It ends before the lower lip, and begins near the upper one: else it is the lower row, or the lips hide the edge.
    if ends >= len(share) - 2 or steps[lit[0]] - heights.min() > 0.03:
        return None
    return float(steps[ends] - rule)
