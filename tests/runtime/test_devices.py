"""Devices are tried out, and none is taken silently for another."""

import pytest

from lipwright.errors import BackendError, OptionError
from lipwright.runtime import CPU, choose_device, devices


class Offering:
    """An ONNX Runtime that says it has some providers."""

    __version__ = "9.9"

    def __init__(self, *providers):
        self.providers = [*providers, "CPUExecutionProvider"]

    def get_available_providers(self):
        return self.providers


@pytest.fixture(autouse=True)
def forgetful():
    """What was found out by one test is no other's."""
    probe = devices.probe
    probe.cache_clear()
    yield
    probe.cache_clear()


@pytest.fixture
def offering(monkeypatch):
    return lambda *names: monkeypatch.setattr(devices, "load_onnxruntime", lambda: Offering(*names))


def test_the_cpu_is_always_there():
    assert choose_device("cpu") is CPU
    assert devices.probe("CPUExecutionProvider") is None


def test_a_word_that_is_no_device():
    with pytest.raises(OptionError, match="device 'gpu' is unknown; use one of auto, cpu, cuda"):
        choose_device("gpu")


@pytest.mark.parametrize("name", sorted(set(devices.DEVICES) - {"cpu"}))
def test_a_device_that_is_not_installed_is_refused(name, offering):
    offering()
    with pytest.raises(BackendError, match=rf"--device {name}: ONNX Runtime 9\.9 .* does not offer it; pip install"):
        choose_device(name)


def test_a_device_that_is_offered_but_does_not_start_is_refused(offering):
    """As with the GPU build of ONNX Runtime on a machine without a driver; here the provider is really not there."""
    offering("CUDAExecutionProvider")
    with pytest.raises(BackendError, match=r"--device cuda: .*CUDAExecutionProvider.*or use --device cpu"):
        choose_device("cuda")


def test_auto_says_when_a_device_that_is_offered_does_not_work(offering):
    offering("CUDAExecutionProvider")
    device = choose_device("auto")
    assert device.name == "cpu"
    assert device.note.startswith("networks run on the CPU (cuda: ")


def test_auto_without_any_other_device_is_the_cpu(offering):
    offering()
    assert choose_device("auto").note == ""


def test_auto_takes_the_first_that_works(offering, monkeypatch):
    offering("DmlExecutionProvider", "CUDAExecutionProvider", "OpenVINOExecutionProvider")
    monkeypatch.setattr(devices, "probe", lambda provider: None if "CUDA" not in provider else "no driver")
    device = choose_device("auto")
    assert (device.name, device.providers) == ("directml", ("DmlExecutionProvider", "CPUExecutionProvider"))
    assert device.half


def test_other_values_than_the_cpu_s_are_seen(monkeypatch):
    real = devices.open_model

    class Wrong:
        def __init__(self, session):
            self.session = session

        def run(self, names, feed):
            return [result + 0.5 for result in self.session.run(names, feed)]

    def opened(name, **options):
        return Wrong(real(name)) if options else real(name)

    monkeypatch.setattr(devices, "open_model", opened)
    assert "gives other values than the CPU" in devices.probe("CPUExecutionProvider")
