"""What a file says of its origin, layer by layer, and whether it holds. Reads the file alone; nothing is fetched."""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from lipwright.errors import BackendError, LipwrightError, MediaError, OptionError
from lipwright.media.photo import is_photo
from lipwright.media.probe import has_video, open_input, reading
from lipwright.provenance.boxes import top_boxes
from lipwright.provenance.certificates import has_own_certificate, own_certificate
from lipwright.provenance.findings import JOINERS, Finding, Layer
from lipwright.provenance.parts import C2PA_UUID
from lipwright.provenance.records import Records, read_records
from lipwright.provenance.statement import MOST_STATEMENT, Statement, read_statement
from lipwright.provenance.watermark import WatermarkReading, read_watermark

MOST_SHOWN = 300  # characters of one thing that a file says of itself
MOST_LISTED = 20  # things of one sort
MOST_MANIFEST = 1 << 20  # characters of a manifest as JSON
OURS = "lipwright"
SAYING = {  # IPTC's digital source types, and GB 45438's labels
    "trainedAlgorithmicMedia": "record_of_ai",
    "compositeWithTrainedAlgorithmicMedia": "record_of_edit",
    "1": "record_of_ai",
    "2": "record_of_perhaps",
    "3": "record_of_perhaps",
}
Conclusion = Literal["holds", "changed", "marked", "nothing_found"]
Got = TypeVar("Got")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all layers say together.

    Args:
        name: of the file.
        bytes: its length.
        kind: `video`, `photo`, `sound`, or `other` where no decoder knows it.
        statement: the signed statement; None where there is none, or it cannot be read.
        watermark: what the picture carries; None where there is no picture, or it cannot be looked at.
        records: what stands beside picture and sound; None where they cannot be read.
        agree: whether the picture's mark is the one that the statement names; None where one of them is missing.
        conclusion: `holds`: a statement is there, and nothing was changed since; `changed`: something does not hold;
            `marked`: no statement, but a mark or a record; `nothing_found`.
        summary: the conclusion as a sentence.
        layers: statement, mark and records, each with what to say of it.
    """

    name: str
    bytes: int
    kind: str
    statement: Statement | None
    watermark: WatermarkReading | None
    records: Records | None
    agree: bool | None
    conclusion: Conclusion
    summary: Finding
    layers: tuple[Layer, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; sentences in English. Of a statement, `raw` is empty where it is very long."""
        return {
            "file": {"name": self.name, "bytes": self.bytes, "kind": self.kind},
            "conclusion": self.conclusion,
            "summary": _told(self.summary),
            "agree": self.agree,
            "layers": [
                {"name": layer.name, "state": layer.state, "findings": [_told(each) for each in layer.findings]}
                for layer in self.layers
            ],
            "statement": _with_short_manifest(plain(self.statement)),
            "watermark": plain(self.watermark),
            "records": plain(self.records),
        }


def verify(path: Path | str, *, trust: Path | None = None) -> Verdict:
    """Look for a signed statement, a mark in the picture and records of origin, of this tool and of others.

    Layers are independent: one that cannot be read is reported as such, and the others are looked at.

    Args:
        path: a video, photo or sound; anything that can hold a signed statement.
        trust: certificates (PEM) whose word is taken for who a signer is; none are built in.

    Raises:
        MediaError: the file is missing, a folder or empty; or no decoder knows it and no layer is there; or
            whether there is a statement cannot be told.
        BackendError: the C2PA library is not installed.
        OptionError: `trust` is no certificate file.
    """
    path = Path(path)
    kind, refused = _kind_of(path)
    said, no_statement = _attempt(path, lambda path: _statement_of(path, trust))
    watermark, no_mark = _attempt(path, read_watermark) if kind in ("video", "photo") else (None, refused)
    records, no_records = _attempt(path, read_records)
    statement, own = said or (None, False)
    seen = _Seen(statement, watermark, records, own=own, trusting=trust is not None)
    layers = (
        seen.statement_layer(no_statement),
        seen.mark_layer(no_mark),
        seen.records_layer(no_records),
    )
    conclusion, summary = seen.conclusion(layers)
    why = no_mark or no_statement
    if why is not None and conclusion == "nothing_found":
        raise why
    return Verdict(
        name=path.name,
        bytes=path.stat().st_size,
        kind=kind,
        statement=statement,
        watermark=watermark,
        records=records,
        agree=seen.agree,
        conclusion=conclusion,
        summary=summary,
        layers=layers,
    )


