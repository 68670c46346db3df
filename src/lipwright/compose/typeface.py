"""A font that has every character of a text: the user's, one of the package's own, or one of this machine's."""

import unicodedata
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import ImageFont, features

from lipwright.errors import OptionError

if TYPE_CHECKING:
    from fontTools.ttLib import TTFont

OWN = Path(str(files("lipwright.compose").joinpath("fonts")))
_EUROPE = "europe"
_OUTLINES = ("glyf", "CFF ", "CFF2")
_PLAIN = (
    "bold",
    "italic",
    "oblique",
    "black",
    "heavy",
    "light",
    "thin",
    "mono",
    "serif",
    "condensed",
    "math",
    "symbol",
)


class Typeface:
    """A font file's face that can show a text.

    Args:
        text: what is to be shown.
        language: row of `wording.SENTENCES`; its own font is looked at first.
        file: the user's font; no other is looked at then.

    Raises:
        OptionError: no font has all its characters, the file is no font, or this Pillow cannot join the letters.
    """

    def __init__(self, text: str, language: str, file: Path | None = None) -> None:
        if _is_shaped(text) and not (features.check("raqm") and features.check("fribidi")):
            raise OptionError(
                f"the label {text!r} is in a script whose letters join, which this installation of Pillow cannot show; "
                "install libraqm and fribidi, or choose another language"
            )
        if file is not None and next(_faces(file), None) is None:
            raise OptionError(f"{file} is no font that can be read; name a TTF, OTF or TTC file with --label-font")
        found = _first(text, _own(language) if file is None else iter([file]))
        if found is None and file is None:
            found = _first(text, _installed())
        if found is None:
            where = "no font was found that has" if file is None else f"{file} lacks some of"
            raise OptionError(f"{where} the letters of the label {text!r}; name a font that has them with --label-font")
        self._path, self._number = found

    def sized(self, size: int) -> ImageFont.FreeTypeFont:
        """The face at a size in pixels."""
        return ImageFont.truetype(str(self._path), size, index=self._number)


def _is_shaped(text: str) -> bool:
    """Whether letters change with their neighbours or run from right to left."""
    shaped = {"Mn", "Mc", "Cf"}
    return any(
        unicodedata.bidirectional(letter) in ("R", "AL") or unicodedata.category(letter) in shaped for letter in text
    )


def _first(text: str, paths: Iterator[Path]) -> tuple[Path, int] | None:
    """The first face that has every character, and its number in the file."""
    wanted = {ord(letter) for letter in text if unicodedata.category(letter) not in ("Cf", "Zs")}
    for path in paths:
        for number, characters in enumerate(_faces(path)):
            if wanted <= characters:
                return path, number
    return None


def _faces(path: Path) -> Iterator[frozenset[int]]:
    """The characters of each face in a font file; nothing of a file that is none."""
    from fontTools.ttLib import TTCollection, TTFont, TTLibError  # most jobs lay no text over the picture

    try:
        with path.open("rb") as file:  # fontTools leaves a file open that it cannot read
            if path.suffix.lower() in (".ttc", ".otc"):
                yield from map(_characters, TTCollection(file, lazy=True).fonts)
            else:
                yield _characters(TTFont(file, lazy=True))
    except (OSError, TTLibError, AssertionError, KeyError, ValueError):  # what fontTools says of damaged files
        return


def _characters(font: "TTFont") -> frozenset[int]:
    drawn = any(table in font for table in _OUTLINES)  # a font of coloured pictures has no outlines to fill
    return frozenset(font.getBestCmap() or ()) if drawn else frozenset()


def _own(language: str) -> Iterator[Path]:
    """The fonts of the package, that of the language first, and DejaVu Sans, which comes with Matplotlib."""
    own = sorted(path for path in OWN.iterdir() if path.suffix in (".ttf", ".otf"))
    yield from sorted(own, key=lambda path: (path.stem != language, path.stem != _EUROPE))
    yield Path(str(files("matplotlib").joinpath("mpl-data/fonts/ttf/DejaVuSans.ttf")))


def _installed() -> Iterator[Path]:
    """This machine's fonts, plain ones first."""
    from matplotlib.font_manager import findSystemFonts  # slow to import, and seldom needed

    paths = [Path(name) for name in findSystemFonts()]
    yield from sorted(paths, key=lambda path: (sum(word in path.name.lower() for word in _PLAIN), path.name))
