"""The few bytes of a statement's box that no signature covers: room left for it, and sizes that readers forgive."""

from collections.abc import Iterator

_BEGIN = bytes(4) + b"manifest\0" + bytes(8)  # version and flags, purpose, and no place of further hashes
_PROOF = bytes(4) + b"merkle\0\xa4huniqueId\0glocalId\0hlocation"  # CBOR: what follows is the number of the piece
_HASHES, _LIST = b"fhashes", 0x80
_STORES = {b"c2pa.assertions", b"c2pa.claim.v2", b"c2pa.signature"}
_UNUSED = b"\x20"  # the lowest switch that means nothing
_COSE = b"\xd2"  # CBOR's tag of a signature
_NOTHING = b"\xf6"  # CBOR's null: what is signed lies elsewhere
_PADDING = b"\xa1\x63pad"  # CBOR: the one entry of the signature's header that is not signed


def is_as_written(content: bytes) -> bool:
    """Whether the unsigned bytes of a statement made here are as they were written.

    Args:
        content: of the box, after its uuid.
    """
    if not content.startswith(_BEGIN):
        return False
    try:
        leaves = list(_leaves(content, len(_BEGIN), len(content)))
    except ValueError:
        return False
    about = [found for kind, found in leaves if kind == b"jumd"]
    named = [_label(found) for found in about]
    signatures = [found for kind, found in leaves if kind == b"cbor" and found[:1] == _COSE]
    usual = named[:1] == [b"c2pa"] and _STORES.issubset(named) and all(found[16:17] < _UNUSED for found in about)
    return usual and bool(signatures) and _is_blank(signatures[-1])


def is_proof_as_written(content: bytes) -> bool:
    """The same of the boxes that a large file has at its end, with hashes of its pieces."""
    at = content.find(_HASHES)
    if not content.startswith(_PROOF) or at < 0:
        return False
    at += len(_HASHES)
    try:
        count, at = content[at] - _LIST, at + 1
        for _ in range(count):
            _, at = _bytes_at(content, at)
    except (IndexError, ValueError):
        return False
    return not any(content[at:])


def _label(description: bytes) -> bytes:
    """What a box calls itself: after 16 bytes of kind and one of switches, up to a zero."""
    return description[17:].partition(b"\0")[0]


def _leaves(content: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    """The boxes that hold no others; they and those that hold them must fill all there is.

    Raises:
        ValueError: they do not.
    """
    while at < end:
        size, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if not 8 <= size <= end - at:
            raise ValueError(f"a box of {size} bytes where {end - at} are left")
        if kind == b"jumb":
            yield from _leaves(content, at + 8, at + size)
        else:
            yield kind, content[at + 8 : at + size]
        at += size


def _is_blank(signature: bytes) -> bool:
    """Whether the padding of a COSE signature is zeros: its tag, a list, what is signed of its header, the padding."""
    try:
        _, at = _bytes_at(signature, 2)
        padding, end = _bytes_at(signature, at + len(_PADDING))
    except (IndexError, ValueError):
        return False
    asked = signature[at : at + len(_PADDING)], signature[end : end + 1]
    return asked == (_PADDING, _NOTHING) and not any(padding)


def _bytes_at(cbor: bytes, at: int) -> tuple[bytes, int]:
    """A CBOR byte string and where it ends.

    Raises:
        ValueError: there is none.
    """
    kind, more = cbor[at] >> 5, cbor[at] & 31
    wide = {24: 1, 25: 2, 26: 4}.get(more, 0)
    if kind != 2 or (more > 23 and not wide):
        raise ValueError("no byte string")
    begin = at + 1 + wide
    size = int.from_bytes(cbor[at + 1 : begin], "big") if wide else more
    return cbor[begin : begin + size], begin + size
