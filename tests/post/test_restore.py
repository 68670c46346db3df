"""A restored face: what is added, where, and what never changes."""

import cv2
import numpy as np
import pytest
from twins import post as twins
from upright import network, placed, sharpened, waves

from lipwright.errors import OptionError
from lipwright.models.catalog import ModelCard
from lipwright.post.align import PLACES, aligned
from lipwright.post.restore import Restorer, ellipse
from lipwright.runtime import PictureModel

CARD = ModelCard(
    name="gfpgan", file="", licence="", origin="", takes=(3, 512, 512), gives=((3, 512, 512),)
)  # fmt: skip
AREA = (0, 0, 600, 520)


def blurred(sigma):
    return network(lambda face: cv2.GaussianBlur(face, (0, 0), sigma))


def energy(picture):
    return np.square(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)).mean()


@pytest.fixture
def textured():
    """Waves with fine texture, and five points on them."""
    grain = np.random.default_rng(5).normal(0, 12, (520, 600, 1))
    return np.clip(0.7 * waves().astype(float) + 40 + grain, 0, 255).astype(np.uint8), placed(0.8, 0.2)


@pytest.mark.parametrize("scale", [0.3, 1.0, 2.5])
def test_an_unchanged_face_stays(textured, scale, tmp_path):
    picture, _ = textured
    twins.restore(tmp_path / "near.onnx")
    model = PictureModel(tmp_path / "near.onnx", CARD)
    got = Restorer(model, 1).restore(picture, placed(scale, 0.2), AREA)
    assert np.abs(got.astype(int) - picture).max() <= 1


def test_the_networks_red_is_the_pictures_red(textured, tmp_path):
    picture, five = textured
    twins.restore(tmp_path / "red.onnx", (1.4, 1, 1))
    got = Restorer(PictureModel(tmp_path / "red.onnx", CARD), 1).restore(picture, five, AREA)
    changed = np.abs(got.astype(int) - picture).max((0, 1))
    assert changed[0] > 8
    assert changed[1] <= 1
    assert changed[2] <= 1


@pytest.mark.parametrize(("scale", "angle"), [(0.3, 0.0), (0.8, 0.3), (2.0, -0.3)])
def test_detail_falls_where_the_network_drew_it(scale, angle):
    y, x = np.mgrid[:512, :512]
    dot = 60 * np.exp(-((x - PLACES[2, 0]) ** 2 + (y - PLACES[2, 1]) ** 2) / (2 * 5**2))[..., None]
    five = placed(scale, angle)
    flat = np.full((520, 600, 3), 90, np.uint8)
    got = Restorer(network(lambda face: face + dot), 1).restore(flat, five, AREA)
    added = np.maximum(got[..., 0].astype(float) - 95, 0)
    rows, columns = np.mgrid[:520, :600]
    found = ((columns * added).sum() / added.sum(), (rows * added).sum() / added.sum())
    np.testing.assert_allclose(found, five[2], atol=0.12)


def test_strength_is_linear_and_0_is_the_picture(textured):
    picture, five = textured
    asked = []

    def never(pictures):
        asked.append(pictures)
        return [pictures]

    np.testing.assert_array_equal(Restorer(never, 0).restore(picture, five, AREA), picture)
    assert not asked
    half, full = (
        Restorer(network(sharpened), strength).restore(picture, five, AREA).astype(int) - picture
        for strength in (0.5, 1)
    )
    free = (np.abs(full) > 3) & (picture + 1.0 * full > 0) & (picture + 1.0 * full < 255)
    assert free.mean() > 0.05
    assert np.abs(2 * half - full)[free].max() <= 2
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(OptionError, match="0 to 1"):
            Restorer(never, wrong)


def test_a_tone_the_network_chooses_does_not_come_through(textured):
    picture, five = textured
    got = Restorer(network(lambda face: face + np.array((20, -15, 10))), 1).restore(picture, five, AREA)
    assert np.abs(got.astype(float) - picture).mean() < 0.1


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.5])
def test_a_sharp_face_is_not_softened(textured, scale):
    """Smaller than the network's square, of its size and larger."""
    picture, _ = textured
    softer = Restorer(blurred(3), 1).restore(picture, placed(scale, 0.2), AREA)
    assert energy(softer) > 0.97 * energy(picture)
    finer = Restorer(network(sharpened), 1).restore(picture, placed(scale, 0.2), AREA)
    assert energy(finer) > 0.95 * energy(picture)


def test_a_blurred_face_is_restored(textured):
    picture, five = textured
    soft = cv2.GaussianBlur(picture, (0, 0), 2)
    sharp, _ = aligned(picture, five)
    got = Restorer(network(lambda face: sharp.astype(np.float32)), 1).restore(soft, five, AREA)
    middle = np.s_[230:300, 270:330]
    assert energy(got[middle]) > 5 * energy(soft[middle])
    assert (
        np.abs(got[middle].astype(float) - picture[middle]).mean()
        < np.abs(soft[middle].astype(float) - picture[middle]).mean()
    )


def test_outside_the_ellipse_the_picture_is_untouched(textured):
    picture, _ = textured
    five = placed(0.3, 0.1)
    got = Restorer(network(sharpened), 1).restore(picture, five, AREA)
    changed = (got != picture).any(2)
    assert changed[260, 300]
    rows, columns = np.nonzero(changed)
    assert np.hypot(rows - 248, columns - 300).max() < 0.3 * 290
    assert not ellipse()[[0, -1]].any()
    assert not ellipse()[:, [0, -1]].any()


def test_a_face_over_the_border(textured):
    picture, _ = textured
    kept = picture.copy()
    five = placed(0.8, 0.2, (20, 500))
    area = (-30, 400, 200, 160)
    restorer = Restorer(network(sharpened), 1)
    got = restorer.restore(picture, five, area)
    assert got.shape == (160, 200, 3)
    inner = restorer.restore(picture, five, (0, 400, 170, 120))
    assert np.abs(got[:120, 30:].astype(int) - inner).max() <= 1  # sampling has steps of 1/32 pixel
    np.testing.assert_array_equal(got, restorer.restore(picture, five, area))
    np.testing.assert_array_equal(picture, kept)
