"""What a finished file says of its origin, put in on the way: a mark in the pixels, records, a signed statement."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from lipwright import __version__
from lipwright.errors import OptionError
from lipwright.media import Clip
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.touch import Touch
from lipwright.provenance.certificates import Signer, open_signer
from lipwright.provenance.origin import ModelUsed, Origin, Source, model_used, read_source
from lipwright.provenance.statement import CARRIERS, check_signer, sign
from lipwright.runtime import Models

if TYPE_CHECKING:
    from lipwright.provenance.watermark import Area, Watermark

OFF = "the file says nothing of its origin: marks are off"
SHAPING = ("length", "person", "tracker", "intensity", "still", "batch_size", "mask", "restore", "restore_when",
           "blur_threshold")  # fmt: skip


class Marks:
    """The marks of one job; use as a context manager, which ends what still reads the inputs.

    The inputs are hashed beside the job, from the beginning on.

    Args:
        clip, audio, options: the job's.
        output: the file it writes, None where it gives frames only.

    Attributes:
        layers: what marks the result, in the order statement, mark, records.
        settings: of `Origin`; what turns out before the first pixel is drawn may be added.
        signer: who signs, None where nothing is signed.

    Raises:
        OptionError: as of `check_marks`.
        OutputError: the certificate of this computer cannot be kept.
    """

    def __init__(self, clip: Clip, audio: Path, options: DubOptions, output: Path | None) -> None:
        self.layers = layers_of(options, output)
        self.settings = shaping(options, clip)
        self.signer = _signer(options, self.layers)
        self._clip, self._audio, self._options = clip, audio, options
        self._ended = Event()
        self._beside = ThreadPoolExecutor(1, "origin")
        self._read = self._beside.submit(self._inputs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._beside.shutdown()

    @cached_property
    def origin(self) -> Origin:
        """What the result is made of; waits for the inputs to be read.

        Raises:
            MediaError: one is gone.
            BackendError: a model is.
        """
        video, audio, models = self._read.result()
        return Origin(
            software=f"lipwright {__version__}",
            engine=self._options.engine,
            models=models,
            video=video,
            audio=audio,
            settings=self.settings,
            consent_note=self._options.consent_note,
            layers=self.layers,
        )

    def over(self, frame: np.ndarray, area: "Area | None") -> np.ndarray:
        """The frame with the mark, itself where nothing in it is made. (H, W, 3) uint8 RGB, not written to."""
        return self._watermark.over(frame, area)

    def tags(self) -> dict[str, str]:
        """Metadata of the result."""
        from lipwright.provenance.records import tags

        return tags(self.origin)

    def seal(self, path: Path) -> None:
        """Put records and the signed statement into the complete file.

        Raises:
            OutputError: it cannot be written.
        """
        from lipwright.provenance.records import write_xmp, xmp

        write_xmp(path, xmp(self.origin))
        if self.signer is not None:
            sign(path, self.origin, self.signer, video=self._clip.facts.path, audio=self._audio)

    @cached_property
    def _watermark(self) -> "Watermark":
        from lipwright.provenance.watermark import Watermark

        return Watermark(self.origin.mark_id(), self._clip.facts.width, self._clip.facts.height)

    def _inputs(self) -> tuple[Source, Source, tuple[ModelUsed, ...]]:
        facts, options = self._clip.facts, self._options
        video = read_source(facts.path, "photo" if facts.is_photo else "video", self._ended.is_set)
        audio = read_source(self._audio, "sound", self._ended.is_set)
        models, engine = Models(options.models), ENGINES[options.engine]
        names = (*engine.shipped, *engine.models, *Touch.needs(options))
        return video, audio, tuple(model_used(name, models.sha256(name)) for name in names)


def layers_of(options: DubOptions, output: Path | None) -> tuple[str, ...]:
    """What will mark the result of a job.

    Args:
        options: the job's.
        output: the file, None where the job gives frames only.
    """
    if not options.marks:
        return ()
    if output is None:
        return ("mark",)
    return ("statement", "mark", "records") if output.suffix.lower() in CARRIERS else ("mark", "records")


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
    """Options that shape the result, as `Origin.settings` holds them."""
    plain = {name: getattr(options, name) for name in SHAPING if name not in ENGINES[options.engine].ignores}
    encode = options.encode
    return plain | {"fps": str(clip.facts.fps), "codec": encode.codec, "crf": encode.crf, "preset": encode.preset}


def _signer(options: DubOptions, layers: tuple[str, ...], *, own: bool = True) -> Signer | None:
    """Who signs; `own`: also with this computer's certificate, which is made when it is first asked for."""
    if "statement" not in layers or not (own or options.certificate):
        return None
    signer = open_signer(options.certificate, options.private_key)
    check_signer(signer)
    return signer
