"""What is decided along time, before any pixel is drawn."""

from dataclasses import replace

import numpy as np
import pytest

from lipwright.avatar.avatar import Avatar
from lipwright.errors import BackendError, NoFaceError
from lipwright.facespace import DRIVE
from lipwright.media import Picture
from lipwright.pipeline import staging
from lipwright.pipeline.plan import FramePlan
from lipwright.pipeline.staging import MouthStaging
from lipwright.render.base import RenderSpec
from lipwright.render.warp import WarpRenderer
from lipwright.structures import FaceTrack, MouthDrive


def person_of(avatar, track, trust=1.0):
    """The avatar with another track, trusted where it shows the face."""
    return Avatar(
        "x",
        "largest",
        track,
        avatar.bank,
        (trust * track.present).astype(np.float32),
        np.zeros((len(track), 2), np.float32),
    )


@pytest.fixture
def starts(monkeypatch, avatar):
    """The starts that the choice of views is given for an output of these source frames; one list per layer."""

    def of(source, *, cuts=(), absent=(), under=None):
        seen = []

        def choose(bank, wanted, after):
            seen.append(np.flatnonzero(wanted.starts).tolist())
            return np.zeros(len(wanted), np.int32)

        monkeypatch.setattr(staging, "choose_views", choose)
        count = max(source) + 1
        points = np.repeat(avatar.track.points, count, axis=0)
        points[list(absent)] = np.nan
        flags = np.zeros(count, bool)
        flags[[0, *cuts]] = True
        person = person_of(avatar, FaceTrack(points, flags))
        source = np.array(source, np.int32)
        lower = np.full(len(source), -1, np.int32) if under is None else np.array(under, np.int32)
        drive = MouthDrive(np.zeros((len(source), 68, 3), np.float32))
        MouthStaging(person, drive, FramePlan(source, lower, np.ones(len(source), np.float32)), "warp")
        return seen

    return of


def test_forward_backward_and_standing_still_are_smooth(starts):
    assert starts([0, 1, 2, 3, 2, 1, 0, 1]) == [[0]]
    assert starts([0, 0, 0]) == [[0]]
    assert starts([0, 0, 1, 1, 2, 2]) == [[0]]  # slowed down


