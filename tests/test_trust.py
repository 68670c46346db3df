"""How far frames are trusted: turned, small, blurred, covered."""

import cv2
import numpy as np
import pytest
from pictures import noisy

from lipwright.avatar.trust import FEWEST, REACH, Glance, _lab, glance, trust
from lipwright.facespace import STABLE, eye_distance, fit_pose
from lipwright.structures import FaceTrack

COUNT = 60


def track_of(meshes, cuts=()):
    flags = np.zeros(len(meshes), bool)
    flags[[0, *cuts]] = True
    return FaceTrack(np.asarray(meshes, np.float32), flags)


def turned(mesh, degrees):
    """The mesh with its head at this yaw."""
    turn = np.radians(degrees) - float(fit_pose(mesh[None, STABLE]).angles()[0, 0])
    middle = mesh.mean(0)
    x, y, z = (mesh - middle).T
    return middle + np.column_stack([np.cos(turn) * x + np.sin(turn) * z, y, np.cos(turn) * z - np.sin(turn) * x])


@pytest.fixture(scope="module")
def plain(portrait, mesh):
    return glance(portrait, mesh)


def worth(meshes, glances, cuts=()):
    return trust(track_of(meshes, cuts), dict(enumerate(glances)))


def test_ordinary_footage_is_trusted_in_full(portrait, mesh):
    glances = [glance(noisy(portrait, number), mesh) for number in range(COUNT)]
    assert (worth([mesh] * COUNT, glances) == 1).all()


def test_one_photo_is_trusted(mesh, plain):
    assert worth([mesh], [plain]).tolist() == [1]


@pytest.mark.parametrize(
    ("degrees", "low", "high"), [(-35, 1, 1), (35, 1, 1), (44, 0.3, 0.7), (-44, 0.3, 0.7), (55, 0, 0)]
)
def test_a_head_turned_far_is_trusted_less(mesh, plain, degrees, low, high):
    there = turned(mesh, degrees)
    assert np.degrees(fit_pose(there[None, STABLE]).angles()[0, 0]) == pytest.approx(degrees, abs=2.5)
    assert low <= worth([there] * 9, [plain] * 9)[4] <= high


def test_a_face_of_a_few_pixels_is_not_trusted(mesh, plain):
    for eyes, wanted in ((12, 0), (20, 0.5), (30, 1)):
        small = mesh * (eyes / eye_distance(mesh))
        assert worth([small] * 3, [plain] * 3) == pytest.approx(wanted, abs=0.01)


def test_a_hand_before_the_mouth_is_noticed(portrait, mesh):
    """A patch of the person's own cheek, as a hand has nearly the same colour."""
    x, y = mesh[[13, 14], :2].mean(0).astype(int)
    reach = int(0.45 * eye_distance(mesh))
    hand = cv2.resize(portrait[150:190, 200:240], (2 * reach, 2 * reach), interpolation=cv2.INTER_CUBIC)
    frames = [noisy(portrait, number) for number in range(COUNT)]
    for number in range(30, 42):
        frames[number][y - reach : y + reach, x - reach : x + reach] = hand
    value = worth([mesh] * COUNT, [glance(frame, mesh) for frame in frames])
    assert (value[30:42] < 0.05).all()
    assert (value[: 30 - 2 * REACH] == 1).all()
    assert (value[42 + 2 * REACH :] == 1).all()
    assert (np.abs(np.diff(value)) < 0.3).all()  # eased in and out


def test_dimmed_light_is_no_hand(portrait, mesh):
    frames = [cv2.convertScaleAbs(portrait, alpha=0.75 + 0.25 * np.cos(number / 9)) for number in range(COUNT)]
    assert worth([mesh] * COUNT, [glance(frame, mesh) for frame in frames]).min() > 0.9


def test_too_little_footage_knows_no_usual_colour(mesh, plain):
    other = Glance(plain.blur, plain.skin + 40)
    assert (worth([mesh] * (FEWEST - 1), [plain] * 5 + [other] * (FEWEST - 6)) == 1).all()


@pytest.mark.parametrize("sigma", [0, 1.5, 3, 5])
def test_blur_is_measured(portrait, mesh, sigma):
    soft = cv2.GaussianBlur(portrait, (0, 0), sigma) if sigma else portrait
    own = glance(portrait, mesh).blur
    wanted = np.hypot(own, sigma / eye_distance(mesh))
    np.testing.assert_allclose(glance(soft, mesh).blur, wanted, rtol=0.3, atol=0.002)


def test_motion_blurs_one_direction(portrait, mesh):
    smeared = cv2.blur(portrait, (15, 1))
    across, along = glance(smeared, mesh).blur - glance(portrait, mesh).blur
    assert across > 0.02
    assert abs(along) < 0.4 * across


def test_smeared_frames_are_trusted_less(mesh, plain):
    smeared = Glance(np.array((0.09, 0.01), np.float32), plain.skin)
    value = worth([mesh] * 30, [plain] * 15 + [smeared] * 15)
    assert value[0] == 1
    assert value[-1] == 0


def test_trust_is_not_eased_across_a_cut_and_is_none_without_a_face(mesh, plain):
    smeared = Glance(np.array((0.09, 0.01), np.float32), plain.skin)
    meshes = [mesh] * 20 + [np.full_like(mesh, np.nan)] * 5 + [mesh] * 5
    glances = dict.fromkeys((*range(10), *range(25, 30)), plain) | dict.fromkeys(range(10, 20), smeared)
    value = trust(track_of(meshes, cuts=[10]), glances)
    np.testing.assert_array_equal(value, [1] * 10 + [0] * 15 + [1] * 5)


def test_a_face_at_the_border_is_looked_at(portrait, mesh):
    shifted = mesh - np.float32((float(mesh[:, 0].max()) - 30, 0, 0))
    seen = glance(portrait, shifted)
    assert np.isfinite(seen.blur).all()
    assert np.isfinite(seen.skin).all()


def test_colours_are_those_of_opencv():
    colours = np.random.default_rng(0).integers(0, 256, (4000, 3)).astype(np.uint8)
    right = cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0]
    away = np.abs(_lab(colours) - right)
    assert away.max() < 0.5  # OpenCV's own are approximate; skin counts as changed from several units on
    assert away.mean() < 0.1
