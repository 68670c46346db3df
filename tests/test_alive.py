"""A photo's small head motion and blinks: `lipwright.alive`, and `--still`."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lipwright import DubOptions, dub_frames
from lipwright.alive import footage as footage_module
from lipwright.alive.eyes import CORNERS, UPPER, find_eyes
from lipwright.alive.fill import fill
from lipwright.alive.footage import AliveFootage
from lipwright.alive.head import STILL, Head
from lipwright.alive.person import background, person
from lipwright.alive.sway import BLINKS, MOST, SECONDS, sway
from lipwright.example import portrait as portrait_file
from lipwright.face.base import open_tracker
from lipwright.face.track import PersonFollower
from lipwright.facespace import STABLE, eye_distance, fit_pose
from lipwright.media import open_clip
from lipwright.pipeline.job import Job

FPS = Fraction(25)
WHOLE = SECONDS * 25
OPEN_EYE = (159, 145)  # the middle of a lid and of the one under it


@pytest.fixture(scope="module")
def alive(portrait, avatar):
    """A whole period."""
    return AliveFootage(portrait, avatar, FPS, WHOLE)


@pytest.fixture(scope="module")
def closed():
    """A frame on which the eyes are closed."""
    return int(np.flatnonzero(sway(FPS).lids == 1)[0])


def one(alive, number):
    return next(alive.play([number]))


def outline(mesh, reach, size):
    """(H, W) bool: further than `reach` pixels from the face's bounding box, hair and all."""
    low, high = mesh[:, :2].min(0) - reach, mesh[:, :2].max(0) + reach
    y, x = np.ogrid[: size[0], : size[1]]
    return (x < low[0]) | (x > high[0]) | (y < low[1]) | (y > high[1])


# The curves


@pytest.mark.parametrize("fps", [Fraction(12), Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_motion_stays_small_and_slow_and_has_no_seam(fps):
    poses = sway(fps).poses
    assert len(poses) == round(SECONDS * fps)
    np.testing.assert_allclose(np.abs(poses).max(0), MOST, rtol=1e-5)
    assert MOST[:3].max() < np.radians(2.1)
    spectrum = np.abs(np.fft.rfft(poses[:, 0]))
    assert spectrum[6:61].sum() > 0.999 * spectrum.sum()  # 0.1 to 1 Hz, whole swings: it runs on into itself
    around = np.abs(np.diff(np.concatenate([poses, poses[:1]]), axis=0)).max(0)
    assert np.all(around * float(fps) < 2 * np.pi * MOST)  # nowhere faster than a full swing a second


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(24000, 1001), Fraction(25), Fraction(60)])
def test_blinks_come_every_two_to_six_seconds_and_close_the_eyes(fps):
    lids = sway(fps).lids
    assert lids[0] == 0
    assert lids.min() == 0
    starts = np.flatnonzero((lids > 0) & (np.roll(lids, 1) == 0))
    peaks = [lids[a : a + round(fps)].max() for a in starts]
    assert peaks == [1.0] * len(starts)
    gaps = np.diff(np.append(starts, starts[0] + len(lids))) / float(fps)
    singles = gaps[gaps > 1]
    assert len(BLINKS) - 1 <= len(singles) <= len(BLINKS)
    assert singles.min() > 1.4  # less a double blink
    assert singles.max() < 6.3
    assert 0 < (lids > 0).mean() < 0.15


def test_the_motion_does_not_depend_on_the_run():
    first, second = sway(FPS), sway(FPS)
    np.testing.assert_array_equal(first.poses, second.poses)
    np.testing.assert_array_equal(first.lids, second.lids)


# The picture


