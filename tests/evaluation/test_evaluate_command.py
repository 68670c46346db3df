"""`lipwright evaluate` as a user sees it."""

import csv
import json

import cv2
import pytest
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.media import open_clip


def evaluate(*args):
    return CliRunner().invoke(app, ["evaluate", *map(str, args)])


def test_a_table_a_sheet_and_a_plot(talking, long_wav, tmp_path):
    done = evaluate(talking, "--audio", long_wav, "--reference", talking,
                    "--sheet", tmp_path / "s.png", "--plot", tmp_path / "p.png")  # fmt: skip
    assert (done.exit_code, done.stderr) == (0, "")
    lines = {line.strip().split("  ")[0]: line for line in done.stdout.splitlines()}
    assert lines["opening r"].split()[2] == "1.00"
    assert "against the reference" in lines["lag"]
    assert "needs the phones" in lines["closure"]
    assert cv2.imread(str(tmp_path / "s.png")).shape == (4 * 240, 6 * 240, 3)  # twelve frames, twelve beneath
    assert cv2.imread(str(tmp_path / "p.png")).shape == (600, 1200, 3)


def test_both_videos_side_by_side(talking, saying_other, tmp_path):
    path = tmp_path / "both.mp4"
    done = evaluate(talking, "--source", saying_other, "--side-by-side", path, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["side_by_side"] == str(path)
    with open_clip(path) as clip:
        assert (clip.facts.width, clip.facts.height, clip.facts.frames) == (1024, 512, 63)
        assert clip.facts.has_sound
    refused = evaluate(talking, "--source", saying_other, "--side-by-side", talking)
    assert refused.exit_code == 3
    assert "is an input" in refused.stderr


def test_json_is_one_object(talking, long_wav):
    done = evaluate(talking, "--audio", long_wav, "--json")
    facts = json.loads(done.stdout)
    assert (facts["output"], facts["frames"], facts["sheet"]) == (str(talking), 63, None)
    assert facts["lag_against"] == "sound energy"
    assert facts["opening_r"] is None
    assert facts["missing"]["opening_r"] == "needs the real video as the reference"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ((), "name the finished video"),
        (("a.mp4", "--workers", "2"), "--workers belongs to --suite"),
        (("a.mp4", "--names", "x"), "--names belongs to --suite"),
        (("a.mp4", "--suite", "x", "--output-dir", "y"), "the video cannot be joined with --suite"),
        (("--suite", "x", "--output-dir", "y", "--reference", "z"), "--reference cannot be joined with --suite"),
        (("--suite", "x"), "--output-dir"),
        (("--suite", "nowhere", "--output-dir", "y"), "MANIFEST.csv"),
        (("nowhere.mp4",), "nowhere.mp4"),
        (("a.mp4", "--sheet", "a.jpg"), "must end in .png"),
        (("a.mp4", "--side-by-side", "b.mp4"), "needs --reference or --source"),
        (("a.mp4", "--source", "c.mp4", "--side-by-side", "b.png"), "must end in .mp4"),
        (("a.mp4", "--videos"), "--videos belongs to --suite"),
        (("--suite", "x", "--output-dir", "y", "--side-by-side", "z.mp4"), "cannot be joined with --suite"),
        (("a.mp4", "--plot", "nowhere/a.png"), "does not exist"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(args, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = evaluate(*args)
    assert done.exit_code == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_face_that_is_not_there(faceless_file, long_wav, tmp_path):
    done = evaluate(faceless_file, "--audio", long_wav, "--sheet", tmp_path / "s.png", "--json")
    assert done.exit_code == 2
    assert "no usable face" in json.loads(done.stdout)["error"]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def folder(tmp_path, talking):
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(talking.read_bytes())
    (tmp_path / "clips" / "MANIFEST.csv").write_text("file\na.mp4\n", encoding="utf-8")
    return tmp_path / "clips"


def test_a_suite(folder, tmp_path, cache):
    out = tmp_path / "out"
    command = ("--suite", folder, "--output-dir", out, "--seconds", "1", "--cache", cache)
    done = evaluate(*command)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "1 of 1: a.mp4, self: r " in done.stdout  # one person only: nobody else's sound
    (row,) = csv.DictReader((out / "suite.csv").read_text(encoding="utf-8").splitlines())
    assert (row["clip"], row["error"], row["outside"]) == ("a.mp4", "", "0")
    facts = json.loads((out / "suite.json").read_text(encoding="utf-8"))
    assert [group["title"] for group in facts["groups"]] == ["self"]
    assert "| people | 1 |" in (out / "SUITE.md").read_text(encoding="utf-8")
    before = (out / "jobs" / "a.mp4.self.json").stat().st_mtime_ns
    again = evaluate(*command, "--json")
    assert json.loads(again.stdout) == facts
    assert (out / "jobs" / "a.mp4.self.json").stat().st_mtime_ns == before


def test_a_suite_with_a_clip_that_fails(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "MANIFEST.csv").write_text("file\nbad.mp4\n", encoding="utf-8")
    done = evaluate("--suite", tmp_path, "--output-dir", tmp_path / "out")
    assert done.exit_code == 2
    assert "1 of 1 jobs failed" in done.stdout
    assert "bad.mp4" in (tmp_path / "out" / "SUITE.md").read_text(encoding="utf-8")


def test_an_interrupted_suite_says_how_to_go_on(folder, tmp_path, monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("lipwright.evaluation.suite.run_suite", interrupted)
    done = evaluate("--suite", folder, "--output-dir", tmp_path)
    assert done.exit_code == 130
    assert "goes on from there" in done.stdout
