"""`lipwright doctor`: it names what is broken, says what to do, and is not broken by it."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.doctor import checks
from lipwright.doctor.checks import CHECKS, diagnose
from lipwright.doctor.codecs import AUDIO, NEEDED, VIDEO
from lipwright.doctor.finding import Finding, run, told
from lipwright.errors import BackendError
from lipwright.media.options import CODECS, CONTAINERS, EncodeOptions
from lipwright.models.catalog import cards, shipped
from lipwright.provenance.certificates import open_signer, own_certificate
from lipwright.runtime.devices import DEVICES

SHIPPED = sorted(card.name for card in shipped())
GL = "libGL.so.1: cannot open shared object file: No such file or directory"
REMEDY = "apt-get install libgl1 libglib2.0-0"


def doctor(*args):
    done = CliRunner().invoke(app, ["doctor", *args])
    return done.exit_code, done.stdout


def look(name):
    return run(CHECKS[name])


def blocked(modules, *args):
    """Run the command line in a process where the modules cannot be imported; says why, as the loader would."""
    code = f"""
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {modules!r}:
            raise ImportError({modules!r}[name.partition(".")[0]])
sys.meta_path.insert(0, Block())
from lipwright.cli.main import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_a_working_machine_is_all_right():
    code, printed = doctor("--json")
    facts = json.loads(printed)
    assert (code, facts["exit_code"], printed.count("\n")) == (0, 0, 1)
    assert [check["name"] for check in facts["checks"]] == list(CHECKS)
    assert {check["name"] for check in facts["checks"] if check["status"] == "fail"} == set()
    for check in facts["checks"]:
        assert check["detail"]
        assert check["status"] == "ok" or check["remedy"]


def test_the_table_shows_every_line(monkeypatch):
    few = {"good": lambda: Finding(detail="fine"), "bad": lambda: Finding(status="warn", detail="meh", remedy="do it")}
    monkeypatch.setattr(checks, "CHECKS", few)
    code, printed = doctor()
    assert (code, [line.split() for line in printed.splitlines()]) == (
        0,
        [["ok", "good", "fine"], ["warn", "bad", "meh"], ["->", "do", "it"]],
    )


def test_a_finding_that_is_not_ok_needs_a_remedy():
    with pytest.raises(ValueError, match="needs a remedy: it is broken"):
        Finding(status="fail", detail="it is broken")


def test_a_check_that_breaks_is_a_finding_and_the_others_still_run(monkeypatch):
    def breaks():
        raise ZeroDivisionError("division by zero\nand more")

    monkeypatch.setattr(checks, "CHECKS", {"a": breaks, "b": lambda: Finding(detail="fine")})
    first, second = diagnose()
    assert (first.name, first.status) == ("a", "fail")
    assert first.detail == "unexpected ZeroDivisionError: division by zero"
    assert "report it" in first.remedy
    assert (second.name, second.status) == ("b", "ok")
    assert doctor()[0] == 4


def test_an_error_of_ours_is_split_into_detail_and_remedy():
    error = BackendError("x.onnx has other bytes; no, really; install Lipwright again")
    finding = told(error)
    assert (finding.detail, finding.remedy) == ("x.onnx has other bytes; no, really", "install Lipwright again")
    assert told(BackendError("no advice")).detail == "no advice"
    assert told(BackendError("no advice")).remedy