def test_the_background_stands_still(alive, portrait, mesh, avatar):
    unit = 1 / float(avatar.pose.scale[0])
    far = outline(mesh, (STILL + 0.7) * unit, portrait.shape)
    matte = cv2.dilate(person(portrait, mesh, unit), np.ones((15, 15), np.uint8))  # 0.13 eye distances
    behind = matte == 0
    assert far.mean() > 0.5
    assert (behind & ~far).sum() > 5000  # beside the head, not only far away
    head = np.zeros(portrait.shape[:2], bool)
    for frame in alive.play(range(7, WHOLE, 101)):
        changed = (frame != portrait).any(2)
        assert not changed[far].any()
        assert not changed[behind].any()
        head |= changed
    assert head.sum() > 0.05 * head.size


def test_a_frame_is_a_pure_function_of_its_number(alive, portrait, avatar, closed):
    order = [closed, 3, 700, 3, closed]
    frames = list(alive.play(order))
    np.testing.assert_array_equal(frames[0], frames[4])
    np.testing.assert_array_equal(frames[1], frames[3])
    assert (frames[0] != frames[2]).any()
    frames[0][:] = 0  # the caller's own
    np.testing.assert_array_equal(one(alive, closed), frames[4])
    short = AliveFootage(portrait, avatar, FPS, closed + 1)
    assert short.frames == closed + 1
    np.testing.assert_array_equal(one(short, closed), frames[4])
    np.testing.assert_array_equal(short.avatar.track.points, alive.avatar.track.points[: closed + 1])


def test_the_end_runs_into_the_beginning(alive):
    points = alive.avatar.track.points
    steps = np.linalg.norm(np.diff(points[:, 4], axis=0), axis=1)
    assert np.linalg.norm(points[0, 4] - points[-1, 4]) < steps.max()
    assert alive.frames == WHOLE


def test_the_mesh_is_in_step_with_the_picture(alive, portrait, mesh):
    numbers = [n for n in range(40, WHOLE, 130) if alive.lids[n] == 0]
    with open_tracker("facemesh") as tracker:
        follower = PersonFollower(tracker, "largest")
        rest = follower.follow(portrait, cut=True)
        errors, moves = [], []
        for number, frame in zip(numbers, alive.play(numbers), strict=True):
            seen = follower.follow(frame, cut=True) - rest
            told = alive.avatar.track.points[number] - mesh
            errors.append(np.linalg.norm((seen - told)[:, :2], axis=1).mean())
            moves.append(np.linalg.norm(told[:, :2], axis=1).mean())
    assert np.mean(moves) > 0.5
    assert np.mean(errors) < 0.35 * np.mean(moves)
    assert np.mean(errors) < 0.005 * eye_distance(mesh)


def test_the_picture_goes_where_the_mesh_goes(portrait, mesh, avatar):
    head = Head(mesh, avatar.pose, portrait.shape[:2])
    x0, y0, _, _ = head.box
    for pose in (MOST, -MOST, MOST * (1, -1, 1, -1, 1)):
        moved = head.move(mesh[None], pose[None])[0]
        places = (moved[:468, None, :2] - (x0, y0)).astype(np.float32)
        came = cv2.remap(head.sources(pose), places, None, cv2.INTER_LINEAR)[:, 0]
        errors = np.linalg.norm(came - mesh[:468, :2], axis=1)
        assert errors.mean() < 0.0025 * head.unit
        assert np.percentile(errors, 95) < 0.01 * head.unit  # where the cheeks turn away, one pixel has many depths


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_the_head_turns_about_its_own_axes(tilt, portrait, mesh):
    cos, sin = np.cos(tilt), np.sin(tilt)
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    tilted = ((mesh - mesh.mean(0)) @ roll.T + mesh.mean(0)).astype(np.float32)
    pose = fit_pose(tilted[None, STABLE])
    head = Head(tilted, pose, portrait.shape[:2])
    for number, axis in enumerate((1, 0, 2)):  # yaw about the axis that points down, pitch about the one to the right
        angles = np.zeros(5)
        angles[number] = MOST[number]
        turned = fit_pose(head.move(tilted[None], angles[None])[:, STABLE]).rotation[0] @ pose.rotation[0].T
        vector = np.array((turned[2, 1] - turned[1, 2], turned[0, 2] - turned[2, 0], turned[1, 0] - turned[0, 1])) / 2
        assert vector[axis] == pytest.approx(-np.sin(MOST[number]), rel=0.01)
        assert np.abs(np.delete(vector, axis)).max() < 1e-4


