"""Hearing a sound piece by piece gives what hearing it whole gives."""

import numpy as np
import pytest

from lipwright.audio.activity import speech_gate
from lipwright.audio.features import RunningNorm, listen
from lipwright.audio.live import GATE_STEPS, LiveEars
from lipwright.example import speech
from lipwright.media import read_sound


@pytest.fixture(scope="module")
def sound():
    return read_sound(speech, 16000)


@pytest.mark.parametrize("lengths", [(320,), (1, 159, 160, 161, 4000), (16000,)])
def test_the_same_as_of_the_whole(sound, lengths):
    whole, ears, rows, gates = listen(sound), LiveEars(), [], []
    at = turn = 0
    while at < len(sound.samples):
        length = lengths[turn % len(lengths)]
        rows.append(ears.hear(sound.samples[at : at + length]))
        at, turn = at + length, turn + 1
        while len(gates) + GATE_STEPS < ears.rows:
            gates.append(ears.gate(range(len(gates), len(gates) + 1))[0])
    heard = np.concatenate(rows)
    assert len(heard) >= len(whole) - 2
    np.testing.assert_allclose(heard[:, :80], whole.mel[: len(heard)], atol=1e-4)
    np.testing.assert_allclose(heard[:, 80], whole.energy[: len(heard)], atol=1e-4)
    np.testing.assert_allclose(gates, whole.gate[: len(gates)], atol=1e-4)


def test_a_gate_that_is_asked_for_too_early_can_be_wrong(sound):
    """Else the look-ahead would not be needed, and the comparison above could not fail."""
    whole = listen(sound).gate
    ears, worst = LiveEars(), 0.0
    for at in range(0, len(sound.samples), 160):
        ears.hear(sound.samples[at : at + 160])
        row = ears.rows - 6
        worst = max(worst, abs(ears.gate(range(row, row + 1))[0] - whole[row])) if row >= 0 else worst
    assert worst > 0.1


def test_gates_of_any_pauses_hardly_differ():
    generator = np.random.default_rng(0)
    worst, asked = [], 0
    for _ in range(100):
        lengths = generator.integers(1, 40, 30)
        quiet = np.repeat(np.arange(30) % 2 == 0, lengths)
        whole = speech_gate(quiet)
        for row in range(60, len(quiet) - 60, 7):
            seen = speech_gate(quiet[row - 40 : row + GATE_STEPS + 1])[40]
            worst.append(abs(seen - whole[row]))
            asked += 1
    assert np.mean(np.array(worst) > 1e-4) < 0.005
    assert asked > 1000


def test_memory_does_not_grow():
    ears = LiveEars()
    for _ in range(200):
        ears.hear(np.zeros(16000, np.float32))
    held = sum(part.nbytes for part in vars(ears).values() if isinstance(part, np.ndarray))
    assert ears.rows > 19_000
    assert held < 100_000


def test_the_norm_takes_chunks_of_any_length():
    generator = np.random.default_rng(1)
    mel = generator.normal(-50, 15, (1000, 80)).astype(np.float32)
    level, quiet = np.full(1000, -20, np.float32), generator.random(1000) < 0.3
    whole = RunningNorm()(mel, level, quiet)
    norm, parts, at = RunningNorm(), [], 0
    while at < 1000:
        part = slice(at, at + int(generator.integers(1, 37)))
        parts.append(norm(mel[part], level[part], quiet[part]))
        at = part.stop
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-4)
