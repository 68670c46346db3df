"""What a job's file says of its origin, from the options to the finished file."""

import json
import subprocess
import sys
import threading
from dataclasses import replace

import av
import numpy as np
import pytest
import synth
from pictures import scene
from signers import issue
from typer.testing import CliRunner

from lipwright import DubOptions, EncodeOptions, MediaError, OptionError, OutputError, dub, dub_frames
from lipwright.cli.main import app
from lipwright.example import portrait as portrait_file
from lipwright.media import open_clip
from lipwright.media.colour import ColourTags
from lipwright.media.partial import partial_name, second_name
from lipwright.media.picture import Picture, Stored
from lipwright.media.segment import SegmentEncoder
from lipwright.models.catalog import card
from lipwright.pipeline import marks as module
from lipwright.pipeline.estimate import estimate
from lipwright.pipeline.marks import OFF, Marks, area_of
from lipwright.pipeline.preview import preview
from lipwright.provenance.boxes import top_boxes
from lipwright.provenance.origin import read_source
from lipwright.provenance.parts import C2PA_UUID
from lipwright.provenance.records import read_records
from lipwright.provenance.statement import read_statement
from lipwright.provenance.watermark import Area, read_watermark
from lipwright.render.base import Patch

ALL = ("statement", "mark", "records")


def lipwright_cli(*args):
    return CliRunner().invoke(app, [str(arg) for arg in args])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def metadata(path):
    with av.open(str(path)) as container:
        return dict(container.metadata)


@pytest.fixture(scope="module")
def job(tmp_path_factory, long_wav, quick):
    """A job done as it is by default, and its report: a photo large enough for its mark to be read."""
    output = tmp_path_factory.mktemp("job") / "a.mp4"
    return output, dub(portrait_file, long_wav, output, options=quick)


def test_by_default_every_layer_is_there_and_names_the_same_mark(job, long_wav):
    output, report = job
    said, records, mark = read_statement(output), read_records(output), read_watermark(output)
    assert report.marks == ALL
    assert said.holds
    assert report.mark_id == said.mark_id == records.aigc["ProduceID"] == mark.identifier.hex()
    assert report.signed_by in said.by
    assert records.xmp["digital_source_type"].endswith("/compositeWithTrainedAlgorithmicMedia")
    assert metadata(output)["software"] == said.software
    assert not any("mark" in note for note in report.notes)
    assert report.as_dict()["marks"] == list(ALL)
    for path, kind, told in zip((portrait_file, long_wav), ("photo", "sound"), said.ingredients, strict=True):
        assert read_source(path, kind).sha256 in told


def test_the_models_are_those_that_drew(job):
    weights = {each["name"]: each["weights_sha256"] for each in read_statement(job[0]).models}
    assert weights == {name: card(name).sha256[0] for name in ("mouth_motion", "mouth_shape")}


def test_turned_off_nothing_is_there_and_the_report_says_so(
    clip_file, speech_wav, folder, quick, tmp_path, monkeypatch
):
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "signing"))
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=replace(quick, marks=False))
    assert (report.marks, report.mark_id, report.signed_by) == ((), None, None)
    assert OFF in report.notes
    assert read_statement(folder / "a.mp4") is None
    assert (read_records(folder / "a.mp4").xmp, read_records(folder / "a.mp4").aigc) == (None, None)
    assert [box.kind for box in top_boxes(folder / "a.mp4")] == ["ftyp", "moov", "free", "mdat"]
    assert not (tmp_path / "signing").exists()


@pytest.mark.parametrize(("suffix", "codec"), [(".mkv", "h264"), (".webm", "vp9")])
def test_what_cannot_carry_a_statement_has_the_rest_and_says_so(suffix, codec, clip_file, speech_wav, folder, quick):
    output = folder / f"a{suffix}"
    options = replace(quick, encode=EncodeOptions(codec=codec, preset="ultrafast", crf=30))
    report = dub(clip_file, speech_wav, output, options=options)
    assert (report.marks, report.signed_by) == (("mark", "records"), None)
    assert (
        f"{suffix} files cannot carry the signed statement: the picture's mark and the records are there"
        in report.notes
    )
    assert read_records(output).aigc["ProduceID"] == report.mark_id
    assert read_statement(output) is None