class _Seen:
    """All that was read, and what follows from it."""

    def __init__(
        self,
        statement: Statement | None,
        watermark: WatermarkReading | None,
        records: Records | None,
        *,
        own: bool,
        trusting: bool,
    ) -> None:
        self.statement, self.records = statement, records
        self._own, self._trusting = own, trusting
        self.mark = watermark.identifier.hex() if watermark and watermark.identifier else ""
        self._looked = watermark is not None
        named = statement.mark_id if statement else None
        self.agree = self.mark == named if self.mark and named else None
        # The mark may be that of the footage: of another tool that worked on our file, or of ours once more.
        sources = str(statement.ingredients) if statement else ""
        self._of_source = bool(self.mark) and not self.agree and self.mark in sources

    def statement_layer(self, why: LipwrightError | None) -> Layer:
        """The statement: by whom, whether it holds, what it says."""
        said = self.statement
        if said is None:
            return _missing("statement", "statement_absent", why)
        findings = []
        if said.by or said.holds:  # of a damaged one nobody can tell
            code = "statement_holds" if said.holds else "statement_broken"
            findings.append(Finding(code, {"by": clean(said.by) or "?"}))
        findings += [_problem(each) for each in said.problems[:MOST_LISTED]]
        findings += self._signer(said)
        if said.software and said.engine:
            about = {"software": clean(said.software), "engine": clean(said.engine)}
            findings.append(Finding("made_with_engine", about))
        elif said.software:
            findings.append(Finding("made_with", {"software": clean(said.software)}))
        findings += [Finding("action", {"action": clean(each)}) for each in said.actions[:MOST_LISTED]]
        findings += [Finding("ingredient", {"ingredient": clean(each)}) for each in said.ingredients[:MOST_LISTED]]
        if said.consent_note:
            findings.append(Finding("consent_note", {"note": clean(said.consent_note)}))
        return Layer("statement", "holds" if said.holds else "changed", tuple(findings))

    def _signer(self, said: Statement) -> list[Finding]:
        """What the certificate is worth, and when it was used."""
        findings = [Finding("own_certificate")] if self._own else []
        if said.state == "trusted":
            findings.append(Finding("trusted"))
        elif said.expired:
            findings.append(Finding("expired"))
        elif said.self_made:
            findings.append(Finding("anyones_certificate"))
        elif said.holds:
            findings.append(Finding("not_trusted" if self._trusting else "not_asked"))
        if said.made_at:
            findings.append(Finding("signed_at", {"time": clean(said.made_at)}))
        return findings

    def mark_layer(self, why: LipwrightError | None) -> Layer:
        """The mark in the picture, and whether it is the statement's."""
        if not self._looked:
            return _missing("mark", "no_picture", why)
        if not self.mark:
            said = self.statement
            if said is None or said.mark_id is None:
                return Layer("mark", "absent", (Finding("mark_absent"),))
            return Layer("mark", "absent", (Finding("mark_weak" if said.holds else "mark_missing"),))
        findings = [Finding("mark_found", {"mark": self.mark})]
        if self.agree:
            return Layer("mark", "holds", (*findings, Finding("mark_agrees")))
        if self._of_source:
            return Layer("mark", "holds", (*findings, Finding("mark_of_source")))
        if self.agree is False:
            return Layer("mark", "changed", (*findings, Finding("mark_of_another")))
        return Layer("mark", "found", tuple(findings))

    def records_layer(self, why: LipwrightError | None) -> Layer:
        """XMP, AIGC and tags, and whether they name the same mark."""
        if self.records is None:
            return _missing("records", "records_absent", why)
        findings = [*self._xmp(), *self._aigc(), *self._tags()]
        findings += [_problem(each) for each in self.records.problems[:MOST_LISTED]]
        if not findings:
            return Layer("records", "absent", (Finding("records_absent"),))
        codes = {each.code for each in findings}
        state = "changed" if "record_of_another" in codes else "unknown" if codes == {"problem"} else "found"
        return Layer("records", state, tuple(findings))

    def conclusion(self, layers: Sequence[Layer]) -> tuple[Conclusion, Finding]:
        """What the layers say together."""
        if any(layer.state == "changed" for layer in layers):
            return "changed", Finding("changed")
        said = self.statement
        if said is not None:
            if said.state == "trusted":
                return "holds", Finding("holds")
            return "holds", Finding("holds_anyone" if said.self_made else "holds_unchecked")
        if any(layer.state == "found" for layer in layers):
            unread = layers[0].state == "unknown"
            return "marked", Finding("marked_unread" if unread else "marked" if self.mark else "marked_by_record")
        return "nothing_found", Finding("nothing_found")

    def _xmp(self) -> list[Finding]:
        told = (self.records and self.records.xmp) or {}
        kind, tool = told.get("digital_source_type", "").rpartition("/")[2], told.get("creator_tool", "")
        findings = [_of_kind("XMP", kind)] if kind else []
        if tool and (kind or OURS in tool.lower()):  # an editor's name alone tells nothing of the origin
            findings.append(Finding("record_by", {"record": "XMP", "producer": clean(tool)}))
        return findings

    def _aigc(self) -> list[Finding]:
        told = self.records and self.records.aigc
        if not told:
            return []
        findings = [_of_kind("AIGC", told.get("Label", ""))]
        producer, number = told.get("ContentProducer", ""), told.get("ProduceID", "")
        if producer:
            findings.append(Finding("record_by", {"record": "AIGC", "producer": clean(producer)}))
        expected = (self.statement.mark_id if self.statement else None) or self.mark
        if OURS in producer.lower() and expected and number != expected:
            findings.append(Finding("record_of_another", {"record": "AIGC", "mark": clean(number)}))
        return findings

    def _tags(self) -> list[Finding]:
        software = self.records.tags.get("software", "") if self.records else ""
        if OURS not in software.lower():
            return []
        return [Finding("record_by", {"record": "software", "producer": clean(software)})]


