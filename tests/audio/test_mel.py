import numpy as np
import pytest

from lipwright.audio.mel import BANDS, FLOOR_DB, filters, log_mel
from lipwright.errors import OptionError

RATE = 16_000


def tone(hertz: float, seconds: float = 0.5, size: float = 0.5) -> np.ndarray:
    return (size * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)).astype("f4")


def band_of(hertz: float) -> float:
    """Where a frequency lies among the bands, from the definition of the mel scale."""
    low, high, mel = (2595 * np.log10(1 + f / 700) for f in (60.0, 7_800.0, hertz))
    return float((mel - low) / (high - low) * (BANDS + 1) - 1)


@pytest.mark.parametrize("hertz", [250.0, 440.0, 1000.0, 2500.0, 5000.0])
def test_a_pure_tone_lands_in_its_band(hertz: float) -> None:
    loudest = log_mel(tone(hertz))[10:40].mean(0).argmax()
    assert abs(loudest - band_of(hertz)) <= 1


def test_levels_are_decibels() -> None:
    loud, soft = (log_mel(tone(1000, size=size))[20].max() for size in (0.5, 0.05))
    assert loud - soft == pytest.approx(20, abs=0.01)


@pytest.mark.parametrize(("samples", "rows"), [(0, 0), (1, 1), (160, 1), (161, 2), (16_000, 100)])
def test_rows_run_while_their_centre_lies_in_the_sound(samples: int, rows: int) -> None:
    mel = log_mel(np.zeros(samples, np.float32))
    assert (mel.shape, mel.dtype) == ((rows, BANDS), np.float32)
    assert (mel < FLOOR_DB + 0.01).all()


def test_a_row_is_centred_at_its_time() -> None:
    click = np.zeros(RATE, np.float32)
    click[50 * 160] = 1
    energy = log_mel(click).max(1)
    assert energy.argmax() == 50
    assert energy[49] == pytest.approx(energy[51], abs=0.1)
    assert energy[:48].max(initial=FLOOR_DB) < FLOOR_DB + 0.01
    assert energy[53:].max(initial=FLOOR_DB) < FLOOR_DB + 0.01


def test_long_sounds_are_cut_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    whole = log_mel(sound)
    monkeypatch.setattr("lipwright.audio.mel._ROWS_AT_ONCE", 7)
    np.testing.assert_allclose(log_mel(sound), whole, atol=1e-4)


def test_another_rate_is_refused_in_one_sentence() -> None:
    with pytest.raises(OptionError, match="16000 samples per second, got 44100"):
        log_mel(np.zeros(100, np.float32), 44_100)


def test_every_band_hears_something() -> None:
    assert (filters().sum(1) > 0.9).all()