def test_frames_are_those_that_are_written(clip_file, speech_wav, folder, quick, monkeypatch):
    written, write = [], SegmentEncoder.add

    def keep(self, shot):
        written.append(Picture(Stored(shot, ColourTags.of(shot))).rgb)
        write(self, shot)

    monkeypatch.setattr(SegmentEncoder, "add", keep)
    drawn = []
    dub(clip_file, speech_wav, folder / "a.mp4", options=quick, watch=lambda shot: drawn.append(shot.frame))
    frames = list(dub_frames(clip_file, speech_wav, options=quick))
    for frame, other, plain in zip(frames, written, drawn, strict=True):
        bright, same, without = (picture @ (0.2126, 0.7152, 0.0722) for picture in (frame, other, plain))
        assert np.abs(bright - same).mean() < 0.5  # chroma is halved in what is written
        assert np.abs(bright - same).mean() < 0.7 * np.abs(same - without).mean()
        assert (frame != plain).any()  # who looks into a job sees what was drawn


def test_a_frame_in_which_nothing_was_drawn_has_no_mark(portrait, speech_wav, tmp_path, quick):
    from pictures import panned

    pictures = [panned(portrait, n / 30) for n in range(6)] + [scene(288, 256)] * 14
    path = synth.write_video(tmp_path / "leaves.mp4", pictures, rate=24)
    with open_clip(path) as clip:
        sources = list(clip.frames())
    frames = list(dub_frames(path, speech_wav, options=replace(quick, cache=tmp_path)))
    np.testing.assert_array_equal(frames[10], sources[10])
    assert (frames[2] != sources[2]).any()


def test_the_mask_video_is_marked_too(clip_file, speech_wav, folder, quick):
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=replace(quick, mask_debug=True))
    said = read_statement(report.mask_video)
    assert said.holds
    assert said.mark_id == report.mark_id
    assert read_records(report.mask_video).aigc["ProduceID"] == report.mark_id


def test_a_photo_is_told_to_be_one(speech_wav, folder, quick, tmp_path):
    dub(portrait_file, speech_wav, folder / "a.mp4", options=replace(quick, cache=tmp_path))
    said = read_statement(folder / "a.mp4")
    assert said.actions[0].startswith("created")
    assert said.ingredients[0].startswith("source photo")


def test_a_note_on_consent_is_in_the_statement_and_not_in_the_mark(job, long_wav, folder, quick):
    report = dub(portrait_file, long_wav, folder / "a.mp4", options=replace(quick, consent_note="Ada agreed"))
    assert read_statement(folder / "a.mp4").consent_note == "Ada agreed"
    assert report.mark_id == job[1].mark_id
    other = dub(portrait_file, long_wav, folder / "b.mp4", options=replace(quick, intensity=0.5))
    assert other.mark_id != report.mark_id


def test_the_users_certificate_signs(clip_file, speech_wav, folder, quick, tmp_path):
    pair = issue(tmp_path / "pki")
    options = replace(quick, certificate=pair.certificate, private_key=pair.key)
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=options)
    assert report.signed_by == "Ada Lovelace"
    assert read_statement(folder / "a.mp4", trust=pair.authority).state == "trusted"


@pytest.mark.parametrize("how", [dub, estimate, lambda *paths, options: preview(*paths, 1, options=options)])
def test_a_certificate_that_cannot_sign_is_refused_before_anything_is_done(
    how, clip_file, speech_wav, folder, tmp_path, cache
):
    pair = issue(tmp_path / "pki", days=(-20, -5))
    options = DubOptions(certificate=pair.certificate, private_key=pair.key)
    with pytest.raises(OptionError, match="expired on"):
        how(clip_file, speech_wav, folder / "a.mp4", options=options)
    assert names(folder) == names(cache) == []


