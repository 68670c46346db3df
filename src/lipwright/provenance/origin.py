"""What a finished file was made of, in plain values: the same job always has the same, and so the same mark."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lipwright.errors import MediaError
from lipwright.models.catalog import card

MARK_BYTES = 8
KINDS = ("video", "photo", "sound")
UNKNOWN_FORMAT = "application/octet-stream"
_PIECE = 1 << 20  # bytes read at a time
_BEGINNINGS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf1": "audio/aac",
}
_RIFF = {b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo", b"WEBP": "image/webp"}
_BRANDS = {b"qt  ": "video/quicktime", b"M4A ": "audio/mp4", b"M4B ": "audio/mp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that went into the job, told by what it holds: no name, no path.

    Args:
        kind: one of `KINDS`; a video whose sound is meant is a sound.
        sha256: of the whole file, hexadecimal.
        bytes: its length.
        format: its media type by its first bytes, `UNKNOWN_FORMAT` where they are not known.
    """

    kind: str
    sha256: str
    bytes: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """A weight file that took part.

    Args:
        name: of its card.
        weights_sha256: of the file.
        card_sha256: of the card, so that what was known of it then can be told from what is known now.
    """

    name: str
    weights_sha256: str
    card_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What one output was made of.

    Args:
        software: name and version of the program.
        engine: as asked for.
        models: weight files that took part.
        video: the footage, a video or a photo.
        audio: the sound.
        settings: options that shape the result, plain values; no paths.
        consent_note: what the user says of the shown person's consent.
        layers: what marks the file, of `statement`, `mark`, `records`, `label`.
    """

    software: str
    engine: str
    models: tuple[ModelUsed, ...]
    video: Source
    audio: Source
    settings: dict[str, Any] = field(default_factory=dict)
    consent_note: str = ""
    layers: tuple[str, ...] = ()

    def mark_id(self) -> bytes:
        """The 8 bytes that the pixels carry: the same for the same job on the same inputs, whatever its note."""
        told = asdict(self)
        shaping = {name: told[name] for name in ("software", "engine", "models", "video", "audio", "settings")}
        return hashlib.sha256(_canonical(shaping)).digest()[:MARK_BYTES]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the mark's identifier among them."""
        told = asdict(self)
        return told | {
            "models": list(told["models"]),
            "layers": list(self.layers),
            "mark_id": self.mark_id().hex(),
        }


def model_used(name: str, weights_sha256: str) -> ModelUsed:
    """A weight file of that card.

    Raises:
        BackendError: there is no such card.
    """
    about = hashlib.sha256(_canonical(asdict(card(name)))).hexdigest()
    return ModelUsed(name=name, weights_sha256=weights_sha256, card_sha256=about)


def read_source(path: Path, kind: str, ended: Callable[[], bool] = lambda: False) -> Source:
    """Read a file and tell it by what it holds.

    Args:
        path: the file.
        kind: one of `KINDS`.
        ended: asked between pieces whether the answer is still wanted.

    Raises:
        MediaError: it cannot be read.
        CancelledError: the answer is no longer wanted.
    """
    digest, length, head = hashlib.sha256(), 0, b""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                head = head or piece[:64]
                digest.update(piece)
                length += len(piece)
                if ended():
                    raise CancelledError
    except OSError as exc:
        raise MediaError(f"cannot read {path}: {exc.strerror}; is it a finished video, photo or sound file?") from exc
    return Source(kind=kind, sha256=digest.hexdigest(), bytes=length, format=format_of(head))


def format_of(head: bytes) -> str:
    """The media type that the first bytes of a file show, `UNKNOWN_FORMAT` where they are not known."""
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free"):  # QuickTime of old begins without a brand
        return "video/quicktime"
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], UNKNOWN_FORMAT)
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "video/webm" if b"webm" in head else "video/x-matroska"
    return next((kind for begin, kind in _BEGINNINGS.items() if head.startswith(begin)), UNKNOWN_FORMAT)


def _canonical(values: dict[str, Any]) -> bytes:
    """The same bytes for the same values, on every machine."""
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
