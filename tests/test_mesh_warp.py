"""Geometry of the warp: `lipwright.render.mesh`."""

import cv2
import numpy as np
import pytest

from lipwright.facespace import DRIVE, FACE_OVAL, INNER_RING, MESH_POINTS, eye_distance, open_face
from lipwright.render.mesh import (
    ANCHORS,
    UNDER_LIP,
    part_lips,
    quick_map,
    ringed_triangles,
    sampling_map,
    settle,
    spread_matrix,
    unfold,
    with_ring,
)

PAIRS = list(zip(INNER_RING[1:10], reversed(INNER_RING[11:]), strict=True))  # lower, upper


def areas(points):
    a, b, c = (points[ringed_triangles()[:, i]] for i in range(3))
    return (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])


@pytest.fixture(scope="module")
def upright():
    """Orientation of every triangle on a frontal face, and which of them lie across the mouth: (T,) sign, (T,) bool."""
    face = open_face()[:, :2]
    mouth = np.isin(ringed_triangles(), (*INNER_RING, 62, 292)).all(1)
    return np.sign(areas(with_ring(face, face))), mouth


def drawn_on(mesh, target):
    """The mesh that a target would give if nothing relaxed it, the way the renderer makes it. (478, 2)."""
    flat = mesh[:, :2]
    return settle(part_lips(flat + spread_matrix() @ (target - flat[list(DRIVE)])))


def test_the_spread_is_exact_at_the_drive_and_still_at_the_anchors():
    matrix = spread_matrix()
    assert (matrix.shape, matrix.dtype) == ((MESH_POINTS, len(DRIVE)), np.float32)
    moves = np.random.default_rng(0).normal(size=(len(DRIVE), 2)).astype(np.float32)
    spread = matrix @ moves
    np.testing.assert_allclose(spread[list(DRIVE)], moves, atol=1e-6)
    np.testing.assert_array_equal(spread[list(ANCHORS)], 0)
    assert not set(ANCHORS) & set(DRIVE)


def test_the_ring_stands_still(mesh):
    flat = mesh[:, :2]
    moved = flat + 5
    ringed = with_ring(moved, flat)
    assert ringed.shape == (MESH_POINTS + len(FACE_OVAL), 2)
    np.testing.assert_array_equal(ringed[:MESH_POINTS], moved)
    np.testing.assert_array_equal(ringed[MESH_POINTS:], with_ring(flat, flat)[MESH_POINTS:])
    hull = cv2.convexHull(ringed[MESH_POINTS:])
    assert all(cv2.pointPolygonTest(hull, tuple(map(float, p)), measureDist=False) > 0 for p in flat[list(FACE_OVAL)])


@pytest.mark.parametrize("seed", range(25))
def test_nothing_that_stood_upright_is_turned_over(mesh, upright, seed):
    random = np.random.default_rng(seed)
    flat, sign_mouth = mesh[:, :2], upright
    eyes = eye_distance(mesh)
    smooth = random.normal(0, 0.1, (1, 2)) * np.linspace(0, 1, len(DRIVE))[:, None]
    rough = random.normal(0, (0.01, 0.05, 0.2, 1.0, 8.0)[seed % 5], (len(DRIVE), 2))
    target = (flat[list(DRIVE)] + eyes * (smooth + rough)).astype(np.float32)
    check_upright(flat, drawn_on(mesh, target), *sign_mouth)