def test_a_dry_run_makes_no_certificate_and_tells_the_marks(
    clip_file, speech_wav, folder, quick, tmp_path, monkeypatch
):
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "signing"))
    assert estimate(clip_file, speech_wav, folder / "a.mp4", options=quick).marks == ALL
    plan = estimate(clip_file, speech_wav, folder / "a.mkv", options=quick)
    assert plan.marks == ("mark", "records")
    assert any("cannot carry the signed statement" in note for note in plan.notes)
    plan = estimate(clip_file, speech_wav, folder / "a.mp4", options=replace(quick, marks=False))
    assert (plan.marks, plan.notes[-1]) == ((), OFF)
    assert not (tmp_path / "signing").exists()


def test_without_a_place_for_the_certificate_nothing_is_done(
    clip_file, speech_wav, folder, tmp_path, cache, monkeypatch
):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "file" / "below"))
    with pytest.raises(OutputError, match="cannot be kept"):
        dub(clip_file, speech_wav, folder / "a.mp4")
    assert names(folder) == names(cache) == []


WRONG = {
    "consent-note belongs to the signed statement": {"marks": False, "consent_note": "yes"},
    "certificate belongs to the signed statement": {"marks": False, "certificate": "c", "private_key": "k"},
    "private-key is missing": {"certificate": "c"},
    "certificate is missing": {"private_key": "k"},
    "consent-note takes up to 1000 characters, got 1001": {"consent_note": "x" * 1001},
    r"consent-note is one line of characters that can be printed, got U\+000A": {"consent_note": "a\nb"},
    r"consent-note is one line .* got U\+202E": {"consent_note": "a\u202eb"},
}


@pytest.mark.parametrize(
    "note", ["同意书\u3000十二号", "با رضایت می\u200cشود", "«\u202fsigné\u00a0»", "👨\u200d👩\u200d👧 agreed"]
)
def test_a_note_may_be_in_any_script(note):
    assert DubOptions(consent_note=note).consent_note == note


@pytest.mark.parametrize("told", WRONG)
def test_options_that_would_be_left_out_are_refused(told):
    with pytest.raises(OptionError, match=told):
        DubOptions(**WRONG[told])


def test_a_note_that_the_file_cannot_carry_is_refused(clip_file, speech_wav, folder, quick, tmp_path):
    pair = issue(tmp_path / "pki")
    for given in ({"consent_note": "yes"}, {"certificate": pair.certificate, "private_key": pair.key}):
        with pytest.raises(OptionError, match=r"belongs to the signed statement, which \.mkv files cannot carry"):
            dub(clip_file, speech_wav, folder / "a.mkv", options=replace(quick, **given))
    assert names(folder) == []


@pytest.mark.parametrize("what", ["sign", "write_xmp"])
def test_a_layer_that_fails_leaves_no_file(what, clip_file, speech_wav, folder, quick, monkeypatch):
    (folder / "a.mp4").write_bytes(b"an earlier result")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, what, full)
    with pytest.raises(OutputError, match=f"cannot write {folder / 'a.mp4'}: the disk is full"):
        dub(clip_file, speech_wav, folder / "a.mp4", options=quick)
    assert (folder / "a.mp4").read_bytes() == b"an earlier result"
    assert names(folder) == ["a.mp4"]


KILLED = """
import os, sys
from lipwright.provenance import statement
from lipwright.cli.main import main
statement._sign_into = lambda *_: os._exit(9)
main()
"""


def test_a_kill_while_signing_leaves_what_the_next_run_removes(clip_file, speech_wav, folder):
    line = ["dub", "--video", str(clip_file), "--audio", str(speech_wav), "-o", str(folder / "a.mp4")]
    done = subprocess.run([sys.executable, "-c", KILLED, *line], capture_output=True, check=False)
    assert done.returncode == 9
    assert len(names(folder)) == 2  # the file, and the one that should have become it
    assert all(name.startswith(".") for name in names(folder))
    assert lipwright_cli(*line).exit_code == 0
    assert names(folder) == ["a.mp4"]


def test_the_second_name_is_another_and_is_cleared_away_alike(tmp_path):
    first = partial_name(tmp_path / "a.mp4")
    second = second_name(first)
    assert second != first
    assert (second.parent, second.suffix, second.name[0]) == (tmp_path, ".mp4", ".")
    assert second_name(tmp_path / "b.mov") == tmp_path / "b.2.partial.mov"


def test_leaving_early_ends_what_reads_the_inputs(clip_file, tmp_path, monkeypatch):
    large = tmp_path / "large.wav"
    with large.open("wb") as file:
        file.truncate(8 << 30)  # a hole: reading it all would take seconds
    before = threading.active_count()
    with open_clip(clip_file) as clip, Marks(clip, large, DubOptions()):
        pass
    assert threading.active_count() == before


def test_an_input_that_goes_away_is_told(clip_file, tmp_path):
    gone = pytest.raises(MediaError, match=r"cannot read .*gone\.wav")
    with open_clip(clip_file) as clip, Marks(clip, tmp_path / "gone.wav", DubOptions()) as marks, gone:
        marks.know(None)
        marks.tags()


def test_the_area_is_around_all_that_was_drawn():
    patch = Patch(10, 20, np.zeros((5, 8, 3), np.uint8), np.ones((5, 8), np.float32))
    other = Patch(30, 2, np.zeros((40, 3, 3), np.uint8), np.ones((40, 3), np.float32))
    assert area_of([]) is None
    assert area_of([patch]) == Area(10, 20, 8, 5)
    assert area_of([patch, other]) == Area(10, 2, 23, 40)


# The command line


def test_the_command_line_turns_marks_off(clip_file, speech_wav, folder):
    line = ("dub", "--video", clip_file, "--audio", speech_wav, "-o", folder / "a.mp4", "--preset", "ultrafast")
    done = lipwright_cli(*line, "--marks", "off")
    assert done.stdout.splitlines()[1:] == [f"note: {OFF}"]
    done = lipwright_cli(*line, "--marks", "no")
    assert (done.exit_code, done.stderr.strip()) == (2, "lipwright: --marks must be on or off, got 'no'")


def test_the_command_line_signs(clip_file, speech_wav, folder, tmp_path):
    pair = issue(tmp_path / "pki")
    line = (
        "dub",
        "--video",
        clip_file,
        "--audio",
        speech_wav,
        "-o",
        folder / "a.mp4",
        "--preset",
        "ultrafast",
        "--json",
    )
    done = lipwright_cli(*line, "--certificate", pair.certificate, "--private-key", pair.key, "--consent-note", "yes")
    facts = json.loads(done.stdout)
    assert (facts["marks"], facts["signed_by"]) == (list(ALL), "Ada Lovelace")
    assert read_statement(folder / "a.mp4").consent_note == "yes"
    done = lipwright_cli(*line, "--certificate", pair.certificate)
    assert json.loads(done.stdout)["error"].startswith("private-key is missing")


def test_a_dry_run_on_the_command_line_tells_the_marks(clip_file, speech_wav, folder):
    line = ("dub", "--video", clip_file, "--audio", speech_wav, "-o", folder / "a.mp4", "--dry-run")
    done = lipwright_cli(*line)
    assert "  marks    signed statement, mark in the picture, records beside it" in done.stdout.splitlines()
    done = lipwright_cli(*line, "--marks", "off")
    assert "  marks    nothing" in done.stdout.splitlines()


def test_files_carry_one_statement(job):
    assert [box.uuid for box in top_boxes(job[0])].count(C2PA_UUID) == 1


def test_the_command_line_stays_light():
    """Neither the library that signs nor the one that makes certificates is loaded before it is needed."""
    told = "import sys; from lipwright.cli import main; print({'c2pa', 'cryptography'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
