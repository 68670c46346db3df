"""The visible label: a line of text on a dark plate in a corner, readable on any picture.

The plate darkens what is under it so far that white letters on it have the contrast WCAG asks for even where that is
white; the letters are at least as high as asked for, whatever the font.
"""

import math
import re
import unicodedata
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lipwright.compose.blend import Frame, paste
from lipwright.compose.overlays import place
from lipwright.compose.typeface import Typeface
from lipwright.compose.wording import SENTENCES, known_language, system_language
from lipwright.errors import OptionError

WHEN = ("off", "start", "always")  # each asks for more than the one before
START_S = 3  # seconds at the beginning; GB 45438-2025 asks for two
CORNER = "top-left"  # subtitles run along the bottom, HeyGem's pictures stand on the right, mouths are further down
SIZE = 0.05  # of the shorter side: the least that GB 45438-2025 takes
SMALLEST, LARGEST = 0.02, 0.2
LONGEST = 200  # characters
MOST_HIGH = 1 / 3  # of the frame's height: more would come down to a mouth

PLATE = 0.7  # how far the plate darkens; from 0.54 on the contrast on white is 4.5 to 1, this is 8.5 to 1
MARGIN = 0.025  # of the shorter side, between the plate and the edges
PADDING = 0.5  # of the letters' height, between them and the plate's edges
LINE = 1.3  # of a line's height, from one to the next
_PROBE = 256  # pixels, a size at which fonts are measured

# A piece that a line may end after: a character of Chinese or Japanese with the signs that must not begin a line, or
# a word of any other script with the space behind it.
_WIDE = "\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9d"
_CLOSING = "、。，．！？：；）」』】〕〉》ー々"
_PIECE = re.compile(rf"[{_WIDE}][{_CLOSING}]*\s?|[^\s{_WIDE}]+\s?")


def check_caption(text: str, language: str, size: float) -> None:
    """Refuse what no label can be.

    Raises:
        OptionError: the text is too long, there is no sentence in the language, or the size is out of range.
    """
    if len(text) > LONGEST:
        raise OptionError(f"label-text has {len(text)} characters, {LONGEST} are the most; shorten it")
    if language:
        known_language(language)
    if not SMALLEST <= size <= LARGEST:
        raise OptionError(
            f"label-size must be {SMALLEST:g}..{LARGEST:g} of the picture's shorter side, got {size:g}; "
            f"the law in China asks for {SIZE:g}"
        )


class Caption:
    """A text fitted to frames of one size.

    Args:
        width, height: of the frames, pixels.
        text: what it says; empty: the sentence of the language.
        language: a row of `wording.SENTENCES` or a language that has one; empty: the user's.
        corner: one of `overlays.CORNERS`.
        size: height of the letters, as a share of the frame's shorter side.
        font: a font file; None: one that has the letters is looked for.

    Raises:
        OptionError: no font has the letters, or the text does not fit.
    """

    def __init__(  # noqa: PLR0913 - the facts of a label, by keyword
        self,
        width: int,
        height: int,
        *,
        text: str = "",
        language: str = "",
        corner: str = CORNER,
        size: float = SIZE,
        font: Path | None = None,
    ) -> None:
        language = known_language(language) if language else system_language()
        self.text = " ".join(unicodedata.normalize("NFC", text).split()) or SENTENCES[language]
        shorter = min(width, height)
        letters = size * shorter
        face = _sized(Typeface(self.text, language, font), self.text, letters)
        margin, padding = max(1, round(MARGIN * shorter)), max(1, round(PADDING * letters))
        lines = _wrapped(self.text, face, width - 2 * (margin + padding))
        block = _drawn(lines, face, padding, right=corner.endswith("right"))
        if block is None or block.shape[0] > MOST_HIGH * height:
            raise OptionError(
                f"the label {self.text!r} does not fit into {width} x {height} pixels; shorten it, or make the letters "
                "smaller with --label-size"
            )
        self._pixels, self._alpha = _plated(block)
        self._at = place(corner, block.shape[1], block.shape[0], (width, height), (margin, margin))

    def over(self, frame: Frame) -> Frame:
        """The frame with the label. (H, W, 3) uint8 RGB or a picture, not written to."""
        return paste(frame, self._pixels, self._alpha, *self._at)


def _sized(typeface: Typeface, text: str, letters: float) -> ImageFont.FreeTypeFont:
    """The smallest whole size at which the letters are as high as asked for."""
    probe = _height(typeface.sized(_PROBE), text)
    if not probe:
        raise OptionError(f"the label {text!r} shows nothing; give it letters, or leave the text out")
    size = max(1, math.floor(letters / probe * _PROBE))
    while _height(typeface.sized(size), text) < letters:
        size += 1
    return typeface.sized(size)


def _height(face: ImageFont.FreeTypeFont, text: str) -> float:
    """Of the capitals, accents not counted, or of most characters without case, whichever are lower."""
    capitals = {unicodedata.normalize("NFD", letter)[0] for letter in text if letter.isupper()}
    caseless = {letter for letter in text if unicodedata.category(letter) == "Lo"}
    if not capitals and not caseless:
        return max(_ink(face, letter) for letter in text)
    heights = [max(_ink(face, letter) for letter in capitals)] if capitals else []
    return min([*heights, *([median(_ink(face, letter) for letter in caseless)] if caseless else [])])


def _ink(face: ImageFont.FreeTypeFont, letter: str) -> float:
    _, top, _, bottom = face.getbbox(letter, anchor="ls")
    return bottom - top


def _wrapped(text: str, face: ImageFont.FreeTypeFont, most: int) -> list[str]:
    """Lines that are no wider than this, where no single word is."""
    lines = [""]
    for piece in _PIECE.findall(text):
        longer = lines[-1] + piece
        if lines[-1] and face.getlength(longer.rstrip()) > most:
            lines.append(piece)
        else:
            lines[-1] = longer
    lines = [line.rstrip() for line in lines]
    return lines if all(face.getlength(line) <= most for line in lines) else []


def _drawn(lines: list[str], face: ImageFont.FreeTypeFont, padding: int, *, right: bool) -> np.ndarray | None:
    """(h, w) float32, how far each pixel is letter; None where there are no lines."""
    if not lines:
        return None
    boxes = [face.getbbox(line, anchor="ls") for line in lines]
    ascent, descent = max(-box[1] for box in boxes), max(box[3] for box in boxes)
    step = round(LINE * (ascent + descent))
    left, wide = min(box[0] for box in boxes), math.ceil(max(box[2] - box[0] for box in boxes))
    high = math.ceil(ascent + descent) + (len(lines) - 1) * step
    picture = Image.new("L", (wide + 2 * padding, high + 2 * padding))
    draw = ImageDraw.Draw(picture)
    for number, (line, box) in enumerate(zip(lines, boxes, strict=True)):
        x = padding + wide - box[2] if right else padding - left
        draw.text((x, padding + ascent + number * step), line, fill=255, font=face, anchor="ls")
    return np.asarray(picture, np.float32) / 255


def _plated(letters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """White letters on the plate as pixels (h, w, 3) uint8 and alpha (h, w) float32."""
    alpha = letters + (1 - letters) * PLATE
    grey = np.rint(255 * letters / alpha).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2), alpha.astype(np.float32)
