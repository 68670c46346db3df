"""Plain records that other programs read: XMP with IPTC's digital source type, China's `AIGC` record, container tags.

Nobody signs them and anybody can change them: they tell, and prove nothing.
"""

import json
import warnings
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from uuid import UUID
from xml.etree.ElementTree import Element, ParseError  # what is read goes through defusedxml

import av
from av.error import FFmpegError
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring
from PIL import Image, UnidentifiedImageError

from lipwright.media.demuxers import ALONE
from lipwright.media.photo import is_photo
from lipwright.provenance.boxes import append_uuid, find_box, read_content, top_boxes
from lipwright.provenance.origin import Origin

XMP_UUID = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
# IPTC's word for what a trained model drew into other media: around the mouth stand a camera's pixels, those of a video
# and of a photo alike. `trainedAlgorithmicMedia` would say that nothing in the picture was ever captured.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
PRODUCER = "Lipwright"
AIGC = "AIGC"
AIGC_LABEL = "1"  # "it is": 2 and 3 are for a platform that only supposes so

MOST_XMP = 1 << 20  # bytes
MOST_AIGC = 1 << 16
MOST_TAGS, MOST_FIELDS, MOST_TEXT = 100, 20, 1000  # what is shown of a file that others made

_PADDING = "\0 \r\n\t"  # programs leave room behind a packet
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_NAMES = {
    "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType": "digital_source_type",
    "{http://ns.adobe.com/xap/1.0/}CreatorTool": "creator_tool",
    "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC": "aigc",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What a file's records say.

    Args:
        xmp: of `digital_source_type`, `creator_tool` and `aigc` those its XMP has; None where there is no XMP.
        aigc: the `AIGC` record, from the tags or else from the XMP; None where there is none.
        tags: the container's own tags, by their names in lower case: Matroska writes them in upper case.
        problems: records that are there and cannot be read, one sentence each.
    """

    xmp: dict[str, str] | None = None
    aigc: dict[str, str] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"xmp": self.xmp, "aigc": self.aigc, "tags": self.tags, "problems": list(self.problems)}


def tags(origin: Origin) -> dict[str, str]:
    """Tags for the container of an output: GB 45438's record, and a comment for people."""
    return {
        AIGC: json.dumps(aigc(origin), ensure_ascii=False, separators=(",", ":")),
        "comment": f"The mouth was made to fit the sound by a computer, with {origin.software}.",
        "software": origin.software,
    }


def aigc(origin: Origin) -> dict[str, str]:
    """The record that GB 45438-2025 asks for; what a platform that passes the file on adds is left empty."""
    return {
        "Label": AIGC_LABEL,
        "ContentProducer": PRODUCER,
        "ProduceID": origin.mark_id().hex(),
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def xmp(origin: Origin) -> bytes:
    """An XMP packet that says what kind of picture this is and what made it, and nothing of anybody."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"\n'
        f' xmp:CreatorTool="{escape(origin.software)}"\n'
        f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>\n'
        '</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>'
    ).encode()


def write_xmp(path: Path, packet: bytes) -> bool:
    """Put an XMP packet into a finished MP4 or MOV file. Returns whether the file is one.

    Raises:
        OutputError: the file is incomplete or cannot be written.
    """
    if not top_boxes(path):
        return False
    append_uuid(path, XMP_UUID, packet)
    return True


def read_records(path: Path) -> Records:
    """Read the records of any file. What is damaged, hostile or too long is told in `problems`.

    Raises:
        OSError: the file cannot be read.
    """
    problems: list[str] = []
    found = _container_tags(path, problems)
    packet = _picture_xmp(path, problems) if is_photo(path) else _film_xmp(path)
    told = None if packet is None else _parsed_xmp(packet, problems)
    record = next((text for name, text in found.items() if name.upper() == AIGC), (told or {}).get("aigc"))
    return Records(
        xmp=told and {name: _short(text) for name, text in told.items()},
        aigc=None if record is None else _parsed_aigc(record, problems),
        tags={_short(name.lower()): _short(text) for name, text in list(found.items())[:MOST_TAGS]},
        problems=tuple(problems),
    )


def _container_tags(path: Path, problems: list[str]) -> dict[str, str]:
    try:
        with av.open(f"file:{path}", options=dict(ALONE), metadata_errors="replace") as container:
            return dict(container.metadata)
    except FFmpegError:  # no recording, or none that is whole: other parts of this program say so
        return {}
    except ValueError as exc:
        problems.append(f"the tags of the file cannot be read: {exc}")
        return {}


def _film_xmp(path: Path) -> bytes | None:
    """The XMP of an MP4 (a box of its own) or of a MOV by Adobe's programs (among its user data)."""
    own = (box for box in top_boxes(path) if box.uuid == XMP_UUID)
    box = next(own, None) or find_box(path, "moov", "udta", "XMP_")
    return None if box is None else read_content(path, box, MOST_XMP + 1)


def _picture_xmp(path: Path, problems: list[str]) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture is large, or its EXIF odd: nothing is decoded here
            with Image.open(path) as picture:
                packet = picture.info.get("xmp") or picture.info.get("XML:com.adobe.xmp")
    except UnidentifiedImageError:  # whose words are the path of the file
        problems.append("the records of the picture cannot be read: it is damaged, or of a kind that is not known")
        return None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as exc:
        problems.append(f"the records of the picture cannot be read: {exc}")
        return None
    return packet.encode() if isinstance(packet, str) else packet


def _parsed_xmp(packet: bytes, problems: list[str]) -> dict[str, str]:
    if len(packet) > MOST_XMP:
        problems.append(f"the XMP record is longer than {MOST_XMP >> 20} MiB and is not looked into")
        return {}
    try:
        wide = packet.startswith((BOM_UTF16_LE, BOM_UTF16_BE))
        text = packet.decode("utf-16").strip(_PADDING) if wide else packet.strip(_PADDING.encode())
        return _properties(fromstring(text, forbid_dtd=True))
    except DefusedXmlException:
        problems.append("the XMP record defines entities, which XMP has no use for, and is not looked into")
    except (ParseError, ValueError, LookupError, RecursionError) as exc:
        problems.append(f"the XMP record is no XML: {exc}")
    return {}


def _properties(root: Element) -> dict[str, str]:
    """The properties of `_NAMES`, each of which XMP may hold as an attribute, as text, or as a reference."""
    told: dict[str, str] = {}
    for about in root.iter(f"{_RDF}Description"):
        held = dict(about.attrib) | {part.tag: part.get(f"{_RDF}resource") or part.text or "" for part in about}
        told |= {_NAMES[name]: text.strip() for name, text in held.items() if name in _NAMES}
    return told


def _parsed_aigc(text: str, problems: list[str]) -> dict[str, str]:
    if len(text) > MOST_AIGC:
        problems.append(f"the AIGC record is longer than {MOST_AIGC >> 10} KiB and is not looked into")
        return {}
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as exc:
        problems.append(f"the AIGC record is no JSON: {exc}")
        return {}
    if not isinstance(record, dict):
        problems.append("the AIGC record is JSON, but no object of fields and values")
        return {}
    plain = {name: value for name, value in record.items() if isinstance(value, str | int | float)}
    return {_short(name): _short(str(value)) for name, value in list(plain.items())[:MOST_FIELDS]}


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else text[: MOST_TEXT - 1] + "…"
