"""The front end of the speech encoder, and how it is heard piece by piece."""

import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lipwright.audio.wenet import (
    BANDS,
    FEATURES,
    PADDING,
    PIECE_ROWS,
    ROWS_GIVEN,
    WenetEncoder,
    filters,
    frames_of,
    hear,
)
from lipwright.errors import BackendError
from lipwright.runtime.network import Network

RATE = 16_000
PIECE = 35 * RATE


class Recorder:
    """An encoder whose frames are the mean of the seven rows each is made of; it keeps what it was given."""

    def __init__(self) -> None:
        self.given = []

    def __call__(self, mel):
        self.given.append(mel)
        rows = np.lib.stride_tricks.sliding_window_view(mel, 7, axis=0)[::4]
        frames = rows.mean(-1)[: frames_of(len(mel))]
        return np.pad(frames, ((0, 0), (0, FEATURES - BANDS))).astype(np.float32)


def speech(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


def blocks(sound: np.ndarray, size: int) -> list[np.ndarray]:
    return [sound[first : first + size] for first in range(0, len(sound), size)]


def rows_of(sound: np.ndarray) -> np.ndarray:
    """Rows by the definition, one at a time, of the whole padded sound in float64."""
    padded = np.pad(sound.astype(np.float64), PADDING)
    emphasised = np.append(padded[0], padded[1:] - 0.97 * padded[:-1])
    mirrored = np.pad(emphasised, 512, mode="reflect")
    window = np.zeros(1024)
    window[112:912] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(800) / 800)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(513), np.arange(1024)) / 1024)
    rows = [mirrored[160 * i :][:1024] * window for i in range(len(padded) // 160 + 1)]
    power = np.abs(np.array(rows) @ turns.T) ** 2
    return 10 * np.log10(power @ filters().T + 1e-5) - 20


def test_rows_are_those_of_the_whole_sound_whatever_the_blocks():
    sound = speech(7_123)
    wanted = rows_of(sound)
    for size in (1, 333, 50_000):
        heard = Recorder()
        list(hear(blocks(sound, size), heard))
        assert heard.given[0][: len(wanted)].shape == wanted.shape
        np.testing.assert_allclose(heard.given[0][: len(wanted)], wanted, atol=2e-3)


def test_bands_are_slaneys():
    """The centres that Slaney's scale gives, and the same area under each triangle."""
    hertz = np.arange(513) * 15.625
    peaks = hertz[filters().argmax(1)]
    top = 15 + 27 * np.log(8) / np.log(6.4)
    mel = np.linspace(0, top, 82)[1:-1]
    centres = np.where(mel < 15, mel * 200 / 3, 1_000 * 6.4 ** ((mel - 15) / 27))
    assert np.abs(peaks - centres).max() < 15.625
    np.testing.assert_allclose((filters() * 15.625).sum(1)[40:], 1, atol=0.02)


def test_six_seconds_are_169_frames():
    heard = Recorder()
    frames = np.concatenate(list(hear([speech(6 * RATE)], heard)))
    assert frames.shape == (169, FEATURES)
    assert [len(mel) for mel in heard.given] == [681]


@pytest.mark.parametrize("padded", [PIECE, PIECE + 1, PIECE + 319, PIECE + 320, PIECE + 15_999, PIECE + 16_000,
                                    2 * PIECE - 1, 2 * PIECE, 2 * PIECE + 5_000, 12_800, 12_801, 15_999, 16_000,
                                    100_000])  # fmt: skip
def test_pieces_lose_no_frame(padded):
    sound = speech(padded - 2 * PADDING)
    heard = Recorder()
    pieces = list(hear(blocks(sound, 70_001), heard))
    assert sum(map(len, pieces)) == frames_of(padded // 160 + 1)
    assert all(len(mel) <= ROWS_GIVEN for mel in heard.given)
    whole = Recorder()(np.concatenate([*(mel[:PIECE_ROWS] for mel in heard.given[:-1]), heard.given[-1]]))
    got = np.concatenate(pieces)
    np.testing.assert_array_equal(got, whole[: len(got)])


def test_35_seconds_are_875_frames_and_a_short_tail_is_heard_with_silence_after_it():
    heard = Recorder()
    pieces = list(hear([speech(PIECE - 2 * PADDING + 8_000)], heard))
    assert [len(piece) for piece in pieces] == [875, 12]
    assert [len(mel) for mel in heard.given] == [3_503, 151]
    assert heard.given[1][-90:].max() == pytest.approx(-70, abs=1e-4)


def test_no_sound_is_padding():
    assert [len(piece) for piece in hear([], Recorder())] == [19]


def test_memory_does_not_grow_with_the_sound():
    def peak(minutes: int) -> int:
        minute = speech(60 * RATE)
        tracemalloc.start()
        for _ in hear((minute for _ in range(minutes)), lambda mel: np.zeros((frames_of(len(mel)), FEATURES), "f4")):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(8) < 1.05 * peak(3)


def export(path, *, features: int = FEATURES, lengths: bool = True, bands: int = BANDS):
    """A user's export: every fourth row, its bands tiled; with the number of rows as a second input."""
    nodes = [
        helper.make_node("Shape", ["speech"], ["sizes"]),
        helper.make_node("Slice", ["speech", "first", "last", "axis", "step"], ["some"]),
        helper.make_node("Slice", ["some", "first", "width", "bandaxis", "one"], ["few"]),
        helper.make_node("MatMul", ["few", "spread"], ["frames"]),
        helper.make_node("Identity", ["frames"], ["encoder_out"]),
    ]

    def constant(name, values, kind=TensorProto.INT64):
        return helper.make_tensor(name, kind, np.shape(values), np.ravel(values))

    spread = np.eye(bands, features)
    weights = [
        constant("first", [0]), constant("last", [-6]), constant("axis", [1]), constant("step", [4]),
        constant("width", [bands]), constant("bandaxis", [2]), constant("one", [1]),
        constant("spread", spread, TensorProto.FLOAT),
    ]  # fmt: skip
    inputs = [helper.make_tensor_value_info("speech", TensorProto.FLOAT, ["B", "T", bands])]
    if lengths:
        inputs.append(helper.make_tensor_value_info("speech_lengths", TensorProto.INT32, ["B"]))
    outputs = [helper.make_tensor_value_info("encoder_out", TensorProto.FLOAT, ["B", "U", features])]
    graph = helper.make_graph(nodes[1:], "twin", inputs, outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(path))
    return Network(path)


@pytest.mark.parametrize("lengths", [True, False])
def test_a_users_own_export_is_accepted(tmp_path, lengths):
    encode = WenetEncoder(export(tmp_path / "own.onnx", lengths=lengths))
    mel = speech(71 * BANDS).reshape(71, BANDS)
    np.testing.assert_allclose(encode(mel)[:, :BANDS], mel[:-6:4][: frames_of(71)])
    assert encode(mel).dtype == np.float32


def test_another_network_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(BackendError, match=r"wide.onnx gives \(1, 6, 99\) for 28 rows, a speech encoder gives"):
        WenetEncoder(export(tmp_path / "wide.onnx", features=99))
    with pytest.raises(BackendError, match="cannot take"):
        WenetEncoder(export(tmp_path / "bands.onnx", bands=64))