class TestMissingLibraries:
    """The doctor runs where the engine does not."""

    def findings(self, modules):
        done = blocked(modules, "doctor", "--json")
        assert done.returncode == 4
        return {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    def test_opencv_without_its_system_libraries(self):
        found = self.findings({"cv2": GL})
        broken = {name for name, check in found.items() if check["status"] == "fail"}
        assert broken == {"OpenCV", "encoders", "tracker facemesh", "tracker landmarker", "signing"}
        for name in broken:
            assert found[name]["detail"] == GL
            assert REMEDY in found[name]["remedy"]

    def test_the_table_then_says_so_too(self):
        done = blocked({"cv2": GL}, "doctor")
        assert done.returncode == 4
        assert REMEDY in " ".join(done.stdout.split())

    def test_mediapipe_without_opencvs_libraries(self):
        found = self.findings({"mediapipe": GL})
        broken = {name for name, check in found.items() if check["status"] == "fail"}
        assert broken == {"tracker facemesh"}
        assert GL in found["tracker facemesh"]["detail"]
        assert REMEDY in found["tracker facemesh"]["remedy"]

    def test_no_library_at_all(self):
        """What is left to look at is looked at."""
        names = ("cv2", "mediapipe", "onnxruntime", "numpy", "av", "psutil")
        found = self.findings({name: f"No module named {name!r}" for name in names})
        fine = {name for name, check in found.items() if check["status"] == "ok"}
        assert fine == {
            "Python", "packages", "processor", "cache", "disk of the cache", "disk of this folder",
            "disk of temporary files", "converters",
        }  # fmt: skip
        assert all(check["remedy"] for name, check in found.items() if name not in fine)

    def test_another_command_names_the_doctor(self, tmp_path):
        done = blocked({"cv2": GL}, "dub", "--video", "a.mp4", "--audio", "b.wav", "-o", str(tmp_path / "c.mp4"))
        assert (done.returncode, done.stdout) == (4, "")
        assert done.stderr == (
            f"lipwright: a library cannot be loaded: {GL}; `lipwright doctor` says what to install\n"
        )


def test_it_reports_to_nobody(tmp_path):
    """ONNX Runtime's wheels keep a session file in the folder of temporary files while their telemetry is on."""
    command = [sys.executable, "-m", "lipwright.cli.main", "doctor", "--json"]
    outside = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    done = subprocess.run(command, env=outside | {"TMPDIR": str(tmp_path)}, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tmp_path.iterdir()) == []


def test_another_missing_system_library_is_named():
    def check():
        raise ImportError("libgomp.so.1: cannot open shared object file: No such file or directory")

    assert run(check).remedy == "install the system library libgomp.so.1"


class TestSigning:
    def test_before_the_first_job_nothing_is_kept(self, monkeypatch, tmp_path):
        monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "signing"))
        finding = look("signing")
        assert finding.status == "ok"
        assert "is made with the first job" in finding.detail
        assert list(tmp_path.iterdir()) == []

    def test_this_computers_certificate(self, monkeypatch, tmp_path):
        monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path))
        open_signer()
        assert look("signing").status == "ok"
        own_certificate().write_text("no certificate")
        finding = look("signing")
        assert (finding.status, finding.remedy) == ("fail", f"delete {own_certificate()} and a new one is made")

    def test_without_the_library(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "c2pa", None)
        finding = look("signing")
        assert finding.status == "fail"
        assert finding.remedy.startswith("pip install c2pa-python")


class TestPackages:
    def versions(self, monkeypatch, **changed):
        real = metadata.version

        def version(name):
            if changed.get(name.replace("-", "_"), "") is None:
                raise metadata.PackageNotFoundError(name)
            return changed.get(name.replace("-", "_")) or real(name)

        monkeypatch.setattr(metadata, "version", version)
        return look("packages")

    def test_every_declared_package_is_listed(self):
        finding = look("packages")
        assert finding.status == "ok"
        for name in ("av", "mediapipe", "numpy", "onnxruntime", "opencv-contrib-python", "rich", "typer"):
            assert f"{name} {metadata.version(name)}" in finding.detail
        assert "pytest" not in finding.detail  # an extra

    def test_a_version_that_does_not_fit(self, monkeypatch):
        finding = self.versions(monkeypatch, numpy="2.3.0")
        assert (finding.status, finding.detail) == ("fail", "numpy 2.3.0")
        assert finding.remedy == "pip install 'numpy<2,>=1.26'"

    def test_a_package_that_is_missing(self, monkeypatch):
        finding = self.versions(monkeypatch, mediapipe=None)
        assert (finding.status, finding.detail) == ("fail", "mediapipe missing")
        assert finding.remedy == "pip install 'mediapipe==0.10.21'"

    def test_a_second_opencv_is_told(self, monkeypatch):
        self.versions(monkeypatch, opencv_python="4.12.0")
        finding = look("OpenCV")
        assert finding.status == "warn"
        assert "opencv-python writes over the same files" in finding.detail
        assert finding.remedy.startswith("pip uninstall opencv-python, ")

    def test_lipwright_itself_not_installed(self, monkeypatch):
        def gone(name):
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "requires", gone)
        assert look("packages").status == "fail"
        assert "lipwright" in look("packages").detail


