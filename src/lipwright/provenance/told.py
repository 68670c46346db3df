"""What a C2PA manifest of anybody tells, as plain sentences. Nothing in it is taken to be of the kind it should be."""

import re
from collections.abc import Iterator
from typing import Any

from lipwright.provenance.manifest import ORIGIN_LABEL, PARTS_LABEL, SOFT_BINDING

MOST = 50  # things of one sort that are told of a stranger's file
UNTRUSTED, EXPIRED = "signingCredential.untrusted", "signingCredential.expired"
_DONE = {
    "c2pa.created": "created",
    "c2pa.opened": "opened",
    "c2pa.edited": "edited",
    "c2pa.placed": "placed in it",
    "c2pa.published": "published",
    "c2pa.transcoded": "encoded again",
    "c2pa.converted": "converted",
    "c2pa.repackaged": "put into another container",
}
_PIECES = {
    "c2pa.actions": "the list of what was done",
    "c2pa.ingredient": "what it says of a source",
    "c2pa.hash": "the file's hash in it",
    SOFT_BINDING: "the picture's mark in it",
    ORIGIN_LABEL: "what it says of the file's making",
    PARTS_LABEL: "the list of the file's parts in it",
    "c2pa.signature": "the signature",
    "c2pa.claim": "its claim",
}
_WRONG = {
    "claimSignature.mismatch": "the statement was changed after it was signed, or its signature was",
    "claimSignature.missing": "the statement's signature is missing",
    "claimSignature.outsideValidity": "the statement was signed while the certificate was not valid",
    "signingCredential.invalid": "the certificate is none that may sign such statements",
    "signingCredential.revoked": "the certificate was revoked",
    "claim.missing": "the statement's claim is missing",
    "claim.hardBindings.missing": "the statement is bound to no file",
    "assertion.missing": "a part of the statement is missing",
}
_CONTENT = re.compile(r"assertion\.(data|bmff|boxes|collection|multiAsset)Hash\.\w*(mismatch|malformed)", re.IGNORECASE)


def dicts(value: object) -> Iterator[dict[str, Any]]:
    """The objects of a JSON list, `MOST` of them; none where it is no list."""
    yield from (each for each in (value if isinstance(value, list) else [])[:MOST] if isinstance(each, dict))


def text(value: object) -> str:
    """A JSON value that should be text, empty where it is none."""
    return value if isinstance(value, str) else ""


def assertion(manifest: dict[str, Any], label: str) -> dict[str, Any]:
    """What the first assertion of that label holds, empty where there is none."""
    for each in dicts(manifest.get("assertions")):
        if text(each.get("label")).startswith(label) and isinstance(each.get("data"), dict):
            return each["data"]
    return {}


def software(manifest: dict[str, Any]) -> str:
    """Name and version of what made the statement."""
    about = next(dicts(manifest.get("claim_generator_info")), {})
    return f"{text(about.get('name'))} {text(about.get('version'))}".strip() or text(manifest.get("claim_generator"))


def actions(manifest: dict[str, Any]) -> list[str]:
    """What was done, one line each."""
    return [_action(each) for each in dicts(assertion(manifest, "c2pa.actions").get("actions"))]


def made_at(manifest: dict[str, Any]) -> str | None:
    """When, as ISO text: by a time stamp, else as the signer says."""
    about = manifest.get("signature_info")
    stamped = text(about.get("time")) if isinstance(about, dict) else ""
    said = [text(each.get("when")) for each in dicts(assertion(manifest, "c2pa.actions").get("actions"))]
    return stamped or max(said, default="") or None


def ingredients(manifest: dict[str, Any], all_manifests: dict[str, Any]) -> list[str]:
    """What it was made of, one line each, with what the sources state themselves."""
    return [_ingredient(each, all_manifests) for each in dicts(manifest.get("ingredients"))]


def faults(results: dict[str, Any]) -> list[dict[str, Any]]:
    """Failed checks of what was signed; what the certificate is worth by now is another question."""
    active, deltas = results.get("activeManifest"), results.get("ingredientDeltas")
    found = [active] if isinstance(active, dict) else []
    found += [each.get("validationDeltas") for each in dicts(deltas)]
    return [
        fault
        for part in found
        if isinstance(part, dict)
        for fault in dicts(part.get("failure"))
        if fault.get("code") not in (UNTRUSTED, EXPIRED)
    ]


def has_expired(results: dict[str, Any]) -> bool:
    """Whether the signer's certificate is no longer valid, and no time stamp says that it was used before."""
    active = results.get("activeManifest")
    failed = dicts(active.get("failure")) if isinstance(active, dict) else ()
    return any(fault.get("code") == EXPIRED for fault in failed)


def is_about_content(fault: dict[str, Any]) -> bool:
    """Whether a failed check means that the file is not the one that was signed."""
    return _CONTENT.fullmatch(text(fault.get("code"))) is not None


def fault_told(fault: dict[str, Any]) -> str:
    """A failed check as a sentence."""
    code, label = text(fault.get("code")), text(fault.get("url")).rpartition("/")[2]
    if code == "assertion.hashedURI.mismatch":
        piece = next((told for begin, told in _PIECES.items() if label.startswith(begin)), f"{label!r} in it")
        return f"the statement was changed: {piece}"
    if code in _WRONG:
        return _WRONG[code]
    return f"the statement does not hold: {text(fault.get('explanation')) or code}"


def _action(about: dict[str, Any]) -> str:
    name = text(about.get("action"))
    line = _DONE.get(name, name.removeprefix("c2pa."))
    agent = about.get("softwareAgent")
    by = f"{text(agent.get('name'))} {text(agent.get('version'))}".strip() if isinstance(agent, dict) else text(agent)
    kind = text(about.get("digitalSourceType")).rpartition("/")[2]
    line += f" with {by}" if by else ""
    line += f" ({kind})" if kind else ""
    description = text(about.get("description"))
    return f"{line}: {description}" if description else line


def _ingredient(about: dict[str, Any], all_manifests: dict[str, Any]) -> str:
    parts = [text(about.get(name)) for name in ("title", "format", "description")]
    line = ", ".join(part for part in parts if part) or "a source that is not described"
    own = all_manifests.get(text(about.get("active_manifest")))
    if not isinstance(own, dict):
        return line
    results = about.get("validation_results")
    line += f", with a statement of its own by {software(own) or 'somebody'}"
    line += " that did not hold" if isinstance(results, dict) and faults(results) else ""
    mark = text(assertion(own, ORIGIN_LABEL).get("mark_id"))
    return f"{line} (mark {mark})" if mark else line