@pytest.mark.parametrize("stride", [2, 3, 5])
def test_footage_sped_up_is_smooth(starts, stride):
    assert starts(list(range(0, 40, stride))) == [[0]]
    assert starts([n * (2 * stride + 1) // 2 for n in range(20)]) == [[0]]  # strides of two sizes in turn


def test_a_jump_is_free(starts):
    assert starts([0, 1, 2, 9, 10, 11, 0, 1]) == [[0, 3, 6]]


def test_a_cut_is_free_whichever_way_it_is_crossed(starts):
    assert starts([0, 1, 2, 3, 4, 3, 2, 1], cuts=[3]) == [[0, 3, 6]]
    assert starts([0, 2, 4, 6, 8], cuts=[5]) == [[0, 3]]  # also when its first frame is not shown


def test_a_gap_is_free(starts):
    shown = [0, 1, 4, 5]  # frames 2 and 3 show no face; output 4 is the third drawn one
    assert starts([0, 1, 2, 3, 4, 5], absent=[2, 3]) == [[0, shown.index(4)]]


def test_each_dissolve_of_a_loop_starts_anew(starts):
    source = [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    under = [-1, -1, -1, -1, 4, 5, -1, -1, 4, 5]
    assert starts([*source, 5], under=[*under, -1])[1] == [0, 2]


def test_frames_without_a_face_are_not_drawn(avatar, portrait):
    points = np.concatenate([avatar.track.points, np.full_like(avatar.track.points, np.nan)])
    person = person_of(avatar, FaceTrack(points, np.array([True, False])))
    plan = FramePlan(np.array([1, 0], np.int32), np.array([-1, 1], np.int32), np.ones(2, np.float32))
    stage = MouthStaging(person, MouthDrive(np.zeros((2, 68, 3), np.float32)), plan, "warp")
    assert stage.draw(Picture(portrait), 0, under=False) is None
    assert stage.draw(Picture(portrait), 1, under=False) is not None
    assert stage.draw(Picture(portrait), 0, under=True) is None
    assert stage.draw(Picture(portrait), 1, under=True) is None


def test_trust_relaxes_the_target_towards_the_frames_own_mouth(avatar):
    plan = FramePlan(np.zeros(1, np.int32), np.full(1, -1, np.int32), np.ones(1, np.float32))
    drive = MouthDrive(np.random.default_rng(0).normal(0, 0.02, (1, 68, 3)).astype(np.float32))

    def target(trust):
        return MouthStaging(person_of(avatar, avatar.track, trust), drive, plan, "warp").aim(0, under=False).target

    own = avatar.track.points[0, DRIVE, :2]
    full, half, little = (target(trust) - own for trust in (1.0, 0.5, 0.1))
    assert np.abs(full).max() > 1
    np.testing.assert_allclose(half, full * 0.5, atol=0.02)
    np.testing.assert_allclose(little, full * 0.1, atol=0.02)


def test_footage_that_is_trusted_nowhere_is_refused(avatar):
    plan = FramePlan(np.zeros(1, np.int32), np.full(1, -1, np.int32), np.ones(1, np.float32))
    drive = MouthDrive(np.zeros((1, 68, 3), np.float32))
    with pytest.raises(NoFaceError, match="too small"):
        MouthStaging(person_of(avatar, avatar.track, 0.0), drive, plan, "warp")


def test_frames_that_are_not_trusted_are_not_drawn(avatar, portrait):
    track = FaceTrack(np.repeat(avatar.track.points, 2, axis=0), np.array([True, False]))
    person = replace(person_of(avatar, track), trust=np.array([1, 0], np.float32))
    plan = FramePlan(np.arange(2, dtype=np.int32), np.full(2, -1, np.int32), np.ones(2, np.float32))
    stage = MouthStaging(person, MouthDrive(np.zeros((2, 68, 3), np.float32)), plan, "warp")
    assert stage.draw(Picture(portrait), 0, under=False) is not None
    assert stage.draw(Picture(portrait), 1, under=False) is None


def test_hours_are_staged_in_windows(avatar, monkeypatch):
    count = 60
    drive = MouthDrive(np.random.default_rng(0).normal(0, 0.02, (count, 68, 3)).astype(np.float32))
    plan = FramePlan(np.zeros(count, np.int32), np.full(count, -1, np.int32), np.ones(count, np.float32))

    def staged():
        stage = MouthStaging(avatar, drive, plan, "warp")
        return np.stack([stage.aim(n, under=False).target for n in (*range(count), 3)])

    whole = staged()
    asked = []
    monkeypatch.setattr(staging, "AT_ONCE", 20)
    monkeypatch.setattr(staging, "AHEAD", 5)
    monkeypatch.setattr(staging, "BATCH", 7)
    real = staging.choose_views
    monkeypatch.setattr(staging, "choose_views", lambda *a: asked.append((len(a[1]), a[2])) or real(*a))
    np.testing.assert_array_equal(staged(), whole)
    assert asked == [(25, -1), (25, 0), (20, 0)]
    np.testing.assert_array_equal(whole[3], whole[-1])


def test_the_same_output_is_drawn_the_same_in_any_order(avatar, portrait):
    random = np.random.default_rng(0)
    drive = MouthDrive(random.normal(0, 0.01, (5, 68, 3)).astype(np.float32))
    still = np.zeros(5, np.int32)
    plan = FramePlan(still, still - 1, np.ones(5, np.float32))
    stages = [MouthStaging(avatar, drive, plan, "warp") for _ in range(2)]
    forward = [stages[0].draw(Picture(portrait), n, under=False) for n in range(5)]
    backward = [stages[1].draw(Picture(portrait), n, under=False) for n in range(4, -1, -1)][::-1]
    for a, b in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.mask, b.mask)


def test_a_renderer_that_needs_another_drive_is_refused(avatar, monkeypatch):
    class Windowed(WarpRenderer):
        needs = RenderSpec(drive="window", crop="rectangle")

    monkeypatch.setattr("lipwright.pipeline.staging.load_renderer", lambda _: Windowed)
    plan = FramePlan(np.zeros(1, np.int32), np.full(1, -1, np.int32), np.ones(1, np.float32))
    with pytest.raises(BackendError, match="window"):
        MouthStaging(avatar, MouthDrive(np.zeros((1, 68, 3), np.float32)), plan, "warp")
