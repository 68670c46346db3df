"""Files of the same job differ in their signed statement: when it was signed, and the signature itself."""

from lipwright.provenance.boxes import top_boxes
from lipwright.provenance.parts import C2PA_UUID


def unsigned(path):
    """The bytes of a file but for its statement's, of which there must be one, and their number."""
    boxes = [box for box in top_boxes(path) if box.uuid == C2PA_UUID]
    assert len(boxes) == 1
    whole, (box,) = path.read_bytes(), boxes
    return whole[: box.start] + whole[box.end :], box.size