def test_the_mouth_stays_the_same_mouth(alive, avatar):
    assert np.abs(alive.avatar.mouths - avatar.mouths).max() < 1e-5
    assert alive.avatar.bank is avatar.bank
    assert len(alive.avatar.track) == WHOLE
    np.testing.assert_array_equal(np.flatnonzero(alive.avatar.track.cuts), [0])


def test_a_blink_closes_the_tracked_eye(alive, closed, mesh):
    def opened(points):
        return np.linalg.norm(points[OPEN_EYE[0], :2] - points[OPEN_EYE[1], :2]) / eye_distance(points)

    with open_tracker("facemesh") as tracker:
        follower = PersonFollower(tracker, "largest")
        before, during = (follower.follow(one(alive, number), cut=True) for number in (closed - 6, closed))
    assert opened(during) < 0.6 * opened(before)
    assert opened(alive.avatar.track.points[closed]) < 0.35 * opened(mesh)


# The parts


def test_only_lids_move_in_a_blink(portrait, mesh):
    eyes = find_eyes(portrait, mesh, 0.0, 60.0)
    assert [set(eye.points) for eye in eyes] == [set(lid) for lid in UPPER]
    drawn = portrait.copy()
    for eye in eyes:
        eye.close(drawn, 1.0)
    changed = np.argwhere((drawn != portrait).any(2))[:, ::-1]
    for x, y in changed:
        assert any(e.box[0] <= x < e.box[2] and e.box[1] <= y < e.box[3] for e in eyes)
    for eye, brow in zip(eyes, mesh[[105, 334], 1], strict=True):
        mine = changed[(eye.box[0] <= changed[:, 0]) & (changed[:, 0] < eye.box[2])]
        assert mine[:, 1].min() > brow  # brows, and the upper rims of glasses, stay as they are
    same = portrait.copy()
    for eye in eyes:
        eye.close(same, 0.0)
    np.testing.assert_array_equal(same, portrait)


@pytest.mark.parametrize("case", ["turned away", "tiny", "closed"])
def test_eyes_that_cannot_blink_do_not(case, portrait, mesh):
    yaw, points, picture = 0.0, mesh.copy(), portrait
    if case == "turned away":
        yaw = np.radians(50)
    if case == "tiny":
        width = np.linalg.norm(mesh[CORNERS[0][0], :2] - mesh[CORNERS[0][1], :2])
        points *= 5 / width
        picture = cv2.resize(portrait, None, fx=5 / width, fy=5 / width)
    if case == "closed":
        for eye in find_eyes(portrait, mesh, 0.0, 60.0):
            for point, way in eye.points.items():
                points[point, :2] += way * eye.down
    assert find_eyes(picture, points, yaw, 60.0) == []


def test_an_eye_outside_the_photo_does_not_blink(portrait, mesh):
    middle = int(mesh[list(CORNERS[0]), 0].mean())
    cut, points = np.ascontiguousarray(portrait[:, middle:]), mesh - np.array((middle, 0, 0), np.float32)
    (eye,) = find_eyes(cut, points, 0.0, 60.0)
    assert set(eye.points) == set(UPPER[1])
    far = mesh - np.array((0, 400, 0), np.float32)
    assert find_eyes(portrait, far, 0.0, 60.0) == []


def test_nobody_to_be_seen_still_leaves_the_far_background_alone(portrait, avatar, mesh, monkeypatch):
    unit = 1 / float(avatar.pose.scale[0])
    assert person(np.full_like(portrait, 128), mesh, unit) is None
    monkeypatch.setattr(footage_module, "person", lambda *_: None)
    drawing = AliveFootage(portrait, avatar, FPS, 100)
    far = outline(mesh, (STILL + 0.7) * unit, portrait.shape)
    for frame in drawing.play((20, 60, 99)):
        changed = (frame != portrait).any(2)
        assert changed.sum() > 1000
        assert not changed[far].any()


