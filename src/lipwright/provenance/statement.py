"""The signed statement: a C2PA manifest in the file. Made and read on this machine alone, nothing is fetched."""

import io
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from av.error import FFmpegError

from lipwright.errors import BackendError, MediaError, OptionError, OutputError
from lipwright.media.partial import second_name
from lipwright.provenance import manifest, told
from lipwright.provenance.boxes import read_content, top_boxes
from lipwright.provenance.certificates import SELF_MADE, Signer
from lipwright.provenance.origin import UNKNOWN_FORMAT, Origin, Source
from lipwright.provenance.padding import is_as_written, is_proof_as_written
from lipwright.provenance.parts import C2PA_UUID, changes, hash_parts

if TYPE_CHECKING:
    import c2pa

Got = TypeVar("Got")
_log = logging.getLogger(__name__)
# Bytes; an hour's own has less than one million, and the library takes many times as much memory.
MOST_STATEMENT = 16 << 20
CARRIERS = (".mp4", ".m4v", ".mov")  # suffixes of the files we write that a statement can be put into
_FORMATS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
_SIGNS, _HEAD = (b"manifest\0", b"jumb"), 64  # what the box of a statement holds, and within how many bytes
_SMALL = b"RIFF\x04\0\0\0WAVE"
# The library's errors that it has only of files in which it found a statement.
_HALF_READ = ("AssertionNotFound", "Decoding", "Signature", "Verify")
# Nobody is asked over the network, and no pictures of people are put in.
_SETTINGS: dict[str, Any] = {
    "core": {
        "allowed_network_hosts": [],
        "decode_identity_assertions": False,
        "backing_store_memory_threshold_in_mb": 8,  # what it writes on the way goes to disk beyond that
    },
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}

