"""The drive of the HeyGem engine: which rows of speech features each output frame is given."""

from fractions import Fraction

import numpy as np
import pytest

from lipwright.errors import MediaError, ShapeError
from lipwright.motion.window import FEATURES, PADDING, WindowDrive, WindowMotion


def numbered(rows):
    """Features whose every value is the number of their row."""
    return np.repeat(np.arange(rows, dtype=np.float32)[:, None], FEATURES, 1)


def rows_of(drive):
    return drive.part(range(len(drive)))[:, :, 0]


def test_pieces_are_joined_and_kept_outside_memory():
    whole = numbered(60)
    code = WindowMotion.open().hear([whole[:25], whole[25:26], whole[26:]])
    np.testing.assert_array_equal(code, whole)
    assert isinstance(code, np.memmap)


def test_at_25_frames_a_second_windows_move_by_one_row():
    """6 s: 169 rows, 150 windows, as in the original: int(i / 149 * 149) + 10."""
    drive = WindowMotion().drive(numbered(169), Fraction(25), 150)
    assert len(drive) == 150
    rows = rows_of(drive)
    np.testing.assert_array_equal(rows[0], np.arange(20))
    np.testing.assert_array_equal(rows[:, PADDING], np.arange(150) + PADDING)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(30), Fraction(60), Fraction(10)])
def test_windows_are_centred_on_the_frames_own_time(fps):
    drive = WindowMotion().drive(numbered(3000), fps, 200)
    seconds = (rows_of(drive)[:, PADDING] - PADDING) / 25
    wanted = np.arange(200) / float(fps)
    assert np.abs(seconds - wanted).max() <= 0.02 + 1e-6


def test_beyond_the_sound_the_last_window_stays():
    drive = WindowMotion().drive(numbered(40), Fraction(25), 100)
    rows = rows_of(drive)
    np.testing.assert_array_equal(rows[-1], np.arange(20, 40))
    np.testing.assert_array_equal(rows[20], rows[-1])
    np.testing.assert_array_equal(drive.part(range(30, 32))[:, :, 0], rows[30:32])


def test_one_frame():
    np.testing.assert_array_equal(rows_of(WindowMotion().drive(numbered(20), Fraction(25), 1))[0], np.arange(20))


def test_too_little_sound_is_refused():
    with pytest.raises(MediaError, match="gives 19 rows of speech features, 20 are needed"):
        WindowMotion().hear([numbered(19)])
    with pytest.raises(MediaError):
        WindowMotion().hear([])


def test_other_features_are_a_bug_of_the_stage_before():
    with pytest.raises(ShapeError):
        WindowMotion().hear([np.zeros((30, 80), np.float32)])
    with pytest.raises(ShapeError):
        WindowDrive(np.zeros((30, 80), np.float32), np.array([10]))
