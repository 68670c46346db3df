import numpy as np

from lipwright.audio import features
from lipwright.audio.activity import LevelMeter, energy_db
from lipwright.audio.features import RunningNorm, hear, listen
from lipwright.audio.mel import log_mel
from lipwright.structures import Sound

RATE = 16_000


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.1, int(seconds * RATE))
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 4 * np.arange(len(noise)) / RATE)
    return (noise * syllables).astype(np.float32)


def test_shapes_and_types() -> None:
    speech = listen(Sound(babble(1.234), RATE))
    assert len(speech) == 124
    assert speech.mel.dtype == speech.energy.dtype == speech.gate.dtype == np.float32
    assert speech.rate == 100


def test_nothing_looks_further_ahead_than_it_says() -> None:
    sound = babble(3.0)
    changed = sound.copy()
    changed[2 * RATE :] = babble(1.0, seed=1) * 0.1
    before, after = (listen(Sound(s, RATE)) for s in (sound, changed))
    np.testing.assert_array_equal(before.mel[:199], after.mel[:199])
    np.testing.assert_array_equal(before.energy[:198], after.energy[:198])
    np.testing.assert_array_equal(before.gate[: 200 - 24], after.gate[: 200 - 24])


def test_loudness_is_taken_out() -> None:
    loud, soft = (listen(Sound(g * babble(4.0), RATE)) for g in (np.float32(1), np.float32(0.3)))
    assert np.abs(loud.mel - soft.mel)[100:].mean() < 0.05
    assert np.abs(loud.energy - soft.energy)[100:].max() < 0.01


def test_chunks_give_the_same_as_the_whole() -> None:
    sound = babble(2.5)
    mel, (level, quiet) = log_mel(sound), LevelMeter().follow(energy_db(sound))
    norm = RunningNorm()
    parts = [norm(*(x[i : i + 30] for x in (mel, level, quiet))) for i in range(0, len(mel), 30)]
    np.testing.assert_allclose(np.concatenate(parts), listen(Sound(sound, RATE)).mel, atol=1e-5)


def test_a_sound_in_blocks_gives_the_same_bits_as_the_whole(monkeypatch) -> None:
    monkeypatch.setattr(features, "PIECE", 250)
    for length in (1, 160, 161, 250 * 160, 252 * 160, 254 * 160 + 1, 20 * RATE + 77):
        sound = babble(length / RATE + 0.01)[:length]
        sound[3 * RATE : 4 * RATE] = 0  # a pause over the end of the first piece
        whole = listen(Sound(sound, RATE))
        cuts = np.sort(np.random.default_rng(length).integers(0, length + 1, 9))
        pieces = list(hear(np.split(sound, cuts)))
        assert len(pieces) <= -(-length // (250 * 160))
        for name in ("mel", "energy", "gate"):
            joined = np.concatenate([getattr(piece, name) for piece in pieces])
            np.testing.assert_array_equal(joined, getattr(whole, name))


def test_pieces_leave_no_trace(monkeypatch) -> None:
    sound = babble(21.0)
    for start in range(0, 21, 2):
        sound[start * RATE : start * RATE + 4000] = 0
    whole = listen(Sound(sound, RATE))
    monkeypatch.setattr(features, "PIECE", 250)
    pieces = listen(Sound(sound, RATE))
    np.testing.assert_array_equal(pieces.gate, whole.gate)
    np.testing.assert_allclose(pieces.energy, whole.energy, atol=1e-6)
    np.testing.assert_allclose(pieces.mel, whole.mel, atol=1e-5)


def test_digital_silence_and_nothing_at_all() -> None:
    speech = listen(Sound(np.zeros(RATE, np.float32), RATE))
    assert np.isfinite(speech.mel).all()
    assert not speech.gate.any()
    assert len(listen(Sound(np.zeros(0, np.float32), RATE))) == 0
