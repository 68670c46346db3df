"""What can be seen of a job before it is done, and of a frame besides its pixels."""

import errno
import json
import tempfile
import threading
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import synth
from pictures import noisy, panned, placed, scene
from typer.testing import CliRunner
from unsigned import unsigned

from lipwright import DubOptions, EncodeOptions, LipwrightError, NoFaceError, OptionError, OutputError, dub
from lipwright.cli.main import app
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.media import open_clip, read_sound
from lipwright.media.colour import ColourTags
from lipwright.media.encode import ClipWriter
from lipwright.media.picture import Picture, Stored
from lipwright.pipeline import analysis
from lipwright.pipeline import estimate as estimate_module
from lipwright.pipeline import job as job_module
from lipwright.pipeline.estimate import Use, _remaining, estimate
from lipwright.pipeline.overlay import CONTOUR, LIPS, PASSED, TARGET, overlay
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.preview import CELL, GAP, LINE, MOMENTS, _face_box, _moments, picture_name, preview
from lipwright.pipeline.staging import Aim

FAST = EncodeOptions(preset="ultrafast", crf=23)
WIDTH = 3 * (CELL + GAP)


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A busy machine must not shorten a trial."""
    monkeypatch.setattr(estimate_module, "LONGEST_TRIAL", 600.0)


@pytest.fixture(scope="module")
def leaving(portrait, tmp_path_factory):
    """Twelve frames of which the last six show no face."""
    here = placed(scene(320, 256), portrait, 30, 10, 240)
    away = scene(320, 256, seed=3)
    return synth.write_video(tmp_path_factory.mktemp("clip") / "leaves.mp4", [here] * 6 + [away] * 6, rate=25)


def names(folder: Path):
    return sorted(path.name for path in folder.rglob("*"))


def lipwright_cli(*args):
    return CliRunner().invoke(app, [str(a) for a in args])


def job(video, audio, output, options, *more):
    quality = ("--preset", options.encode.preset, "--crf", options.encode.crf, "--cache", options.cache)
    return ("dub", "--video", video, "--audio", audio, "-o", output, *quality, *more)


def shots(video, audio, options):
    with open_clip(video) as clip:
        yield from job_module.Job(clip, audio, options).shots()


# --preview


def test_a_preview_is_one_picture_beside_the_output(clip_file, speech_wav, folder, quick):
    made = preview(clip_file, speech_wav, folder / "a.mp4", 0.5, options=quick)
    assert names(folder) == ["a.preview.png"]
    assert made.picture == folder / "a.preview.png"
    assert made.moments == tuple((2 * n + 1) * 12 // 16 for n in range(MOMENTS))
    assert (made.frames, made.fps, made.frames_without_face) == (20, 24, 0)
    picture = cv2.imread(str(made.picture))
    assert picture.shape == (LINE + MOMENTS * (LINE + CELL + GAP), WIDTH, 3)


def cells(path, row):
    """Source, result and mask of one row, (CELL, CELL, 3) int RGB."""
    picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB).astype(int)
    top = LINE + row * (LINE + CELL + GAP) + LINE
    return [picture[top : top + CELL, n * (CELL + GAP) : n * (CELL + GAP) + CELL] for n in range(3)]


def test_its_columns_are_source_result_and_mask(clip_file, speech_wav, folder, quick):
    made = preview(clip_file, speech_wav, folder / "a.png", 9, options=quick)
    drawn = list(shots(clip_file, speech_wav, quick))
    for row, moment in enumerate(made.moments):
        shot = drawn[moment]
        x0, y0, x1, y1 = _face_box(shot)
        source, result, mask = cells(made.picture, row)
        for cell, whole in ((source, shot.source), (result, shot.frame)):
            expected = cv2.resize(whole[y0:y1, x0:x1], (CELL, CELL), interpolation=cv2.INTER_CUBIC)
            np.testing.assert_array_equal(cell, expected)
        inside = cv2.resize(shot.mask()[y0:y1, x0:x1], (CELL, CELL)) > 0.9
        tint = (mask - result)[inside].mean(0)
        assert tint[2] > tint[0] + 10  # bluer, not redder
        outside = cv2.dilate((shot.mask()[y0:y1, x0:x1] > 0).astype(np.uint8), np.ones((9, 9)))
        far = cv2.resize(outside, (CELL, CELL)) == 0
        np.testing.assert_array_equal(mask[far], result[far])


@pytest.mark.parametrize(
    ("frames", "seconds", "fps", "expected"),
    [
        (100, 2, 25, (3, 9, 15, 21, 28, 34, 40, 46)),
        (100, 0.2, 25, (0, 1, 2, 3, 4)),
        (3, 60, 25, (0, 1, 2)),
        (1, 1e300, 25, (0,)),
        (100, 1e-9, 25, (0,)),
        (30, 0.5, Fraction(30000, 1001), (0, 2, 4, 6, 8, 10, 12, 14)),
    ],
)
def test_moments_are_different_and_within_both(frames, seconds, fps, expected):
    assert _moments(frames, seconds, Fraction(fps)) == expected


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_seconds_that_are_none_are_refused(seconds, clip_file, speech_wav, folder):
    with pytest.raises(OptionError, match=r"--preview must be a number of seconds above 0, got .*; try --preview 3"):
        preview(clip_file, speech_wav, folder / "a.mp4", seconds)
    assert names(folder) == []


def test_moments_without_a_face_show_the_whole_frame(leaving, speech_wav, folder, quick):
    made = preview(leaving, speech_wav, folder / "a.mp4", 0.48, options=quick)
    assert made.moments == (0, 2, 3, 5, 6, 8, 9, 11)
    assert made.frames_without_face == 4
    source, result, mask = cells(made.picture, 7)
    np.testing.assert_array_equal(source, result)
    np.testing.assert_array_equal(source, mask)
    high = CELL * 256 // 320
    assert (source[: (CELL - high) // 2] == 255).all()
    assert not (source[(CELL - high) // 2 + 1] == 255).all()


def test_the_avatar_of_a_preview_is_kept_for_the_job(clip_file, speech_wav, folder, cache):
    made = preview(clip_file, speech_wav, folder / "a.mp4", 1, options=DubOptions(encode=FAST))
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=DubOptions(encode=FAST))
    assert (made.avatar_reused, report.avatar_reused) == (False, True)
    assert made.avatar_key == report.avatar_key


def test_a_preview_replaces_an_older_one_only_when_complete(clip_file, speech_wav, folder, quick, monkeypatch):
    old = folder / "a.preview.png"
    old.write_bytes(b"older")
    monkeypatch.setattr(job_module.Job, "shots", lambda *a: (1 / 0 for _ in (0,)))
    with pytest.raises(ZeroDivisionError):
        preview(clip_file, speech_wav, folder / "a.mp4", 1, options=quick)
    assert old.read_bytes() == b"older"
    assert names(folder) == ["a.preview.png"]


def test_a_preview_that_cannot_be_written_is_one_sentence(clip_file, speech_wav, folder, quick, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match=r"a\.preview\.png cannot be written: No space left on device; "):
        preview(clip_file, speech_wav, folder / "a.mp4", 1, options=quick)
    assert names(folder) == []


def test_the_picture_never_overwrites_an_input(speech_wav, copy, monkeypatch):
    photo = copy(portrait_file, "me.preview.png")
    before = photo.read_bytes()
    for output in (photo, photo.with_name("me.mp4")):
        with pytest.raises(OutputError, match="is an input of this job"):
            preview(photo, speech_wav, output, 1)
    assert photo.read_bytes() == before


def test_picture_names():
    assert picture_name(Path("x/a.b.mp4")) == Path("x/a.b.preview.png")
    assert picture_name(Path("x/a.PNG")) == Path("x/a.PNG")


# --mask-debug


def test_a_mask_video_has_the_frames_of_the_result(clip_file, speech_wav, folder, quick):
    options = replace(quick, mask_debug=True)
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=options)
    assert report.mask_video == folder / "a.mask.mp4"
    assert names(folder) == ["a.mask.mp4", "a.mp4"]
    with open_clip(folder / "a.mp4") as result, open_clip(folder / "a.mask.mp4") as mask:
        assert mask.facts == replace(result.facts, path=mask.facts.path)
        assert mask.facts.frames == report.frames == 20
        for shot, shown in zip(shots(clip_file, speech_wav, quick), mask.frames(), strict=True):
            where = shot.mask()
            change = shown.astype(int) - shot.frame
            assert change[where > 0.9][:, 2].mean() > change[where > 0.9][:, 0].mean() + 10
            assert np.abs(change[:, -40:]).mean() < 8  # the right edge: nothing drawn, only coding
    plain = dub(clip_file, speech_wav, folder / "b.mp4", options=quick)
    assert plain.mask_video is None
    assert unsigned(folder / "a.mp4") == unsigned(folder / "b.mp4")


def test_what_is_drawn_lies_where_it_belongs(mesh):
    mask = np.zeros((512, 512), np.float32)
    mask[60:300, 120:330] = 1
    grey = np.full((512, 512, 3), 128, np.uint8)
    target = np.array([(20.0, 40.0), (400.0, 480.0)], np.float32)
    drawn = overlay(grey, mask, [Aim(mesh, target)])
    for x, y in target.astype(int):
        assert tuple(drawn[y, x]) == TARGET
    assert np.abs(drawn[60, 200].astype(int) - CONTOUR).max() < 40  # anti-aliased
    for point in (61, 291, 0, 17):  # mouth corners, upper and lower lip
        x, y = np.rint(mesh[point, :2]).astype(int)
        near = drawn[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3).astype(int)
        assert np.abs(near - LIPS).sum(1).min() < 60
    assert (drawn[350:450, :350] == 128).all()
    assert (grey == 128).all()


def test_frames_without_a_face_are_marked(leaving, speech_wav, folder, quick):
    fine = replace(quick, mask_debug=True, encode=EncodeOptions(crf=8, preset="ultrafast"))
    report = dub(leaving, speech_wav, folder / "a.mp4", options=fine)
    away = [n >= 6 for n in [*range(12), *range(10, 0, -1)][:20]]
    assert report.frames_without_face == sum(away)
    with open_clip(report.mask_video) as mask:
        framed = [np.abs(frame[128, 1].astype(int) - PASSED).max() < 60 for frame in mask.frames()]
    assert framed == away


def test_a_dissolve_shows_what_both_rounds_are_drawn_by(clip_file, long_wav, quick):
    drawn = list(shots(clip_file, long_wav, replace(quick, length="loop")))
    assert [len(shot.aims) for shot in drawn] == [len(shot.patches) for shot in drawn]
    assert {len(shot.aims) for shot in drawn} == {1, 2}
    for shot in drawn:
        for patch, aim in zip(shot.patches, shot.aims, strict=True):
            assert aim.mesh.shape == (478, 3)
            assert aim.target.shape == (68, 2)
            high, wide = patch.mask.shape
            assert (aim.target > (patch.x, patch.y)).all()
            assert (aim.target < (patch.x + wide, patch.y + high)).all()


@pytest.mark.parametrize(("fails", "kept"), [("a.mp4", {"a.mp4", "a.mask.mp4"}), ("a.mask.mp4", {"a.mask.mp4"})])
def test_no_file_is_left_half_written(fails, kept, clip_file, speech_wav, folder, quick, monkeypatch):
    for name in ("a.mp4", "a.mask.mp4"):
        (folder / name).write_bytes(b"older")
    verify = ClipWriter._verify

    def full(self):
        if self.path.name == fails:
            raise OSError(errno.ENOSPC, "No space left on device")
        verify(self)

    monkeypatch.setattr(ClipWriter, "_verify", full)  # the last that can fail before a file takes its name
    with pytest.raises(OutputError, match="the disk is full"):
        dub(clip_file, speech_wav, folder / "a.mp4", options=replace(quick, mask_debug=True))
    assert names(folder) == ["a.mask.mp4", "a.mp4"]
    assert {name for name in names(folder) if (folder / name).read_bytes() == b"older"} == kept


def test_an_interrupted_job_leaves_neither(clip_file, speech_wav, folder, quick):
    def stop(stage, done, total):
        if (stage, done) == ("render", 12):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dub(clip_file, speech_wav, folder / "a.mp4", options=replace(quick, mask_debug=True), progress=stop)
    assert names(folder) == []


def test_the_second_video_never_overwrites_an_input(clip_file, speech_wav, copy, quick):
    video = copy(clip_file, "a.mask.mp4")
    before = video.read_bytes()
    with pytest.raises(OutputError, match=r"a\.mask\.mp4 is an input of this job"):
        dub(video, speech_wav, video.with_name("a.mp4"), options=replace(quick, mask_debug=True))
    assert video.read_bytes() == before


# --dry-run


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go meanwhile."""
    made = tmp_path / "scratch"
    made.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(made))
    return made


