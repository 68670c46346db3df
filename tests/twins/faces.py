"""Twins of the published face models: their exact signatures, seeded weights, and an answer known beforehand.

`build` writes the default ones under their published names. Faces do not depend on the picture but for its brightness:
a black one has none.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

DETECTOR = "face_detect_utils/resources/scrfd_500m_bnkps_shape640x640.onnx"
LANDMARKS = "face_detect_utils/resources/pfpld_robust_sim_bs1_8003.onnx"
POSE = "face_detect_utils/resources/model_float32.onnx"
ATTRIBUTES = "face_attr_detect/face_attr_epoch_12_220318.onnx"

CANVAS, STRIDES = 640, (8, 16, 32)
FACE = 300  # entry at stride 32: row 7, column 10
CENTRE = (320, 224)
SIDES = (3.0, 3.5, 3.0, 3.5)  # left, top, right, bottom of the face's box from its centre, strides
POINTS = ((-1.3, -1.0), (1.3, -1.0), (0.0, 0.4), (-1.0, 1.7), (1.0, 1.7))  # the five, strides from the centre
SECOND, SECOND_SCALE = 7 * 40 + 2 * 3, 0.6  # a smaller face in column 3


def build(folder: Path) -> None:
    """The default variants in the published folders."""
    detector(folder / DETECTOR)
    landmarks(folder / LANDMARKS)
    head_pose(folder / POSE)
    attributes(folder / ATTRIBUTES)


def detector(path: Path, *, variant: str = "a", faces: int = 1, points: bool = True) -> Path:
    """SCRFD. Variant "a" is fixed and names 3-D outputs, "b" is free in size and numbers 2-D ones."""
    rng = np.random.default_rng(1)
    nodes = [helper.make_node("ReduceMean", ["input.1"], ["mean"], keepdims=0)]
    names = ["score", "bbox", "kps"][: 3 if points else 2]
    outputs, weights = [], []
    for part, width in zip(names, (1, 4, 10), strict=False):
        for stride in STRIDES:
            values = _level(part, stride, faces, rng)
            values = values[None] if variant == "a" else values
            name = f"{part}_{stride}" if variant == "a" else str(440 + 3 * len(outputs))
            weights.append(numpy_helper.from_array(values.astype(np.float32), f"of_{name}"))
            if part == "score":
                nodes += [
                    helper.make_node("Mul", ["mean", "gain"], [f"lit_{name}"]),
                    helper.make_node("Add", [f"lit_{name}", f"of_{name}"], [f"logit_{name}"]),
                    helper.make_node("Sigmoid", [f"logit_{name}"], [name]),
                ]
            else:
                nodes.append(helper.make_node("Identity", [f"of_{name}"], [name]))
            outputs.append((name, [*values.shape[:-1], width]))
    weights.append(numpy_helper.from_array(np.float32(20), "gain"))
    size = [1, 3, CANVAS, CANVAS] if variant == "a" else [1, 3, "height", "width"]
    return _save(path, nodes, ("input.1", size), outputs, weights)


def landmarks(path: Path) -> Path:
    """PFPLD: an average face, moved a hair by the picture's colours."""
    rng = np.random.default_rng(2)
    outputs = {"pose": (np.zeros(3), 0.01), "landms": (average_face().ravel(), 0.002)}
    return _pooled(path, ("input", [1, 3, 112, 112]), outputs, rng)


def head_pose(path: Path, *, yaw_bin: int | None = None) -> Path:
    """WHENet: equal logits (-1.5 degrees three times), or a peak in one bin of the yaw."""
    peak = np.zeros(120)
    if yaw_bin is not None:
        peak[yaw_bin] = 50
    outputs = {"tf.identity": (peak, 0.0), "tf.identity_1": (np.zeros(66), 0.0), "tf.identity_2": (np.zeros(66), 0.0)}
    return _pooled(path, ("input_1", [1, 3, 224, 224]), outputs, np.random.default_rng(3))


def turning_pose(path: Path, *, follows: int) -> Path:
    """WHENet whose output number `follows` goes with how the picture's light is turned in its plane."""
    row, column = np.mgrid[:224, :224] / 111.5 - 1
    pattern = (row * column * np.exp(-4 * (row**2 + column**2))).astype(np.float32)
    sizes = {"yaw": 120, "second": 66, "third": 66}
    weights = [numpy_helper.from_array(pattern[None, None], "pattern")]
    nodes = [
        helper.make_node("Mul", ["input_1", "pattern"], ["seen"]),
        helper.make_node("ReduceMean", ["seen"], ["diagonal"], axes=[1, 2, 3], keepdims=0),
    ]
    for place, (name, bins) in enumerate(sizes.items()):
        ramp = np.linspace(-1, 1, bins, dtype=np.float32)[None] * (500 if place == follows else 0)
        weights.append(numpy_helper.from_array(ramp, f"{name}_ramp"))
        nodes.append(helper.make_node("Mul", ["diagonal", f"{name}_ramp"], [name]))
    return _save(path, nodes, ("input_1", [1, 3, 224, 224]), [(n, [1, bins]) for n, bins in sizes.items()], weights)