def test_another_python(monkeypatch):
    monkeypatch.setattr("platform.python_version", lambda: "3.14.1")
    finding = look("Python")
    assert (finding.status, finding.detail.partition(",")[0]) == ("fail", "Python 3.14.1")
    assert finding.remedy


def test_little_memory_is_a_warning(monkeypatch):
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=4e8, total=2e9))
    finding = look("memory")
    assert (finding.status, finding.detail) == ("warn", "0.4 of 2.0 GB free")


class TestCodecs:
    def test_the_table_holds_whatever_a_job_may_ask_for(self):
        assert {name: codec.encoder for name, codec in CODECS.items()} == VIDEO
        assert {sound for _, sound, _ in CONTAINERS.values()} == set(AUDIO.values())
        assert set(NEEDED) == {EncodeOptions().codec, CONTAINERS[".mp4"][1]}

    @pytest.mark.parametrize("name", [*VIDEO, *AUDIO])
    def test_each_is_really_run(self, name):
        finding = look(f"codec {name}")
        encoder = VIDEO.get(name) or AUDIO[name]
        assert finding.status == "ok"
        assert finding.detail.startswith(f"{encoder} encodes, ")
        assert name in finding.detail

    @pytest.mark.parametrize(("name", "status"), [("h264", "fail"), ("hevc", "warn")])
    def test_an_encoder_this_pyav_lacks(self, monkeypatch, name, status):
        monkeypatch.setitem(VIDEO, name, "libnone")
        finding = look(f"codec {name}")
        assert finding.status == status
        assert "libnone" in finding.detail
        assert "pip install" in finding.remedy

    def test_an_encoder_that_does_not_open(self, monkeypatch):
        monkeypatch.setitem(VIDEO, "vp9", "mjpeg")  # it is there, and refuses this pixel format
        finding = look("codec vp9")
        assert finding.status == "warn"
        assert finding.detail.startswith("mjpeg does not run: ")

    def test_a_codec_that_writes_what_nobody_can_read(self, monkeypatch):
        monkeypatch.setattr("lipwright.doctor.codecs._round_trip", lambda encoder, video: None)
        assert look("codec aac").status == "fail"
        assert look("codec vp9").detail == "nothing can be decoded of what libvpx-vp9 wrote"


def test_every_device_is_looked_at():
    assert {f"device {name}" for name in DEVICES if name != "cpu"} == {
        name for name in CHECKS if name.startswith("device ")
    }


class TestModels:
    def test_every_card_is_named(self):
        finding = look("models")
        assert finding.status == "ok"
        assert all(name in finding.detail for name in SHIPPED)

    @pytest.mark.parametrize("name", SHIPPED)
    def test_other_bytes_than_the_card_says(self, monkeypatch, name):
        known = dict(cards())
        known[name] = replace(known[name], sha256=("0" * 64,))
        monkeypatch.setattr("lipwright.models.catalog.cards", lambda: known)
        monkeypatch.setattr("lipwright.runtime.sessions.card", known.__getitem__)
        finding = look("models")
        assert finding.status == "fail"
        assert "its card says 000000000000" in finding.detail
        assert finding.remedy == "install Lipwright again"

    def test_a_network_that_does_not_open(self, monkeypatch):
        monkeypatch.setattr("lipwright.runtime.sessions.weights", lambda name: b"not a network")
        finding = look("models")
        assert finding.status == "fail"
        assert "ONNX Runtime cannot open mouth_motion.onnx" in finding.detail


