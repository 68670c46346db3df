"""What the command loads before it knows what is asked of it, and how it shares a small machine."""

import subprocess
import sys

import cv2
import pytest

from lipwright.runtime import cores

HEAVY = ("av", "cv2", "numpy", "onnxruntime", "mediapipe", "matplotlib", "c2pa", "cryptography", "PIL", "torch", "ray")


def loaded(code, names):
    code = f"import sys\n{code}\nprint(*sorted(set(sys.modules) & {set(names)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_help_loads_nothing_heavy():
    assert loaded("import lipwright.cli.main", HEAVY) == []
    code = (
        "import contextlib, io\nfrom lipwright.cli.main import app\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n    app(['dub', '--help'])"
    )
    assert loaded(code, HEAVY) == []


def test_a_tracker_does_without_what_plots_and_records():
    code = "from lipwright.face.facemesh import import_mediapipe\nimport_mediapipe()"
    assert loaded(code, ("mediapipe", "matplotlib", "sounddevice")) == ["mediapipe"]


def test_what_was_left_out_is_there_for_others():
    code = (
        "from lipwright.face.facemesh import import_mediapipe\nimport_mediapipe()\n"
        "from mediapipe.python.solutions import drawing_utils\nassert callable(drawing_utils.plt.figure)"
    )
    assert loaded(code, ("matplotlib",)) == ["matplotlib"]


@pytest.mark.parametrize(("machine", "threads"), [(None, 1), (2, 1), (4, 1), (16, 4)])
def test_opencv_leaves_small_machines_to_the_stages(monkeypatch, machine, threads):
    told = []
    monkeypatch.setattr(cores.os, "cpu_count", lambda: machine)
    monkeypatch.setattr(cv2, "setNumThreads", told.append)
    monkeypatch.setattr(cores.gc, "freeze", lambda: told.append("kept"))
    cores.share_cores()
    assert told == [threads, "kept"]
