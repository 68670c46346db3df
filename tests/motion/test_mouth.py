from fractions import Fraction

import numpy as np
import pytest

from lipwright.audio.features import listen
from lipwright.errors import OptionError
from lipwright.facespace import DRIVE
from lipwright.motion import mouth
from lipwright.motion.base import MOTIONS
from lipwright.motion.mouth import CodedDrive, MouthCode, MouthMotion, between
from lipwright.motion.style import LOWER, UPPER, WIDE_OPEN, mouth_shape
from lipwright.registry import load
from lipwright.structures import Sound, SpeechFeatures

RATE = 16_000
TOP, BOTTOM = DRIVE.index(13), DRIVE.index(14)


def babble(seconds: float, seed: int = 0) -> np.ndarray:
    """Vowels of a buzzing voice in syllables of 250 ms, formants changing."""
    at = np.arange(int(seconds * RATE)) / RATE
    buzz = sum(np.sin(2 * np.pi * 120 * k * at) / k for k in range(1, 30))
    syllables = 0.5 - 0.5 * np.cos(2 * np.pi * 4 * at)
    hiss = np.random.default_rng(seed).normal(0, 0.02, len(at))
    return (0.15 * buzz * syllables + hiss * syllables).astype(np.float32)


@pytest.fixture(scope="module")
def motion() -> MouthMotion:
    return load("motion", MOTIONS, "mouth").open()


def features(samples: np.ndarray) -> SpeechFeatures:
    return listen(Sound(samples, RATE))


def opens(offsets: np.ndarray) -> np.ndarray:
    return offsets[:, BOTTOM, 1] - offsets[:, TOP, 1]


@pytest.mark.parametrize(
    ("fps", "frames"),
    [
        (Fraction(10), 20),
        (Fraction(24000, 1001), 48),
        (Fraction(25), 1),
        (Fraction(30000, 1001), 60),
        (Fraction(120), 241),
        (Fraction(25), 0),
    ],
)
def test_one_mouth_per_frame(motion: MouthMotion, fps: Fraction, frames: int) -> None:
    drive = motion.move(features(babble(2.0)), fps, frames)
    assert (drive.offsets.shape, drive.offsets.dtype) == ((frames, 68, 3), np.float32)
    assert np.isfinite(drive.offsets).all()


def test_frames_fall_at_their_exact_times(motion: MouthMotion) -> None:
    speech = features(babble(4.0))
    fine = motion.move(speech, Fraction(3000), 12_000).offsets
    for fps in (Fraction(30000, 1001), Fraction(24)):
        at = [round(i / fps * 3000) for i in range(90)]
        np.testing.assert_allclose(motion.move(speech, fps, 90).offsets, fine[at], atol=2e-3)


def test_the_mouth_moves_with_speech_and_rests_beyond_it(motion: MouthMotion) -> None:
    offsets = motion.move(features(babble(2.0)), Fraction(25), 100).offsets
    assert opens(offsets)[5:48].max() > 0.02
    assert not offsets[53:].any()


def test_speech_longer_than_the_video(motion: MouthMotion) -> None:
    speech = features(babble(3.0))
    short, long = (motion.move(speech, Fraction(25), n).offsets for n in (10, 75))
    np.testing.assert_allclose(short, long[:10], atol=1e-6)


def test_silence_brings_rest_within_120_ms(motion: MouthMotion) -> None:
    sound = np.concatenate([babble(1.5), np.zeros(RATE, np.float32), babble(1.0)])
    offsets = motion.move(features(sound), Fraction(100), 350).offsets
    assert not offsets[150 + 12 : 240].any()
    assert opens(offsets)[260:].max() > 0.02


def test_no_sound_no_motion(motion: MouthMotion) -> None:
    for sound in (np.zeros(0, np.float32), np.zeros(RATE, np.float32)):
        assert not motion.move(features(sound), Fraction(30), 30).offsets.any()


def test_the_jaw_stops_without_a_jump() -> None:
    direction = mouth_shape()["opening_direction"]
    wanted = np.linspace(0, 1, 101)
    direction = direction / (direction[BOTTOM, 1] - direction[TOP, 1])
    got = opens(mouth.jaw_stops(wanted[:, None, None] * direction))
    np.testing.assert_allclose(got[:18], wanted[:18], atol=1e-6)
    assert np.diff(got).max() <= 0.0101
    assert got.max() < 0.34


def test_lips_never_cross(motion: MouthMotion) -> None:
    for seed in range(3):
        offsets = motion.move(features(babble(3.0, seed)), Fraction(50), 150).offsets
        assert (offsets[:, LOWER, 1] - offsets[:, UPPER, 1]).min() >= -1e-6


def test_looks_no_further_ahead_than_250_ms(motion: MouthMotion) -> None:
    sound = babble(3.0)
    changed = sound.copy()
    changed[2 * RATE :] = 0.3 * np.random.default_rng(5).normal(0, 1, RATE)
    before, after = (motion.move(features(s), Fraction(100), 300).offsets for s in (sound, changed))
    untouched = 200 - 25
    np.testing.assert_allclose(before[:untouched], after[:untouched], atol=1e-6)
    assert np.abs(before[200:] - after[200:]).max() > 1e-3


