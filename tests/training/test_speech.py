"""Synthetic speech with phone times; skipped where eSpeak NG is not installed."""

import ctypes

import numpy as np
import pytest

from lipwright.training import speech

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def said() -> list[speech.Utterance]:
    try:
        ctypes.CDLL(speech.LIBRARY)
    except OSError:
        pytest.skip("eSpeak NG is not installed")
    return list(speech.utterances(2, seed=0))


def test_phones_run_through_the_sound(said: list[speech.Utterance]) -> None:
    for utterance in said:
        assert utterance.samples.dtype == np.float32
        ends = [end for _, _, end in utterance.phones]
        starts = [start for _, start, _ in utterance.phones]
        assert starts[1:] == ends[:-1]
        assert ends[-1] == pytest.approx(len(utterance.samples) / 16_000)
        assert np.abs(utterance.samples).max() > 0.05


def test_classes_follow_the_phones() -> None:
    utterance = speech.Utterance(np.zeros(16_000, np.float32), [("m", 0.1, 0.2), ("aI", 0.2, 0.4), ("_", 0.4, 1.0)])
    classes = utterance.classes(100)
    assert classes.shape == (100,)
    assert set(classes[10:20]) == {speech.BILABIAL}
    assert set(classes[20:30]) == {speech.class_of("a")}
    assert set(classes[30:40]) == {speech.class_of("I")}
    assert set(classes[40:]) == {speech.SILENT}


def test_phones_that_look_alike_share_a_class() -> None:
    assert speech.class_of("p") == speech.class_of("m") == speech.BILABIAL
    assert speech.class_of("?") == speech.class_of("") == speech.OTHER


def test_a_missing_engine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from lipwright.errors import BackendError

    monkeypatch.setattr(speech, "LIBRARY", "libnothere.so.9")
    with pytest.raises(BackendError, match="apt-get install espeak-ng"):
        speech.Synthesiser()
