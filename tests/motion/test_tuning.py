import numpy as np
import pytest
from test_style import closed_mouth

from lipwright.facespace import opening, width
from lipwright.motion.style import answered, coefficients_of, lips_apart, mouth_shape, speaker_style
from lipwright.motion.tuning import Spoken, fit_style, lateness
from lipwright.structures import MouthDrive

FPS = 25


def babble(seconds: float, seed: int = 0, rate: int = FPS) -> np.ndarray:
    """Displacements of smooth, random coefficients, as large as the model's. (F, 68, 3)."""
    basis = mouth_shape()["basis"]
    random = np.random.default_rng(seed)
    at = np.arange(int(seconds * rate)) / rate
    waves = sum(
        random.normal(0, 1, len(basis))
        * np.sin(2 * np.pi * random.uniform(0.5, 4) * at + random.uniform(0, 6))[:, None]
        for _ in range(12)
    )
    sizes = 0.08 / (1 + np.arange(len(basis)))
    return lips_apart(np.tensordot(waves * sizes, basis, 1))


def rest() -> np.ndarray:
    """A closed mouth, (68, 3)."""
    return closed_mouth()


def lively(seconds: float, by: float, seed: int = 0, noise: float = 0.004) -> Spoken:
    """A person who moves so many times as far as the model, measured with noise."""
    made = babble(seconds, seed)
    grain = np.random.default_rng(seed + 100).normal(0, noise, made.shape)
    return Spoken((rest() + by * made + grain).astype(np.float32), made, FPS)


def test_the_range_of_a_person_is_found() -> None:
    for by in (0.75, 1.3):
        spoken = lively(30, by)
        fitted = fit_style(spoken)
        assert fitted.helps
        assert (fitted.opens, fitted.widens) == pytest.approx((by, by), abs=0.1)
        shown = fitted.style.mouths(MouthDrive(spoken.made))
        for measure in (opening, width):
            assert measure(shown).std() / measure(rest() + spoken.made).std() == pytest.approx(by, abs=0.1)
        assert fitted.after < fitted.before


def test_what_was_fitted_holds_for_words_not_heard() -> None:
    fitted, other = fit_style(lively(30, 1.3)), lively(10, 1.3, seed=7)
    plain = speaker_style(lively(30, 1.3).real)
    errors = [np.abs(style.mouths(MouthDrive(other.made)) - other.real).mean() for style in (plain, fitted.style)]
    assert errors[1] < errors[0]


def test_little_speech_moves_the_range_less() -> None:
    short, long = (fit_style(lively(seconds, 1.35)).opens for seconds in (4, 40))
    assert 1.0 < short < long


def test_closed_lips_stay_closed_and_nothing_comes_earlier_or_later() -> None:
    spoken = lively(30, 1.3)
    style = fit_style(spoken).style
    seal = np.zeros((1, 68, 3), np.float32)
    assert opening(style.mouths(MouthDrive(seal)))[0] <= 0.006
    first, second = opening(spoken.made), opening(style.mouths(MouthDrive(spoken.made)))
    assert np.corrcoef(first, second)[0, 1] > 0.999


def test_the_answer_of_the_identity_is_the_question() -> None:
    made = babble(2)
    np.testing.assert_allclose(answered(made, np.eye(len(mouth_shape()["basis"]))), made, atol=1e-3)


def test_a_response_leaves_what_the_basis_does_not_hold() -> None:
    made = np.full((2, 68, 3), 0.01, np.float32)
    size = len(mouth_shape()["basis"])
    changed = answered(made, 1.5 * np.eye(size)) - made
    inside = np.tensordot(coefficients_of(changed), mouth_shape()["basis"], 1)
    assert np.abs(changed - inside).max() < 0.01


@pytest.mark.parametrize("late", [-0.16, 0.0, 0.1])
def test_a_late_sound_is_noticed(late: float) -> None:
    made = babble(12, rate=100)
    shown = np.arange(10 * FPS) / FPS + 1
    real = rest() + made[np.round((shown) * 100).astype(int)]
    assert lateness(made[round((1 - late) * 100) :], real.astype(np.float32), FPS) == pytest.approx(late, abs=0.021)


def test_another_sound_is_not_taken() -> None:
    real = (rest() + babble(10, seed=5)).astype(np.float32)
    assert lateness(babble(10, seed=6, rate=100), real, FPS) is None


def test_frames_without_a_face_take_no_part() -> None:
    made = babble(10, rate=100)
    real = (rest() + made[::4]).astype(np.float32)
    real[30:60] = np.nan
    assert lateness(made, real, FPS) == 0.0
