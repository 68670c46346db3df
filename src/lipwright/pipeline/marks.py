"""What a finished file says of its origin, put in on the way: a mark in the pixels, records, a signed statement."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, Self

import av
import numpy as np

from lipwright import __version__
from lipwright.avatar.tuning import Tuning
from lipwright.errors import OptionError
from lipwright.media import Clip
from lipwright.media.hardware import SOFTWARE
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.touch import Touch
from lipwright.provenance.certificates import Signer, open_signer
from lipwright.provenance.origin import MARK_BYTES, ModelUsed, Origin, Source, model_used, read_source
from lipwright.provenance.records import tags, write_xmp, xmp
from lipwright.provenance.statement import CARRIERS, check_signer, sign
from lipwright.provenance.watermark import Area, Watermark
from lipwright.render.base import Patch
from lipwright.runtime import Models
from lipwright.structures import ClipFacts

OFF = "marks are off: no signed statement, no mark in the picture and no records tell of the file's origin"
SHAPING = ("length", "person", "tracker", "intensity", "mask", "restore", "restore_when", "blur_threshold", "label")
LABEL = ("label_text", "label_language", "label_corner", "label_size")


class Marks:
    """The marks of one job; use as a context manager, which ends what still reads the inputs.

    The inputs are hashed beside the job, from the beginning on; where marks are off, once the origin is asked for.

    Args:
        clip, audio, options: the job's.
        output: the file it writes, None where it gives frames only.

    Attributes:
        layers: see `layers_of`.
        signer: who signs, None where nothing is signed.

    Raises:
        OptionError: as of `check_marks`.
        OutputError: the certificate of this computer cannot be kept.
    """

    def __init__(self, clip: Clip, audio: Path, options: DubOptions, output: Path | None = None) -> None:
        self.layers = layers_of(options, output)
        self.signer = _signer(options, self.layers)
        self._clip, self._audio, self._options = clip, audio, options
        self._ended = Event()
        self._beside = ThreadPoolExecutor(1, "origin")
        self._drawn_with: dict[str, Any] | None = None
        self._reading: Future[tuple[Source, Source, tuple[ModelUsed, ...]]] | None = None
        if options.marks:
            self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._beside.shutdown()

    def know(self, tuning: Tuning | None) -> None:
        """Tell, before the first frame, what beside the options turned out to shape the result."""
        self._drawn_with = drawn_with(tuning)

    @cached_property
    def origin(self) -> Origin:
        """What the result is made of, once that is known; waits for the inputs to be read.

        Raises:
            MediaError: one is gone.
            BackendError: a model is.
        """
        assert self._drawn_with is not None  # noqa: S101 - see `know`
        video, audio, models = self._read().result()
        return Origin(
            software=f"lipwright {__version__}",
            engine=self._options.engine,
            models=models,
            video=video,
            audio=audio,
            settings=shaping(self._options, self._clip) | self._drawn_with,
            consent_note=self._options.consent_note,
            layers=self.layers,
        )

    def over(self, frame: np.ndarray, patches: Sequence[Patch]) -> np.ndarray:
        """The frame with the mark around what was drawn, itself where that is nothing, or marks are off.

        Args:
            frame: (H, W, 3) uint8 RGB, not written to.
            patches: what was drawn in it.
        """
        return self._mark.over(frame, patches) if self._options.marks else frame

    def into(self, frame: av.VideoFrame, patches: Sequence[Patch]) -> None:
        """Mark a frame of 8-bit 4:2:0 in place, around what was drawn; nothing where that is nothing or marks are off.

        Args:
            frame: with its colour tags.
            patches: what was drawn in it.
        """
        if self._options.marks:
            self._mark.into(frame, patches)

    def tags(self) -> dict[str, str]:
        """Metadata of the result."""
        return tags(self.origin)

    def seal(self, path: Path) -> None:
        """Put records and the signed statement into the complete file.

        Raises:
            OutputError: it cannot be signed.
            OSError: it cannot be written.
        """
        write_xmp(path, xmp(self.origin))
        if self.signer is not None:
            sign(path, self.origin, self.signer, video=self._clip.facts.path, audio=self._audio)

    @cached_property
    def _mark(self) -> "PixelMark":
        return PixelMark(self.origin.mark_id(), self._clip.facts)

    def _read(self) -> Future[tuple[Source, Source, tuple[ModelUsed, ...]]]:
        self._reading = self._reading or self._beside.submit(self._inputs)
        return self._reading

    def _inputs(self) -> tuple[Source, Source, tuple[ModelUsed, ...]]:
        facts, options = self._clip.facts, self._options
        video = read_source(facts.path, "photo" if facts.is_photo else "video", self._ended.is_set)
        audio = read_source(self._audio, "sound", self._ended.is_set)
        models, engine = Models(options.models), ENGINES[options.engine]
        names = (*engine.shipped, *engine.models, *Touch.needs(options))
        return video, audio, tuple(model_used(name, models.sha256(name)) for name in names)


class PixelMark:
    """The mark of one identifier, for the frames of this footage."""

    def __init__(self, mark_id: bytes, facts: ClipFacts) -> None:
        self._watermark = Watermark(mark_id, facts.width, facts.height)

    def over(self, frame: np.ndarray, patches: Sequence[Patch]) -> np.ndarray:
        """See `Marks.over`."""
        return self._watermark.over(frame, area_of(patches))

    def into(self, frame: av.VideoFrame, patches: Sequence[Patch]) -> None:
        """See `Marks.into`."""
        self._watermark.into(frame, area_of(patches))


def trial_mark(facts: ClipFacts) -> PixelMark:
    """A mark that names nothing and takes as long as the real one."""
    return PixelMark(bytes(MARK_BYTES), facts)


def area_of(patches: Sequence[Patch]) -> Area | None:
    """The smallest area that holds them all, None where there are none."""
    if not patches:
        return None
    left, top = min(patch.x for patch in patches), min(patch.y for patch in patches)
    right = max(patch.x + patch.mask.shape[1] for patch in patches)
    bottom = max(patch.y + patch.mask.shape[0] for patch in patches)
    return Area(left, top, right - left, bottom - top)


def layers_of(options: DubOptions, output: Path | None) -> tuple[str, ...]:
    """What will tell of the origin of a job's result: of statement, mark, records and label, in this order.

    Args:
        options: the job's.
        output: the file, None where the job gives frames only.
    """
    label = ("label",) if options.label != "off" else ()
    if not options.marks:
        return label
    if output is None:
        return ("mark", *label)
    statement = ("statement",) if output.suffix.lower() in CARRIERS else ()
    return (*statement, "mark", "records", *label)


def check_marks(options: DubOptions, output: Path) -> None:
    """Refuse early what would otherwise be left out, or fail at the end.

    Raises:
        OptionError: the certificate cannot sign, or something is to be signed that this file cannot carry.
    """
    _signer(options, layers_of(options, output), own=False)
    given = {"--consent-note": options.consent_note, "--certificate": options.certificate}
    asked = [name for name, value in given.items() if value]
    if asked and options.marks and output.suffix.lower() not in CARRIERS:
        raise OptionError(
            f"{asked[0]} belongs to the signed statement, which {output.suffix} files cannot carry; "
            f"write {', '.join(CARRIERS)}, or leave it out"
        )


def notes_of(options: DubOptions, output: Path) -> list[str]:
    """What the user should know of how the result is marked, one sentence each."""
    if not options.marks:
        return [OFF]
    if output.suffix.lower() not in CARRIERS:
        return [
            f"{output.suffix} files cannot carry the signed statement: the picture's mark and the records are there"
        ]
    return []


def shaping(options: DubOptions, clip: Clip) -> dict[str, Any]:
    """Options that shape the result, as `Origin.settings` holds them.

    Raises:
        OSError: a picture that is laid over it is gone.
    """
    plain = {name: getattr(options, name) for name in SHAPING if name not in ENGINES[options.engine].ignores}
    if clip.facts.is_photo:
        plain["still"] = options.still
    if options.label != "off":
        plain |= {name: getattr(options, name) for name in LABEL}
    encode = {name: getattr(options.encode, name) for name in ("codec", "crf", "preset", "sound_kbps")}
    if options.encode.encoder != SOFTWARE:
        encode["encoder"] = options.encode.encoder
    laid_over = [f"{overlay.corner} {hashlib.sha256(overlay.picture.read_bytes()).hexdigest()}" for overlay in
                 options.overlays]  # fmt: skip
    return plain | encode | {"fps": str(clip.facts.fps), "overlays": laid_over}


def drawn_with(tuning: Tuning | None) -> dict[str, Any]:
    """What beside the options shapes the result, as `Origin.settings` holds it."""
    return {"tuning": tuning and hashlib.sha256(tuning.to_json().encode()).hexdigest()}


def _signer(options: DubOptions, layers: tuple[str, ...], *, own: bool = True) -> Signer | None:
    """Who signs; `own`: also with this computer's certificate, which is made when it is first asked for."""
    if "statement" not in layers or not (own or options.certificate):
        return None
    signer = open_signer(options.certificate, options.private_key)
    check_signer(signer)
    return signer
