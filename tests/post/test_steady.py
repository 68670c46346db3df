"""Along time: on a face that moves, and on real people. Drawing has no memory, so steadiness is the drawing's own."""

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from steady import flicker, luma
from twins import post as twins
from upright import network, placed, sharpened

from lipwright.errors import ShapeError
from lipwright.face.base import open_tracker
from lipwright.media import open_clip
from lipwright.models.catalog import ModelCard
from lipwright.post.occlude import OcclusionMask
from lipwright.post.parse import FaceParser
from lipwright.post.restore import Restorer
from lipwright.runtime import PictureModel

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
real = [
    pytest.mark.clips,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the talking clips of ../shared are not here"),
]
PARSER = ModelCard(name="face_parsing", file="", licence="", origin="", takes=(3, 512, 512), gives=((19, 512, 512),))
XSEG = ModelCard(name="xseg", file="", licence="", origin="", takes=(3, 256, 256), gives=((256, 256, 1),))


def drifting(count=12):
    """Points of a face that moves and turns by fractions of a pixel and of a degree."""
    return [placed(0.5 + 0.003 * n, 0.01 * n, (300 + 1.3 * n, 260 - 0.7 * n)) for n in range(count)]


def test_the_measure_sees_a_jump():
    fives = drifting()
    frame = np.zeros((520, 600), np.float32)
    frame[:, 300:] = 1
    assert flicker([frame] * 12, [fives[0]] * 12) == 0
    assert flicker([frame, 1 - frame], fives[:2]) == pytest.approx(1, abs=0.02)
    with pytest.raises(ShapeError):
        flicker([frame, frame], [np.zeros((5, 2))] * 2)


def test_a_mask_moves_with_the_face(tmp_path):
    twins.occlude(tmp_path / "xseg.onnx")
    masks = OcclusionMask(PictureModel(tmp_path / "xseg.onnx", XSEG))
    fives = drifting()
    frame = np.full((520, 600, 3), (200, 120, 100), np.uint8)
    drawn = [masks.area(frame, five, (0, 0, 600, 520)) for five in fives]
    assert flicker(drawn, fives) < 0.002
    assert flicker(drawn, [fives[0]] * 12) > 3 * flicker(drawn, fives)


@pytest.fixture(scope="module")
def talking():
    """50 frames of a person who pulls faces, and their five points, smoothed along time."""
    with open_clip(CLIPS / "KwaiVGI_LivePortrait_d6.mp4") as clip:
        frames = list(islice(clip.frames(), 50))
    with open_tracker("facemesh") as tracker:
        mesh = np.stack([tracker.fit(frame)[:, :2] for frame in frames])
    eyes = [(mesh[:, a] + mesh[:, b]) / 2 for a, b in ((33, 133), (362, 263))]
    five = np.stack([*eyes, mesh[:, 1], mesh[:, 61], mesh[:, 291]], axis=1)
    return frames, cv2.GaussianBlur(five.reshape(50, 10), (1, 9), 1.5, borderType=cv2.BORDER_REPLICATE).reshape(
        50, 5, 2
    )


def whole(frame):
    return (0, 0, frame.shape[1], frame.shape[0])


class TestRealFaces:
    pytestmark = real

    def test_a_network_that_changes_nothing_changes_nothing(self, talking, tmp_path):
        twins.restore(tmp_path / "near.onnx")
        card = ModelCard(name="gfpgan", file="", licence="", origin="", takes=(3, 512, 512), gives=((3, 512, 512),))
        restorer = Restorer(PictureModel(tmp_path / "near.onnx", card), 1)
        for frame, five in zip(talking[0][::10], talking[1][::10], strict=True):
            assert np.abs(restorer.restore(frame, five, whole(frame)).astype(int) - frame).max() <= 1

    def test_a_restored_face_does_not_flicker(self, talking):
        frames, fives = talking
        tones = iter(np.random.default_rng(0).normal(0, 6, (50, 3)))
        steady, toned = (
            Restorer(network(sharpened), 1),
            Restorer(network(lambda face: sharpened(face) + next(tones)), 1),
        )
        before = flicker(luma(frames), fives)
        after = [
            flicker(luma([one.restore(*pair, whole(pair[0])) for pair in zip(frames, fives, strict=True)]), fives)
            for one in (steady, toned)
        ]
        assert after[1] == pytest.approx(after[0], rel=0.02)  # a tone of its own in every frame is not seen
        assert after[0] < 1.6 * before  # what is left is detail two and a half times as strong

    def test_a_soft_network_does_not_soften_a_sharp_face(self, talking):
        soft = Restorer(network(lambda face: cv2.GaussianBlur(face, (0, 0), 3)), 1)
        for frame, five in zip(talking[0][::10], talking[1][::10], strict=True):
            x, y = five.min(0).astype(int)
            face = np.s_[y : y + 110, x : x + 100]
            drawn, own = soft.restore(frame, five, whole(frame))[face], frame[face]
            energies = [cv2.Laplacian(part, cv2.CV_32F).var() for part in (drawn, own)]
            assert energies[0] > 0.97 * energies[1]

    def test_a_mask_by_shares_is_steadier_than_one_by_the_best_class(self, talking, tmp_path):
        """The twin tells skin by its red; real skin is at times in doubt."""
        frames, fives = talking
        twins.parse(tmp_path / "parse.onnx")
        model = PictureModel(tmp_path / "parse.onnx", PARSER)

        def best(pictures):
            scores = model(pictures)[0]
            return [np.where(scores == scores.max(1, keepdims=True), 100, 0).astype(np.float32)]

        by_share, by_best = (
            [FaceParser(each).area(*pair, whole(pair[0])) for pair in zip(frames, fives, strict=True)]
            for each in (model, best)
        )
        assert np.mean(by_share) == pytest.approx(np.mean(by_best), rel=0.3)
        assert flicker(by_share, fives) <= flicker(by_best, fives)