def test_the_background_is_the_photo_where_nobody_is(portrait, mesh, avatar):
    unit = 1 / float(avatar.pose.scale[0])
    matte = person(portrait, mesh, unit)
    face = cv2.fillConvexPoly(np.zeros_like(matte), cv2.convexHull(mesh[:, :2].astype(np.int32)), (255,))
    assert matte[face > 0].mean() > 250
    assert matte[:120, 320:].max() == 0
    assert matte[30:80, 200:250].min() == 255  # hair
    behind = background(portrait, matte, unit)
    np.testing.assert_array_equal(behind[matte == 0], portrait[matte == 0])
    just_inside = (matte == 255) & (cv2.erode(matte, np.ones((9, 9), np.uint8)) < 255) & (np.arange(512)[:, None] < 100)
    wall = portrait[20:100, 310:380].mean()
    assert abs(portrait[just_inside].mean() - wall) > 50  # hair
    assert abs(behind[just_inside].mean() - wall) < 10


def test_a_hole_is_filled_smoothly_and_the_rest_is_kept():
    y, x = np.mgrid[:60, :75].astype(np.float32)
    slope = np.dstack([x, y])
    known = np.ones((60, 75), np.float32)
    known[20:35, 30:50] = 0
    broken = slope.copy()
    broken[known == 0] = 1e4
    filled = fill(broken, known)
    np.testing.assert_array_equal(filled[known == 1], slope[known == 1])
    assert np.abs(filled - slope).max() < 6
    np.testing.assert_allclose(fill(broken[..., 0], known), filled[..., 0], atol=1e-3)


@pytest.mark.parametrize("size", [96, 300, 1500])
def test_any_size_and_a_face_cut_off_by_the_border(size, portrait):
    from lipwright.avatar.analyse import analyse

    close = portrait[30:230, 130:330]
    picture = cv2.resize(close, (size, size), interpolation=cv2.INTER_AREA)
    with open_tracker("facemesh") as tracker:
        small = analyse([picture], tracker, name="close.png")
    alive = AliveFootage(picture, small, FPS, 60)
    for frame in alive.play((10, 50)):
        assert frame.shape == picture.shape
        assert 0.5 < np.abs(frame.astype(int) - picture).mean() < 12


# The job


def test_a_photo_lives_unless_it_shall_be_still(long_wav, portrait, monkeypatch):
    with open_clip(portrait_file) as clip:
        live, still = (Job(clip, long_wav, DubOptions(still=still)) for still in (False, True))
        moving, standing = (list(job.shots([5, 40])) for job in (live, still))
    assert len(live.plan) == len(still.plan)
    for shot in standing:
        np.testing.assert_array_equal(shot.source, portrait)
    for shot in moving:
        assert (shot.source != portrait).any()
        outside = shot.mask() == 0
        np.testing.assert_array_equal(shot.frame[outside], shot.source[outside])
    assert (moving[0].source != moving[1].source).any()


def test_an_hour_of_sound_repeats_the_minute(speech_wav, monkeypatch):
    monkeypatch.setattr("lipwright.alive.sway.SECONDS", Fraction(2, 5))
    monkeypatch.setattr("lipwright.alive.sway.BLINKS", np.array([0.4]))
    with open_clip(portrait_file) as clip:
        job = Job(clip, speech_wav, DubOptions())
        assert job.plan.source.tolist() == [*range(10)] * 2
        assert len(job.avatar.track) == 10
        first, again = job.shots([3, 13])
    np.testing.assert_array_equal(first.source, again.source)


def test_a_video_is_never_touched(clip_file, speech_wav, footage):
    plain, still = (list(dub_frames(clip_file, speech_wav, options=DubOptions(still=s))) for s in (False, True))
    for one_frame, other in zip(plain, still, strict=True):
        np.testing.assert_array_equal(one_frame, other)
