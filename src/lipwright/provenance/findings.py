"""What is said of a file's marks: plain sentences, each with a code by which a page finds its own words."""

from dataclasses import dataclass, field
from typing import Literal

JOINERS = "\u200c\u200d"  # unseen, and without them words of Persian, Hindi and others are misspelt
SENTENCES = {
    # The conclusion.
    "holds": "Nothing in this file was changed since it was signed.",
    "holds_anyone": (
        "Nothing in this file was changed since it was signed, but anyone can make the certificate that signed it: who "
        "made the file is not proven."
    ),
    "holds_unchecked": "Nothing in this file was changed since it was signed; who signed it is not proven.",
    "changed": "This file does not match what it says of itself: what was changed stands below.",
    "marked": (
        "This file was made with Lipwright, but has no signed statement: it was changed or re-encoded since, the "
        "statement was removed, or a file of this kind cannot hold one."
    ),
    "marked_by_record": (
        "A record says where this file comes from, but no statement is signed: anyone can write or remove a record."
    ),
    "marked_unread": (
        "A mark or a record says where this file comes from; whether it has a signed statement cannot be told."
    ),
    "nothing_found": (
        "No mark was found. That does not mean that the recording is real: marks can be lost or removed, and many "
        "tools make none."
    ),
    # The signed statement.
    "statement_absent": "The file has no signed statement.",
    "statement_holds": "Signed by {by}, and not changed since.",
    "statement_broken": "The file is not as it was signed by {by}.",
    "own_certificate": "It was signed with this machine's own certificate.",
    "anyones_certificate": (
        "Anyone can make such a certificate: it shows that the file is unchanged since then, not who made it."
    ),
    "trusted": "A certificate that you trust vouches for the signer.",
    "not_trusted": "No certificate that you trust vouches for the signer.",
    "expired": (
        "The certificate has expired, and nothing proves that it was used before: whoever came by its key may have "
        "signed this."
    ),
    "not_asked": "Who the signer really is was not checked: no certificates to trust were named.",
    "signed_at": "Signed at {time}, as the statement says.",
    "made_with": "Made with {software}.",
    "made_with_engine": "Made with {software}, engine {engine}.",
    "action": "Done: {action}.",
    "ingredient": "Made from: {ingredient}.",
    "consent_note": "Note on consent: {note}",
    # The mark in the picture.
    "mark_absent": "The picture carries no mark that can be read.",
    "mark_found": "The picture carries Lipwright's mark, number {mark}.",
    "mark_agrees": "It is the mark that the statement names.",
    "mark_of_source": "It is the mark of the footage this was made from, which was made with Lipwright, too.",
    "mark_of_another": "The picture's mark belongs to another statement than the one in this file.",
    "mark_weak": (
        "The statement names a mark in the picture, which is too weak to be read: short films and small faces carry it "
        "badly."
    ),
    "mark_missing": "The statement names a mark in the picture; it was removed, or is too weak to be read.",
    "no_picture": "The file has no picture that could carry a mark.",
    # The records.
    "records_absent": "The file has no record of its origin.",
    "record_of_ai": "The {record} record says: made by AI.",
    "record_of_edit": "The {record} record says: a recording that was changed with AI.",
    "record_of_perhaps": "The {record} record says: perhaps made by AI.",
    "record_of_other": "The {record} record says: {kind}.",
    "record_by": "The {record} record names {producer} as what made it.",
    "record_of_another": "The {record} record belongs to another file: it names the mark {mark}.",
    # Any of them.
    "problem": "{problem}",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence.

    Args:
        code: of `SENTENCES`.
        about: what stands in its places; of strangers' files, so it may be any text.
    """

    code: str
    about: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """In English."""
        return SENTENCES[self.code].format(**self.about)


@dataclass(frozen=True, slots=True)
class Layer:
    """What was found in one place.

    Args:
        name: of the layer.
        state: `holds`: found, and it agrees with the rest; `changed`: found, and it does not hold; `found`: there, and
            nothing to compare it with; `absent`: not there; `unknown`: it cannot be read.
        findings: what to say of it.
    """

    name: Literal["statement", "mark", "records"]
    state: Literal["holds", "found", "changed", "absent", "unknown"]
    findings: tuple[Finding, ...]