def clean(said: object) -> str:
    """Text of a stranger's file on one line, without what could steer a terminal, cut when long."""
    text = "".join(
        letter if letter.isprintable() or letter in JOINERS else " " for letter in str(said)[: 2 * MOST_SHOWN]
    ).strip()
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A dataclass, and all in it, as values that JSON knows."""
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _kind_of(path: Path) -> tuple[str, MediaError | None]:
    """What a file is, and why no decoder takes it.

    Raises:
        MediaError: it is missing, a folder or empty.
    """
    if is_photo(path):
        return "photo", None
    try:
        with open_input(path) as container:
            return "video" if has_video(container) else "sound", None
    except MediaError as exc:
        if not (path.is_file() and path.stat().st_size):
            raise
        return "other", exc


def _statement_of(path: Path, trust: Path | None) -> tuple[Statement | None, bool]:
    """The statement, and whether it was signed with this computer's own certificate; not asked where `trust` is given.

    Raises:
        OptionError: `trust` is no certificate file.
    """
    longest = max((box.size for box in top_boxes(path) if box.uuid == C2PA_UUID), default=0)
    if longest > MOST_STATEMENT:
        why = f"the signed statement has {longest >> 20} MB, which no honest one has, and is not looked into"
        return Statement(holds=False, state="invalid", problems=(why,)), False
    if trust is None and has_own_certificate():
        with suppress(OptionError):  # a damaged certificate of this computer is nothing that the file can help
            said = read_statement(path, trust=own_certificate())
            if said is not None and said.state == "trusted":
                return replace(said, state="valid"), True
            return said, False
    return read_statement(path, trust=trust), False


def _attempt(path: Path, read: Callable[[Path], Got]) -> tuple[Got | None, LipwrightError | None]:
    """What a reader finds, or why it cannot read."""
    try:
        with reading(path):
            return read(path), None
    except (OptionError, BackendError):  # what the caller asked for or lacks, not what the file holds
        raise
    except LipwrightError as exc:
        _log.debug("unreadable", exc_info=True)
        return None, exc


def _missing(name: Literal["statement", "mark", "records"], code: str, why: LipwrightError | None) -> Layer:
    if why is None:
        return Layer(name, "absent", (Finding(code),))
    return Layer(name, "unknown", (_problem(why),))


def _problem(said: object) -> Finding:
    """What is wrong, as a whole sentence."""
    text = clean(said)
    return Finding("problem", {"problem": f"{text[:1].upper()}{text[1:].rstrip('.')}."})


def _of_kind(record: str, kind: str) -> Finding:
    if kind in SAYING:
        return Finding(SAYING[kind], {"record": record})
    return Finding("record_of_other", {"record": record, "kind": clean(kind) or "?"})


def _with_short_manifest(statement: dict[str, Any] | None) -> dict[str, Any] | None:
    if statement is None or len(json.dumps(statement["raw"])) <= MOST_MANIFEST:
        return statement
    return statement | {"raw": {}}


def _told(finding: Finding) -> dict[str, Any]:
    return {"code": finding.code, "text": finding.text, "about": dict(finding.about)}
