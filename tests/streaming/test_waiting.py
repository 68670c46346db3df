"""The clock that sound is: what waits, what is put in, what is refused."""

from fractions import Fraction

import numpy as np
import pytest

from lipwright.errors import InputError, OptionError
from lipwright.streaming.waiting import Waiting

RATE, FPS = 16000, Fraction(25)


def piece(value=0.5, samples=320):
    return np.full(samples, value, np.float32)


def test_a_frame_is_ready_260_ms_behind_its_moment():
    waiting = Waiting(RATE, FPS)
    for _ in range(12):
        waiting.add(piece())
        assert waiting.frames == 0
    waiting.add(piece())
    assert waiting.frames == 1
    waiting.take()
    assert waiting.frames == 0
    waiting.add(piece())
    waiting.add(piece())
    assert waiting.frames == 1


def test_frames_share_out_all_samples_at_odd_rates():
    waiting, fps = Waiting(44100, Fraction(30000, 1001)), Fraction(30000, 1001)
    given = np.arange(44100 * 5, dtype=np.float32)
    shown = []
    for at in range(0, len(given), 441):
        waiting.add(given[at : at + 441])
        while waiting.frames:
            shown.append(waiting.take()[1])
    assert len(shown) == int((5 - Fraction(264, 1000)) * fps) + 1
    np.testing.assert_array_equal(np.concatenate(shown), given[: sum(map(len, shown))])


@pytest.mark.parametrize("fps", [Fraction(1), Fraction(7, 2), FPS])
def test_all_sound_is_heard_and_shown_at_any_frame_rate(fps):
    waiting, given = Waiting(RATE, fps), np.arange(1, 9 * RATE + 1, dtype=np.float32)
    waiting.add(given)
    heard, shown = [], []
    while waiting.frames:
        unheard, sound, moment = waiting.take()
        heard.append(unheard)
        shown.append(sound)
        assert sum(map(len, heard)) >= (moment + Fraction(26, 100)) * RATE
        assert sum(map(len, heard)) <= (moment + 2) * RATE
    for parts in (heard, shown):
        joined = np.concatenate(parts)
        np.testing.assert_array_equal(joined, given[: len(joined)])


def test_silence_stands_in_for_what_is_missing():
    waiting = Waiting(RATE, FPS)
    for _ in range(50):
        waiting.fill()
        _, sound, _ = waiting.take()
        assert not sound.any()
        assert len(sound) == 640
    assert waiting.seconds < 0.3


def test_paced_sound_that_begins_anywhere_has_no_gap():
    for late in range(3):  # pieces of 20 ms come `late` half frames after a frame was taken
        waiting = Waiting(RATE, FPS)
        shown, half = [], 0
        for half in range(200):
            if half % 2 == 0:
                waiting.fill()
                shown.append(waiting.take()[1])
            if half >= 20 + late:
                waiting.add(piece())
        heard = np.flatnonzero(np.concatenate(shown))
        assert half == 199
        assert len(heard) > 40000
        assert np.diff(heard).max() == 1


def test_what_comes_late_is_shown_after_silence():
    waiting, shown = Waiting(RATE, FPS), []
    for frame in range(100):
        waiting.fill()
        shown.append(waiting.take()[1])
        if not 40 <= frame < 45:  # 200 ms in which nothing comes
            waiting.add(piece(samples=640))
    heard = np.flatnonzero(np.concatenate(shown))
    gaps = np.diff(heard)
    assert (gaps > 1).sum() == 1
    assert 0.18 * RATE < gaps.max() < 0.24 * RATE


def test_too_much_is_refused():
    waiting = Waiting(RATE, FPS)
    waiting.add(piece(samples=10 * RATE))
    with pytest.raises(InputError, match="take frames"):
        waiting.add(piece(samples=1))
    waiting.take()
    waiting.add(piece(samples=640))


def test_interrupted_sound_fades_and_the_rest_is_gone():
    waiting = Waiting(RATE, FPS)
    waiting.add(piece(samples=RATE))
    waiting.take()
    waiting.drop()
    _, sound, moment = waiting.take()
    assert moment == 0
    assert sound[0] == 0.5
    assert np.all(np.diff(sound[:160]) <= 0)
    assert not sound[160:].any()
    waiting.fill()
    assert not waiting.take()[1].any()
    assert waiting.seconds < 0.3


def test_rates_that_nobody_has():
    with pytest.raises(OptionError, match="8000"):
        Waiting(100, FPS)
