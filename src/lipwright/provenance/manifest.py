"""What the signed statement says, in C2PA's words."""

from datetime import UTC, datetime
from typing import Any

from lipwright.provenance.origin import Origin, Source
from lipwright.provenance.records import SOURCE_TYPE

ORIGIN_LABEL, PARTS_LABEL = "org.lipwright.origin", "org.lipwright.parts"
SOFT_BINDING, MARK_ALGORITHM = "c2pa.soft-binding", "org.lipwright.mark.1"
FOOTAGE, SOUND = "footage", "sound"  # what the actions call their ingredients
TITLES = {"video": "source video", "photo": "source photo", "sound": "sound"}


def manifest(origin: Origin, parts: dict[str, Any]) -> dict[str, Any]:
    """The definition that `c2pa.Builder` takes; the ingredients are added to it by `ingredient`."""
    name, _, version = origin.software.partition(" ")
    told = origin.as_dict()
    return {
        "claim_generator_info": [{"name": name, "version": version}],
        "title": "video",
        "assertions": [
            _assertion("c2pa.actions.v2", {"actions": _actions(origin, {"name": name, "version": version})}),
            *_soft_binding(origin),
            _assertion(ORIGIN_LABEL, told),
            _assertion(PARTS_LABEL, parts),
        ],
    }


def ingredient(source: Source) -> dict[str, Any]:
    """A source as the statement names it: by kind and hash, never by its file's name."""
    relation = {"video": "parentOf", "photo": "inputTo", "sound": "componentOf"}[source.kind]
    return {
        "title": TITLES[source.kind],
        "label": SOUND if source.kind == "sound" else FOOTAGE,
        "format": source.format,
        "instance_id": f"urn:sha256:{source.sha256}",
        "description": f"SHA-256 {source.sha256}",
        "relationship": relation,
    }


def _actions(origin: Origin, agent: dict[str, str]) -> list[dict[str, Any]]:
    now = datetime.now(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    made = {"digitalSourceType": SOURCE_TYPE, "softwareAgent": agent, "when": now}
    footage, sound = ({"ingredientIds": [name]} for name in (FOOTAGE, SOUND))
    placed = {"action": "c2pa.placed", "parameters": sound, "softwareAgent": agent, "when": now}
    if origin.video.kind == "photo":
        what = "a photo was brought alive, its mouth made to say the sound"
        return [{"action": "c2pa.created", "parameters": footage, "description": what} | made, placed]
    what = "the mouth of the person in the video was made to say the sound"
    opened = {"action": "c2pa.opened", "parameters": footage, "softwareAgent": agent, "when": now}
    return [opened, {"action": "c2pa.edited", "description": what} | made, placed]


def _soft_binding(origin: Origin) -> list[dict[str, Any]]:
    if "mark" not in origin.layers:
        return []
    block = {"scope": {}, "value": origin.mark_id().hex()}
    return [_assertion(SOFT_BINDING, {"alg": MARK_ALGORITHM, "blocks": [block]})]


def _assertion(label: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"label": label, "data": data, "created": True}
