"""What a job can be told."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from fractions import Fraction
from pathlib import Path
from unicodedata import category

from lipwright.compose.caption import CORNER, SIZE, WHEN, check_caption
from lipwright.compose.overlays import CORNERS, Overlay
from lipwright.errors import OptionError
from lipwright.face.track import check_person
from lipwright.media import EncodeOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.plan import LENGTHS
from lipwright.pipeline.touch import MASKS, MOMENTS
from lipwright.provenance.findings import JOINERS
from lipwright.runtime import check_device

MOST_NOTE = 1000  # characters of a note on consent


@dataclass(frozen=True, slots=True, kw_only=True)
class DubOptions:
    """Options of one job.

    Args:
        engine: row of `lipwright.pipeline.engines.ENGINES`.
        length: what to do when sound and footage differ in length, see `lipwright.pipeline.plan`.
        person: `largest`, `center`, `left`, `right`, or a number counted from the left, from 1.
        fps: rate of the output, 1..120; None keeps the footage's.
        encode: codec and quality of the output.
        cache: folder for avatars and for parts of unfinished jobs; None is the user's cache folder.
        parts: another folder for those parts; None: in the cache folder.
        tracker: row of `lipwright.face.base.TRACKERS`.
        intensity: how far the mouth moves from rest, 0..2; 1 as heard, 0 not at all. Closed lips stay closed.
        still: leave a photo as it is; else its head moves a little and its eyes blink. Nothing to a video.
        device: what runs published models: `auto`, or a row of `lipwright.runtime.devices.DEVICES`, which must work.
        batch_size: frames the HeyGem engine draws at a time; more is faster on a GPU and needs more of its memory.
        mask: which pixels may change: `landmark` (all the engine draws), `parse` (of those before which the face parser
            sees no hair, hat or clothes) or `xseg` (of those that nothing covers, a hand or a microphone).
        restore: how far the face is restored by GFPGAN, 0..1; 0 not at all.
        restore_when: `before` the mouth is drawn, or `after`.
        blur_threshold: restore only footage whose face is blurred more than this, 0..1; 0 restores all.
        models: folder of published models; None is the user's.
        overlays: pictures laid over every frame of the result, in this order.
        label: when text over the picture says that it is made: `off`, `start` (3 seconds) or `always`.
        label_text: what it says; empty: a sentence of the language.
        label_language: a row of `lipwright.compose.wording.SENTENCES`; empty: what this machine speaks.
        label_corner: row of `lipwright.compose.overlays.CORNERS`.
        label_size: height of its letters, as a share of the picture's shorter side.
        label_font: a font file for it; None looks for one that has the letters.
        mask_debug: also write `<name>.mask<suffix>`, the result with what it was drawn by over it.
        marks: put in what tells of the file's origin: a signed statement, a mark in the picture, records.
        consent_note: what the statement says of the shown person's consent, up to 1000 characters on one line.
        certificate, private_key: who signs the statement (PEM, the certificate before those that vouch for it; both or
            neither); None is this computer's own certificate, which proves no identity.

    Raises:
        OptionError: a value is outside its range; the sentence names the option.
    """

    engine: str = "native"
    length: str = "bounce"
    person: str = "largest"
    fps: Fraction | None = None
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    cache: Path | None = None
    parts: Path | None = None
    tracker: str = "facemesh"
    intensity: float = 1.0
    still: bool = False
    device: str = "auto"
    batch_size: int = 4
    mask: str = "landmark"
    restore: float = 0.0
    restore_when: str = "before"
    blur_threshold: float = 0.0
    models: Path | None = None
    overlays: tuple[Overlay, ...] = ()
    label: str = "off"
    label_text: str = ""
    label_language: str = ""
    label_corner: str = CORNER
    label_size: float = SIZE
    label_font: Path | None = None
    mask_debug: bool = False
    marks: bool = True
    consent_note: str = ""
    certificate: Path | None = None
    private_key: Path | None = None

    def __post_init__(self) -> None:
        check_person(self.person)
        check_device(self.device)
        _check_word("engine", self.engine, sorted(ENGINES))
        _check_word("length", self.length, LENGTHS)
        _check_word("mask", self.mask, MASKS)
        _check_word("restore-when", self.restore_when, MOMENTS)
        _check_word("label", self.label, WHEN)
        _check_word("label-corner", self.label_corner, CORNERS)
        check_caption(self.label_text, self.label_language, self.label_size)
        if not 0 <= self.intensity <= 2:
            raise OptionError(f"intensity must be 0..2, got {self.intensity:g}; 1 moves the mouth as far as was heard")
        if self.fps is not None and not 1 <= self.fps <= 120:
            raise OptionError(f"fps must be 1..120, got {self.fps}; leave it out to keep the footage's own rate")
        if not 1 <= self.batch_size <= 64:
            raise OptionError(f"batch-size must be 1..64, got {self.batch_size}; 4 suits most devices")
        for name, value in (("restore", self.restore), ("blur-threshold", self.blur_threshold)):
            if not 0 <= value <= 1:
                raise OptionError(f"{name} must be 0..1, got {value:g}; 0 is the default")
        self._check_engine()
        self._check_marks()

    def _check_engine(self) -> None:
        """Refuse what the engine would silently leave out."""
        defaults = {field.name: field.default for field in fields(self)}
        for name in ENGINES[self.engine].ignores:
            if getattr(self, name) != defaults[name]:
                raise OptionError(f"{name.replace('_', '-')} means nothing to engine {self.engine}; leave it out")

    def _check_marks(self) -> None:
        """Refuse what would be left out of the statement."""
        note, asked = self.consent_note, self.consent_note or self.certificate or self.private_key
        if asked and not self.marks:
            given = "consent-note" if note else "certificate" if self.certificate else "private-key"
            raise OptionError(
                f"{given} belongs to the signed statement, which marks off leaves out; leave one of them out"
            )
        if len(note) > MOST_NOTE:
            raise OptionError(f"consent-note takes up to {MOST_NOTE} characters, got {len(note)}; shorten it")
        if unfit := next((letter for letter in note if not _is_printed(letter)), None):
            raise OptionError(
                f"consent-note is one line of characters that can be printed, got U+{ord(unfit):04X}; leave it out"
            )
        if (self.certificate is None) != (self.private_key is None):
            missing = "certificate" if self.certificate is None else "private-key"
            raise OptionError(f"{missing} is missing: a certificate and its private key are given together")


def _is_printed(letter: str) -> bool:
    return letter.isprintable() or category(letter) == "Zs" or letter in JOINERS  # spaces of all widths


def _check_word(name: str, word: str, known: Sequence[str]) -> None:
    if word not in known:
        raise OptionError(f"{name} {word!r} is unknown; use one of {', '.join(known)}")
