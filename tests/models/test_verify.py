"""`lipwright models verify`: every row is there, twins of known truth get the right verdicts, nothing private leaks."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("onnx", reason="makes twins of the published models")

import cv2
import onnx
import twins
from onnx import numpy_helper
from twins import faces, post

from lipwright.cli.main import app
from lipwright.doctor.verify import faces as face_rows
from lipwright.doctor.verify import generator as generator_rows
from lipwright.doctor.verify import verify
from lipwright.doctor.verify.case import AGREES, DIFFERS, UNMEASURED, Case, Face, without_paths
from lipwright.doctor.verify.table import PUBLISHED, TABLE
from lipwright.face.scrfd import Detections
from lipwright.models.catalog import card
from lipwright.runtime import Models

IDS = [f"U{number}" for number in range(1, 21)]


def command(*words):
    return CliRunner().invoke(app, ["models", "verify", *(str(word) for word in words)])


def rows_of(report, number, part=""):
    return [row for row in report.rows if row.id == f"U{number}" and part in row.item]


@pytest.fixture
def measure(tmp_path, portrait):
    """Measures on a store of this test's own."""

    def made(*names, picture=portrait):
        return verify(names, Models(tmp_path / "my models", "cpu"), picture)

    return made


@pytest.fixture
def place(tmp_path):
    """Where a model of this test's own store lies."""

    def made(name):
        path = tmp_path / "my models" / card(name).folder / card(name).file
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    return made


@pytest.fixture
def pictures(tmp_path):
    return twins.build_pictures(tmp_path / "my models")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A store full of twins; whoever harms it works on a copy."""
    pytest.importorskip("torch", reason="needs the extra heygem")
    return twins.build_all(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def whole(published, portrait):
    """A report on twins of everything."""
    return verify((), Models(published, "cpu"), portrait)


def test_nothing_is_there(measure):
    report = measure()
    assert {row.id for row in report.rows} == set(IDS)
    assert {row.verdict for row in report.rows} == {UNMEASURED}
    assert report.unusable == ()
    told = [row.measured for row in rows_of(report, 1)]
    assert told == [f"{card(name).file} is not there" for name in PUBLISHED]


@pytest.mark.torch
def test_every_row_of_the_whole_set(whole):
    assert {row.id for row in whole.rows} == set(IDS)
    assert whole.unusable == ()
    unmeasured = [row for row in whole.rows if row.verdict == UNMEASURED and not row.expected]
    assert {row.measured for row in unmeasured} == {f"{card('scrfd_10g').file} is not there"}


@pytest.mark.torch
def test_generator_twin(whole):
    (mask,) = rows_of(whole, 4, "input_mask")[:1]
    assert mask.verdict == AGREES
    assert "30,046 zeros (45.8%) within rows 86..251, columns 37..217" in mask.measured
    parts = ("keys", "input_mask_re", "wh", "nblend", "fuse_mask", "model_output_size")
    assert [rows_of(whole, 4, part)[0].verdict for part in parts] == [AGREES] * 4 + [UNMEASURED] * 2
    (keys,) = rows_of(whole, 12, "network")
    assert keys.verdict == DIFFERS
    assert "406,803 parameters in 416 entries, model_ngf 4" in keys.measured
    (converted,) = rows_of(whole, 12, "converted")
    assert converted.verdict == AGREES


@pytest.mark.torch
def test_speech_twin(whole):
    keys, blocks, network = rows_of(whole, 6)
    assert keys.measured == "1 ctc, 1 decoder, 52 encoder"
    assert blocks.measured == "4 and 2 entries in 1 blocks"
    assert (keys.verdict, blocks.verdict, network.verdict) == (AGREES, DIFFERS, DIFFERS)
    (tail,) = rows_of(whole, 7)
    assert tail.verdict == AGREES
    assert "appended: 12 of 12 frames" in tail.measured
    assert tail.measured.endswith("filled up to a second: 0 of 12 frames")


@pytest.mark.torch
def test_both_factors_change_the_drawing(whole):
    (told,) = rows_of(whole, 20, "factor")
    small, large = (float(value) for value in re.findall(r"by ([\d.]+) inside", told.measured))
    assert 0 < small < large
    assert told.verdict == UNMEASURED


@pytest.mark.torch
@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("input_mask", lambda stored: stored["input_mask"][:100].fill(1)),
        ("input_mask_re", lambda stored: stored["input_mask_re"][5].fill(0)),
        ("wh", lambda stored: stored.update(wh=0.88)),
        ("nblend", lambda stored: stored.update(nblend=False)),
        ("keys", lambda stored: stored.update(extra=1)),
    ],
)
def test_another_checkpoint(measure, tmp_path, part, change):
    twin = pytest.importorskip("twins.generator")
    stored = twin.contents()
    change(stored)
    twin.write(tmp_path / "my models", stored)
    report = measure("dinet_v1")
    differing = [row for row in rows_of(report, 4) if row.verdict == DIFFERS]
    assert [row.item for row in differing] == [f"dinet_v1: {part}"]
    assert differing[0].constant == ("lipwright.render.dinet_network:USUAL_WH" if part == "wh" else "")
    assert report.unusable == ()


@pytest.mark.torch
def test_a_checkpoint_with_a_renamed_key_cannot_be_used(measure, tmp_path):
    twin = pytest.importorskip("twins.generator")
    stored = twin.contents()
    twin.renamed("out_conv.2.2.bias", "last.bias")(stored)
    twin.write(tmp_path / "my models", stored)
    report = measure("dinet_v1")
    assert report.unusable == ("dinet_v1",)
    (keys,) = rows_of(report, 12, "network")
    assert keys.verdict == DIFFERS
    assert "1 missing (out_conv.2.2.bias)" in keys.measured
    assert "last.bias" in keys.measured


@pytest.mark.torch
def test_exports_of_the_users_own(measure, published, whole, tmp_path):
    """In the checkpoints' places lie ONNX files only: what needs no checkpoint is measured."""
    store = Models(shutil.copytree(published, tmp_path / "my models")).store
    for name in ("wenet", "dinet_v1"):
        checkpoint = store.place(name)
        (converted,) = checkpoint.parent.glob("*.onnx")
        converted.rename(checkpoint.with_suffix(".onnx"))
        checkpoint.unlink()
    report = measure("wenet", "dinet_v1")
    assert {row.id for row in report.rows if row.expected} == {"U7", "U16", "U17", "U20"}
    assert report.unusable == ()


