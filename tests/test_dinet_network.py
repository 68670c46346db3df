"""The DINet generator: its totals, its operator against the original's formulation, its file, every way to be wrong."""

import errno
import gc
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from twins import generator as twin  # noqa: E402
from twins import speech  # noqa: E402

from lipwright.checkpoints import conversion  # noqa: E402
from lipwright.errors import BackendError, OutputError  # noqa: E402
from lipwright.render import dinet_network  # noqa: E402
from lipwright.runtime.network import Network  # noqa: E402

pytestmark = pytest.mark.torch
LIMIT = {False: 1e-3, True: 3e-2}


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(7)
    return rng.uniform(0, 1, (3, 3, 256, 256)).astype("f4"), rng.uniform(-0.5, 0.5, (3, 256, 20)).astype("f4")


@pytest.mark.parametrize(("channels", "weights"), [(64, 97_747_203), (4, 406_803)])
def test_totals_are_those_of_the_published_file(channels, weights):
    with torch.device("meta"):
        network = dinet_network.Generator(channels)
    state = network.state_dict()
    assert sum(weight.numel() for weight in network.parameters()) == weights
    assert len(state) == 416
    assert sum(key.endswith("running_mean") for key in state) == 58
    if channels == 64:
        assert sum(value.numel() * value.element_size() for value in state.values()) == 391_144_924


def test_adaat_samples_as_the_volume_does():
    torch.manual_seed(3)
    operator = dinet_network.AdaAT(12, 7).eval()
    features, condition = torch.randn(2, 7, 9, 6), 3 * torch.randn(2, 12)
    with torch.no_grad():
        hidden = operator.commn_linear(condition).relu()
        scale = operator.scale(hidden).sigmoid() * 2
        angle = operator.rotation(hidden).tanh() * 3.14159
        shift = operator.translation(hidden).tanh().view(2, 7, 2)
        volume = torch.zeros(2, 7, 9, 6, 3)
        for c in range(7):
            for row in range(9):
                for column in range(6):
                    x, y = 2 * column / 5 - 1, 2 * row / 8 - 1
                    cos, sin = angle[:, c].cos(), angle[:, c].sin()
                    volume[:, c, row, column, 0] = (cos * x - sin * y) * scale[:, c] + shift[:, c, 0]
                    volume[:, c, row, column, 1] = (sin * x + cos * y) * scale[:, c] + shift[:, c, 1]
            volume[:, c, :, :, 2] = 2 * c / 6 - 1
        wanted = torch.nn.functional.grid_sample(features[:, None], volume, align_corners=False)[:, 0]
        torch.testing.assert_close(operator(features, condition), wanted, rtol=1e-4, atol=1e-5)


def test_blocks_are_the_published_ones():
    """Widths, kernels and strides in the order of the file; the sums of the totals do not tell strides."""
    with torch.device("meta"):
        network = dinet_network.Generator(64)
    trans = [(*block.conv.kernel_size[:1], *block.conv.stride[:1]) for block in network.trans_conv]
    assert trans == [(3, 1), (11, 1), (11, 1), (3, 2), (7, 1), (7, 1), (3, 2), (5, 1), (5, 2), (3, 1), (3, 2)]
    assert network.out_conv[2][2].weight.shape == (3, 128, 7, 7)
    assert network.adaAT.translation[0].weight.shape == (1024, 512)


def test_the_twin_loads_whole_and_draws(tmp_path, inputs):
    held = dinet_network.load(twin.build(tmp_path))
    assert held.wh == 0.97
    picture, speech = (torch.from_numpy(array) for array in inputs)
    covered = picture.clone()
    covered[:, :, 86:252, 37:218] = 0
    with torch.no_grad():
        wanted = twin.generator()(covered, picture, speech)
        drawn = held.network(picture, speech)
        other = held.network(picture, -speech)
    torch.testing.assert_close(drawn, wanted)
    assert drawn.shape == (3, 3, 256, 256)
    assert 0 <= drawn.min() < drawn.max() <= 1
    assert (drawn - other).abs().max() > 1e-4


@pytest.mark.parametrize("half", [False, True])
def test_the_onnx_file_draws_the_same_for_any_batch(tmp_path, inputs, half):
    path, target = twin.build(tmp_path), tmp_path / "dinet.onnx"
    dinet_network.convert(path, target, half=half)
    network = Network(target)
    assert [port.name for port in network.inputs] == ["inner", "audio"]
    with torch.no_grad():
        wanted = dinet_network.load(path).network(*(torch.from_numpy(array) for array in inputs)).numpy()
    for batch in (1, 3):
        drawn = network.run(*(array[:batch] for array in inputs))[0]
        np.testing.assert_allclose(drawn, wanted[:batch], atol=LIMIT[half])
    assert (target.stat().st_size < 1.3e6) == half


