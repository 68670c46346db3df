"""`dub` and `dub_frames`, end to end."""

import gc
import os
import shutil
import threading
from dataclasses import replace
from fractions import Fraction
from math import ceil
from pathlib import Path

import cv2
import numpy as np
import pytest
import synth
from pictures import placed, scene
from unsigned import unsigned

import lipwright
from lipwright import DubOptions, EncodeOptions, MediaError, NoFaceError, OptionError, OutputError, dub, dub_frames
from lipwright.errors import BackendError
from lipwright.example import portrait as portrait_file
from lipwright.media import open_clip, read_sound
from lipwright.pipeline import analysis

FAST = EncodeOptions(preset="ultrafast", crf=23)


def everything(folder: Path):
    return {p.relative_to(folder).as_posix(): p.stat().st_size for p in folder.rglob("*")}


def threads():
    gc.collect()
    return [t.name for t in threading.enumerate() if t.name == "lipwright-prefetch"]


class Watch:
    """A progress that remembers, and may raise."""

    def __init__(self, stage=None, at=0, error=None):
        self.calls, self._stop = [], (stage, at)
        self._error = error

    def __call__(self, stage, done, total):
        self.calls.append((stage, done, total))
        if (stage, done) == self._stop:
            raise self._error


def test_a_photo_speaks(speech_wav, folder):
    watch = Watch()
    report = dub(portrait_file, speech_wav, folder / "a.mp4", options=DubOptions(encode=FAST), progress=watch)
    assert everything(folder).keys() == {"a.mp4"}
    assert (report.frames, report.fps, report.width, report.height) == (20, 25, 512, 512)
    assert (report.output, report.engine, report.length, report.person) == (
        folder / "a.mp4",
        "native",
        "bounce",
        "largest",
    )
    assert (report.frames_without_face, report.avatar_reused) == (0, False)
    assert set(report.seconds) == {"models", "sound", "avatar", "motion", "stage", "render"}
    assert all(value >= 0 for value in report.seconds.values())
    with open_clip(folder / "a.mp4") as clip:
        assert (clip.facts.frames, clip.facts.fps, clip.facts.has_sound) == (20, 25, True)
        assert (clip.facts.width, clip.facts.height) == (512, 512)
        assert clip.facts.duration == Fraction(4, 5)
    assert watch.calls == [("analyse", 1, 1), *(("render", n, 20) for n in range(1, 21))]


def test_a_video_speaks_in_step(clip_file, long_wav, folder):
    watch = Watch()
    report = dub(clip_file, long_wav, folder / "a.mp4", options=DubOptions(encode=FAST), progress=watch)
    assert report.fps == 24
    assert report.frames == ceil(read_sound(long_wav).duration * 24) == 60
    assert watch.calls == [
        *(("analyse", n, 24) for n in range(1, 25)),
        *(("render", n, 60) for n in range(1, 61)),
    ]
    heard, said = read_sound(folder / "a.mp4"), read_sound(long_wav)
    assert abs(synth.shift_ms(heard.samples, said.samples, 16000)) < 1  # sound starts with picture
    assert abs(heard.duration - Fraction(60, 24)) < Fraction(1, 24)
    with open_clip(folder / "a.mp4") as clip:
        assert clip.facts.frames == 60


def test_dub_frames_are_the_frames_that_dub_writes(clip_file, speech_wav, folder, quick):
    fine = replace(quick, encode=EncodeOptions(crf=4, preset="ultrafast"))
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=fine)
    shown = list(dub_frames(clip_file, speech_wav, options=fine))
    assert len(shown) == report.frames
    with open_clip(folder / "a.mp4") as clip:
        for written, frame in zip(clip.frames(), shown, strict=True):
            assert frame.dtype == np.uint8
            assert np.abs(written.astype(int) - frame).mean() < 4  # chroma is halved in the file, grain suffers
            luma = np.abs((written.astype(int) - frame) @ (0.299, 0.587, 0.114))
            assert luma.mean() < 1.5


