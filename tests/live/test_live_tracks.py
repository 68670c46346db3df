"""What is sent to a page, without a page."""

from fractions import Fraction

import numpy as np
import pytest

pytest.importorskip("aiortc", reason="needs the extra live")

from lipwright.live.tracks import PACKET, Packets, Pictures, mono_of, to_send


def test_sound_is_cut_into_packets_and_none_of_it_is_lost():
    sound = np.linspace(-1, 1, 48000, dtype=np.float32)
    packets, cutter = [], Packets()
    for at in range(0, len(sound), 1601):
        packets += cutter.cut(sound[at : at + 1601])
    joined = np.concatenate([mono_of(packet) for packet in packets])
    assert [packet.pts for packet in packets] == list(range(0, 48000, PACKET))
    np.testing.assert_allclose(joined / 32767, sound, atol=1e-4)


def test_pictures_are_of_even_size_and_not_too_large():
    small = to_send(np.zeros((301, 411, 3), np.uint8), Fraction(1, 25))
    assert (small.width, small.height, small.pts) == (410, 300, 3600)
    large = to_send(np.zeros((2160, 3840, 3), np.uint8), Fraction(0))
    assert (large.width, large.height) == (1280, 720)


def test_a_slow_connection_leaves_the_oldest_out():
    track = Pictures()
    for number in range(10):
        track.put(number)
    assert track._held.get_nowait() == 7