WRONG = [
    (twin.without("input_mask"), "got input_mask of shape"),
    (twin.without("face_G"), "got face_G None"),
    (twin.with_part("wh", 97), "got wh 97"),
    (twin.with_part("model_name", "dinet_v2"), "got model_name 'dinet_v2', wanted 'dinet_v1'"),
    (twin.with_part("model_ngf", 10**9), "got model_ngf 1000000000, wanted 1 to 256"),
    (twin.with_part("model_input_size", [160, 160]), "got model_input_size"),
    (twin.with_part("input_mask", np.full((256, 256), 7)), "input_mask from 7 to 7, wanted 0 to 1"),
    (twin.with_part("input_mask_re", np.ones((160, 160))), r"\(160, 160\), wanted \(256, 256\)"),
    (twin.renamed("out_conv.2.2.bias", "out_conv.2.2.offset"),
     r"of 416 keys 1 missing \(out_conv.2.2.bias\); 1 unexpected \(out_conv.2.2.offset\);"),
    (twin.reshaped("trans_conv.1.conv.weight", (2, 2)),
     r"1 of another shape \(trans_conv.1.conv.weight \(2, 2\) → \(16,"),
    (twin.with_part("model_ngf", 8), r"of another shape \(source_in_conv.0.0.conv.weight \(4, 3, 7, 7\) → \(8,.*, …\)"),
    (twin.with_part("face_G", {"a": 1}), "416 missing .*, …"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_a_wrong_checkpoint_is_refused_in_one_sentence(tmp_path, change, said):
    stored = twin.contents()
    change(stored)
    with pytest.raises(BackendError, match=said) as caught:
        dinet_network.load(twin.write(tmp_path, stored))
    assert twin.PATH.name in str(caught.value)
    assert "lipwright models pull dinet_v1" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = twin.build(tmp_path)
    whole = path.read_bytes()
    for stored, said in (
        (whole[: len(whole) // 2], "damaged or cut off"),
        (b"", "damaged or cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>not found</html>", "no PyTorch file"),
        (pickle.dumps({"run": print}, 2), "no PyTorch file"),
    ):
        path.write_bytes(stored)
        with pytest.raises(BackendError, match=said):
            dinet_network.load(path)
    torch.save([1, 2], path)
    with pytest.raises(BackendError, match="got a list, wanted a dict"):
        dinet_network.load(path)
    path.unlink()
    with pytest.raises(BackendError, match="cannot be read"):
        dinet_network.load(path)


def test_no_object_of_a_file_is_ever_made(tmp_path):
    made = tmp_path / "made"

    class Trap:
        def __reduce__(self):
            return made.mkdir, ()

    with pytest.raises(BackendError, match="objects other than tensors"):
        dinet_network.load(twin.write(tmp_path, {"model_name": Trap()}))
    assert not made.exists()


def test_arrays_saved_by_a_later_numpy_are_read(tmp_path):
    path = twin.build(tmp_path)
    torch.save(twin.contents(), path, _use_new_zipfile_serialization=False)
    older = path.read_bytes()
    assert b"cnumpy.core.multiarray\n_reconstruct\n" in older
    path.write_bytes(older.replace(b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"))
    assert dinet_network.load(path).wh == 0.97


def test_a_conversion_that_fails_leaves_nothing(tmp_path, monkeypatch):
    path, target = twin.build(tmp_path), tmp_path / "dinet.onnx"
    monkeypatch.setattr(conversion, "SINGLE_TOLERANCE", -1.0)
    with pytest.raises(BackendError, match="differs from the one in torch"):
        dinet_network.convert(path, target)
    assert [entry.name for entry in tmp_path.iterdir()] == [twin.PATH.parts[0]]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        dinet_network.convert(path, tmp_path / "file" / "dinet.onnx")


@pytest.mark.parametrize(("failure", "kind", "said"), [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OutputError, "dinet.onnx cannot be written .No space left"),
    (RuntimeError("no such operator\nmore"), BackendError, r"cannot write this network as ONNX \(no such operator\);"),
    (TypeError(), BackendError, r"cannot write this network as ONNX \(TypeError\);"),
])  # fmt: skip
def test_an_export_that_breaks_off_leaves_nothing(tmp_path, monkeypatch, failure, kind, said):
    def export(_network, _example, file, **_options):
        Path(file).write_bytes(b"half")
        raise failure

    path, target = twin.build(tmp_path), tmp_path / "dinet.onnx"
    monkeypatch.setattr(torch.onnx, "export", export)
    with pytest.raises(kind, match=said) as caught:
        dinet_network.convert(path, target)
    assert "\n" not in str(caught.value)
    assert [entry.name for entry in tmp_path.iterdir()] == [twin.PATH.parts[0]]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(BackendError, match=r"lipwright\[heygem\]"):
        dinet_network.convert(twin.build(tmp_path), tmp_path / "dinet.onnx")


def test_weights_saved_by_parallel_training_are_read(tmp_path):
    stored = twin.contents()
    plain = stored["face_G"]
    stored["face_G"] = {f"module.{key}": value for key, value in plain.items()}
    loaded = dinet_network.load(twin.write(tmp_path, stored)).network.generator.state_dict()
    assert all(torch.equal(value, plain[key]) for key, value in loaded.items())


def test_the_speech_encoders_checkpoint_is_refused(tmp_path):
    with pytest.raises(BackendError, match=r"wenetmodel\.pt is not the dinet_v1 checkpoint: got model_name None"):
        dinet_network.load(speech.build(tmp_path))


@pytest.mark.full
@pytest.mark.parametrize("half", [False, True])
def test_the_full_size(tmp_path, inputs, half):
    path, target = twin.build(tmp_path, 64), tmp_path / "dinet.onnx"
    dinet_network.convert(path, target, half=half)
    held = dinet_network.load(path)
    with torch.no_grad():
        wanted = held.network(*(torch.from_numpy(array[:1]) for array in inputs)).numpy()
    del held
    gc.collect()
    drawn = Network(target).run(*(array[:1] for array in inputs))[0]
    assert drawn.shape == (1, 3, 256, 256)
    assert wanted.std() > 0.01
    np.testing.assert_allclose(drawn, wanted, atol=LIMIT[half])