def test_long_sounds_run_in_pieces_that_leave_no_trace(motion: MouthMotion, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = features(babble(3.0))
    whole = motion.hear([speech]).coefficients
    monkeypatch.setattr(mouth, "STEPS_AT_ONCE", 7)
    np.testing.assert_allclose(motion.hear([speech]).coefficients, whole, atol=1e-5)


def test_features_in_pieces_give_the_same_bits_as_the_whole(
    motion: MouthMotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mouth, "STEPS_AT_ONCE", 20)
    speech = features(babble(3.0))
    whole = motion.hear([speech])
    for size in (1, 7, 79, 80, 81, 300):
        parts = [slice(first, first + size) for first in range(0, len(speech), size)]
        code = motion.hear(SpeechFeatures(speech.mel[p], speech.energy[p], speech.gate[p]) for p in parts)
        np.testing.assert_array_equal(code.coefficients, whole.coefficients)
        np.testing.assert_array_equal(code.gate, whole.gate)


def test_the_same_sound_gives_the_same_mouth(motion: MouthMotion) -> None:
    first, second = (motion.move(features(babble(1.0)), Fraction(25), 25) for _ in range(2))
    np.testing.assert_array_equal(first.offsets, second.offsets)


def test_between_is_exact_over_an_hour() -> None:
    values = np.arange(180_001, dtype=np.float64)[:, None]
    fps = Fraction(30000, 1001)
    last = int(3600 * fps) - 1
    assert between(values, range(last, last + 1), fps / 50)[0, 0] == np.float32(last / fps * 50)


def test_requests_that_make_no_sense_are_refused(motion: MouthMotion) -> None:
    speech = features(babble(0.5))
    with pytest.raises(OptionError):
        motion.move(speech, Fraction(0), 10)
    with pytest.raises(OptionError):
        motion.move(speech, Fraction(25), -1)
    other = SpeechFeatures(speech.mel, speech.energy, speech.gate, rate=50)
    with pytest.raises(OptionError, match="100 speech rows"):
        motion.move(other, Fraction(25), 10)


def test_parts_of_a_drive_are_the_whole(motion: MouthMotion) -> None:
    rng = np.random.default_rng(0)
    code = MouthCode(
        rng.normal(0, 1, (100, 16)).astype(np.float32), rng.uniform(0, 1, 100).astype("f4"), np.ones(200, np.float32)
    )
    drive = motion.drive(code, Fraction(30000, 1001), 90)
    whole = drive.part(range(90)).offsets
    assert len(drive) == len(whole) == 90
    assert np.abs(whole[60:]).max() == 0  # beyond the sound
    parts = [drive.part(range(first, min(first + 7, 90))).offsets for first in range(0, 90, 7)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_sure_closure_shuts_the_lips_and_a_doubtful_one_does_not() -> None:
    coefficients, opening_up = np.zeros((50, 16), np.float32), mouth_shape()["opening_direction"]
    coefficients[:] = 0.1 * mouth_shape()["basis"].reshape(16, -1) @ opening_up.ravel()
    closure = np.zeros(50, np.float32)
    closure[20:23], closure[40] = 0.9, 0.3
    code = MouthCode(coefficients, closure, np.ones(100, np.float32))
    gap = opens(CodedDrive(code, Fraction(50), 50).part(range(50)).offsets)
    assert gap[[10, 19, 40, 45]].min() > 0.05
    assert gap[20:24].max() < 0.02  # one more: frames may fall beside a short closure


def test_intensity_scales_what_is_said_and_rests_at_0(motion: MouthMotion) -> None:
    code, fps = motion.hear([features(babble(2.0))]), Fraction(25)
    half, whole = (motion.drive(code, fps, 50, i).part(range(50)).offsets for i in (0.5, 1.0))
    assert not motion.drive(code, fps, 50, 0.0).part(range(50)).offsets.any()
    np.testing.assert_array_equal(whole, motion.drive(code, fps, 50).part(range(50)).offsets)
    small = opens(whole) < WIDE_OPEN
    assert small.sum() > 20
    np.testing.assert_allclose(opens(half)[small], opens(whole)[small] / 2, atol=2e-3)


def test_at_full_intensity_the_jaw_stops_and_closed_lips_stay_closed(motion: MouthMotion) -> None:
    basis = mouth_shape()["basis"]
    effect = basis[:, BOTTOM, 1] - basis[:, TOP, 1]
    opener = effect / (effect @ effect)  # coefficients that open the mouth by 1
    wide, pressed = (np.tile(by * opener, (50, 1)).astype(np.float32) for by in (0.25, -0.05))
    open_lips, gate = np.zeros(50, np.float32), np.ones(100, np.float32)
    yawn, seal = (
        motion.drive(MouthCode(code, open_lips, gate), Fraction(25), 20, 2.0).part(range(20)).offsets
        for code in (wide, pressed)
    )
    assert WIDE_OPEN < opens(yawn).max() < 0.3  # asked for: 0.5
    assert np.abs(opens(seal)).max() < 1e-6
    assert (seal[:, LOWER, 1] - seal[:, UPPER, 1]).min() >= -1e-6