@pytest.mark.parametrize("open_by", [-0.5, -0.15, 0.1, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("wide_by", [-0.3, 0.0, 0.2])
def test_extreme_mouths_are_relaxed_until_nothing_is_folded(mesh, upright, open_by, wide_by):
    flat, eyes = mesh[:, :2], eye_distance(mesh)
    target = flat[list(DRIVE)].copy()
    lower = [DRIVE.index(p) for p in (*INNER_RING[:11], 17, 84, 314, 152, 148, 377, 200, 199, 18)]
    target[lower, 1] += open_by * eyes
    for point, side in ((61, -1), (78, -1), (291, 1), (308, 1)):
        target[DRIVE.index(point), 0] += side * wide_by * eyes
    check_upright(flat, drawn_on(mesh, target), *upright)


@pytest.mark.parametrize("yaw", [-0.8, 0.8])
def test_a_turned_head_keeps_what_was_upright(mesh, upright, yaw):
    middle = mesh.mean(0)
    turn = np.array(((np.cos(yaw), 0, np.sin(yaw)), (0, 1, 0), (-np.sin(yaw), 0, np.cos(yaw))))
    turned = ((mesh - middle) @ turn.T + middle).astype(np.float32)
    target = turned[list(DRIVE), :2].copy()
    target[20:40, 1] += 0.1 * eye_distance(mesh)
    check_upright(turned[:, :2], drawn_on(turned, target), *upright)


def check_upright(flat, drawn, sign, mouth):
    still = settle(flat)
    source = with_ring(still, still)
    moved = unfold(source, with_ring(drawn, still))
    assert moved.shape == source.shape
    assert np.isfinite(moved).all()
    was = (sign * areas(source) > 0) & ~mouth
    a, b, c = (source[ringed_triangles()[:, i]] for i in range(3))
    longest = np.linalg.norm((b - a, c - b, a - c), axis=2).max(0)
    assert (sign * areas(moved) / longest > -0.0061 * np.linalg.norm(flat[33] - flat[263]))[was].all()
    np.testing.assert_array_equal(moved[MESH_POINTS:], source[MESH_POINTS:])


def test_unfold_leaves_a_target_without_folds_alone(mesh):
    flat = settle(mesh[:, :2])
    source = with_ring(flat, flat)
    target = with_ring(flat + spread_matrix() @ np.full((len(DRIVE), 2), 0.5, np.float32), flat)
    np.testing.assert_allclose(unfold(source, target), target, atol=1e-4)
    np.testing.assert_array_equal(unfold(source, source), source)


def test_a_sliver_turned_over_by_a_hair_holds_no_lips_back(mesh):
    """The skin beside a corner of the mouth is a sliver; lips that turn it over by under a pixel go all the way."""
    flat = settle(mesh[:, :2])
    source = with_ring(flat, flat)
    corner, above, beside = (source[i] for i in (61, 185, 57))
    along = above - corner
    normal = np.array((-along[1], along[0])) / np.linalg.norm(along)
    depth = float((beside - corner) @ normal)
    target = source.copy()
    for over, goes in ((0.004, True), (0.04, False)):
        target[57] = beside - normal * (depth + np.sign(depth) * over * np.linalg.norm(flat[33] - flat[263]))
        moved = unfold(source, target)
        assert np.array_equal(moved, target) == goes


def test_part_lips_meets_half_way_and_touches_nothing_else(mesh):
    flat = mesh[:, :2].copy()
    np.testing.assert_array_equal(part_lips(flat), flat)  # open: nothing to do
    crossed = flat.copy()
    for lower, upper in PAIRS:
        crossed[[lower, upper]] = crossed[[upper, lower]]
    parted = part_lips(crossed)
    for lower, upper in PAIRS:
        np.testing.assert_allclose(parted[lower], parted[upper], atol=1e-5)
        np.testing.assert_allclose(parted[lower], (flat[lower] + flat[upper]) / 2, atol=1e-4)
    others = np.setdiff1d(np.arange(MESH_POINTS), np.array(PAIRS).ravel())
    np.testing.assert_array_equal(parted[others], crossed[others])


@pytest.mark.parametrize("roll", [0.0, 1.2, 3.0, -1.6])
def test_part_lips_knows_down_on_a_tilted_head(mesh, roll):
    turn = np.array(((np.cos(roll), -np.sin(roll)), (np.sin(roll), np.cos(roll))), np.float32)
    flat = (mesh[:, :2] @ turn.T).astype(np.float32)
    np.testing.assert_array_equal(part_lips(flat), flat)


def test_settle_moves_only_the_rows_under_the_lip(mesh):
    flat = mesh[:, :2]
    settled = settle(flat)
    moved = np.flatnonzero((settled != flat).any(1))
    assert 0 < len(moved) <= 22
    assert set(moved) <= set(UNDER_LIP[:, 1:3].ravel())
    np.testing.assert_allclose(settle(settled), settled, atol=1e-4)  # settled is settled


def test_the_map_of_an_unmoved_mesh_is_the_identity(mesh):
    flat = with_ring(mesh[:, :2], mesh[:, :2])
    map_x, map_y = sampling_map(flat, flat, ringed_triangles(), (300, 400), np.zeros(2))
    y, x = np.mgrid[:300, :400]
    np.testing.assert_allclose(map_x, x, atol=2e-3)
    np.testing.assert_allclose(map_y, y, atol=2e-3)


def test_an_area_within_the_frame_is_mapped_to_the_frame(mesh):
    flat, corner = with_ring(mesh[:, :2], mesh[:, :2]), np.array((150, 90))
    map_x, map_y = sampling_map(flat, flat - corner, ringed_triangles(), (120, 140), corner)
    y, x = np.mgrid[:120, :140]
    np.testing.assert_allclose(map_x, x + 150, atol=2e-3)
    np.testing.assert_allclose(map_y, y + 90, atol=2e-3)


def test_the_map_takes_each_vertex_back_to_its_source():
    y, x = np.mgrid[10:100:15, 10:130:15]
    source = np.stack([x.ravel(), y.ravel()], 1).astype(np.float32)
    target = source + np.random.default_rng(1).integers(-3, 4, source.shape)  # on whole pixels
    wide = x.shape[1]
    square = [(i, i + 1, i + wide) for i in range(len(source) - wide) if i % wide < wide - 1]
    other = [(i + 1, i + wide + 1, i + wide) for i, _, _ in square]
    map_x, map_y = sampling_map(
        source, target.astype(np.float32), np.array(square + other), (112, 140), np.array((500, 600))
    )
    columns, rows = target.astype(int).T
    np.testing.assert_allclose(map_x[rows, columns], source[:, 0], atol=1e-3)
    np.testing.assert_allclose(map_y[rows, columns], source[:, 1], atol=1e-3)
    assert (map_x[0, 0], map_y[-1, -1]) == (500, 111 + 600)  # elsewhere


def test_shifts_stay_within_those_of_the_corners(mesh):
    """Slivers may not fling a pixel across the face."""
    flat = with_ring(mesh[:, :2], mesh[:, :2])
    moved = flat.copy()
    moved[:MESH_POINTS] += np.random.default_rng(2).normal(0, 3, (MESH_POINTS, 2))
    map_x, map_y = sampling_map(flat, moved, ringed_triangles(), (300, 400), np.zeros(2))
    y, x = np.mgrid[:300, :400]
    most = np.abs(flat - moved).max(0) + 1e-3
    assert np.abs(map_x - x).max() <= most[0]
    assert np.abs(map_y - y).max() <= most[1]


def test_triangles_outside_the_area_do_no_harm():
    corners = np.array([(0, 1, 2), (3, 4, 5)])
    source = np.array([(0, 0), (20, 0), (0, 20), (0, 0), (9, 0), (0, 9)], np.float32)
    far = source.copy()
    far[3:] += 1e4
    here, _ = sampling_map(source, far + np.float32((0, 5)), corners, (30, 30), np.full(2, 7.0))
    x = np.arange(30, dtype=np.float32)
    assert (here == x).sum() == pytest.approx(230, abs=40)  # moved down only: x is its own
    assert (here == x + 7).sum() == 900 - (here == x).sum()
    nothing, _ = sampling_map(source, source - 1e4, corners, (30, 30), np.zeros(2))
    np.testing.assert_array_equal(nothing, np.broadcast_to(x, (30, 30)))


def test_the_quick_map_is_exact_where_it_has_to_be_and_close_elsewhere(mesh):
    flat = mesh[:, :2]
    target = flat[list(DRIVE)].copy()
    target[20:, 1] += 0.12 * eye_distance(mesh)  # inner lips and jaw
    source = with_ring(settle(flat), flat)
    moved = unfold(source, with_ring(drawn_on(mesh, target), flat))
    low, high = np.floor(moved.min(0)).astype(int), np.ceil(moved.max(0)).astype(int)
    size = tuple(high[::-1] - low[::-1] - np.array((0, 1)))  # odd or even, either way
    lips = moved[list(INNER_RING)] - low
    fine = (*np.floor(lips.min(0)).astype(int) - 4, *np.ceil(lips.max(0)).astype(int) + 5)
    right = sampling_map(source, moved - low, ringed_triangles(), size, low)
    quick = quick_map(source, moved - low, ringed_triangles(), size, low, fine)
    away = np.hypot(*(a - b for a, b in zip(quick, right, strict=True)))
    assert away.shape == size
    inner = away[fine[1] : fine[3], fine[0] : fine[2]]
    assert np.quantile(inner, 0.99) < 1e-3  # a rim that the box cuts off may be filled otherwise
    assert np.quantile(away, 0.99) < 0.4
    assert away.mean() < 0.02
    nowhere = quick_map(source, moved - low, ringed_triangles(), size, low, (-9, -9, -2, -2))
    assert np.quantile(np.hypot(*(a - b for a, b in zip(nowhere, right, strict=True))), 0.9) < 0.15