@pytest.mark.parametrize(
    ("length", "fps"),
    [
        ("bounce", Fraction(30000, 1001)),
        ("loop", Fraction(25)),
        ("cut_off", Fraction(12)),
        ("silence", Fraction(24000, 1001)),
        ("remap", Fraction(25)),
    ],
)
def test_counts_and_rates_are_exact(length, fps, clip_file, speech_wav, folder, quick):
    options = replace(quick, length=length, fps=fps)
    report = dub(clip_file, speech_wav, folder / "a.mkv", options=options)
    with open_clip(clip_file, fps) as clip:
        footage = clip.facts.frames
    spoken = ceil(read_sound(speech_wav).duration * fps)
    count = {"cut_off": min(spoken, footage), "silence": max(spoken, footage)}.get(length, spoken)
    assert (report.frames, report.fps) == (count, fps)
    with open_clip(folder / "a.mkv") as clip:
        assert clip.facts.frames == count
        assert clip.facts.fps == fps or abs(clip.facts.fps - fps) < fps / 1000


def test_the_report_is_plain_for_json(clip_file, speech_wav, folder, quick):
    import json

    options = replace(quick, fps=Fraction(24000, 1001))
    facts = dub(clip_file, speech_wav, folder / "a.mp4", options=options).as_dict()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["fps"] == "24000/1001"
    assert facts["output"] == str(folder / "a.mp4")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_photos_of_every_kind(suffix, portrait, speech_wav, folder, tmp_path):
    photo = tmp_path / f"photo{suffix}"
    small = cv2.cvtColor(portrait[40:201, 130:331], cv2.COLOR_RGB2BGR)  # odd sizes gain a row and a column
    photo.write_bytes(cv2.imencode(suffix, small)[1].tobytes())
    report = dub(photo, speech_wav, folder / "a.mp4", options=DubOptions(length="cut_off", encode=FAST))
    assert (report.frames, report.frames_without_face) == (20, 0)


def test_names_with_spaces_and_beyond_ascii_and_relative(clip_file, speech_wav, copy, tmp_path, monkeypatch):
    video, audio = copy(clip_file, "Ünï cödé 日本 'clip'.mp4"), copy(speech_wav, "mein Ton %d.wav")
    monkeypatch.chdir(tmp_path)
    report = dub(video.relative_to(tmp_path), str(audio.relative_to(tmp_path)), "ergebnis é 1.mp4")
    assert Path("ergebnis é 1.mp4").stat().st_size > 1000
    assert report.output == Path("ergebnis é 1.mp4")
    assert {path.name for path in tmp_path.iterdir()} == {"in", "ergebnis é 1.mp4"}


def test_one_file_may_be_video_and_sound(clip_file, folder, quick):
    report = dub(clip_file, clip_file, folder / "a.mp4", options=quick)
    assert report.frames == pytest.approx(24, abs=1)


def test_an_existing_output_is_replaced_only_by_a_finished_one(clip_file, speech_wav, folder, quick):
    output = folder / "a.mp4"
    output.write_bytes(b"an earlier result")
    with pytest.raises(RuntimeError):
        dub(clip_file, speech_wav, output, options=quick, progress=Watch("render", 3, RuntimeError("stop")))
    assert output.read_bytes() == b"an earlier result"
    dub(clip_file, speech_wav, output, options=quick)
    assert output.stat().st_size > 1000
    assert everything(folder).keys() == {"a.mp4"}


@pytest.mark.parametrize(
    ("stage", "at", "error"),
    [
        ("analyse", 3, KeyboardInterrupt()),
        ("render", 1, KeyboardInterrupt()),
        ("render", 20, KeyboardInterrupt()),
        ("render", 12, MemoryError()),
    ],
    ids=str,
)
def test_stopped_anywhere_nothing_stays(stage, at, error, clip_file, speech_wav, folder, cache):
    with pytest.raises(type(error)) as caught:
        dub(clip_file, speech_wav, folder / "a.mp4", progress=Watch(stage, at, error))
    assert not threads()  # ended although the traceback is still held
    assert caught.value is error
    assert everything(folder) == {}
    assert not list(cache.rglob("*.part"))
    assert (stage == "render") == bool(list(cache.rglob("*.npz")))


@pytest.mark.parametrize("place", ["draw", "write"])
def test_a_failing_stage_ends_all_threads(place, clip_file, long_wav, folder, monkeypatch):
    def fail(*args, **kwargs):
        raise ArithmeticError("broken")

    target = {
        "draw": "lipwright.pipeline.staging.MouthStaging.draw",
        "write": "lipwright.media.segment.SegmentEncoder.add",
    }[place]
    monkeypatch.setattr(target, fail)
    with pytest.raises(ArithmeticError) as caught:
        dub(clip_file, long_wav, folder / "a.mp4", options=DubOptions(length="loop"))
    assert not threads()
    assert caught.value.args == ("broken",)
    assert everything(folder) == {}


