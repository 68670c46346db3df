from fractions import Fraction
from math import ceil

import numpy as np
import pytest

from lipwright.pipeline.plan import DISSOLVE_SECONDS, LENGTHS, plan_frames

FOOTAGE = (1, 2, 3, 10, 100)
RATES = (Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1), Fraction(120))
SOUNDS = (Fraction(1, 16000), Fraction(2, 5), Fraction(10, 25), Fraction(4), Fraction(160001, 16000), Fraction(61))
CASES = [(f, s, r) for f in FOOTAGE for s in SOUNDS for r in RATES]


@pytest.mark.parametrize("length", LENGTHS)
def test_counts_are_exact_and_frames_exist(length):
    for footage, sound, fps in CASES:
        plan = plan_frames(length, footage, sound, fps)
        spoken = ceil(sound * fps)
        count = {"cut_off": min(spoken, footage) if footage > 1 else spoken, "silence": max(spoken, footage)}
        assert len(plan) == len(plan.source) == len(plan.under) == len(plan.weight) == count.get(length, spoken)
        assert plan.source.dtype == plan.under.dtype == np.int32
        assert plan.source.min() >= 0
        assert plan.source.max() < footage
        assert plan.under.min() >= -1
        assert plan.under.max() < footage
        assert plan.weight.dtype == np.float32
        assert (plan.weight > 0).all()
        assert (plan.weight <= 1).all()
        np.testing.assert_array_equal(plan.weight == 1, plan.under < 0)
        assert length == "loop" or (plan.under < 0).all()


def test_ntsc_rates_do_not_drift():
    """Ten minutes at 29.97: 17983 frames, not the 18000 of 30 or the 17400 of int(29.97)."""
    assert len(plan_frames("bounce", 100, Fraction(600), Fraction(30000, 1001))) == 17983
    for count in range(1, 400):  # a sound that ends exactly with a frame has no frame more
        exact = Fraction(1001, 30000) * count
        assert len(plan_frames("bounce", 100, exact, Fraction(30000, 1001))) == count
        assert len(plan_frames("bounce", 100, exact + Fraction(1, 48000), Fraction(30000, 1001))) == count + 1


@pytest.mark.parametrize("length", ["bounce", "silence"])
@pytest.mark.parametrize("footage", [2, 3, 10, 100])
def test_bounce_turns_without_doubling(length, footage):
    source = plan_frames(length, footage, Fraction(30), Fraction(25)).source
    np.testing.assert_array_equal(source[:footage], np.arange(footage))
    assert (np.abs(np.diff(source)) == 1).all()
    turns = np.flatnonzero(source == footage - 1)
    assert (np.diff(turns) == 2 * footage - 2).all()


@pytest.mark.parametrize("length", ["bounce", "cut_off", "silence", "loop", "remap"])
def test_a_photo_serves_any_length(length):
    plan = plan_frames(length, 1, Fraction(2), Fraction(25))
    assert len(plan) == 50
    assert not plan.source.any()
    assert (plan.under == -1).all()


@pytest.mark.parametrize("footage", [2, 3, 4, 10, 100])
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(60)])
def test_loop_jumps_only_under_a_dissolve(footage, fps):
    plan = plan_frames("loop", footage, Fraction(30), fps)
    dissolve = min(ceil(DISSOLVE_SECONDS * fps), footage // 3)
    jumps = np.flatnonzero(np.diff(plan.source) != 1) + 1
    assert (plan.source[jumps] == 0).all()
    if not dissolve:  # footage too short for one
        assert (plan.under == -1).all()
        return
    for jump in jumps[:-1]:
        mixed = slice(jump, jump + dissolve)
        # The old round goes on to its end beneath while the new one comes in, evenly.
        np.testing.assert_array_equal(plan.under[mixed], np.arange(footage - dissolve, footage))
        assert plan.under[jump] == plan.source[jump - 1] + 1
        steps = np.diff(np.concatenate([[0], plan.weight[mixed], [1]]))
        np.testing.assert_allclose(steps, 1 / (dissolve + 1), atol=1e-6)
        assert plan.under[jump + dissolve] == -1
    assert (plan.under[: jumps[0]] == -1).all()


def test_loop_of_longer_footage_needs_no_dissolve():
    plan = plan_frames("loop", 100, Fraction(2), Fraction(25))
    np.testing.assert_array_equal(plan.source, np.arange(50))
    assert (plan.under == -1).all()


@pytest.mark.parametrize("footage", [2, 3, 10, 100])
@pytest.mark.parametrize("count", [2, 5, 10, 50, 99, 100, 101, 200, 1000])
def test_remap_runs_once_through_all_of_it(footage, count):
    source = plan_frames("remap", footage, Fraction(count, 25), Fraction(25)).source
    assert len(source) == count
    steps = np.diff(source)
    assert (steps >= 0).all()
    assert steps.max() - steps.min() <= 1  # evenly
    if footage < 2 * count:
        assert (source[0], source[-1]) == (0, footage - 1)
    if footage <= count:
        assert (np.bincount(source) >= count // footage).all()  # every frame is seen, none much longer than others
        assert (np.bincount(source) <= ceil(count / footage)).all()
    if footage == count:
        np.testing.assert_array_equal(source, np.arange(footage))


def test_cut_off_and_silence_follow_the_shorter_and_the_longer():
    assert len(plan_frames("cut_off", 100, Fraction(2), Fraction(25))) == 50
    assert len(plan_frames("cut_off", 10, Fraction(2), Fraction(25))) == 10
    assert len(plan_frames("silence", 100, Fraction(2), Fraction(25))) == 100
    assert len(plan_frames("silence", 10, Fraction(2), Fraction(25))) == 50
