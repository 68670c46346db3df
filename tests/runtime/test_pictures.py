"""Networks from files: layouts, dtypes and batches are the file's own affair, and another model is told apart."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lipwright.errors import BackendError
from lipwright.models.catalog import ModelCard
from lipwright.runtime import Network, PictureModel
from lipwright.runtime.sessions import out_of_memory

CARD = ModelCard(name="mean", file="mean.onnx", licence="none", origin="tests", takes=(3, 8, 6), gives=((8, 6),))


def network(path, shape=(1, 3, 8, 6), dtype=TensorProto.FLOAT, *, batch_kept=True):
    """Means over the channels: (B, 8, 6), in the file's own layout and dtype."""
    axis = 1 if shape[1] == 3 else 3
    taken = helper.make_tensor_value_info("odd name", dtype, shape)
    given = helper.make_tensor_value_info("77", dtype, None)
    nodes = [helper.make_node("ReduceMean", ["odd name"], ["77"], axes=[axis], keepdims=0)]
    if not batch_kept:
        nodes[0].output[0] = "with batch"
        nodes.append(helper.make_node("Squeeze", ["with batch", "first"], ["77"]))
    first = [] if batch_kept else [numpy_helper.from_array(np.zeros(1, np.int64), "first")]
    graph = helper.make_graph(nodes, "mean", [taken], [given], first)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    return path


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).normal(0, 1, (3, 8, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((1, 3, 8, 6), TensorProto.FLOAT),
        (("batch", 3, 8, 6), TensorProto.FLOAT),
        ((None, 3, "height", "width"), TensorProto.FLOAT),
        ((1, 8, 6, 3), TensorProto.FLOAT),
        (("batch", 8, 6, 3), TensorProto.FLOAT16),
        ((1, 3, 8, 6), TensorProto.FLOAT16),
    ],
    ids=str,
)
def test_every_layout_gives_the_same(tmp_path, pictures, shape, dtype):
    model = PictureModel(network(tmp_path / "mean.onnx", shape, dtype), CARD)
    assert model.size == (8, 6)
    (result,) = model(pictures)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, pictures.mean(3), atol=1e-6 if dtype == TensorProto.FLOAT else 2e-3)


def test_outputs_without_a_batch_axis_are_given_as_they_are(tmp_path, pictures):
    model = PictureModel(network(tmp_path / "mean.onnx", batch_kept=False), CARD)
    (result,) = model(pictures[:1])
    assert result.shape == (8, 6)


@pytest.mark.parametrize("shape", [(1, 4, 8, 6), (1, 3, 8, 3), ("a", "b", "c", "d")], ids=str)
def test_another_input_is_told(tmp_path, shape):
    path = network(tmp_path / "mean.onnx", shape)
    with pytest.raises(BackendError, match=r"mean\.onnx is not mean: .*3 channels.*run `lipwright models pull mean`"):
        PictureModel(path, CARD)


def test_another_output_is_told(tmp_path):
    path = network(tmp_path / "mean.onnx")
    for gives in (((8, 7),), ((8, 6), (1,))):
        card = ModelCard(name="mean", file="", licence="", origin="", takes=CARD.takes, gives=gives)
        with pytest.raises(BackendError, match=r"it has outputs \[\(1, 8, 6\)\], wanted output . of ."):
            PictureModel(path, card)


def test_a_damaged_file_is_told(tmp_path):
    path = network(tmp_path / "mean.onnx")
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BackendError, match=r"ONNX Runtime cannot open mean\.onnx.*`lipwright models verify`"):
        PictureModel(path, CARD)


def test_what_does_not_fit_is_told(tmp_path):
    model = Network(network(tmp_path / "mean.onnx"))
    with pytest.raises(BackendError, match=r"cannot take \(1, 3, 9, 6\)"):
        model.run(np.zeros((1, 3, 9, 6), np.float32))
    with pytest.raises(BackendError, match="takes 1 inputs, not 2"):
        model.run(np.zeros(1), np.zeros(1))


def test_too_little_memory_says_what_would_fit(tmp_path):
    model = Network(network(tmp_path / "mean.onnx"))

    class Full:
        def run(self, names, feed):
            raise RuntimeError(
                "[ONNXRuntimeError] : 1 : FAIL : BFCArena::AllocateRawInternal Failed to allocate memory"
            )

    model._session = Full()
    with pytest.raises(BackendError, match=r"does not fit into the memory of cpu .*smaller --batch-size"):
        model.run(np.zeros((1, 3, 8, 6), np.float32))
    assert not out_of_memory(RuntimeError("Invalid rank"))


def test_the_first_run_is_timed(tmp_path):
    model = Network(network(tmp_path / "mean.onnx"))
    assert model.warm_up == 0
    model.run(np.zeros((1, 3, 8, 6), np.float32))
    assert model.warm_up > 0