@pytest.fixture(scope="module")
def longer(portrait, tmp_path_factory):
    """130 frames: more than a trial looks at."""
    frames = (noisy(panned(portrait, n / 130, 192, 160), n, 3) for n in range(130))
    return synth.write_video(tmp_path_factory.mktemp("clip") / "longer.mp4", frames, rate=25)


@pytest.fixture(scope="module")
def six_seconds(tmp_path_factory):
    samples = read_sound(speech_file, 16000).samples[:96000]
    return synth.write_sound(tmp_path_factory.mktemp("sound") / "six.wav", samples, 16000, "pcm_s16le")


def test_a_dry_run_leaves_nothing(clip_file, speech_wav, folder, cache, scratch):
    plan = estimate(clip_file, speech_wav, folder / "a.mp4", options=DubOptions(encode=FAST))
    assert names(folder) == names(cache) == names(scratch) == []
    assert not plan.avatar_stored
    assert (plan.frames, plan.tried, plan.sound_seconds) == (20, 20, 0.8)
    assert plan.use == Use(first=0, last=19, forward=1, backward=0)
    assert (plan.footage.width, plan.footage.height, plan.footage.frames) == (288, 256, 24)


@pytest.mark.parametrize("length", ["bounce", "loop", "cut_off", "silence", "remap"])
def test_the_plan_is_that_of_the_job(length, clip_file, long_wav, folder, quick):
    options = replace(quick, length=length, fps=Fraction(30000, 1001))
    plan = estimate(clip_file, long_wav, folder / "a.mp4", options=options)
    report = dub(clip_file, long_wav, folder / "a.mp4", options=options)
    assert (plan.frames, plan.footage.fps, plan.avatar_key) == (report.frames, report.fps, report.avatar_key)
    assert plan.seconds.keys() == report.seconds.keys()
    assert plan.size == pytest.approx((folder / "a.mp4").stat().st_size, rel=0.33)


