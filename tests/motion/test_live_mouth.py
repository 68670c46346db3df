"""Mouths of a speech that is still coming are those of the whole speech."""

from fractions import Fraction

import numpy as np
import pytest

from lipwright.audio.features import listen
from lipwright.example import speech
from lipwright.media import read_sound
from lipwright.motion.mouth import MouthMotion
from lipwright.streaming.hearing import LOOK_AHEAD, Speech


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001), Fraction(24)])
def test_the_same_as_of_the_whole(fps):
    sound, motion = read_sound(speech, 16000), MouthMotion.open()
    whole = motion.move(listen(sound), fps, int(sound.duration * fps)).offsets
    live, number, worst = Speech(motion, 16000, 1.0), 0, 0.0
    for at in range(0, len(sound.samples), 320):
        live.hear(sound.samples[at : at + 320])
        while number < len(whole) and at + 320 >= (number / fps + LOOK_AHEAD) * 16000:
            worst = max(worst, float(np.abs(live.mouth(number / fps) - whole[number]).max()))
            number += 1
    assert number > 150
    assert worst < 1e-4
    assert np.abs(whole).max() > 0.05  # there was something to compare


def test_another_rate_is_resampled_in_step():
    fps, motion = Fraction(25), MouthMotion.open()
    whole = motion.move(listen(read_sound(speech, 16000)), fps, 170).offsets
    sound = read_sound(speech, 48000).samples
    live, number, off = Speech(motion, 48000, 1.0), 0, []
    for at in range(0, len(sound), 960):
        live.hear(sound[at : at + 960])
        while number < 170 and at + 960 >= (number / fps + LOOK_AHEAD) * 48000 + 192:
            off.append(np.abs(live.mouth(number / fps) - whole[number]).max())
            number += 1
    assert number == 170
    assert np.mean(off) < 2e-3  # two resamplings of the same sound, never the same bits
