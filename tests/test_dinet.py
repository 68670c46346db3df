"""The HeyGem renderer around its network: geometry, mask, colour. The network is a stand-in whose answer is known."""

import cv2
import numpy as np
import pytest

from lipwright.errors import BackendError
from lipwright.render.base import WindowShot
from lipwright.render.dinet import INNER, DinetRenderer, landmark_mask, match_colour
from lipwright.runtime.network import Port


class Known:
    """A network that gives back its pictures, changed by a function."""

    file = "known.onnx"
    inputs = (
        Port("inner", ("batch", 3, 256, 256), "tensor(float)"),
        Port("audio", ("batch", 256, 20), "tensor(float)"),
    )

    def __init__(self, change=lambda inner, audio: inner):
        self.change, self.seen = change, []

    def run(self, inner, audio):
        self.seen.append((inner, audio))
        return [self.change(inner, audio).astype(np.float32)]


def face(square):
    """68 points of an average face in a crop's square, as 5.6 of the contracts places it."""
    x, y, side = square
    turn = np.linspace(np.pi, 0, 17)
    jaw = np.stack([0.5 + 0.33 * np.cos(turn), 0.35 + 0.42 * np.sin(turn)], 1)
    points = np.full((68, 2), 0.4)
    points[:17] = jaw
    points[17:27, 1], points[17:27, 0] = 0.12, np.linspace(0.22, 0.78, 10)
    points[27:31] = np.stack([np.full(4, 0.5), np.linspace(0.25, 0.42, 4)], 1)
    points[48:68] = (0.5, 0.6)
    return (points * side + (x, y)).astype(np.float32)


@pytest.fixture(scope="module")
def frame():
    noise = np.random.default_rng(1).integers(0, 255, (360, 480, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 6)


def shot(frame, square=(100.4, 40.7, 250.3), window=None):
    square = np.array(square)
    window = np.zeros((20, 256), np.float32) if window is None else window
    return WindowShot(frame, face(square), square, window)


@pytest.mark.parametrize(
    "square", [(100.4, 40.7, 250.3), (30.0, 20.0, 340.0), (200.5, 100.5, 120.0), (330, 200, 260), (-90, -60, 250)]
)
def test_a_network_that_changes_nothing_changes_nothing(frame, square):
    """Errors of geometry, colour order or range would show."""
    (patch,) = DinetRenderer(Known()).render([shot(frame, square)])
    height, width = patch.mask.shape
    real = frame[patch.y : patch.y + height, patch.x : patch.x + width]
    assert patch.pixels.shape == real.shape
    assert np.abs(patch.pixels.astype(int) - real)[patch.mask > 0].max() <= 3
    assert patch.mask.max() > 0.99
    assert 0 <= patch.mask.min() <= patch.mask.max() <= 1


def test_the_network_is_given_rgb_from_0_to_1_and_speech_feature_first(frame):
    network, window = Known(), np.arange(20 * 256, dtype=np.float32).reshape(20, 256)
    red = np.zeros_like(frame)
    red[..., 0] = 255
    DinetRenderer(network).render([shot(red, window=window)] * 3)
    ((inner, audio),) = network.seen
    assert inner.shape == (3, 3, INNER, INNER)
    assert (inner[:, 0] == 1).all()
    assert (inner[:, 1:] == 0).all()
    np.testing.assert_array_equal(audio, np.stack([window.T] * 3))


def test_each_frame_of_a_batch_is_drawn_as_alone(frame):
    shots = [shot(frame, (100.4 + step, 40.7, 250.3), np.full((20, 256), step, np.float32)) for step in range(4)]

    def change(inner, audio):
        return np.clip(inner + audio.mean((1, 2))[:, None, None, None] / 40, 0, 1)

    together = DinetRenderer(Known(change)).render(shots)
    for one, patch in zip(shots, together, strict=True):
        (alone,) = DinetRenderer(Known(change)).render([one])
        np.testing.assert_array_equal(alone.pixels, patch.pixels)
        np.testing.assert_array_equal(alone.mask, patch.mask)


def test_what_is_drawn_is_seen_in_the_mouth(frame):
    def change(inner, audio):
        dark = inner.copy()
        dark[:, :, 130:180, 100:156] = 0
        return dark

    one = shot(frame)
    (patch,) = DinetRenderer(Known(change)).render([one])
    x, y = (one.square[:2] + one.square[2] * 0.57).astype(int)
    assert patch.pixels[y - patch.y, x - patch.x].max() < 30
    assert patch.mask[y - patch.y, x - patch.x] == 1


def test_the_mask_holds_mouth_and_chin_but_not_eyes_and_border():
    points = face((-5, -5, 266))
    mask = landmark_mask(points)
    assert mask.shape == (INNER, INNER)
    assert mask[int(0.6 * 266), 128] == 1
    assert mask[int(0.74 * 266), 128] > 0.9
    assert mask[int(0.2 * 266), 128] == 0
    for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
        assert edge.max() == 0
    low = landmark_mask(points + np.array((0, 60)))  # a chin below the crop
    assert low[-1].max() == 0
    assert landmark_mask(points + 1000).max() == 0


def test_a_shift_of_colour_is_taken_out_at_the_seam_and_a_mouth_is_not():
    crop = np.full((INNER, INNER, 3), (150, 110, 90), np.uint8)
    mask = landmark_mask(face((-5, -5, 266)))
    drawn = crop + np.array((8, -6, 3), np.float32)
    drawn[150:170, 100:156] = 20
    out = match_colour(drawn, crop, mask)
    skin = np.ones((INNER, INNER), bool)
    skin[150:170, 100:156] = False
    assert np.abs(out - crop)[skin & (mask > 0)].max() < 2.5
    assert out[160, 128].max() < 35
    np.testing.assert_array_equal(match_colour(drawn, crop, np.zeros_like(mask)), drawn)


def test_another_network_is_refused():
    class Other(Known):
        inputs = (Port("x", (1, 3, 512, 512), "tensor(float)"),)

    with pytest.raises(BackendError, match=r"known\.onnx takes .*512.*pull dinet_v1"):
        DinetRenderer(Other())
    with pytest.raises(BackendError, match="it is another model"):
        DinetRenderer(Known(lambda inner, audio: inner[:, :1])).render([shot(np.zeros((300, 400, 3), np.uint8))])
