"""Twins of the restoring, parsing, occlusion and face-attribute files: their exact signatures, arithmetic inside."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

RESTORE = "pretrain_models/face_lib/face_restore/gfpgan/GFPGANv1.4.onnx"
PARSE = "pretrain_models/face_lib/face_parsing/79999_iter.onnx"
OCCLUDE = "xseg/xseg_211104_4790000.onnx"
ATTRIBUTES = "face_attr_detect/face_attr_epoch_12_220318.onnx"


def build(folder: Path) -> None:
    """Write the four files into the published tree."""
    for name, write in ((RESTORE, restore), (PARSE, parse), (OCCLUDE, occlude), (ATTRIBUTES, attributes)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write(folder / name)


def restore(path: Path, gains: tuple[float, float, float] = (0.999, 0.999, 0.999)) -> None:
    """GFPGAN: the picture times a gain for each channel."""
    gain = np.array(gains, np.float32).reshape(1, 3, 1, 1)
    nodes = [helper.make_node("Mul", ["input", "gain"], ["1392"])]
    _save(path, nodes, {"gain": gain}, ("input", (1, 3, 512, 512)), ("1392", (1, 3, 512, 512)))


def parse(path: Path, skin: int = 0, hair: int = 2) -> None:
    """BiSeNet: where red leads skin, where green leads background, where blue leads hair; other channels if asked."""
    weights = np.zeros((19, 3, 1, 1), np.float32)
    weights[1, skin] = weights[0, 1] = weights[17, hair] = 20
    bias = np.full(19, -40, np.float32)
    bias[[0, 1, 17]] = 0
    nodes = [helper.make_node("Conv", ["x", "weights", "bias"], ["feat_out"])]
    _save(
        path, nodes, {"weights": weights, "bias": bias}, ("x", (1, 3, 512, 512)), ("feat_out", (1, 19, 512, 512))
    )  # fmt: skip


def occlude(path: Path, inside: float = 1, outside: float = 0.05) -> None:
    """XSeg: a disc of ones, 0.05 around it, and 0 wherever the first channel, blue, is above 0.9."""
    row, column = np.mgrid[:256, :256] - 127.5
    disc = np.where(np.hypot(row, column) < 90, inside, outside).astype(np.float32)[None, ..., None]
    nodes = [
        helper.make_node("Gather", ["in_face:0", "first"], ["blue"], axis=3),
        helper.make_node("Less", ["blue", "limit"], ["free"]),
        helper.make_node("Cast", ["free"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["kept", "disc"], ["out_mask:0"]),
    ]
    constants = {"first": np.array([0]), "limit": np.array(0.9, np.float32), "disc": disc}
    _save(path, nodes, constants, ("in_face:0", (1, 256, 256, 3)), ("out_mask:0", (1, 256, 256, 1)))


def attributes(path: Path, bias: float = 0.0) -> None:
    """Face attributes: the blur score is the mean of the first channel as fed, plus a bias; the others are −1."""
    weights, offsets = np.zeros((3, 10), np.float32), np.full(10, -1, np.float32)
    weights[0, 8], offsets[8] = 1, bias
    nodes = [
        helper.make_node("ReduceMean", ["data"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "weights", "offsets"], ["fc"]),
    ]
    _save(path, nodes, {"weights": weights, "offsets": offsets}, ("data", (1, 3, 512, 512)), ("fc", (1, 10)))


def softness(path: Path, place: int = 8) -> None:
    """Face attributes: the one at that place rises as the picture gets softer; the others are −1."""
    weights, offsets = np.zeros((3, 10), np.float32), np.full(10, -1, np.float32)
    weights[:, place], offsets[place] = -1, 1
    nodes = [
        helper.make_node("AveragePool", ["data"], ["around"], kernel_shape=[5, 5], pads=[2, 2, 2, 2]),
        helper.make_node("Sub", ["data", "around"], ["fine"]),
        helper.make_node("Abs", ["fine"], ["detail"]),
        helper.make_node("ReduceMean", ["detail"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "weights", "offsets"], ["fc"]),
    ]
    _save(path, nodes, {"weights": weights, "offsets": offsets}, ("data", (1, 3, 512, 512)), ("fc", (1, 10)))


def _save(path: Path, nodes: list, constants: dict, takes: tuple, gives: tuple) -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (takes, gives)]
    held = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    graph = helper.make_graph(nodes, path.stem, ports[:1], ports[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