def test_a_stored_avatar_is_used_and_not_made_again(clip_file, speech_wav, folder, quick, monkeypatch):
    dub(clip_file, speech_wav, folder / "a.mp4", options=quick)
    monkeypatch.setattr(analysis, "analyse", lambda *a, **k: pytest.fail("analysed"))
    assert estimate(clip_file, speech_wav, folder / "a.mp4", options=quick).avatar_stored


@pytest.mark.parametrize("length", ["bounce", "remap"])
def test_of_long_footage_a_part_is_looked_at(length, longer, six_seconds, folder, cache, scratch, monkeypatch):
    looked_at, written = [], []
    right, write = analysis.analyse, ClipWriter.write

    def counted(frames, *args, **kwargs):
        return right((looked_at.append(frame) or frame for frame in frames), *args, **kwargs)

    def noted(self, picture):
        written.append(Picture(Stored(picture, ColourTags.of(picture))).rgb)
        write(self, picture)

    monkeypatch.setattr(analysis, "analyse", counted)
    options = DubOptions(encode=FAST, length=length, marks=False)
    with monkeypatch.context() as watching:
        watching.setattr(ClipWriter, "write", noted)
        plan = estimate(longer, six_seconds, folder / "a.mp4", options=options)
    assert len(looked_at) == len(written) == plan.tried == 96
    assert names(folder) == names(cache) == names(scratch) == []
    with open_clip(longer) as clip:
        sources = plan_frames(length, 130, Fraction(6), Fraction(25)).source
        wanted = [*sources[:32], *sources[59:91], *sources[118:150]]
        for seen, drawn, expected in zip(looked_at, written, clip.play(int(n) for n in wanted), strict=True):
            np.testing.assert_array_equal(seen.rgb, expected)
            np.testing.assert_array_equal(drawn[:8], expected[:8])  # above the mask
    dub(longer, six_seconds, folder / "a.mp4", options=options)
    assert plan.size == pytest.approx((folder / "a.mp4").stat().st_size, rel=0.33)