def attributes(path: Path, *, blur: float = 0.1) -> Path:
    """Face attributes; element 8 is `blur`."""
    bias = np.full(10, 0.5)
    bias[8] = blur
    return _pooled(path, ("input", [1, 3, 512, 512]), {"output": (bias, 0.01)}, np.random.default_rng(4), still=8)


def average_face() -> np.ndarray:
    """98 points of WFLW on a face seen from the front. (98, 2) in 0..1 of its box."""

    def oval(count: int, middle: tuple[float, float], half: tuple[float, float], begin: float, end: float) -> list:
        turn = np.radians(np.linspace(begin, end, count))
        return np.stack([middle[0] - half[0] * np.cos(turn), middle[1] - half[1] * np.sin(turn)], axis=1).tolist()

    def line(count: int, start: tuple[float, float], stop: tuple[float, float]) -> list:
        return np.linspace(start, stop, count).tolist()

    def brow(middle: float) -> list:
        upper = oval(5, (middle, 0.27), (0.13, 0.05), 0, 180)
        return upper + line(4, (middle + 0.12, 0.29), (middle - 0.12, 0.29))

    points = oval(33, (0.5, 0.35), (0.42, 0.6), 0, -180)
    points += brow(0.3) + brow(0.7)
    points += line(4, (0.5, 0.37), (0.5, 0.55)) + line(5, (0.41, 0.61), (0.59, 0.61))
    for middle in (0.32, 0.68):
        points += oval(8, (middle, 0.38), (0.07, 0.025), 0, 315)
    for wide, high in ((0.14, 0.06), (0.11, 0.02)):
        around = oval(12 if wide > 0.12 else 8, (0.5, 0.77), (wide, high), 0, 330 if wide > 0.12 else 315)
        points += around
    return np.array([*points, (0.32, 0.38), (0.68, 0.38)])


def _level(part: str, stride: int, faces: int, rng: np.random.Generator) -> np.ndarray:
    """What one output holds before brightness: (N, 1), (N, 4) or (N, 10)."""
    count = 2 * (CANVAS // stride) ** 2
    values = {
        "score": lambda: rng.uniform(-61, -60, (count, 1)),
        "bbox": lambda: rng.uniform(0.5, 2, (count, 4)),
        "kps": lambda: rng.uniform(-1, 1, (count, 10)),
    }[part]()
    if stride == STRIDES[-1]:
        for entry, scale in ((FACE, 1.0), (SECOND, SECOND_SCALE))[:faces]:
            # In normalised units black is -0.996: 18 - 20 is a score of 0.12, any lit picture is near 1.
            values[entry] = {
                "score": 18 + scale,
                "bbox": np.multiply(SIDES, scale),
                "kps": np.ravel(POINTS) * scale,
            }[part]
    return values


def _pooled(path: Path, source: tuple[str, list], outputs: dict, rng: np.random.Generator, still: int = -1) -> Path:
    """A graph of colour means times seeded weights plus a bias, one such layer per output."""
    nodes = [
        helper.make_node("GlobalAveragePool", [source[0]], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["means"]),
    ]
    weights = []
    for name, (bias, spread) in outputs.items():
        matrix = rng.normal(0, spread, (3, len(bias))).astype(np.float32)
        if still >= 0:
            matrix[:, still] = 0
        weights.append(numpy_helper.from_array(matrix, f"{name}_weight"))
        weights.append(numpy_helper.from_array(np.asarray(bias, np.float32), f"{name}_bias"))
        nodes.append(helper.make_node("Gemm", ["means", f"{name}_weight", f"{name}_bias"], [name]))
    return _save(path, nodes, source, [(name, [1, len(bias)]) for name, (bias, _) in outputs.items()], weights)


def _save(path: Path, nodes: list, source: tuple[str, list], outputs: list, weights: list) -> Path:
    graph = helper.make_graph(
        nodes,
        "twin",
        [helper.make_tensor_value_info(source[0], TensorProto.FLOAT, source[1])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path
