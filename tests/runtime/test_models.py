"""Published models of one job: opened once, and on another device only where that is known to be needed, and told."""

import pytest
from twins import faces, post

from lipwright.errors import BackendError
from lipwright.runtime import Device, Models, models


@pytest.fixture
def refusing(tmp_path, monkeypatch):
    """Models on a device that refuses every network."""
    faces.build(tmp_path)
    post.build(tmp_path)
    opened, right = [], models.PictureModel

    def picture(path, card, device):
        opened.append((card.name, device.name))
        if device.name == "cuda":
            raise BackendError(f"ONNX Runtime cannot run {path.name} on CUDA; do something")
        return right(path, card, device)

    monkeypatch.setattr(models, "PictureModel", picture)
    monkeypatch.setattr(models, "choose_device", lambda name: Device("cuda", ("CUDAExecutionProvider",)))
    return Models(tmp_path, "cuda"), opened


def test_a_network_that_devices_are_known_to_refuse_runs_on_the_cpu_and_says_so(refusing):
    models, opened = refusing
    assert models.pictures("xseg") is models.pictures("xseg")
    assert opened == [("xseg", "cuda"), ("xseg", "cpu")]
    assert models.notes == ["xseg_211104_4790000.onnx runs on the CPU: ONNX Runtime cannot run "
                            "xseg_211104_4790000.onnx on CUDA"]  # fmt: skip


def test_any_other_never_does(refusing):
    models, opened = refusing
    with pytest.raises(BackendError, match="on CUDA"):
        models.pictures("pfpld")
    assert opened == [("pfpld", "cuda")]
    assert models.notes == []
