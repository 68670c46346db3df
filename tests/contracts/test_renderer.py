"""What every row of RENDERERS has to keep."""

import cv2
import numpy as np
import pytest

from lipwright.facespace import DRIVE, INNER_RING, eye_distance
from lipwright.render.base import RENDERERS, RenderSpec, Shot, load_renderer

LOWER = [DRIVE.index(p) for p in (*INNER_RING[:11], 17, 152, 200)]


def opened(mesh, amount):
    """Targets with the lower lip and chin `amount` eye distances lower. (68, 2)."""
    target = mesh[list(DRIVE), :2].copy()
    target[LOWER, 1] += amount * eye_distance(mesh)
    return target


MESH = RenderSpec(drive="mouth", crop="mesh")


@pytest.fixture(params=sorted(name for name in RENDERERS if load_renderer(name).needs == MESH))
def renderer(request, avatar):
    return load_renderer(request.param)(avatar.bank)


@pytest.fixture
def shots(portrait, mesh, avatar):
    views = [0 if len(avatar.bank) else -1, -1, -1, -1]
    return [Shot(portrait, mesh, opened(mesh, a), v) for a, v in zip((0.0, 0.1, -0.1, 0.2), views, strict=True)]


def check(patch, frame):
    height, width = frame.shape[:2]
    assert patch.pixels.dtype == np.uint8
    assert patch.mask.dtype == np.float32
    assert patch.pixels.shape == (*patch.mask.shape, 3)
    assert 0 <= patch.x < patch.x + patch.mask.shape[1] <= width
    assert 0 <= patch.y < patch.y + patch.mask.shape[0] <= height
    assert patch.mask.min() >= 0
    assert patch.mask.max() <= 1
    assert np.isfinite(patch.mask).all()


def same(a, b):
    np.testing.assert_array_equal(a.pixels, b.pixels)
    np.testing.assert_array_equal(a.mask, b.mask)
    assert (a.x, a.y) == (b.x, b.y)


def test_it_says_what_it_needs(renderer):
    assert isinstance(renderer.needs, RenderSpec)
    assert renderer.needs.drive in ("mouth", "window")
    assert renderer.needs.crop in ("mesh", "rectangle")


def test_the_patch_lies_inside_the_frame(renderer, shots):
    for shot in shots:
        patch = renderer.render(shot)
        check(patch, shot.frame)
        assert patch.mask.max() == 1


def test_the_frame_is_not_written_to(renderer, shots):
    frame, mesh, target = shots[1].frame.copy(), shots[1].mesh.copy(), shots[1].target.copy()
    renderer.render(Shot(frame, mesh, target, shots[1].view))
    np.testing.assert_array_equal(frame, shots[1].frame)
    np.testing.assert_array_equal(mesh, shots[1].mesh)
    np.testing.assert_array_equal(target, shots[1].target)


def test_the_same_shot_gives_the_same_bytes_in_any_order(renderer, shots, avatar):
    forward = [renderer.render(shot) for shot in shots]
    backward = [renderer.render(shot) for shot in reversed(shots)][::-1]
    fresh = [type(renderer)(avatar.bank).render(shot) for shot in shots]
    for a, b, c in zip(forward, backward, fresh, strict=True):
        same(a, b)
        same(a, c)


def test_the_mask_is_over_the_mouth_and_spares_the_eyes(renderer, shots, mesh):
    for shot in shots:
        patch = renderer.render(shot)
        whole = np.zeros(shot.frame.shape[:2], np.float32)
        whole[patch.y : patch.y + patch.mask.shape[0], patch.x : patch.x + patch.mask.shape[1]] = patch.mask
        for point in (13, 14, 61, 291, 0, 17):
            x, y = np.round(mesh[point, :2]).astype(int)
            assert whole[y, x] == 1
        for point in (33, 133, 362, 263, 10, 151, 159, 386):
            x, y = np.round(mesh[point, :2]).astype(int)
            assert whole[y, x] == 0


def test_a_mouth_that_opens_changes_the_mouth(renderer, shots, mesh):
    still, wide = renderer.render(shots[1]), renderer.render(shots[3])
    assert (still.pixels.shape != wide.pixels.shape) or (still.pixels != wide.pixels).any()


BORDERS = {
    "mouth at the left border": (slice(0, 512), slice(205, 512)),
    "mouth at the lower border": (slice(0, 160), slice(0, 512)),
    "chin outside": (slice(0, 168), slice(150, 300)),
    "odd": (slice(31, 300), slice(101, 432)),
    "face only": (slice(68, 178), slice(178, 271)),
}


@pytest.mark.parametrize("name", BORDERS)
@pytest.mark.parametrize("amount", [-0.1, 0.0, 0.15])
def test_a_face_at_the_border_or_partly_outside(renderer, portrait, mesh, name, amount):
    rows, columns = BORDERS[name]
    frame = np.ascontiguousarray(portrait[rows, columns])
    moved = mesh - np.array((columns.start, rows.start, 0), np.float32)
    check(renderer.render(Shot(frame, moved, opened(moved, amount), -1)), frame)


@pytest.mark.parametrize("size", [(64, 64), (65, 63), (48, 97)])
def test_tiny_and_odd_frames(renderer, avatar, portrait, mesh, size):
    height, width = size
    frame = cv2.resize(portrait, (width, height), interpolation=cv2.INTER_AREA)
    scale = np.array((width / 512, height / 512, width / 512), np.float32)
    half = np.array((0.5, 0.5, 0))
    small = ((mesh + half) * scale - half).astype(np.float32)
    for view in range(-1, len(avatar.bank)):
        check(renderer.render(Shot(frame, small, opened(small, 0.12), view)), frame)


@pytest.mark.parametrize("yaw", [-0.9, -0.5, 0.5, 0.9])
def test_a_turned_head(renderer, portrait, mesh, yaw):
    """The mesh turned about its vertical axis: the far cheek folds over, drawing must not mind."""
    middle = mesh.mean(0)
    turn = np.array(((np.cos(yaw), 0, np.sin(yaw)), (0, 1, 0), (-np.sin(yaw), 0, np.cos(yaw))))
    turned = ((mesh - middle) @ turn.T + middle).astype(np.float32)
    for amount in (-0.1, 0.0, 0.15):
        check(renderer.render(Shot(portrait, turned, opened(turned, amount), -1)), portrait)


@pytest.mark.parametrize("seed", range(6))
def test_wild_targets_do_not_break_it(renderer, portrait, mesh, seed):
    random = np.random.default_rng(seed)
    size = (0.02, 0.1, 0.3, 1.0, 5.0, 50.0)[seed] * eye_distance(mesh)
    target = mesh[list(DRIVE), :2] + random.normal(0, size, (68, 2)).astype(np.float32)
    check(renderer.render(Shot(portrait, mesh, target.astype(np.float32), -1)), portrait)
