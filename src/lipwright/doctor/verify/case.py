"""What the rows share: the opened models, a face, some speech; and what they return."""

import re
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipwright.audio.mel import RATE
from lipwright.audio.wenet import WenetEncoder, hear
from lipwright.errors import NoFaceError
from lipwright.example import speech
from lipwright.face.chain import Look, as_seen, chain_models
from lipwright.face.pfpld import Pfpld
from lipwright.face.rectangle import squares, wh
from lipwright.face.scrfd import Scrfd
from lipwright.media import read_sound
from lipwright.render.dinet import CROP, RIM
from lipwright.render.square import cut
from lipwright.runtime import Models

if TYPE_CHECKING:
    from lipwright.audio.wenet_network import Encoder
    from lipwright.render.dinet_network import MaskedGenerator

AGREES, DIFFERS, UNMEASURED = "as expected", "differs", "not measurable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a measurement gave.

    Args:
        measured, expected: in words.
        agrees: None where there is nothing to compare with.
        part: of the row's item, where a row measures several things.
        constant: "module:NAME" of the constant to correct where they do not agree, empty where there is none.
    """

    measured: str
    expected: str
    agrees: bool | None
    part: str = ""
    constant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the report.

    Args:
        id: of the question, U1 to U20.
        item: what is asked.
        measured, expected: in words; where nothing could be measured, `measured` says why.
        verdict: `as expected`, `differs` or `not measurable here`.
        constant: "module:NAME" of an unverified constant that the measurement corrects; else empty.
    """

    id: str
    item: str
    measured: str
    expected: str
    verdict: str
    constant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All rows, and which files the engine cannot use.

    Args:
        versions: of what measured.
        rows: in the order of the table.
        unusable: names of models whose file is there and refused.
    """

    versions: dict[str, str]
    rows: tuple[Row, ...]
    unusable: tuple[str, ...]

    def facts(self) -> dict[str, Any]:
        """The report as JSON has it. It holds no picture, no path and no name of a user."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Face:
    """The largest face of the picture.

    Args:
        box: (4,) x0, y0, x1, y1, pixels.
        five: (5, 2) pixels: eyes, nose tip, mouth corners, image-left first.
        points: (68, 2) pixels.
    """

    box: np.ndarray
    five: np.ndarray
    points: np.ndarray

    @property
    def eyes(self) -> float:
        """Pixels between the eyes."""
        return float(np.linalg.norm(self.five[1] - self.five[0]))


class Case:
    """What is measured on. Each part is made when a row first asks for it, and raises what its loader raises.

    Args:
        models: opens the files.
        picture: (H, W, 3) uint8 RGB, shows a face from the front.
    """

    def __init__(self, models: Models, picture: np.ndarray) -> None:
        self.models, self.picture = models, picture

    @cached_property
    def detector(self) -> Scrfd:
        """The detector that the engine would use."""
        return Scrfd(self.models.pictures(chain_models(self.models)[0]))

    @cached_property
    def landmarks(self) -> Pfpld:
        """The landmark network."""
        return Pfpld(self.models.pictures("pfpld"))

    @cached_property
    def face(self) -> Face:
        """The largest face of the picture.

        Raises:
            NoFaceError: there is none.
        """
        found = self.detector.detect(self.picture)
        if not len(found):
            raise NoFaceError("the detector finds no face in the picture; name another one with --image")
        size = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)
        largest = int(size.argmax())
        points = self.landmarks.fit(self.picture, found.boxes[largest])
        if points is None:
            raise NoFaceError("the face lies outside the picture; name another one with --image")
        return Face(found.boxes[largest], found.points[largest], points)

    @cached_property
    def inner(self) -> np.ndarray:
        """What the generator is given of the face, (1, 3, 256, 256) float32 RGB 0..1."""
        look = Look(self.face.points, self.face.five, np.zeros(3, np.float32))
        track = as_seen([look], [True])
        crop = cut(self.picture, squares(track, wh(track))[0], CROP)[RIM:-RIM, RIM:-RIM]
        return crop.transpose(2, 0, 1)[None].astype(np.float32) / 255

    @cached_property
    def stored(self) -> dict[str, Any]:
        """What the generator's checkpoint holds."""
        from lipwright.checkpoints.reading import read_checkpoint

        return read_checkpoint(self.models.store.path("dinet_v1"), "dinet_v1")

    @cached_property
    def generator(self) -> "MaskedGenerator":
        """The generator in PyTorch."""
        from lipwright.render.dinet_network import load

        return load(self.models.store.path("dinet_v1")).network

    @cached_property
    def encoder(self) -> "Encoder":
        """The speech encoder in PyTorch."""
        from lipwright.audio.wenet_network import load

        return load(self.models.store.path("wenet"))

    @cached_property
    def ears(self) -> WenetEncoder:
        """The speech encoder as the engine runs it."""
        return WenetEncoder(self.models.network("wenet"))

    @cached_property
    def samples(self) -> np.ndarray:
        """The bundled speech, (n,) float32 at 16 kHz."""
        return read_sound(speech, RATE).samples

    @cached_property
    def heard(self) -> np.ndarray:
        """Features of the bundled speech, (T, 256) float32."""
        return self.hear(self.samples)

    def hear(self, samples: np.ndarray) -> np.ndarray:
        """Features of a sound. (n,) float32 at 16 kHz to (T, 256) float32."""
        return np.concatenate(list(hear([samples], self.ears)))


def better(ours: float, other: float, least: float) -> bool | None:
    """Whether our way of feeding a network scores higher than the other; None where they are too near to tell."""
    return None if abs(ours - other) < least else ours > other


def unexpected(error: Exception) -> str:
    """An error that is none of ours, in a line."""
    return f"unexpected {type(error).__name__}: {error}".partition("\n")[0]


def without_paths(text: str, folder: Path) -> str:
    """A message with the folders of files left out.

    Args:
        text: of an error.
        folder: of the models; known, so that also a name with blanks is found.
    """
    known = {str(folder), str(folder.absolute()), str(folder.resolve()), folder.as_posix(), str(Path.home())}
    for each in sorted(filter(lambda each: Path(each).name, known), key=len, reverse=True):
        # A short relative one may be a word of the sentence: it counts only before a separator.
        ends = r"(?=[\\/])" if Path(each).name == each else ""
        text = re.sub(rf"(?<![\w.]){re.escape(each)}{ends}", "the model folder", text)
    return re.sub(r"(?<![\w.])(?:[A-Za-z]:|the model folder)?(?:[\\/][^\s\\/:;,'\"]+)*[\\/](?=[^\s\\/])", "", text)