@pytest.mark.torch
def test_without_torch_checkpoints_are_not_judged(published, tmp_path):
    """In a process of its own, where PyTorch cannot be imported and nothing was converted before."""
    shutil.copytree(published, tmp_path / "models", ignore=shutil.ignore_patterns("*.1.onnx"))
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from lipwright.cli.main import main\n"
        f"sys.argv = ['lipwright', 'models', 'verify', '--json', '--models', {str(tmp_path / 'models')!r}]\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["id"] for row in rows} == set(IDS)
    lacking = {row["id"] for row in rows if "PyTorch" in row["measured"] or "torch" in row["measured"]}
    assert lacking == {"U4", "U6", "U7", "U12", "U16", "U17", "U20"}
    assert all(row["verdict"] == UNMEASURED for row in rows if row["id"] in lacking)
    assert {row["verdict"] for row in rows if row["id"] in ("U3", "U5", "U14", "U18")} == {AGREES, UNMEASURED}


@pytest.mark.parametrize(("variant", "verdict"), [("a", AGREES), ("b", DIFFERS)])
def test_detector_variants(measure, place, variant, verdict):
    faces.detector(place("scrfd"), variant=variant)
    report = measure("scrfd")
    axis, size = rows_of(report, 3)
    assert (axis.verdict, size.verdict) == (verdict, AGREES)
    assert axis.measured == f"ranks {[3 if variant == 'a' else 2] * 9}"
    (colours,) = rows_of(report, 5)
    assert colours.verdict == UNMEASURED  # the twin is blind to colour
    assert report.unusable == ()