class TestTrackers:
    def test_a_tracker_that_finds_nobody_fails(self, monkeypatch):
        monkeypatch.setattr("lipwright.face.facemesh.FaceMeshTracker.fit", lambda self, picture: None)
        finding = look("tracker facemesh")
        assert finding.status == "fail"
        assert finding.detail == "in the bundled portrait it finds 1 faces and fits none"

    def test_the_landmarker_is_optional(self, monkeypatch):
        monkeypatch.delenv("LIPWRIGHT_LANDMARKER", raising=False)
        finding = look("tracker landmarker")
        assert finding.status == "ok"
        assert "face_landmarker.task in LIPWRIGHT_LANDMARKER" in finding.detail

    def test_a_bundle_that_is_not_there(self, monkeypatch, tmp_path):
        monkeypatch.setenv("LIPWRIGHT_LANDMARKER", str(tmp_path / "none.task"))
        finding = look("tracker landmarker")
        assert finding.status == "warn"
        assert "none.task" in finding.detail

    def test_a_bundle_that_is_none(self, monkeypatch, tmp_path):
        bundle = tmp_path / "bad.task"
        bundle.write_bytes(b"nothing of the kind")
        monkeypatch.setenv("LIPWRIGHT_LANDMARKER", str(bundle))
        finding = look("tracker landmarker")
        assert finding.status == "warn"
        assert "MediaPipe cannot use" in finding.detail
        assert "LIPWRIGHT_LANDMARKER" in finding.remedy


class TestFolders:
    def test_a_cache_with_avatars(self, cache):
        (cache / "avatars").mkdir()
        for name, size in (("a.npz", 1_000_000), ("b.npz", 500_000), ("c.part", 9_000_000)):
            (cache / "avatars" / name).write_bytes(bytes(size))
        finding = look("cache")
        assert (finding.status, finding.detail) == ("ok", f"{cache}, 2 avatars, 1.5 MB")
        assert sorted(path.name for path in cache.iterdir()) == ["avatars"]  # nothing was left behind

    def test_a_cache_yet_to_be_made(self, monkeypatch, tmp_path):
        monkeypatch.setenv("LIPWRIGHT_CACHE", str(tmp_path / "new" / "cache"))
        assert look("cache").status == "ok"
        assert "not there yet" in look("cache").detail
        assert look("disk of the cache").status == "ok"
        assert list(tmp_path.iterdir()) == []

    def test_a_cache_that_cannot_be(self, monkeypatch, tmp_path):
        (tmp_path / "file").touch()
        for place in (tmp_path / "file", tmp_path / "file" / "cache"):
            monkeypatch.setenv("LIPWRIGHT_CACHE", str(place))
            finding = look("cache")
            assert finding.status == "fail"
            assert "cannot be written" in finding.detail
            assert "LIPWRIGHT_CACHE" in finding.remedy

    @pytest.mark.parametrize("name", [name for name in CHECKS if name.startswith("disk")])
    def test_little_room(self, monkeypatch, name):
        monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=2e8))
        finding = look(name)
        assert finding.status == "warn"
        assert finding.detail.startswith("0.2 GB free for ")

    def test_a_folder_that_is_gone(self, monkeypatch):
        def gone():
            raise FileNotFoundError(2, "No such file or directory")

        monkeypatch.setattr(Path, "cwd", gone)
        finding = run(lambda: checks._disk(Path.cwd))
        assert (finding.status, finding.detail) == ("fail", "No such file or directory")
