"""Real detectors on real clips, beside the repository where they are kept; skipped elsewhere."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from lipwright.avatar.landmarks import analyse_landmarks
from lipwright.face.base import open_tracker
from lipwright.face.chain import Chain
from lipwright.face.pfpld import Pfpld
from lipwright.face.scrfd import Scrfd
from lipwright.facespace import eye_distance
from lipwright.media import open_clip
from lipwright.models.catalog import ModelCard
from lipwright.runtime import PictureModel

SHARED = Path(__file__).parents[3] / "shared"
pytestmark = [
    pytest.mark.clips,
    pytest.mark.skipif(
        not ((SHARED / "clips").is_dir() and (SHARED / "models").is_dir()),
        reason="the talking clips and models of ../shared are not here",
    ),
]
EXPORTS = ("scrfd_500m_bnkps", "libfd_scrfd_500m_bnkps", "scrfd_500m_bnkps_shape320x320")
CLIPS = ("choijeongsoo_av2av_2.webm", "rizkiarm_LipNet_bbaf2n.mpg")
MESH_OF_68 = {36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 8: 152}


def opened(name, side):
    path = SHARED / "models" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    return PictureModel(path, ModelCard(name=name, file=path.name, licence="", origin="", takes=(3, side, side)))


class Ghost:
    """A public 98-point network, which wants -1..1 and gives points alone, in the place of PFPLD."""

    size = (112, 112)

    def __init__(self):
        self._model = opened("PFLD_GhostOne_112_98", 112)

    def __call__(self, pictures):
        return [np.zeros((1, 3), np.float32), *self._model(pictures * 2 - 1)]


class Front:
    def angles(self, frame, points):
        return np.zeros(3, np.float32)


def frames_of(name, count):
    path = SHARED / "clips" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    with open_clip(path) as clip:
        return list(islice(clip.frames(), count))


@pytest.fixture(scope="module", params=CLIPS)
def seen(request):
    """Ten frames of a clip, and MediaPipe's mesh on the last."""
    frames = frames_of(request.param, 10)
    with open_tracker("facemesh") as tracker:
        for frame in frames:
            mesh = tracker.fit(frame)
    assert mesh is not None
    return frames, mesh


@pytest.mark.parametrize("export", EXPORTS)
def test_every_export_sees_the_face_the_mesh_sees(seen, export):
    frames, mesh = seen
    eyes = [mesh[list(eye), :2].mean(0) for eye in ((33, 133), (362, 263))]
    truth = np.stack([*eyes, mesh[4, :2], mesh[61, :2], mesh[291, :2]])
    found = Scrfd(opened(export, 640)).detect(frames[-1])
    assert len(found) == 1
    apart = np.linalg.norm(found.points[0] - truth, axis=1) / np.linalg.norm(eyes[0] - eyes[1])
    assert apart.mean() < 0.1
    middle = truth.mean(0)
    assert (found.boxes[0, :2] < middle).all()
    assert (found.boxes[0, 2:] > middle).all()


def test_a_fixed_and_a_free_export_of_one_network_agree(seen):
    first, second = (Scrfd(opened(export, 640)).detect(seen[0][0]) for export in EXPORTS[:2])
    assert np.allclose(first.boxes, second.boxes, atol=0.05)
    assert np.allclose(first.points, second.points, atol=0.05)


def test_landmarks_lie_where_the_mesh_does(seen):
    frames, mesh = seen
    chain = Chain(Scrfd(opened(EXPORTS[0], 640)), Pfpld(Ghost()), Front())
    avatar = analyse_landmarks(frames, chain, name="clip")
    assert avatar.track.present.all()
    assert 0.7 < avatar.wh < 1.3
    apart = avatar.track.points[-1, list(MESH_OF_68)] - mesh[list(MESH_OF_68.values()), :2]
    assert np.linalg.norm(apart, axis=1).mean() / eye_distance(mesh) < 0.06