def test_the_large_detector_under_the_small_ones_name(measure, place):
    path = faces.detector(place("scrfd"))
    large = onnx.load(str(path))
    large.graph.initializer.append(numpy_helper.from_array(np.zeros(card("scrfd_10g").at_least // 4, "f4"), "more"))
    onnx.save(large, str(path))
    size = rows_of(measure("scrfd"), 3, "10g")[0]
    assert size.verdict == DIFFERS
    assert "2,752,001 parameters: 10g" in size.measured


def test_a_detector_without_points_cannot_be_used(measure, place):
    faces.detector(place("scrfd"), points=False)
    report = measure("scrfd")
    assert report.unusable == ("scrfd",)
    (ports,) = rows_of(report, 2)
    assert ports.verdict == DIFFERS
    assert "score_8 [1, 12800, 1] float" in ports.measured
    assert "gives 6 outputs: an export without key points" in ports.measured


def test_a_detector_with_other_anchors_cannot_be_used(measure, place):
    """Its last dimensions are right, its number of anchors is not."""
    path = faces.detector(place("scrfd"), variant="b")
    other = onnx.load(str(path))
    for value in other.graph.initializer:
        array = numpy_helper.to_array(value)
        if array.ndim == 2:
            value.CopyFrom(numpy_helper.from_array(array[::2].copy(), value.name))
    onnx.save(other, str(path))
    report = measure("scrfd")
    assert report.unusable == ("scrfd",)
    assert "SCRFD's scores at stride 8 are (12800, 1)" in rows_of(report, 2)[0].measured


def test_a_file_that_is_not_what_it_was_cannot_be_used(measure, pictures, place):
    assert measure("xseg").unusable == ()
    post.occlude(place("xseg"), outside=0)
    report = measure("xseg")
    assert report.unusable == ("xseg",)
    assert "when it was first seen" in rows_of(report, 2)[0].measured


def test_a_picture_without_a_face(measure, pictures):
    report = measure(picture=np.zeros((480, 640, 3), np.uint8))
    assert rows_of(report, 5)[0].measured == "best score none fed RGB, none fed BGR"
    assert rows_of(report, 5)[0].verdict == UNMEASURED
    for number in (13, 14, 15, 19):
        assert {row.verdict for row in rows_of(report, number)} == {UNMEASURED}
        assert "finds no face in the picture" in rows_of(report, number)[0].measured


@pytest.mark.parametrize(("output", "angle"), [(0, "yaw"), (1, "roll"), (2, "pitch")])
def test_order_of_the_pose(measure, pictures, place, output, angle):
    faces.turning_pose(place("head_pose"), follows=output)
    (row,) = rows_of(measure("head_pose"), 13)
    assert f"{angle} follows" in row.measured
    assert row.verdict == (AGREES if angle == "roll" else DIFFERS)
    assert row.constant == ("" if angle == "roll" else "lipwright.face.headpose:BINS")


def test_a_pose_that_nothing_moves(measure, pictures):
    (row,) = rows_of(measure("head_pose"), 13)
    assert (row.verdict, row.constant) == (DIFFERS, "")
    assert "none follows; upright yaw -1.5, pitch -1.5, roll -1.5" in row.measured


def test_landmarks(measure, pictures):
    output, colours = rows_of(measure("pfpld"), 14)
    assert (output.verdict, colours.verdict) == (AGREES, AGREES)
    assert output.measured.startswith("output [1] of 2 has 196 values; 100%")


@pytest.mark.parametrize(("element", "verdict"), [(8, AGREES), (7, DIFFERS)])
def test_place_of_blur(measure, pictures, place, element, verdict):
    post.softness(place("face_attributes"), element)
    (row,) = rows_of(measure("face_attributes"), 15)
    assert row.verdict == verdict


@pytest.mark.parametrize(("values", "verdict"), [((1, 0.05), AGREES), ((0, 1), DIFFERS)])
def test_polarity(measure, pictures, place, values, verdict):
    post.occlude(place("xseg"), *values)
    layout, polarity = rows_of(measure("xseg"), 18)
    assert (layout.verdict, polarity.verdict) == (AGREES, verdict)


@pytest.mark.parametrize(("channels", "verdict"), [((0, 2), AGREES), ((2, 0), DIFFERS)])
def test_colours_of_the_parser(measure, pictures, place, channels, verdict):
    post.parse(place("face_parsing"), *channels)
    (row,) = rows_of(measure("face_parsing"), 19)
    assert row.verdict == verdict


@pytest.mark.parametrize(("gains", "verdict"), [((1, 1, 0.5), AGREES), ((0.5, 1, 1), DIFFERS)])
def test_colours_of_the_restorer(measure, pictures, place, gains, verdict):
    """What it takes from is blue, of which skin has least, where the picture comes as RGB."""
    post.restore(place("gfpgan"), tuple(gain for gain in gains))
    (row,) = rows_of(measure("gfpgan"), 19)
    assert row.verdict == verdict


@pytest.mark.parametrize(("channel", "verdict"), [(0, True), (2, False), (1, None)])
def test_colours_of_the_detector(portrait, channel, verdict):
    """A detector that is the surer the more it finds in one channel; skin has most in the first of RGB."""

    def detect(picture):
        score = np.float32([picture[..., channel].mean() / 255])
        return Detections(np.float32([[0, 0, 9, 9]]), score, np.zeros((1, 5, 2), np.float32))

    case = SimpleNamespace(picture=portrait, detector=SimpleNamespace(detect=detect))
    assert face_rows.detector_colours(case).agrees is verdict


@pytest.mark.parametrize(("channel", "verdict"), [(2, True), (0, False), (1, None)])
def test_colours_of_the_landmarks(portrait, channel, verdict):
    """Landmarks that lie the nearer the brighter one channel of what the network sees is, BGR if the picture is RGB."""
    five = np.float32([[10, 10], [30, 10], [20, 20], [12, 30], [28, 30]])
    right = np.zeros((68, 2), np.float32)
    right[36:42], right[42:48], right[30], right[48], right[54] = five

    def fit(picture, box):
        return right + np.float32(1 - picture[..., 2 - channel].mean() / 255)

    face = Face(np.float32([0, 0, 40, 40]), five, fit(portrait, None))
    case = SimpleNamespace(picture=portrait, face=face, landmarks=SimpleNamespace(fit=fit))
    assert face_rows.landmark_colours(case).agrees is verdict


class Drawing:
    """A case whose generator is a function of what it is fed and hears."""

    def __init__(self, draw):
        hidden = np.ones((256, 256), np.float32)
        hidden[86:252, 37:218] = 0
        self.models = SimpleNamespace(
            network=lambda _: SimpleNamespace(run=lambda *fed: [draw(*fed)]), store=SimpleNamespace(has=lambda _: True)
        )
        self.inner = np.random.default_rng(1).uniform(0.2, 0.8, (1, 3, 256, 256)).astype(np.float32)
        self.generator = SimpleNamespace(source_mask=SimpleNamespace(numpy=lambda: hidden))
        self.samples = np.sin(np.arange(64_000, dtype=np.float32))
        self.heard = np.ones((118, 256), np.float32)

    def hear(self, samples):
        return np.zeros((len(samples) // 640 + 18, 256), np.float32)


@pytest.mark.parametrize(("draw", "agrees"), [(lambda x, _: x, True), (lambda x, _: (x + 1) / 2, False)])
def test_range_of_the_input(draw, agrees):
    assert generator_rows.scale(Drawing(draw)).agrees == agrees


def mouth(inner, audio):
    out = inner.copy()
    out[..., 86:252, 37:218] += 0.1 * audio.mean()
    return out


@pytest.mark.parametrize(
    ("draw", "agrees"), [(mouth, True), (lambda x, a: x + 0.1 * a.mean(), False), (lambda x, _: x, False)]
)
def test_sound_drives_the_mouth(draw, agrees):
    assert generator_rows.drive(Drawing(draw)).agrees == agrees


def test_a_row_that_fails_is_told(measure, pictures, monkeypatch):
    def broken(case):
        raise ZeroDivisionError(f"in {case.models.store.folder}/somewhere/x.onnx\nsecond line")

    entries = tuple(replace(entry, measure=broken) if entry.id == "U18" else entry for entry in TABLE)
    monkeypatch.setattr("lipwright.doctor.verify.table.TABLE", entries)
    row = rows_of(measure("xseg"), 18)[0]
    assert (row.measured, row.verdict) == ("unexpected ZeroDivisionError: in x.onnx", UNMEASURED)


def test_command_tells_the_table(tmp_path, pictures):
    done = command("xseg", "--models", pictures)
    assert done.exit_code == 0
    assert "U18  xseg: polarity: as expected\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "3 as expected, 1 not measurable here"


def test_a_broken_file_gives_exit_code_1_and_a_report(tmp_path, pictures, place):
    for name in ("scrfd", "xseg"):
        place(name).write_bytes(place(name).read_bytes()[:1000])
    done = command("--models", pictures, "--report", tmp_path / "report.json")
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-1] == "cannot be used: scrfd, xseg; run `lipwright models pull scrfd xseg`"
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["unusable"] == ["scrfd", "xseg"]
    ports = next(row for row in report["rows"] if row["id"] == "U2" and row["item"].endswith("of scrfd"))
    assert ports["verdict"] == DIFFERS
    assert "ONNX Runtime cannot open scrfd_500m_bnkps_shape640x640.onnx" in ports["measured"]
    _holds_nothing_private(report, pictures)


def test_report_of_a_whole_set_is_the_same_as_json(tmp_path, pictures):
    done = command("--models", pictures, "--json", "--report", tmp_path / "report.json")
    assert json.loads(done.stdout) == json.loads((tmp_path / "report.json").read_text("utf-8"))
    _holds_nothing_private(json.loads(done.stdout), pictures)


def _holds_nothing_private(report, folder):
    text = json.dumps(report)
    assert str(folder) not in text
    assert str(folder.parent) not in text
    assert str(Path.home()) not in text
    assert "my models" not in text
    assert set(report) == {"versions", "rows", "unusable"}
    assert set(report["versions"]) == {"lipwright", "python", "system", "onnxruntime", "torch", "onnx", "device"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["mouth_motion"], 2, "mouth_motion is part of Lipwright"),
        (["unheard_of"], 4, "unknown model 'unheard_of'"),
        (["--image", "missing.png"], 2, "missing.png does not exist"),
        (["xseg", "--report", "no/folder/x.json"], 3, "cannot be written"),
        (["xseg", "--device", "abacus"], 2, "device 'abacus' is unknown"),
    ],
)
def test_what_cannot_be_asked(tmp_path, monkeypatch, words, code, told):
    monkeypatch.chdir(tmp_path)
    done = command(*words, "--models", tmp_path)
    assert done.exit_code == code
    assert told in done.output
    assert "Traceback" not in done.output


def test_another_image(tmp_path, pictures):
    cv2.imwrite(str(tmp_path / "night.png"), np.zeros((64, 64, 3), np.uint8))
    rows = json.loads(command("scrfd", "--models", pictures, "--image", tmp_path / "night.png", "--json").stdout)[
        "rows"
    ]
    assert rows[-1]["measured"] == "best score none fed RGB, none fed BGR"


@pytest.mark.parametrize(
    ("folder", "text", "plain"),
    [
        ("/home/eve/my models", "/home/eve/my models/a/b.onnx is not x", "b.onnx is not x"),
        (
            "/home/eve/my models",
            "x.onnx is not in /home/eve/my models; pull",
            "x.onnx is not in the model folder; pull",
        ),
        ("models", "models/a/b.onnx is not x; `lipwright models pull`", "b.onnx is not x; `lipwright models pull`"),
        ("eve/models", "x.onnx is not in eve/models; pull it", "x.onnx is not in the model folder; pull it"),
        (".", "Load model from /srv/data/x.onnx failed:Protobuf.", "Load model from x.onnx failed:Protobuf."),
        ("models", r"C:\Users\Eve\x.onnx cannot be read", "x.onnx cannot be read"),
        ("models", "got (1, 2) / 128 and 3/4, sync and/or async", "got (1, 2) / 128 and 3/4, sync and/or async"),
    ],
)
def test_paths_are_left_out(folder, text, plain):
    assert without_paths(text, Path(folder)) == plain


def test_the_largest_face_is_measured(tmp_path, portrait):
    twins.build_pictures(tmp_path)
    faces.detector(tmp_path / faces.DETECTOR, faces=2)
    case = Case(Models(tmp_path, "cpu"), portrait)
    assert len(case.detector.detect(portrait)) == 2
    assert case.face.box[0] == pytest.approx((320 - 96) / 1.25)