def test_a_photo_is_analysed_once_and_costs_one_key_frame(six_seconds, folder):
    plan = estimate(portrait_file, six_seconds, folder / "a.mp4", options=DubOptions(encode=FAST))
    assert (plan.frames, plan.tried) == (150, 96)
    assert plan.use == Use(first=0, last=0, forward=1, backward=0)
    dub(portrait_file, six_seconds, folder / "a.mp4", options=DubOptions(encode=FAST))
    assert plan.size == pytest.approx((folder / "a.mp4").stat().st_size, rel=0.33)


def test_no_face_in_the_sample_is_a_note_and_none_at_all_is_refused(
    longer, faceless_file, six_seconds, folder, monkeypatch
):
    with pytest.raises(NoFaceError, match="no usable face"):
        estimate(faceless_file, six_seconds, folder / "a.mp4")

    def nobody(*args, **kwargs):
        raise NoFaceError("nobody")

    monkeypatch.setattr(
        analysis, "analyse", lambda frames, *a, progress, **k: nobody([progress("", 0, 0) for _ in frames])
    )
    plan = estimate(longer, six_seconds, folder / "a.mp4", options=DubOptions(encode=FAST))
    assert plan.notes == ("no usable face in the 96 frames looked at; the job is refused if none has one",)
    assert (plan.frames, plan.tried) == (150, 96)


