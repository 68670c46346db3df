"""Measures of pictures against known answers."""

import cv2
import numpy as np
import pytest

from lipwright.evaluation import picture
from lipwright.facespace import DRIVE, eye_distance


def test_a_picture_against_itself(portrait, mesh):
    target = mesh[list(DRIVE), :2]
    scores = picture.mouth_scores((portrait, mesh), (portrait, mesh), mesh, target)
    assert scores.landmark_error == 0
    assert scores.opening_error == 0
    assert scores.psnr > 100
    assert scores.ssim == pytest.approx(1)
    assert scores.sharpness == pytest.approx(1)


def test_a_blurred_picture_is_less_sharp_and_less_like(portrait, mesh):
    blurred = cv2.GaussianBlur(portrait, (0, 0), 2)
    scores = picture.mouth_scores((blurred, mesh), (portrait, mesh), mesh, mesh[list(DRIVE), :2])
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
    assert points[[33, 263], 1].mean() == pytest.approx(38, abs=6)


def test_psnr_of_a_known_difference():
    a = np.zeros((8, 8))
    assert picture.psnr(a, a + 255) == pytest.approx(0)
    assert picture.psnr(a, a + 25.5) == pytest.approx(20)
