import numpy as np
import pytest

from lipwright.audio.activity import LevelMeter, energy_db, speech_gate

RATE = 16_000


def voice(seconds: float, size: float = 0.2, seed: int = 0) -> np.ndarray:
    """Noise in syllables of 200 ms."""
    n = int(seconds * RATE)
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 5 * np.arange(n) / RATE)
    return (size * syllables * np.random.default_rng(seed).normal(0, 0.5, n)).astype(np.float32)


def hush(seconds: float, size: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, int(seconds * RATE))
    return (size * noise).astype(np.float32)


def gate_of(*parts: np.ndarray) -> np.ndarray:
    return speech_gate(LevelMeter().follow(energy_db(np.concatenate(parts)))[1])


def test_energy_is_that_of_forty_milliseconds() -> None:
    sound = np.zeros(RATE, np.float32)
    sound[8_000:8_160] = 0.4
    energy = energy_db(sound)
    assert energy[50] == pytest.approx(10 * np.log10(0.4**2 / 4), abs=1e-3)
    assert np.flatnonzero(energy > -80).tolist() == [49, 50, 51, 52]


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-3])
def test_a_pause_brings_rest_within_120_ms(noise: float) -> None:
    gate = gate_of(voice(1.0), hush(0.6, noise), voice(1.0))
    assert gate[15:90].min() == 1
    assert gate[100 + 9 : 150].max() == 0
    assert gate[165:250].min() == 1


def test_a_stop_consonant_is_no_pause() -> None:
    gate = gate_of(voice(1.0), hush(0.1), voice(1.0))
    assert gate[10:190].min() == 1


def test_a_steady_noise_floor_is_silence() -> None:
    noisy = np.concatenate([hush(1.0), voice(2.0), hush(1.0), voice(1.0)]) + hush(5.0, 0.006)
    gate = speech_gate(LevelMeter().follow(energy_db(noisy))[1])
    assert gate[115 + 200 : 385].max() == 0
    assert gate[110:290].min() == 1


@pytest.mark.parametrize("size", [0.003, 0.03, 0.2])
def test_noise_alone_is_silence_after_a_second(size: float) -> None:
    gate = gate_of(hush(4.0, size))
    assert gate[115:].max() == 0


def test_pauses_in_loud_noise_are_found_once_the_noise_was_heard() -> None:
    noisy = np.concatenate([hush(2.0), voice(2.0, size=1.0), hush(1.0)]) + hush(5.0, 0.03)
    gate = gate_of(noisy)
    assert gate[210:390].mean() > 0.9
    assert gate[415:].max() == 0


def test_silence_does_not_flutter() -> None:
    gate = gate_of(voice(0.5), hush(4.0, 1e-4), voice(0.5))
    assert np.abs(np.diff(gate[65:435])).max() == 0


def test_quiet_speech_still_speaks() -> None:
    assert gate_of(voice(2.0, size=0.01)).mean() > 0.9


def test_state_carries_over_chunks() -> None:
    energy = energy_db(np.concatenate([voice(1.0), hush(0.5, 1e-3), voice(0.5)]))
    level, quiet = LevelMeter().follow(energy)
    meter = LevelMeter()
    parts = [meter.follow(energy[i : i + 33]) for i in range(0, len(energy), 33)]
    np.testing.assert_array_equal(np.concatenate([p[0] for p in parts]), level)
    np.testing.assert_array_equal(np.concatenate([p[1] for p in parts]), quiet)


def test_no_sound_no_gate() -> None:
    assert speech_gate(np.zeros(0, bool)).shape == (0,)
    assert gate_of(np.zeros(1, np.float32)).tolist() == [0]


def test_the_noise_before_the_first_word_is_no_speech() -> None:
    noise = hush(0.6, 0.006)  # -44 dB: as loud as soft speech, until louder speech was heard
    gate = gate_of(noise, voice(1.0, size=1.0))
    assert gate[:48].max() == 0
    assert gate[65:150].min() == 1


def test_a_recording_that_begins_in_the_middle_of_a_word_speaks_at_once() -> None:
    assert gate_of(voice(1.0)[1_600:])[:80].min() == 1