def test_a_slow_encoder_gets_through_fewer_frames(clip_file, long_wav, folder, quick, monkeypatch):
    monkeypatch.setattr(estimate_module, "LONGEST_TRIAL", 0.0)
    plan = estimate(clip_file, long_wav, folder / "a.mp4", options=quick)
    assert (plan.tried, plan.frames) == (1, 60)
    assert not [t for t in threading.enumerate() if t.name == "lipwright-prefetch"]


def test_the_analysis_is_estimated_without_the_ways_between_groups():
    sources = np.array([0, 1, 2, 3, 50, 51, 52, 53, 20, 19, 18])
    ticks = np.cumsum([9.0, 0.1, 0.1, 0.1, 5.0, 0.1, 0.1, 0.1, 3.0, 0.7, 0.7])  # backward play costs more
    assert _remaining(ticks, sources, 101) == pytest.approx(100 * 0.1 - 10.0)


@pytest.mark.parametrize(
    ("length", "footage", "seconds", "expected"),
    [
        ("bounce", 100, 2, (0, 49, 1, 0)),
        ("bounce", 100, 4, (0, 99, 1, 0)),
        ("bounce", 100, 5, (0, 99, 1, 1)),
        ("bounce", 10, 2, (0, 9, 3, 3)),
        ("bounce", 1, 2, (0, 0, 1, 0)),
        ("loop", 100, 2, (0, 49, 1, 0)),
        ("loop", 100, 10, (0, 94, 3, 0)),
        ("remap", 100, 2, (1, 99, 1, 0)),
        ("remap", 20, 2, (0, 19, 1, 0)),
        ("cut_off", 30, 2, (0, 29, 1, 0)),
        ("silence", 100, 2, (0, 99, 1, 0)),
    ],
)
def test_which_part_of_the_footage_is_used(length, footage, seconds, expected):
    use = Use.of(plan_frames(length, footage, Fraction(seconds), Fraction(25)), length)
    assert (use.first, use.last, use.forward, use.backward) == expected


REFUSED = ["no video", "no sound file", "silent", "no folder", "a folder", "suffix", "codec", "input", "tracker"]


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("how", [estimate, partial(preview, seconds=1)], ids=["dry run", "preview"])
def test_what_the_job_refuses_is_refused_alike(how, name, clip_file, speech_wav, copy, folder, tmp_path):
    silent = synth.write_sound(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16000, "pcm_s16le")
    mine, out, options = copy(clip_file), folder / "a.mp4", DubOptions()
    wrong = {
        "no video": (folder / "none.mp4", speech_wav, out, options),
        "no sound file": (clip_file, folder / "none.wav", out, options),
        "silent": (clip_file, silent, out, options),
        "no folder": (clip_file, speech_wav, folder / "x" / "a.mp4", options),
        "a folder": (clip_file, speech_wav, folder, options),
        "suffix": (clip_file, speech_wav, folder / "a.gif", options),
        "codec": (clip_file, speech_wav, folder / "a.webm", options),
        "input": (mine, speech_wav, mine, options),
        "tracker": (clip_file, speech_wav, out, DubOptions(tracker="x")),
    }
    assert list(wrong) == REFUSED
    *paths, options = wrong[name]
    with pytest.raises(LipwrightError) as real:
        dub(*paths, options=options)
    with pytest.raises(type(real.value)) as early:
        how(*paths, options=options)
    assert str(early.value) == str(real.value)
    assert names(folder) == []


