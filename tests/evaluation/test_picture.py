"""Measures of pictures against known answers."""

import cv2
import numpy as np
import pytest

from lipwright.evaluation import picture
from lipwright.facespace import DRIVE, eye_distance, open_face


def test_a_picture_against_itself(portrait, mesh):
    target = mesh[list(DRIVE), :2]
    here = picture.aligned(portrait, mesh)
    scores = picture.mouth_scores(here, here, mesh, target)
    assert scores.landmark_error == 0
    assert scores.opening_error == 0
    assert scores.psnr > 100
    assert scores.ssim == pytest.approx(1)
    assert scores.sharpness == pytest.approx(1)


def test_a_blurred_picture_is_less_sharp_and_less_like(portrait, mesh):
    blurred = cv2.GaussianBlur(portrait, (0, 0), 2)
    drawn, real = picture.aligned(blurred, mesh), picture.aligned(portrait, mesh)
    scores = picture.mouth_scores(drawn, real, mesh, mesh[list(DRIVE), :2])
    assert scores.sharpness < 0.5
    assert scores.ssim < 0.95


def test_errors_are_in_percent_of_the_eye_distance(mesh):
    moved = mesh[list(DRIVE), :2] + np.float32(0.03) * eye_distance(mesh) * np.array((0, 1), np.float32)
    assert picture.landmark_error(mesh, moved) == pytest.approx(3, abs=0.01)
    assert picture.opening_error(mesh, moved) == pytest.approx(0, abs=0.01)


def test_the_aligned_crop_has_the_eyes_where_it_says(portrait, mesh):
    crop, points = picture.aligned(portrait, mesh)
    assert crop.shape == (160, 160, 3)
    assert np.linalg.norm(points[33] - points[263]) == pytest.approx(140, rel=0.06)
    assert points[[33, 263], 1].mean() == pytest.approx(-20, abs=6)


def test_a_mouth_wide_open_lies_inside_the_crop(portrait):
    _, points = picture.aligned(portrait, 100 * open_face() + np.array((200, 200, 0)))
    rows, columns = picture.mouth_box(points)
    assert points[17, 1] - points[0, 1] > 40  # wide open
    assert 0 < rows.start < points[0, 1] < points[17, 1] < rows.stop < 160
    assert 0 < columns.start < points[61, 0] < points[291, 0] < columns.stop < 160


def test_a_large_face_is_averaged_not_sampled(portrait, mesh):
    def large(x, y):
        return cv2.resize(np.dstack([x * 0 + 255 * ((x + y) % 2)] * 3).astype(np.uint8), (1536, 1536), interpolation=0)

    board = large(*np.meshgrid(np.arange(1536), np.arange(1536)))
    crop, _ = picture.aligned(board, mesh * 3)
    assert np.abs(crop.astype(int) - 127).max() < 40  # finer than the crop can show: grey


def test_a_large_face_lies_where_a_small_one_does(portrait, mesh):
    large = cv2.resize(portrait, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    crops = [picture.aligned(portrait, mesh), picture.aligned(large, mesh * 3 + 1)]  # the centre of pixel 0 moves to 1
    np.testing.assert_allclose(crops[0][1], crops[1][1], atol=0.1)
    one, other = (np.float64(crop @ picture.LUMA) for crop, _ in crops)
    assert np.abs(cv2.phaseCorrelate(one, other)[0]).max() < 0.1


def test_a_mouth_outside_the_crop_has_no_scores(portrait, mesh):
    crop, points = picture.aligned(portrait, mesh)
    gone = (crop, points + np.array((0, 200)))
    assert picture.mouth_scores(gone, gone, mesh, mesh[list(DRIVE), :2]) is None


def test_psnr_of_a_known_difference():
    a = np.zeros((8, 8))
    assert picture.psnr(a, a + 255) == pytest.approx(0)
    assert picture.psnr(a, a + 25.5) == pytest.approx(20)