def test_leaving_dub_frames_early_ends_all_threads(clip_file, long_wav, quick):
    frames = dub_frames(clip_file, long_wav, options=replace(quick, length="loop"))
    for number, _ in enumerate(frames):
        if number == 30:  # in the middle of a dissolve
            break
    assert threads()
    frames.close()
    assert not threads()
    with pytest.raises(MediaError):
        next(dub_frames("nowhere.mp4", long_wav))


def test_the_last_frames_failure_of_a_tracker_ends_all_threads(clip_file, speech_wav, folder, monkeypatch):
    monkeypatch.setattr("lipwright.face.facemesh.FaceMeshTracker.forget", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        dub(clip_file, speech_wav, folder / "a.mp4")
    assert not threads()
    assert caught.value.args


SAME = {
    "same": lambda video, folder: video,
    "relative": lambda video, folder: Path(os.path.relpath(video)),
    "roundabout": lambda video, folder: video.parent / ".." / video.parent.name / video.name,
    "symlink": lambda video, folder: linked(folder / "link.mp4", video, Path.symlink_to),
    "hard link": lambda video, folder: linked(folder / "link.mp4", video, Path.hardlink_to),
    "folder symlink": lambda video, folder: linked(folder / "there", video.parent, Path.symlink_to) / video.name,
}


def linked(link, target, how):
    how(link, target)
    return link


@pytest.mark.parametrize("spelling", SAME)
@pytest.mark.parametrize("role", ["video", "audio"])
def test_an_input_is_never_overwritten(spelling, role, clip_file, speech_wav, copy, folder):
    video, audio = copy(clip_file), copy(clip_file if role == "audio" else speech_wav, f"sound{clip_file.suffix}")
    mine = video if role == "video" else audio
    before = mine.read_bytes()
    output = SAME[spelling](mine, folder)
    with pytest.raises(OutputError, match=r"is an input of this job; choose another output file$"):
        dub(video, audio, output)
    assert mine.read_bytes() == before


@pytest.fixture
def wrong(clip_file, speech_wav, faceless_file, portrait, folder, tmp_path):
    """Jobs that cannot be done: (video, audio, output, options), error, words of the sentence."""
    silent = synth.write_sound(tmp_path / "silent.wav", np.zeros(8000, np.float32), 16000, "pcm_s16le")
    text = tmp_path / "text.mp4"
    text.write_text("not a video")
    two = placed(placed(scene(640, 300), portrait, 20, 20, 260), portrait, 350, 20, 240)
    pair = tmp_path / "two.png"
    pair.write_bytes(cv2.imencode(".png", two[..., ::-1])[1].tobytes())
    out, o = folder / "a.mp4", DubOptions()
    third, stranger, webm = DubOptions(person="3"), DubOptions(tracker="x"), folder / "a.webm"
    return {
        "no video": ((folder / "none.mp4", speech_wav, out, o), MediaError, "none.mp4"),
        "no sound file": ((clip_file, folder / "none.wav", out, o), MediaError, "none.wav"),
        "video is a folder": ((tmp_path, speech_wav, out, o), MediaError, "folder"),
        "sound is text": ((clip_file, text, out, o), MediaError, "text.mp4"),
        "sound without a track": ((clip_file, faceless_file, out, o), MediaError, "no sound track"),
        "silent sound": ((clip_file, silent, out, o), MediaError, "holds only silence"),
        "video is a sound": ((speech_wav, speech_wav, out, o), MediaError, "speech.wav"),
        "nobody in it": ((faceless_file, speech_wav, out, o), NoFaceError, "stripes.mp4: no usable face"),
        "too few people": ((pair, speech_wav, out, third), NoFaceError, "no frame shows more than 2 faces"),
        "output is a folder": ((clip_file, speech_wav, folder, o), OutputError, "is a folder"),
        "no output folder": ((clip_file, speech_wav, folder / "x" / "a.mp4", o), OutputError, "does not exist"),
        "file as folder": ((clip_file, speech_wav, text / "a.mp4", o), OutputError, "does not exist"),
        "unknown suffix": ((clip_file, speech_wav, folder / "a.gif", o), OptionError, "must end in .mp4"),
        "no suffix": ((clip_file, speech_wav, folder / "a", o), OptionError, "must end in .mp4"),
        "wrong codec": ((clip_file, speech_wav, webm, o), OptionError, "takes vp9, got h264"),
        "long name": ((clip_file, speech_wav, folder / ("a" * 300 + ".mp4"), o), OutputError, "cannot be written: "),
        "unknown tracker": ((clip_file, speech_wav, out, stranger), BackendError, "known: facemesh, landmarker"),
    }  # fmt: skip


WRONG = ["no video", "no sound file", "video is a folder", "sound is text", "sound without a track",
         "silent sound", "video is a sound", "nobody in it", "too few people", "output is a folder",
         "no output folder", "file as folder", "unknown suffix", "no suffix", "wrong codec", "long name",
         "unknown tracker"]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(name, wrong, folder):
    (video, audio, output, options), error, words = wrong[name]
    before = everything(folder)
    with pytest.raises(error) as caught:
        dub(video, audio, output, options=options)
    sentence = str(caught.value)
    assert words in sentence
    assert "\n" not in sentence
    assert len(sentence) < 300 + len(str(output))
    assert everything(folder) == before
    assert not threads()


def test_a_name_or_codec_that_fails_is_refused_before_the_analysis(wrong, monkeypatch):
    monkeypatch.setattr(analysis, "analyse", lambda *a, **k: pytest.fail("analysed first"))
    for name in ("unknown suffix", "wrong codec", "no output folder", "output is a folder", "silent sound"):
        (video, audio, output, options), error, _ = wrong[name]
        with pytest.raises(error):
            dub(video, audio, output, options=options)


def test_every_wrong_job_is_tried(wrong):
    assert set(wrong) == set(WRONG)


def test_a_face_that_leaves_is_counted(portrait, speech_wav, folder, tmp_path):
    here = placed(scene(320, 256), portrait, 30, 10, 240)
    away = scene(320, 256, seed=3)
    video = synth.write_video(tmp_path / "leaves.mp4", [here] * 6 + [away] * 6, rate=25)
    report = dub(video, speech_wav, folder / "a.mp4", options=DubOptions(encode=FAST))
    order = [*range(12), *range(10, 0, -1)][:20]
    assert report.frames_without_face == sum(n >= 6 for n in order)


def test_two_jobs_at_once_do_not_disturb_each_other(clip_file, speech_wav, folder):
    reports = {}

    def job(name):
        reports[name] = dub(clip_file, speech_wav, folder / name, options=DubOptions(encode=FAST))

    workers = [threading.Thread(target=job, args=(f"{n}.mp4",)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(reports) == {"0.mp4", "1.mp4"} == set(everything(folder))
    assert unsigned(folder / "0.mp4") == unsigned(folder / "1.mp4")


@pytest.mark.parametrize("marks", [True, False])
def test_the_same_job_gives_the_same_bytes_but_for_the_signature(clip_file, speech_wav, folder, quick, marks):
    for name in ("1.mp4", "2.mp4"):
        lipwright.dub(clip_file, speech_wav, folder / name, options=replace(quick, marks=marks))
    if marks:
        assert unsigned(folder / "1.mp4") == unsigned(folder / "2.mp4")
    else:
        assert (folder / "1.mp4").read_bytes() == (folder / "2.mp4").read_bytes()


def test_a_cache_folder_may_be_named(clip_file, speech_wav, folder, tmp_path, cache):
    named = tmp_path / "my cache"
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=DubOptions(cache=named, encode=FAST))
    assert [p.stem for p in named.rglob("*.npz")] == [report.avatar_key]
    assert everything(cache) == {}
    shutil.rmtree(named)


def test_a_watcher_sees_every_frame_with_its_source_and_mask(clip_file, speech_wav, folder, quick):
    seen = []
    report = dub(clip_file, speech_wav, folder / "a.mp4", options=quick, watch=seen.append)
    assert [shot.output for shot in seen] == list(range(report.frames))
    for shot in seen:
        outside = shot.mask() == 0
        assert 0 < outside.mean() < 1
        np.testing.assert_array_equal(shot.frame[outside], shot.source[outside])
        assert (shot.frame != shot.source).any()
