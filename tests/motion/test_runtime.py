import hashlib
import os
import subprocess
import sys
from importlib.resources import files

import pytest

from lipwright import runtime
from lipwright.errors import BackendError
from lipwright.models.catalog import ModelCard, cards, shipped

MODELS = files("lipwright.models")


@pytest.mark.parametrize("name", sorted(card.name for card in shipped()))
def test_every_card_describes_its_file(name: str) -> None:
    card = cards()[name]
    stored = MODELS.joinpath(card.file).read_bytes()
    assert hashlib.sha256(stored).hexdigest() in card.sha256
    assert len(stored) == card.bytes
    assert card.licence == "Apache-2.0"


def test_the_motion_model_is_small_and_says_what_it_takes() -> None:
    assert cards()["mouth_motion"].bytes < 5_000_000
    session = runtime.open_model("mouth_motion")
    assert [(x.name, x.shape[2]) for x in session.get_inputs()] == [("speech", 81)]
    assert [x.name for x in session.get_outputs()] == ["coefficients", "closure"]


def test_an_unknown_model_lists_the_known() -> None:
    with pytest.raises(BackendError, match=r"unknown model 'mouse'; known: .*mouth_motion"):
        runtime.open_model("mouse")


def test_an_altered_file_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    card = cards()["mouth_motion"]
    altered = ModelCard(
        name=card.name, file="mouth_shape.npz", sha256=card.sha256, bytes=card.bytes,
        licence=card.licence, origin=card.origin,
    )  # fmt: skip
    monkeypatch.setattr("lipwright.runtime.sessions.card", lambda name: altered)
    with pytest.raises(BackendError, match="its card says"):
        runtime.open_model("mouth_motion")


def test_a_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = ModelCard(name="x", file="gone.onnx", sha256=(), bytes=0, licence="", origin="")
    monkeypatch.setattr("lipwright.runtime.sessions.card", lambda name: gone)
    with pytest.raises(BackendError, match=r"gone\.onnx cannot be read"):
        runtime.weights("x")


def test_onnx_runtime_is_told_to_report_to_nobody(tmp_path):
    """Its wheels keep a session file in the folder of temporary files while their telemetry is on."""
    code = "from lipwright.runtime import open_model; open_model('mouth_motion')"
    outside = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    subprocess.run([sys.executable, "-c", code], env=outside | {"TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []
