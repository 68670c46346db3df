import cv2
import numpy as np
import pytest

from lipwright import facespace
from lipwright.errors import ShapeError
from lipwright.facespace import (
    DRIVE,
    FACE_OVAL,
    INNER_RING,
    JAW,
    LIPS_INNER,
    LIPS_OUTER,
    MESH_POINTS,
    OUTER_RING,
    STABLE,
    eye_distance,
    fit_pose,
    open_face,
    opening,
    template,
    triangles,
    width,
)

CORNERS = [STABLE.index(33), STABLE.index(263)]


def turned(seed):
    """A rotation of at most 40 degrees."""
    axis = np.random.default_rng(seed).normal(size=3)
    return cv2.Rodrigues(0.7 * axis / np.linalg.norm(axis))[0]


def test_the_drive_is_68_different_points_lips_first():
    assert len(DRIVE) == len(set(DRIVE)) == 68
    assert DRIVE == LIPS_OUTER + LIPS_INNER + JAW
    assert (len(LIPS_OUTER), len(LIPS_INNER), len(JAW)) == (20, 20, 28)
    assert not set(STABLE) & set(DRIVE)


def test_rings_are_closed_polygons_of_the_lips():
    assert set(INNER_RING) == set(LIPS_INNER)
    assert set(OUTER_RING) == set(LIPS_OUTER)
    face = open_face()[:, :2]
    for ring in (INNER_RING, OUTER_RING, FACE_OVAL):
        polygon = face[list(ring)]
        steps = np.linalg.norm(polygon - np.roll(polygon, 1, axis=0), axis=1)
        assert steps.max() < 0.35  # neighbours are neighbours
        hull = cv2.contourArea(cv2.convexHull(polygon))
        assert cv2.contourArea(polygon) > 0.85 * hull  # and the way round never crosses itself


def test_the_template_has_unit_eyes_and_its_own_middle():
    points = template()
    assert (points.shape, points.dtype) == ((16, 3), np.float32)
    assert np.linalg.norm(np.diff(points[CORNERS], axis=0)) == pytest.approx(1, abs=0.02)
    assert np.abs(points.mean(0)).max() < 0.02
    nose = STABLE.index(6)
    assert points[nose, 2] < points[CORNERS, 2].mean()  # z points away from the camera
    assert points[STABLE.index(10), 1] < points[nose, 1]  # y points down


@pytest.mark.parametrize("array", [template, triangles, open_face])
def test_stored_arrays_cannot_be_changed(array):
    with pytest.raises(ValueError, match="read-only"):
        array()[0] = 0


def test_triangles_cover_the_mesh():
    corners = triangles()
    assert corners.min() == 0
    assert corners.max() < MESH_POINTS
    assert (np.sort(corners, axis=1)[:, :-1] != np.sort(corners, axis=1)[:, 1:]).all()
    assert set(DRIVE) <= set(corners.ravel().tolist())


@pytest.mark.parametrize("seed", range(5))
def test_fit_pose_recovers_a_known_similarity(seed):
    random = np.random.default_rng(seed)
    rotation, scale, shift = turned(seed), 1 / random.uniform(20, 400), random.normal(size=3)
    pixels = ((template() - shift) / scale) @ rotation  # rows: rotation.T @ column
    pose = fit_pose(pixels[None].astype(np.float32))
    assert pose.scale[0] == pytest.approx(scale, rel=1e-4)
    np.testing.assert_allclose(pose.rotation[0], rotation, atol=1e-4)
    np.testing.assert_allclose(pose.to_face(pixels[None])[0], template(), atol=1e-4)
    assert np.linalg.det(pose.rotation[0]) == pytest.approx(1, abs=1e-5)


def test_a_mirrored_face_is_not_turned_inside_out():
    mirrored = template() * (-1, 1, 1) * 100
    assert np.linalg.det(fit_pose(mirrored[None]).rotation[0]) == pytest.approx(1, abs=1e-5)


def test_to_frame_inverts_to_face(mesh):
    frames = np.stack([mesh, mesh * 1.7 + (30, -20, 5)]).astype(np.float32)
    pose = fit_pose(frames[:, STABLE])
    face = pose.to_face(frames)
    assert face.dtype == np.float32
    np.testing.assert_allclose(pose.to_frame(face), frames, atol=2e-3)
    np.testing.assert_allclose(face[0], face[1], atol=1e-4)  # place and size leave face space alone
    moved = pose.to_frame(face + 0.1) - frames
    np.testing.assert_allclose(pose.to_frame_offset(np.full_like(face, 0.1)), moved, atol=2e-3)


def test_angles_tell_the_turn_of_the_head():
    for place, axis in ((0, (0, 1, 0)), (1, (1, 0, 0)), (2, (0, 0, 1))):
        turn = cv2.Rodrigues(np.multiply(axis, 0.3))[0]
        pixels = 100 * template() @ turn.T
        angles = fit_pose(pixels[None].astype(np.float32)).angles()[0]
        assert abs(angles[place]) == pytest.approx(0.3, abs=1e-3)
        assert np.abs(np.delete(angles, place)).max() < 1e-3


def test_part_of_a_pose_is_a_pose(mesh):
    pose = fit_pose(np.repeat(mesh[None, STABLE], 3, axis=0))
    assert len(pose) == 3
    assert len(pose[1:]) == 2
    assert len(pose[np.array([0, 0, 1, 2])]) == 4


def test_fit_pose_names_a_wrong_shape():
    with pytest.raises(ShapeError, match=r"stable: expected \(F, 16, 3\), got \(16, 3\)"):
        fit_pose(template())


def test_opening_width_and_eye_distance_are_distances(mesh):
    drive = np.zeros((2, 68, 3), np.float32)
    drive[1, DRIVE.index(facespace.LIP_BOTTOM)] = (0.03, 0.04, 0)
    drive[1, DRIVE.index(61)] = (-0.3, 0, 0)
    drive[1, DRIVE.index(291)] = (0.2, 0, 0)
    np.testing.assert_allclose(opening(drive), (0, 0.05), atol=1e-6)
    np.testing.assert_allclose(width(drive), (0, 0.5), atol=1e-6)
    assert eye_distance(mesh) == pytest.approx(np.hypot(*(mesh[33] - mesh[263])[:2]))
    assert 55 < eye_distance(mesh) < 65