# Hashed in one piece, a file takes as much memory as it is long; in several it has more boxes.
_LARGE = 32 << 20  # bytes
_IN_PIECES: dict[str, Any] = {"core": {"merkle_tree_chunk_size_in_kb": 16 << 10}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a file's signed statement says, and whether it holds.

    Args:
        holds: the statement is as it was signed, and so is the file.
        state: `trusted`: it holds, and a certificate that the reader trusts vouches for the signer; `valid`: it holds;
            `invalid`.
        by: whom the certificate names, with their organisation.
        expired: the certificate is no longer valid, and no time stamp proves that it was used before: whoever came by
            its key since may have signed.
        self_made: it is a certificate that this kind of tool makes for itself; anybody can make one.
        problems: what does not hold, one sentence each, and what was changed.
        software: what made the statement.
        actions: what was done to the file, one line each.
        ingredients: what it was made of, one line each.
        consent_note: what the user said of the shown person's consent.
        mark_id: the mark that the picture carries, hexadecimal; None in files of other tools.
        engine: of a file of this tool, else None.
        models: weight files that took part, as of `lipwright.provenance.origin.ModelUsed`.
        made_at: when, ISO text, as the signer says or a time stamp proves.
        raw: the manifest as the library tells it, but for the long list of the file's parts.
    """

    holds: bool
    state: str
    by: str = ""
    self_made: bool = False
    expired: bool = False
    problems: tuple[str, ...] = ()
    software: str = ""
    actions: tuple[str, ...] = ()
    ingredients: tuple[str, ...] = ()
    consent_note: str = ""
    mark_id: str | None = None
    engine: str | None = None
    models: tuple[dict[str, Any], ...] = ()
    made_at: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


def sign(path: Path, origin: Origin, signer: Signer, *, video: Path, audio: Path) -> None:
    """Put a signed statement into a complete file, which is replaced when it is signed.

    Picture, sound and their order in the file stay as they are. What the sources themselves state is kept in it, unless
    that makes it longer than `MOST_STATEMENT`.

    Args:
        path: an MP4 or MOV file.
        origin: what it was made of.
        signer: who signs.
        video, audio: the sources of `origin`.

    Raises:
        OutputError: it cannot be signed, or is no video.
        MediaError: a source is gone.
        OSError: it cannot be read or written, for instance because the disk is full.
    """
    c2pa = load_c2pa()
    part = second_name(path)
    try:
        says = manifest.manifest(origin, hash_parts(path))
        hashing = context(c2pa, _IN_PIECES if path.stat().st_size > _LARGE else None)

        def act(ended: Event, *, looking: bool = True) -> int:
            with path.open("rb") as whole, part.open("w+b") as signed, c2pa.Builder(says, hashing) as builder:
                for source, file in ((origin.video, video), (origin.audio, audio)):
                    _add_ingredient(builder, source, file if looking else None, ended)
                files = _Watched(whole, ended), _Watched(signed, ended)
                return _sign_into(builder, signer, _FORMATS[path.suffix.lower()], files)

        if _beside(act) > MOST_STATEMENT:
            _beside(partial(act, looking=False))
        part.replace(path)
    except c2pa.C2paError.Io as exc:
        raise OutputError(
            f"the statement of origin cannot be signed: {exc}; it takes room for a copy of the file beside it, and for "
            "another one in the system's folder for temporary files"
        ) from exc
    except (c2pa.C2paError, FFmpegError) as exc:
        raise OutputError(f"the statement of origin cannot be signed: {exc}; --marks off leaves it out") from exc
    finally:
        with suppress(OSError):
            part.unlink()


def _sign_into(builder: "c2pa.Builder", signer: Signer, kind: str, files: "tuple[_Watched, _Watched]") -> int:
    """Returns the length of the statement, bytes."""
    c2pa, (source, sink) = load_c2pa(), files
    try:
        return len(builder.sign(_native(c2pa, signer), kind, source, sink))
    except c2pa.C2paError as exc:
        raise source.failed or sink.failed or exc from exc


def read_statement(path: Path, *, trust: Path | None = None) -> Statement | None:
    """Read the signed statement of any file that can carry one; None where there is none.

    Args:
        path: a video, picture or sound.
        trust: certificates (PEM) of authorities whose word is taken for who a signer is.

    Raises:
        OptionError: `trust` holds no certificate.
        OSError: the file cannot be read.
    """
    c2pa = load_c2pa()
    settings = {} if trust is None else {"trust": {"user_anchors": read_anchors(trust)}}

    def act(ended: Event) -> str | None:
        with path.open("rb") as file:
            reader = c2pa.Reader.try_create(None, _Watched(file, ended), context=context(c2pa, settings))
            if reader is None:
                return None
            with reader:
                return reader.json()

    try:
        told_json = _beside(act)
        return _damaged(path, "its box is called something else") if told_json is None else _stated(path, told_json)
    except (c2pa.C2paError, ValueError, RecursionError) as exc:
        _log.debug("no statement can be read", exc_info=True)
        return _damaged(path, str(exc), found=type(exc).__name__.endswith(_HALF_READ))


def _damaged(path: Path, why: str, *, found: bool = False) -> Statement | None:
    """What to say of a file in which no statement can be read: in most there is none; `found`: in this one there is."""
    for box in () if found else top_boxes(path):
        found |= box.uuid == C2PA_UUID or all(sign in read_content(path, box, _HEAD) for sign in _SIGNS)
    with path.open("rb") as file:  # where the first box is damaged, no other is found
        found |= C2PA_UUID in file.read(2 * _HEAD)
    if not found:
        return None
    return Statement(
        holds=False, state="invalid", problems=(f"the signed statement is damaged and cannot be read: {why}",)
    )


def _stated(path: Path, manifest_json: str) -> Statement:
    read = json.loads(manifest_json)
    manifests = read.get("manifests")
    manifests = manifests if isinstance(manifests, dict) else {}
    active = manifests.get(read.get("active_manifest", ""), {})
    parts = told.assertion(active, manifest.PARTS_LABEL) if top_boxes(path) else {}  # we list those of MP4 and MOV
    problems = _problems(path, read, parts)
    results = read.get("validation_results")
    expired = isinstance(results, dict) and told.has_expired(results)
    state = "valid" if expired else told.text(read.get("validation_state")).lower()
    holds = not problems and state in ("valid", "trusted")
    ours = told.assertion(active, manifest.ORIGIN_LABEL)
    signature = active.get("signature_info")
    named = [told.text(signature.get(name)) for name in ("common_name", "issuer")] if signature else []
    return Statement(
        holds=holds,
        state=state if holds else "invalid",
        by=", ".join(dict.fromkeys(name for name in named if name)),
        self_made=SELF_MADE in named,
        expired=expired,
        problems=tuple(problems) or (() if holds else ("the statement does not hold",)),
        software=told.software(active),
        actions=tuple(told.actions(active)),
        ingredients=tuple(told.ingredients(active, manifests)),
        consent_note=told.text(ours.get("consent_note")),
        mark_id=told.text(ours.get("mark_id")) or None,
        engine=told.text(ours.get("engine")) or None,
        models=tuple(told.dicts(ours.get("models"))),
        made_at=told.made_at(active),
        raw=_without_parts(active),
    )


def _problems(path: Path, read: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """What does not hold; of a file that is not the one that was signed, which parts are others."""
    results = read.get("validation_results")
    faults = told.faults(results) if isinstance(results, dict) else []
    sure = not any(manifest.PARTS_LABEL in told.text(fault.get("url")) for fault in faults)
    # The hash of the file leaves out some boxes that the list of its parts does not.
    found = changes(path, parts) if parts and sure else []
    others = [told.fault_told(fault) for fault in faults if not told.is_about_content(fault)]
    if not found and len(others) < len(faults):
        known = "picture, sound and records are the same: its structure was changed" if parts and sure else ""
        found = [f"the file is not the one that was signed{known and ': '}{known}"]
    if parts and not faults and not _tidy(path):
        others.append("the statement was changed where nothing is signed: its padding or the sizes in it")
    return list(dict.fromkeys([*found, *others]))


def _tidy(path: Path) -> bool:
    """Whether what is not signed in the boxes of a statement is as it was written."""
    held = [read_content(path, box, box.size) for box in top_boxes(path) if box.uuid == C2PA_UUID]
    return bool(held) and is_as_written(held[0]) and all(is_proof_as_written(each) for each in held[1:])


def _without_parts(active: dict[str, Any]) -> dict[str, Any]:
    kept = [each for each in told.dicts(active.get("assertions")) if each.get("label") != manifest.PARTS_LABEL]
    return active | {"assertions": kept}


def read_anchors(trust: Path) -> str:
    """Certificates of a PEM file.

    Raises:
        OptionError: there are none in it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        pem = trust.read_bytes()
        certificates = x509.load_pem_x509_certificates(pem)
    except OSError as exc:
        raise OptionError(f"--trust {trust} cannot be read: {exc.strerror}; name a PEM file of certificates") from exc
    except ValueError as exc:
        raise OptionError(f"--trust {trust} holds no PEM certificate; name a file of certificates") from exc
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in certificates)


