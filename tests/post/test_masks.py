"""The attribute net, the parser and the occlusion mask, on twins with the published signatures."""

import numpy as np
import pytest
from twins import post as twins
from upright import placed

from lipwright.models.catalog import ModelCard
from lipwright.post.align import similarity
from lipwright.post.blur import FaceAttributes, needs_restoring
from lipwright.post.occlude import SEEN, OcclusionMask
from lipwright.post.parse import FaceParser
from lipwright.runtime import PictureModel

AREA = (0, 0, 600, 520)
FIVE = placed(0.8, 0.2)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """The three models by name."""
    folder = tmp_path_factory.mktemp("twins")
    twins.build(folder)
    rows = (
        ("face_parsing", twins.PARSE, (3, 512, 512), ((19, 512, 512),)),
        ("xseg", twins.OCCLUDE, (3, 256, 256), ((256, 256, 1),)),
        ("face_attributes", twins.ATTRIBUTES, (3, 512, 512), ((10,),)),
    )
    return {
        name: PictureModel(
            folder / file, ModelCard(name=name, file=file, licence="", origin="", takes=takes, gives=gives)
        )
        for name, file, takes, gives in rows
    }


def plain(*colour):
    return np.full((520, 600, 3), colour, np.uint8)


def test_blur_is_the_ninth_score_of_a_bgr_face(opened):
    judge = FaceAttributes(opened["face_attributes"])
    assert judge.blur(plain(10, 90, 240), FIVE) == pytest.approx((240 - 132.38155592) / 68.5106407, abs=1e-3)
    assert judge.blur(plain(240, 90, 10), FIVE) == pytest.approx((10 - 132.38155592) / 68.5106407, abs=1e-3)


def test_footage_is_judged_by_the_median():
    assert needs_restoring([0.1, 0.9, 0.31], 0.3)
    assert not needs_restoring([0.1, 0.9, 0.3], 0.3)
    assert not needs_restoring([], 0.3)


def test_skin_is_face_and_hair_is_not(opened):
    picture = plain(255, 0, 0)
    picture[:250] = (0, 0, 255)
    mask = FaceParser(opened["face_parsing"]).area(picture, FIVE, AREA)
    assert mask.shape == (520, 600)
    assert mask.dtype == np.float32
    assert mask[275, 300] == pytest.approx(1, abs=1e-3)
    assert not mask[:247].any()
    edge = mask[249:275, 300]
    assert (np.diff(edge) >= -1e-4).all()  # soft, over about 2 × 8 pixels of the square
    assert 0.1 < edge[8] < 0.9


def test_green_is_background(opened):
    assert FaceParser(opened["face_parsing"]).area(plain(0, 255, 0), FIVE, AREA).max() < 1e-3


def test_what_covers_the_face_is_left_out(opened):
    masks = OcclusionMask(opened["xseg"])
    free = masks.area(plain(255, 120, 100), FIVE, AREA)  # bright red: the network's third channel
    x, y = np.linalg.solve(similarity(FIVE, SEEN)[:, :2], (127.5, 127.5) - similarity(FIVE, SEEN)[:, 2])
    rows, columns = np.mgrid[:520, :600]
    away = np.hypot(rows - y, columns - x) / (0.8 * 575 / 256)  # pixels of the network's square
    assert free[away < 76].min() > 0.999
    assert not free[away > 93].any()  # 0.05 there counts as 0
    covered = plain(255, 120, 100)
    covered[:, 300:320] = (120, 120, 255)
    mask = masks.area(covered, FIVE, AREA)
    assert mask[:, 303:317].max() < 1e-4
    assert mask[int(y), 360] > 0.999


@pytest.mark.parametrize("kind", [FaceParser, OcclusionMask])
def test_a_mask_over_the_border_is_part_of_the_whole_and_pure(opened, kind):
    masks = kind(opened["face_parsing" if kind is FaceParser else "xseg"])
    picture = plain(255, 60, 40)
    kept = picture.copy()
    part = masks.area(picture, FIVE, (-40, 200, 400, 400))
    assert part.shape == (400, 400)
    np.testing.assert_allclose(part[:320, 40:], masks.area(picture, FIVE, (0, 200, 360, 320)), atol=1e-3)
    np.testing.assert_array_equal(picture, kept)
