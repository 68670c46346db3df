"""64 bits to 400 signs and back: a CRC-32 for certainty, a polar code for the noise.

A polar code (Arikan 2009) with a list decoder that lets the CRC choose (Tal and Vardy 2015) reads such short words from
half of the energy that Reed-Solomon or a convolutional code needs, and takes reliabilities as they come: cells that
were cut off count as unknown, not as wrong.
"""

import zlib
from dataclasses import dataclass
from functools import cache

import numpy as np

BYTES = 8  # of an identifier
CRC = 32  # bits
LENGTH = 512  # of the mother code
SENT = 400  # signs that are sent
PATHS = 8  # words the decoder follows at once; each of them gets its try at the CRC
DESIGN = 0.7  # reliability of one sign the code is laid out for: Bhattacharyya parameter
NAME = b"lipwright mark 1"  # another kind of mark fails the CRC


@dataclass(frozen=True, slots=True)
class Word:
    """A word read.

    Args:
        identifier: 8 bytes.
        corrected: signs that were received wrong.
    """

    identifier: bytes
    corrected: int


def encode(identifier: bytes) -> np.ndarray:
    """The signs of an identifier. (SENT,) float32, -1 or 1.

    Raises:
        ValueError: it is not 8 bytes.
    """
    if len(identifier) != BYTES:
        raise ValueError(f"an identifier has {BYTES} bytes, got {len(identifier)}")
    message = identifier + _crc(identifier)
    word = np.zeros(LENGTH, np.uint8)
    word[_places()[1]] = np.unpackbits(np.frombuffer(message, np.uint8))
    return 1 - 2 * _transformed(word)[_places()[0]].astype(np.float32)


def decode(soft: np.ndarray) -> list[Word | None]:
    """The words nearest to received signs.

    Args:
        soft: (K, SENT) float, K receptions: the sign is the guess, the size how sure it is, 0 unknown; any scale.

    Returns:
        For each the identifier, where a word near it passes the CRC.
    """
    sent, free = _places()
    received = np.zeros((len(soft), LENGTH), np.float32)
    received[:, sent] = soft
    frozen = np.ones(LENGTH, bool)
    frozen[free] = False
    words = _ListDecoder(len(soft)).words(received, frozen)
    return [_checked(of, row) for of, row in zip(words, soft, strict=True)]


def _checked(words: np.ndarray, soft: np.ndarray) -> Word | None:
    """The first of (PATHS, LENGTH) code words that passes the CRC."""
    sent, free = _places()
    for bits, word in zip(_transformed(words)[:, free], words, strict=True):
        message = np.packbits(bits).tobytes()
        if message[BYTES:] == _crc(message[:BYTES]):
            return Word(message[:BYTES], int(((soft < 0) != (word[sent] == 1))[soft != 0].sum()))
    return None


def _crc(identifier: bytes) -> bytes:
    return zlib.crc32(NAME + identifier).to_bytes(CRC // 8, "big")


def _transformed(words: np.ndarray) -> np.ndarray:
    """Words through the polar transform, which is its own inverse. (..., LENGTH) uint8."""
    words = words.copy()
    half = 1
    while half < LENGTH:
        pairs = words.reshape(*words.shape[:-1], -1, 2, half)
        pairs[..., 0, :] ^= pairs[..., 1, :]
        half *= 2
    return words


@cache
def _places() -> tuple[np.ndarray, np.ndarray]:
    """Positions of a code word that are sent, and positions before the transform that carry the message."""
    digits = LENGTH.bit_length() - 1
    reversed_bits = [int(f"{i:0{digits}b}"[::-1], 2) for i in range(LENGTH)]
    sent = np.sort(reversed_bits[LENGTH - SENT :])
    worth = np.ones(LENGTH)
    worth[sent] = DESIGN
    noise = _noise(worth)
    return sent, np.sort(np.argsort(noise, kind="stable")[: 8 * BYTES + CRC])


def _noise(z: np.ndarray) -> np.ndarray:
    """How unsure each position before the transform is, given how unsure the sent ones are."""
    if len(z) == 1:
        return z
    first, second = np.split(z, 2)
    return np.concatenate([_noise(first + second - first * second), _noise(first * second)])


class _ListDecoder:
    """Successive cancellation of K receptions at once, PATHS words each."""

    def __init__(self, count: int) -> None:
        self._cost = np.full((count, PATHS), np.inf, np.float32)
        self._cost[:, 0] = 0
        self._rows = np.arange(count)[:, None]

    def words(self, received: np.ndarray, frozen: np.ndarray) -> np.ndarray:
        """The cheapest code words first. (K, PATHS, LENGTH) uint8."""
        words, _ = self._decode(np.repeat(received[:, None], PATHS, axis=1), frozen)
        return words[self._rows, np.argsort(self._cost, axis=1)]

    def _decode(self, soft: np.ndarray, frozen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Code words of a part, and which path each of the paths now goes on from."""
        if frozen.all():
            self._cost += np.maximum(-soft, 0).sum(-1)
            return np.zeros(soft.shape, np.uint8), np.broadcast_to(np.arange(PATHS), soft.shape[:2])
        if soft.shape[-1] == 1:
            return self._forked(soft[..., 0])
        middle = soft.shape[-1] // 2
        a, b = soft[..., :middle], soft[..., middle:]
        first, came = self._decode(np.sign(a) * np.sign(b) * np.minimum(np.abs(a), np.abs(b)), frozen[:middle])
        a, b = a[self._rows, came], b[self._rows, came]
        second, went = self._decode(np.where(first == 1, b - a, b + a), frozen[middle:])
        first = first[self._rows, went]
        return np.concatenate([first ^ second, second], axis=-1), came[self._rows, went]

    def _forked(self, soft: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        costs = np.concatenate([self._cost + np.maximum(-soft, 0), self._cost + np.maximum(soft, 0)], axis=1)
        best = np.argsort(costs, axis=1, kind="stable")[:, :PATHS]
        self._cost = costs[self._rows, best]
        return (best >= PATHS).astype(np.uint8)[..., None], best % PATHS