def check_signer(signer: Signer) -> None:
    """Sign something small, so that a certificate that is not fit for it is refused before a job begins.

    Raises:
        OptionError: the certificate may not sign statements.
    """
    c2pa = load_c2pa()
    try:
        with c2pa.Builder({"title": "trial"}, context(c2pa)) as builder:
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.EMPTY)
            builder.sign(_native(c2pa, signer), "audio/wav", io.BytesIO(_SMALL), io.BytesIO())
    except c2pa.C2paError as exc:
        raise OptionError(
            f"the certificate of {signer.by} cannot sign a statement of origin: {exc}; it needs the key usage digital "
            "signature, an extended key usage such as e-mail protection or document signing, and the certificates "
            "that vouch for it after it"
        ) from exc


def load_c2pa() -> "Any":  # noqa: ANN401 - the module, which is imported when it is needed
    """The C2PA library.

    Raises:
        BackendError: it is not installed.
    """
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as exc:
        raise BackendError(
            f"c2pa-python cannot be loaded ({exc}); pip install c2pa-python, or use --marks off"
        ) from exc
    return c2pa


def context(c2pa: Any, more: dict[str, Any] | None = None) -> "c2pa.Context":  # noqa: ANN401 - the module
    """Settings of the library: those of this module, and more by section."""
    sections = {*_SETTINGS, *(more or {})}
    return c2pa.Context.from_dict({name: _SETTINGS.get(name, {}) | (more or {}).get(name, {}) for name in sections})


def _native(c2pa: Any, signer: Signer) -> "c2pa.Signer":  # noqa: ANN401 - the module
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(signer.algorithm.encode(), signer.chain, signer.key, None))


def _add_ingredient(builder: "c2pa.Builder", source: Source, path: Path | None, ended: Event) -> None:
    """A source with what it states itself; by its hash alone without `path`, or where the library cannot look into it.

    Raises:
        MediaError: it is gone.
    """
    c2pa = load_c2pa()
    about = manifest.ingredient(source)
    if path is None:
        builder.add_ingredient(about, UNKNOWN_FORMAT, io.BytesIO(b"\0"))
        return
    try:
        with path.open("rb") as file:
            builder.add_ingredient(about, source.format, _Watched(file, ended))
    except OSError as exc:
        raise MediaError(
            f"{path} cannot be read any more: {exc.strerror}; leave the inputs in place until the job is done"
        ) from exc
    except c2pa.C2paError:
        _add_ingredient(builder, source, None, ended)


def _beside(act: Callable[[Event], Got]) -> Got:
    """Do it in a thread of its own, which no Ctrl-C reaches: within the library one would end the process, or be lost.

    Args:
        act: given an event that is set when its result is no longer wanted.
    """
    ended = Event()
    with ThreadPoolExecutor(1, "statement") as thread:
        try:
            return thread.submit(act, ended).result()
        except BaseException:
            ended.set()
            raise


class _Watched:
    """A file whose last failure is kept: the library tells no more than that there was one.

    Args:
        file: read or written by the library.
        ended: once set, the file fails.
    """

    def __init__(self, file: BinaryIO, ended: Event) -> None:
        self._file, self._ended = file, ended
        self.failed: OSError | None = None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the file has
        return self._kept(getattr(self._file, name))

    def _kept(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(*arguments: Any) -> Any:  # noqa: ANN401 - as the file takes them
            if self._ended.is_set():
                raise InterruptedError
            try:
                return act(*arguments)
            except OSError as exc:
                self.failed = exc
                raise

        return acting
