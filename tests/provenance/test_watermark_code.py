"""The error-correcting code of the mark."""

import numpy as np
import pytest

from lipwright.provenance.watermark.code import CRC, PATHS, SENT, decode, encode

RANDOM = np.random.default_rng(3)
IDENTIFIERS = [bytes(8), b"\xff" * 8, *(RANDOM.bytes(8) for _ in range(30))]


def received(power: float, seed: int) -> np.ndarray:
    """All identifiers with noise: `power` is that of the signs against it."""
    sent = np.stack([encode(identifier) for identifier in IDENTIFIERS])
    return np.sqrt(power) * sent + np.random.default_rng(seed).standard_normal(sent.shape)


def test_every_identifier_comes_back() -> None:
    words = decode(np.stack([encode(identifier) for identifier in IDENTIFIERS]))
    assert [(word.identifier, word.corrected) for word in words if word] == [(i, 0) for i in IDENTIFIERS]


def test_a_quarter_of_the_signs_may_be_wrong() -> None:
    soft = received(0.8, 1)
    words = decode(soft)
    assert [word.identifier for word in words if word] == IDENTIFIERS
    wrong = ((soft < 0) != (received(1e9, 1) < 0)).sum(1)
    assert [word.corrected for word in words if word] == wrong.tolist()
    assert wrong.mean() > 0.15 * SENT


def test_half_of_the_signs_may_be_missing() -> None:
    soft = received(4.0, 2)
    soft[:, np.random.default_rng(4).permutation(SENT)[: SENT // 2]] = 0
    assert [word.identifier for word in decode(soft) if word] == IDENTIFIERS


def test_the_scale_does_not_matter() -> None:
    soft = received(0.8, 5)
    assert decode(1000 * soft) == decode(soft) == decode(soft / 1000)


def test_noise_gives_no_word() -> None:
    noise = np.random.default_rng(6).standard_normal((20_000, SENT))
    assert not any(decode(noise))
    assert 20_000 * PATHS / 2**CRC < 1e-4


def test_nothing_received_gives_no_word() -> None:
    assert decode(np.zeros((1, SENT))) == [None]


@pytest.mark.parametrize("identifier", [b"", bytes(7), bytes(9)])
def test_an_identifier_has_eight_bytes(identifier: bytes) -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        encode(identifier)
