"""What a stranger's file says of its origin; runs where a crash does no harm (`lipwright.service.sniff`)."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from lipwright.errors import MediaError
from lipwright.provenance.verify import verify
from lipwright.service.sniffed import check_size, claimed_size


def verdict_told(path: Path, name: str) -> dict[str, Any]:
    """See `lipwright.provenance.verify.verify`; as plain values for JSON, without the name that the file has here.

    Args:
        path: the file.
        name: what its owner calls it.

    Raises:
        MediaError: its pictures are too large, or as of `verify`.
    """
    size = None
    with suppress(MediaError):  # what no decoder knows may state its origin all the same
        size = claimed_size(path)
    if size is not None:
        check_size(path, *size)
    told = json.dumps(verify(path).as_dict())
    for own in (str(path), path.name):
        told = told.replace(json.dumps(own)[1:-1], json.dumps(name)[1:-1])
    return json.loads(told)
