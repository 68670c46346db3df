"""The DINet generator against a second one, written from the published table of layers with functions alone."""

import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402
from twins import generator as twin  # noqa: E402

from lipwright.render.dinet_network import Generator  # noqa: E402

pytestmark = pytest.mark.torch

# Layers in order by prefix: kind, channels in, channels out, kernel; channels as multiples of model_ngf.
PYRAMID = [
    [("same", None, 1, 7), ("down", 1, 2, 3)],
    [("same", 2, 2, 3), ("down", 2, 4, 3)],
    [("same", 4, 4, 3), ("down", 4, 8, 3)],
]
TABLE = {
    **{f"{which}_in_conv.{level}": rows for which in ("source", "ref") for level, rows in enumerate(PYRAMID)},
    "trans_conv": [
        ("same", 16, 4, 3), ("same", 4, 4, 11), ("same", 4, 4, 11), ("down", 4, 4, 3), ("same", 4, 4, 7),
        ("same", 4, 4, 7), ("down", 4, 4, 3), ("same", 4, 4, 5), ("down", 4, 4, 5), ("same", 4, 4, 3),
        ("down", 4, 4, 3),
    ],
    "audio_encoder": [
        ("same", None, 4, 5), ("res", 4, 4, 3), ("down", 4, 4, 3), ("res", 4, 4, 3), ("down", 4, 4, 3),
        ("same", 4, 4, 3),
    ],
    "appearance_conv_list.0": [("same", 8, 8, 5), *[("res", 8, 8, 3)] * 4],
    "appearance_conv_list.1": [("res", 8, 8, 3)] * 4,
    "adaAT.commn_linear": [("linear", 8, 8, 0)],
    "adaAT.scale": [("linear", 8, 8, 0)],
    "adaAT.rotation": [("linear", 8, 8, 0)],
    "adaAT.translation": [("linear", 8, 16, 0)],
    "out_conv.0": [("same", 16, 8, 3), ("up", 8, 8, 3), ("res", 8, 8, 3)],
    "out_conv.1": [("up", 12, 4, 3), ("res", 4, 4, 3)],
    "out_conv.2": [("up", 6, 2, 3), ("res", 2, 2, 3), ("plain", 2, None, 7)],
}  # fmt: skip
OUTSIDE = {"source_in_conv.0": 3, "ref_in_conv.0": 3, "audio_encoder": 256, "out_conv.2": 3}


def expected(n):
    """Shape by key of the published state."""
    shapes = {}
    for prefix, rows in TABLE.items():
        for number, (kind, taken, given, kernel) in enumerate(rows):
            inner, outer = (OUTSIDE[prefix] if part is None else part * n for part in (taken, given))
            window = (kernel,) * (1 if prefix == "audio_encoder" else 2)
            name = f"{prefix}.{number}"
            if kind == "linear":
                shapes |= {f"{name}.weight": (outer, inner), f"{name}.bias": (outer,)}
                continue
            convolutions = {"res": ["conv1.", "conv2."], "plain": [""]}.get(kind, ["conv."])
            norms = {"res": ["norm1.", "norm2."], "plain": []}.get(kind, ["norm."])
            for conv in convolutions:
                shapes |= {f"{name}.{conv}weight": (outer, inner, *window), f"{name}.{conv}bias": (outer,)}
            for norm in norms:
                parts = ("weight", "bias", "running_mean", "running_var")
                shapes |= {f"{name}.{norm}{part}": (outer,) for part in parts}
                shapes[f"{name}.{norm}num_batches_tracked"] = ()
    return shapes


def drawn(w, source, reference, audio):
    """The forward pass in its published order, from weights by key."""

    def conv(x, name, stride=1):
        weight = w[f"{name}.weight"]
        flat = F.conv2d if weight.ndim == 4 else F.conv1d
        return flat(x, weight, w[f"{name}.bias"], stride, weight.shape[-1] // 2)

    def norm(x, name):
        mean, var, gain, shift = (
            w[f"{name}.{part}"].reshape(1, -1, *[1] * (x.ndim - 2))
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-5).sqrt() * gain + shift

    def layers(x, prefix):
        for number, (kind, *_) in enumerate(TABLE[prefix]):
            name = f"{prefix}.{number}"
            if kind == "res":
                inner = conv(F.relu(norm(x, f"{name}.norm1")), f"{name}.conv1")
                x = x + conv(F.relu(norm(inner, f"{name}.norm2")), f"{name}.conv2")
            elif kind == "plain":
                x = conv(x, name)
            else:
                if kind == "up":
                    x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
                x = F.relu(norm(conv(x, f"{name}.conv", 2 if kind == "down" else 1), f"{name}.norm"))
        return x

    half = layers(source, "source_in_conv.0")
    quarter = layers(half, "source_in_conv.1")
    eighth = layers(quarter, "source_in_conv.2")
    for level in range(3):
        reference = layers(reference, f"ref_in_conv.{level}")
    picture = layers(torch.cat([eighth, reference], 1), "trans_conv").mean((2, 3))
    speech = (1.5 * layers(audio, "audio_encoder")).mean(2)
    moved = volume_sampled(w, layers(reference, "appearance_conv_list.0"), torch.cat([picture, speech], 1))
    x = layers(torch.cat([eighth, layers(moved, "appearance_conv_list.1")], 1), "out_conv.0")
    x = layers(torch.cat([x, quarter], 1), "out_conv.1")
    return torch.sigmoid(layers(torch.cat([x, half], 1), "out_conv.2"))


def volume_sampled(w, features, condition):
    """Every channel rotated, scaled, shifted: the map sampled as a volume whose depth is the channel."""

    def linear(x, name):
        return F.linear(x, w[f"adaAT.{name}.0.weight"], w[f"adaAT.{name}.0.bias"])

    batch, channels, height, width = features.shape
    hidden = F.relu(linear(condition, "commn_linear"))
    scale = 2 * torch.sigmoid(linear(hidden, "scale"))[:, :, None, None]
    angle = 3.14159 * torch.tanh(linear(hidden, "rotation"))[:, :, None, None]
    shift = torch.tanh(linear(hidden, "translation")).view(batch, channels, 2, 1, 1)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    depth = torch.linspace(-1, 1, channels).view(1, -1, 1, 1).expand(batch, -1, height, width)
    volume = torch.stack(
        [
            (torch.cos(angle) * x - torch.sin(angle) * y) * scale + shift[:, :, 0],
            (torch.sin(angle) * x + torch.cos(angle) * y) * scale + shift[:, :, 1],
            depth,
        ],
        -1,
    )
    return F.grid_sample(features[:, None], volume, align_corners=False)[:, 0]


@pytest.mark.parametrize("channels", [64, 4])
def test_keys_and_shapes_are_those_of_the_table(channels):
    with torch.device("meta"):
        state = Generator(channels).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == expected(channels)


def test_the_whole_generator_draws_as_the_table_says():
    network = twin.generator()
    random = torch.Generator().manual_seed(11)
    source, reference = (torch.rand(2, 3, 256, 256, generator=random) for _ in range(2))
    audio = torch.rand(2, 256, 20, generator=random) - 0.5
    with torch.no_grad():
        wanted = drawn(network.double().state_dict(), source.double(), reference.double(), audio.double())
        got = network.float()(source, reference, audio)
    assert wanted.std() > 0.05
    torch.testing.assert_close(got.double(), wanted, rtol=0, atol=1e-5)