# the command line


def test_preview_on_the_command_line(clip_file, speech_wav, folder, quick):
    done = lipwright_cli(*job(clip_file, speech_wav, folder / "a.mp4", quick, "--preview", "2"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == f"{folder / 'a.preview.png'}: 8 of 20 frames\n"
    done = lipwright_cli(*job(clip_file, speech_wav, folder / "b.png", quick, "--preview", "2", "--json"))
    facts = json.loads(done.stdout)
    assert facts.keys() == {"picture", "moments", "fps", "frames", "frames_without_face", "avatar_key",
                            "avatar_reused", "notes"}  # fmt: skip
    assert (facts["picture"], facts["fps"]) == (str(folder / "b.png"), "24")
    assert names(folder) == ["a.preview.png", "b.png"]


def test_dry_run_on_the_command_line(clip_file, long_wav, folder, quick):
    done = lipwright_cli(*job(clip_file, long_wav, folder / "a.mp4", quick, "--dry-run"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(
        f"{folder / 'a.mp4'}: nothing written\n  footage  288×256, 24 frames (1.00 s), with sound\n"
    )
    assert "bounce: source frames 0 to 23, passes: 2 forward, 1 backward\n" in done.stdout
    assert "h264, crf 23, ultrafast\n" in done.stdout
    done = lipwright_cli(*job(clip_file, long_wav, folder / "a.mp4", quick, "--dry-run", "--json"))
    facts = json.loads(done.stdout)
    assert facts["use"] == {"first": 0, "last": 23, "forward": 2, "backward": 1}
    assert facts["encode"] == {
        "codec": "h264",
        "crf": 23,
        "preset": "ultrafast",
        "sound_kbps": 192,
        "encoder": "software",
    }
    assert (facts["frames"], facts["fps"], facts["duration"], facts["sound_seconds"]) == (60, "24", 2.5, 2.5)
    assert (facts["footage"]["frames"], facts["footage"]["duration"], facts["footage"]["fps"]) == (24, 1.0, "24")
    assert facts["size"] > 1000
    assert facts["total_seconds"] == round(sum(facts["seconds"].values()), 1)
    assert {"avatar_key", "avatar_stored", "tried", "output", "length", "notes"} < facts.keys()
    assert names(folder) == []


def test_mask_debug_on_the_command_line(clip_file, speech_wav, folder, quick):
    done = lipwright_cli(*job(clip_file, speech_wav, folder / "a.mp4", quick, "--mask-debug"))
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith(f"{folder / 'a.mask.mp4'}: ")
    done = lipwright_cli(*job(clip_file, speech_wav, folder / "a.mp4", quick, "--mask-debug", "--json"))
    assert json.loads(done.stdout)["mask_video"] == str(folder / "a.mask.mp4")
    assert names(folder) == ["a.mask.mp4", "a.mp4"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--preview", "0"], 2, "--preview must be a number of seconds above 0, got 0; try --preview 3"),
        (["--preview", "1", "--dry-run"], 2, "--preview and --dry-run exclude each other; give one of them"),
        (["--dry-run", "--mask-debug"], 2, "--dry-run and --mask-debug exclude each other; give one of them"),
        (["--dry-run", "--codec", "vp9", "-o", "none/a.mp4"], 3, "the folder none does not exist; create it first"),
        (["--preview", "1", "-o", "none/a.png"], 3, "the folder none does not exist; create it first"),
    ],
)
def test_a_failure_is_one_sentence_and_a_code(options, code, words, clip_file, speech_wav, folder, quick):
    done = lipwright_cli(*job(clip_file, speech_wav, folder / "a.mp4", quick, *options, "--json"))
    assert (done.exit_code, done.stderr) == (code, f"lipwright: {words}\n")
    assert json.loads(done.stdout) == {"error": words, "exit_code": code}
    assert names(folder) == []
