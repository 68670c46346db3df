"""The Conformer encoder against the same network written with PyTorch's own blocks, and its ONNX file against it."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch.nn import functional as F  # noqa: E402
from twins import generator, speech  # noqa: E402

from lipwright.audio import wenet_network  # noqa: E402
from lipwright.audio.wenet import WenetEncoder, frames_of, hear  # noqa: E402
from lipwright.errors import BackendError  # noqa: E402
from lipwright.runtime.network import Network  # noqa: E402

pytestmark = pytest.mark.torch


@pytest.fixture
def mel():
    return torch.from_numpy(np.random.default_rng(5).uniform(-70, 10, (2, 131, 80)).astype("f4"))


def reference(w, mel):  # noqa: PLR0915 - one network on one page
    """Every stage of the encoder from its weights by key, by another formulation. Yields (stage, features)."""

    def linear(x, name):
        return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))

    def norm(x, name):
        return F.layer_norm(x, (256,), w[f"{name}.weight"], w[f"{name}.bias"], 1e-12)

    def half_forward(x, name):
        hidden = linear(x, f"{name}.w_1")
        return linear(hidden * hidden.sigmoid(), f"{name}.w_2") / 2

    def attention(x, place, name):
        """Queries twice as long, with u and v added to the two halves; keys and places side by side."""
        heads = [linear(x, f"{name}.linear_{part}").view(len(x), -1, 4, 64).transpose(1, 2) for part in "qkv"]
        placed = linear(place, f"{name}.linear_pos").view(1, -1, 4, 64).transpose(1, 2).expand(len(x), -1, -1, -1)
        u, v = (w[f"{name}.pos_bias_{part}"][None, :, None] for part in "uv")
        query = torch.cat([heads[0] + u, heads[0] + v], -1)
        heard = F.scaled_dot_product_attention(query, torch.cat([heads[1], placed], -1), heads[2], scale=1 / 8)
        return linear(heard.transpose(1, 2).reshape(x.shape), f"{name}.linear_out")

    def convolution(x, name):
        a, b = linear_1(x, f"{name}.pointwise_conv1").chunk(2, 1)
        x = F.conv1d(
            a * b.sigmoid(), w[f"{name}.depthwise_conv.weight"], w[f"{name}.depthwise_conv.bias"], 1, 7, 1, 256
        )
        stats = (w[f"{name}.norm.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        x = F.batch_norm(x, *stats)
        return linear_1((x * x.sigmoid()).transpose(1, 2), f"{name}.pointwise_conv2").transpose(1, 2)

    def linear_1(x, name):
        return F.conv1d(x.transpose(1, 2), w[f"{name}.weight"], w[f"{name}.bias"])

    x = F.relu(F.conv2d(mel[:, None], w["embed.conv.0.weight"], w["embed.conv.0.bias"], 2))
    x = F.relu(F.conv2d(x, w["embed.conv.2.weight"], w["embed.conv.2.bias"], 2))
    x = torch.stack([linear(x[:, :, at].flatten(1), "embed.out.0") for at in range(x.shape[2])], 1)
    yield "embed", x
    place = torch.tensor(
        [
            [(math.cos if at % 2 else math.sin)(step / 10_000 ** (at // 2 * 2 / 256)) for at in range(256)]
            for step in range(x.shape[1])
        ]
    )[None]
    x = 16 * x
    for number in range(len({key.split(".")[1] for key in w if key.startswith("encoders.")})):
        name = f"encoders.{number}"
        x = x + half_forward(norm(x, f"{name}.norm_ff_macaron"), f"{name}.feed_forward_macaron")
        x = x + attention(norm(x, f"{name}.norm_mha"), place, f"{name}.self_attn")
        x = x + convolution(norm(x, f"{name}.norm_conv"), f"{name}.conv_module")
        x = x + half_forward(norm(x, f"{name}.norm_ff"), f"{name}.feed_forward")
        x = norm(x, f"{name}.norm_final")
        yield name, x
    yield "after_norm", norm(x, "after_norm")


def test_every_layer_agrees_with_another_formulation(mel):
    network = speech.encoder(blocks=2, width=96)
    seen = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    with torch.no_grad():
        network(mel)
        stages = dict(reference(network.state_dict(), mel))
    assert list(stages) == ["embed", "encoders.0", "encoders.1", "after_norm"]
    for name, wanted in stages.items():
        torch.testing.assert_close(seen[name], wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()), msg=name)


def expected(blocks, width):
    """Shape by key of the published encoder."""

    def linear(name, given, taken=256, kernel=()):
        return {f"{name}.weight": (given, taken, *kernel), f"{name}.bias": (given,)}

    def norm(name):
        return {f"{name}.weight": (256,), f"{name}.bias": (256,)}

    shapes = linear("embed.conv.0", 256, 1, (3, 3)) | linear("embed.conv.2", 256, 256, (3, 3))
    shapes |= linear("embed.out.0", 256, 4864) | norm("after_norm")
    for number in range(blocks):
        one = {}
        for part in ("q", "k", "v", "out"):
            one |= linear(f"self_attn.linear_{part}", 256)
        one |= {"self_attn.linear_pos.weight": (256, 256)}
        one |= {f"self_attn.pos_bias_{part}": (4, 64) for part in "uv"}
        for forward in ("feed_forward", "feed_forward_macaron"):
            one |= linear(f"{forward}.w_1", width) | linear(f"{forward}.w_2", 256, width)
        one |= linear("conv_module.pointwise_conv1", 512, kernel=(1,))
        one |= linear("conv_module.depthwise_conv", 256, 1, (15,))
        one |= linear("conv_module.pointwise_conv2", 256, kernel=(1,))
        one |= norm("conv_module.norm") | {"conv_module.norm.num_batches_tracked": ()}
        one |= {f"conv_module.norm.running_{part}": (256,) for part in ("mean", "var")}
        for name in ("norm_ff", "norm_mha", "norm_ff_macaron", "norm_conv", "norm_final"):
            one |= norm(name)
        one |= linear("concat_linear", 256, 512)
        shapes |= {f"encoders.{number}.{key}": shape for key, shape in one.items()}
    return shapes


@pytest.mark.parametrize(("blocks", "width"), [(12, 2048), (1, 32)])
def test_keys_and_shapes_are_those_of_the_table(blocks, width):
    with torch.device("meta"):
        state = wenet_network.Encoder(blocks, width).state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == expected(blocks, width)


def test_the_published_network_has_35_million_weights():
    with torch.device("meta"):
        network = wenet_network.Encoder(12, 2048)
    assert sum(weight.numel() for weight in network.parameters()) == 35_040_768


def test_sizes_are_read_from_the_keys_and_other_parts_left_out(tmp_path):
    path = tmp_path / "model.pt"
    network = speech.encoder(blocks=3, width=48)
    torch.save({f"module.{key}": value for key, value in speech.state(network).items()}, path)
    loaded = wenet_network.load(path)
    assert loaded.state_dict().keys() == network.state_dict().keys()
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in loaded.state_dict().items())


def test_the_unused_layer_may_be_absent(tmp_path):
    path = speech.build(tmp_path)
    stored = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in stored.items() if ".concat_linear." not in key}, path)
    wenet_network.load(path)


@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-3), (True, 5e-2)])
def test_the_onnx_file_gives_the_same_at_any_length(tmp_path, mel, half, tolerance):
    path, target = speech.build(tmp_path), tmp_path / "wenet.onnx"
    wenet_network.convert(path, target, half=half)
    encode = WenetEncoder(Network(target))
    for rows in (7, 68, 131):
        with torch.no_grad():
            wanted = wenet_network.load(path)(mel[:1, :rows])[0].numpy()
        got = encode(mel[0, :rows].numpy())
        assert len(got) == frames_of(rows)
        np.testing.assert_allclose(got, wanted, atol=tolerance * np.abs(wanted).max())
    assert not list(tmp_path.glob(".*partial*"))


def swapped(old, new):
    return lambda stored: stored.update({new: stored.pop(old)})


BIAS = "encoder.encoders.0.self_attn.linear_q.bias"
WRONG = [
    (swapped(BIAS, BIAS + "es"), r"1 missing \(encoders\.0\.self_attn\.linear_q\.bias\); 1 unexpected \(.*biases\);"),
    (lambda stored: stored.pop("encoder.after_norm.weight"), r"1 missing \(after_norm\.weight\);"),
    (lambda stored: stored.update({BIAS: torch.zeros(512)}),
     r"1 of another shape \(encoders\.0\.self_attn\.linear_q\.bias \(512,\) → \(256,\)\);"),
    (lambda stored: stored.update({"encoder.encoders.7.norm_ff.bias": torch.zeros(256)}), "missing .*1 unexpected"),
    (lambda stored: stored.update({BIAS: 3.0}), r"linear_q\.bias a float → \(256,\)"),
    (lambda stored: stored.update({f"encoder.{wenet_network.FIRST_WIDTH}": torch.zeros(3)}), "of two dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_checkpoint_is_refused_in_one_sentence(tmp_path, change, said):
    path = speech.build(tmp_path)
    stored = torch.load(path, weights_only=True)
    change(stored)
    torch.save(stored, path)
    with pytest.raises(BackendError, match=said) as caught:
        wenet_network.load(path)
    assert "wenetmodel.pt" in str(caught.value)
    assert "lipwright models pull wenet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_another_checkpoint_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"decoder.weight": torch.zeros(2)}, path)
    for other in (path, generator.build(tmp_path)):
        with pytest.raises(BackendError, match=r"not the wenet checkpoint: it has no encoder\.encoders\.0"):
            wenet_network.load(other)


def test_damaged_files_are_refused(tmp_path):
    path = speech.build(tmp_path)
    whole = path.read_bytes()
    for stored, said in (
        (whole[: len(whole) // 2], "damaged or cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
    ):
        path.write_bytes(stored)
        with pytest.raises(BackendError, match=said):
            wenet_network.load(path)


@pytest.mark.full
@pytest.mark.parametrize(("half", "tolerance"), [(False, 1e-3), (True, 5e-2)])
def test_the_full_size_hears_35_seconds(tmp_path, half, tolerance):
    path, target = speech.build(tmp_path, blocks=12, width=2048), tmp_path / "wenet.onnx"
    wenet_network.convert(path, target, half=half)
    sound = np.random.default_rng(3).normal(0, 0.1, 35 * 16_000).astype("f4")
    network = wenet_network.load(path)

    def in_torch(mel):
        with torch.no_grad():
            return network(torch.from_numpy(mel)[None])[0].numpy()

    wanted = np.concatenate(list(hear([sound], in_torch)))
    got = np.concatenate(list(hear([sound], WenetEncoder(Network(target)))))
    assert got.shape == wanted.shape == (894, 256)
    np.testing.assert_allclose(got, wanted, atol=tolerance * np.abs(wanted).max())
