"""Damaged copies of a marked file: a verdict or one sentence, in bounded time."""

import json
import time
from itertools import islice

import fuzz
import tampering

from lipwright.provenance.verify import verify

COUNT = 40
SECONDS_ALLOWED = 20


def test_damaged_copies_get_a_verdict_or_a_sentence(made, tmp_path):
    path, whole, seen = tmp_path / "damaged.mp4", made.read_bytes(), set()

    def look():
        verdict = verify(path)
        json.dumps(verdict.as_dict())
        assert all(finding.text for layer in verdict.layers for finding in layer.findings)
        assert verdict.conclusion != "holds" or path.read_bytes() == whole, "a change that nobody sees"
        seen.add(verdict.conclusion)

    for what, data in islice(tampering.mutants(made, seed=4), COUNT):
        path.write_bytes(data)
        begin = time.monotonic()
        kind, sentence = fuzz.outcome(look)
        assert "FINDING" not in kind, (what, sentence)
        assert time.monotonic() - begin < SECONDS_ALLOWED, what
    assert "changed" in seen
