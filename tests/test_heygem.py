"""The whole HeyGem engine on twins of its models: all that is around the weights, end to end."""

import hashlib
import json
import shutil
from dataclasses import replace
from fractions import Fraction
from math import ceil

import cv2
import numpy as np
import pytest
import synth

pytest.importorskip("torch", reason="needs the extra heygem")
pytest.importorskip("onnx", reason="needs the extra heygem")

import twins
from twins import faces

from lipwright import BackendError, DubOptions, EncodeOptions, NoFaceError, OptionError, dub, dub_frames
from lipwright.doctor.engines import engine
from lipwright.media import open_clip, read_sound
from lipwright.models.store import ModelStore
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.estimate import estimate
from lipwright.pipeline.job import Job
from lipwright.provenance.statement import read_statement
from lipwright.runtime import Device, Models

pytestmark = pytest.mark.torch

FRAMES, FPS = 12, Fraction(25)


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """A model store full of twins, converted once for all tests."""
    folder = twins.build_all(tmp_path_factory.mktemp("published"))
    Models(folder, "cpu").prepare(["wenet", "dinet_v1"])
    return folder


@pytest.fixture
def own_copy(published, tmp_path):
    """A store of one's own, to do harm to."""
    return shutil.copytree(published, tmp_path / "models", ignore=shutil.ignore_patterns("*.pin.json"))


@pytest.fixture
def heygem(published, tmp_path_factory):
    return DubOptions(
        engine="heygem",
        models=published,
        device="cpu",
        cache=tmp_path_factory.mktemp("cache"),
        encode=EncodeOptions(preset="ultrafast", crf=20),
    )


def picture(number, width=640, height=480, brightness=1.0):
    """A bright moving texture: the detector's twin sees a face wherever it is bright in its cell."""
    noise = np.random.default_rng(3).integers(120, 255, (height // 8, width // 8, 3), np.uint8)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(np.roll(large, number, 1) * brightness, 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def footage(tmp_path_factory):
    frames = [picture(number) for number in range(FRAMES)]
    return synth.write_video(tmp_path_factory.mktemp("footage") / "bright.mp4", frames, rate=25)


def film(folder, frames, rate=25):
    return synth.write_video(folder / "film.mp4", frames, rate=rate)


def shots(video, audio, options):
    with open_clip(video, options.fps) as clip:
        job = Job(clip, audio, options)
        return list(job.shots()), job


def test_a_video_speaks(footage, speech_wav, folder, heygem):
    report = dub(footage, speech_wav, folder / "a.mp4", options=heygem)
    assert (report.engine, report.frames, report.fps) == ("heygem", ceil(read_sound(speech_wav).duration * 25), 25)
    assert report.frames_without_face == 0
    with open_clip(folder / "a.mp4") as clip:
        assert (clip.facts.frames, clip.facts.fps, clip.facts.has_sound) == (report.frames, 25, True)
        assert (clip.facts.width, clip.facts.height) == (640, 480)
    used = {each["name"]: each["weights_sha256"] for each in read_statement(folder / "a.mp4").models}
    store = ModelStore(heygem.models)
    assert used == {
        name: hashlib.sha256(store.place(name).read_bytes()).hexdigest() for name in ENGINES["heygem"].models
    }
    heard, said = read_sound(folder / "a.mp4", 16000), read_sound(speech_wav, 16000)
    assert abs(synth.shift_ms(heard.samples, said.samples, 16000)) < 1
    again = dub(footage, speech_wav, folder / "b.mp4", options=heygem)
    assert again.avatar_reused
    assert again.avatar_key == report.avatar_key


@pytest.mark.parametrize("length", ["bounce", "loop", "cut_off", "silence", "remap"])
def test_outside_the_mask_nothing_changes_and_inside_something_does(length, footage, long_wav, heygem):
    drawn, job = shots(footage, long_wav, replace(heygem, length=length))
    assert len(drawn) == len(job.plan)
    for shot in drawn:
        mask = shot.mask()
        assert (shot.frame[mask == 0] == shot.source[mask == 0]).all()
        assert mask.max() > 0.9
        assert (shot.frame != shot.source).any()
        assert mask.mean() < 0.5


@pytest.mark.parametrize("batch", [1, 3, 4, 64])
def test_every_batch_size_draws_the_same_frames(batch, footage, speech_wav, heygem):
    heygem = replace(heygem, marks=False)
    wanted = list(dub_frames(footage, speech_wav, options=heygem))
    got = list(dub_frames(footage, speech_wav, options=replace(heygem, batch_size=batch)))
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.abs(a.astype(int) - b).max() <= 1


@pytest.mark.parametrize("fps", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
def test_rates_stay_exact(fps, footage, speech_wav, folder, heygem):
    report = dub(footage, speech_wav, folder / "a.mp4", options=replace(heygem, fps=fps))
    assert (report.frames, report.fps) == (ceil(read_sound(speech_wav).duration * fps), fps)


def test_one_frame_is_enough(folder, speech_wav, heygem):
    report = dub(film(folder, [picture(0)]), speech_wav, folder / "a.mp4", options=heygem)
    assert report.frames == 20
    assert report.frames_without_face == 0


def test_sound_longer_than_a_chunk(footage, folder, heygem):
    """35 seconds and a short tail: no frame is lost at the border."""
    rng = np.random.default_rng(0)
    sound = synth.write_sound(
        folder / "long.wav", rng.normal(0, 0.1, 16000 * 36).astype(np.float32), 16000, "pcm_s16le"
    )
    with open_clip(footage) as clip:
        job = Job(clip, sound, heygem)
        assert len(job.plan) == 900
        drive = job._staging._drive
        assert len(drive.features) == 25 * 36 + 19
        assert drive.centres[-1] == 899 + 10
        assert len(list(job.shots(range(870, 880)))) == 10


def test_nobody_to_be_seen(folder, speech_wav, heygem):
    dark = film(folder, [np.zeros((480, 640, 3), np.uint8)] * 3)
    with pytest.raises(NoFaceError, match=r"film\.mp4: no usable face"):
        dub(dark, speech_wav, folder / "a.mp4", options=heygem)
    assert not (folder / "a.mp4").exists()


def test_a_frame_without_the_face_passes_through(folder, speech_wav, heygem):
    frames = [picture(n, brightness=0 if n == 5 else 1) for n in range(FRAMES)]
    drawn, _ = shots(film(folder, frames), speech_wav, heygem)
    passed = [not shot.patches for shot in drawn]
    assert passed == [n == 5 or n == 17 for n in range(20)]
    assert (drawn[5].frame == drawn[5].source).all()


def test_a_face_turned_away_passes_through(footage, folder, speech_wav, own_copy, heygem):
    faces.head_pose(own_copy / faces.POSE, yaw_bin=119)
    with pytest.raises(NoFaceError):
        dub(footage, speech_wav, folder / "a.mp4", options=replace(heygem, models=own_copy))


def test_two_faces_are_no_error(footage, folder, speech_wav, own_copy, heygem):
    faces.detector(own_copy / faces.DETECTOR, faces=2)
    options = replace(heygem, models=own_copy)
    outlines = []
    for person in ("left", "right"):
        drawn, _ = shots(footage, speech_wav, replace(options, person=person))
        outlines.append(drawn[0].patches[0].x)
    assert outlines[0] + 20 < outlines[1]


def test_a_face_at_the_border(folder, speech_wav, heygem):
    """The detector's twin sees its face at a fixed place of its canvas: a lower picture ends in the middle of it."""
    drawn, _ = shots(film(folder, [picture(n, height=240) for n in range(3)]), speech_wav, heygem)
    assert all(shot.patches for shot in drawn)
    for shot in drawn:
        patch = shot.patches[0]
        assert patch.y + patch.mask.shape[0] <= 240


def test_a_photo_comes_alive_and_can_be_still(folder, speech_wav, heygem, portrait, published):
    path = folder / "photo.png"
    cv2.imwrite(str(path), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
    for still in (False, True):
        drawn, _ = shots(path, speech_wav, replace(heygem, still=still))
        moved = any((shot.source != drawn[0].source).any() for shot in drawn)
        assert moved != still
        assert all(shot.patches for shot in drawn)


@pytest.mark.parametrize("engine", ["native", "heygem"])
@pytest.mark.parametrize(
    "touch",
    [
        {"mask": "parse"},
        {"mask": "xseg"},
        {"restore": 1.0},
        {"restore": 0.5, "restore_when": "after"},
        {"restore": 1.0, "mask": "xseg", "blur_threshold": 0.3},
    ],
    ids=str,
)
def test_restoring_and_masks_serve_both_engines(engine, touch, folder, speech_wav, portrait, heygem):
    path = folder / "photo.png"
    cv2.imwrite(str(path), cv2.cvtColor(portrait, cv2.COLOR_RGB2BGR))
    batch = {"batch_size": 4} if engine == "native" else {}
    drawn, job = shots(path, speech_wav, replace(heygem, engine=engine, still=True, **touch, **batch))
    for shot in drawn[:5]:
        mask = shot.mask()
        assert (shot.frame[mask == 0] == shot.source[mask == 0]).all()
    restored = [note for note in job.notes if "not restored" in note]
    assert bool(restored) == bool(touch.get("blur_threshold"))  # the twin says that the face is sharp


def test_options_that_mean_nothing_are_refused():
    with pytest.raises(OptionError, match="intensity means nothing to engine heygem"):
        DubOptions(engine="heygem", intensity=0.5)
    with pytest.raises(OptionError, match="batch-size means nothing to engine native"):
        DubOptions(batch_size=8)
    for wrong in ({"mask": "hull"}, {"restore": 2}, {"restore_when": "never"}, {"batch_size": 0}, {"device": "gpu"}):
        with pytest.raises(OptionError):
            DubOptions(engine="heygem", **wrong)


def test_missing_models_are_all_named(tmp_path, footage, speech_wav, folder, heygem):
    options = replace(heygem, models=tmp_path / "none", restore=1, mask="xseg")
    with pytest.raises(BackendError, match=r"scrfd_500m.*model_float32.*wenetmodel\.pt.*GFPGAN.*xseg.*pull"):
        dub(footage, speech_wav, folder / "a.mp4", options=options)
    with pytest.raises(BackendError, match=r"scrfd_500m.*wenetmodel\.pt.*GFPGAN.*xseg.*pull"):
        estimate(footage, speech_wav, folder / "a.mp4", options=options)
    assert not list(folder.iterdir())


def test_the_engine_runs_without_torch_once_converted(published, footage, speech_wav, folder):
    """In a process that cannot import it."""
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['torch'] = sys.modules['onnx'] = None\n"
        "from lipwright.cli.main import main\n"
        f"sys.argv = ['lipwright', 'dub', '--engine', 'heygem', '--models', {str(published)!r}, '--device', 'cpu',"
        f" '--video', {str(footage)!r}, '--audio', {str(speech_wav)!r}, '-o', {str(folder / 'a.mp4')!r}, '--json']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 20


def test_unconverted_and_without_torch_the_extra_is_named(own_copy, footage, speech_wav, folder):
    import subprocess
    import sys

    for made in own_copy.rglob("wenetmodel.*.onnx"):
        made.unlink()
    code = "import sys; sys.modules['torch'] = None; from lipwright.cli.main import main; main()"
    job = ["--video", footage, "--audio", speech_wav, "-o", folder / "a.mp4", "--models", own_copy, "--device", "cpu"]
    done = subprocess.run(
        [sys.executable, "-c", code, "dub", "--engine", "heygem", *map(str, job)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "wenetmodel.pt must be converted once, which needs PyTorch" in done.stderr
    assert "pip install 'lipwright[heygem]'" in done.stderr
    assert not list(folder.iterdir())


def test_a_device_that_was_left_out_is_noted(footage, speech_wav, heygem, monkeypatch):
    left_out = Device("cpu", ("CPUExecutionProvider",), note="networks run on the CPU (cuda: no driver)")
    monkeypatch.setattr("lipwright.runtime.models.choose_device", lambda name: left_out)
    _, job = shots(footage, speech_wav, heygem)
    assert left_out.note in job.notes


@pytest.mark.parametrize("asked", ["--preview", "--dry-run", "--mask-debug"])
def test_looking_before_and_behind(asked, footage, speech_wav, folder, published):
    code = main_with(
        ["dub", "--engine", "heygem", "--models", str(published), "--device", "cpu", "--video", str(footage), "--json",
         "--audio", str(speech_wav), "-o", str(folder / "a.mp4"), asked, *(["0.5"] if asked == "--preview" else [])]
    )  # fmt: skip
    assert code == 0
    made = {path.name for path in folder.iterdir()}
    assert made == {"--preview": {"a.preview.png"}, "--dry-run": set(), "--mask-debug": {"a.mp4", "a.mask.mp4"}}[asked]


def main_with(arguments):
    """Exit code of a command line."""
    from lipwright.cli.main import app

    try:
        return app(arguments, standalone_mode=False) or 0
    except SystemExit as exc:
        return exc.code


def test_an_avatar_of_this_engine_is_built_listed_and_not_tuned(footage, published, tmp_path, capsys):
    common = ["--engine", "heygem", "--models", str(published), "--device", "cpu", "--cache", str(tmp_path), "--json"]
    assert main_with(["avatar", "build", str(footage), *common]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["frames"], built["frames_with_face"], built["stored_before"]) == (FRAMES, FRAMES, False)
    assert main_with(["avatar", "list", "--cache", str(tmp_path), "--json"]) == 0
    (kept,) = json.loads(capsys.readouterr().out)
    assert (kept["key"], kept["kind"], kept["frames"]) == (built["key"], "landmarks", FRAMES)
    assert main_with(["avatar", "tune", kept["key"], "--cache", str(tmp_path)]) == 2


def test_doctor_says_which_engine_can_run(published, own_copy, monkeypatch):
    monkeypatch.setenv("LIPWRIGHT_MODELS", str(published))
    found = engine("heygem")
    assert found.status == "ok"
    assert found.detail.startswith("ready: scrfd, pfpld, head_pose, wenet, dinet_v1 opened and run")
    assert engine("native").detail.startswith("ready")
    monkeypatch.setenv("LIPWRIGHT_MODELS", str(own_copy))
    (own_copy / faces.POSE).write_bytes((own_copy / faces.ATTRIBUTES).read_bytes())
    found = engine("heygem")
    assert found.status == "warn"
    assert "model_float32.onnx is not head_pose" in found.detail
    (own_copy / faces.POSE).unlink()
    found = engine("heygem")
    assert found.status == "ok"  # the native engine does not need it
    assert "model_float32.onnx; `lipwright models pull head_pose`" in found.detail


HARM = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:2000]),
    "empty": lambda path: path.write_bytes(b""),
    "pointer": lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
    "web page": lambda path: path.write_bytes(b"<!DOCTYPE html><html>404</html>"),
    "text": lambda path: path.write_bytes(b"hello " * 500),
}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("name", ["scrfd", "dinet_v1", "wenet"])
def test_a_damaged_file_is_one_sentence(name, harm, footage, speech_wav, folder, own_copy, heygem):
    models = Models(own_copy, "cpu")
    path = models.store.place(name)
    for made in path.parent.glob(f"{path.stem}.*.onnx"):
        if path.suffix != ".onnx":
            made.unlink()
    HARM[harm](path)
    with pytest.raises(BackendError) as caught:
        dub(footage, speech_wav, folder / "a.mp4", options=replace(heygem, models=own_copy))
    said = str(caught.value)
    assert path.name in said
    assert "`lipwright models" in said
    assert "\n" not in said
    assert not list(folder.iterdir())


def test_swapped_files_are_told(footage, speech_wav, folder, own_copy, heygem):
    pose, landmarks = own_copy / faces.POSE, own_copy / faces.LANDMARKS
    first, second = pose.read_bytes(), landmarks.read_bytes()
    pose.write_bytes(second)
    landmarks.write_bytes(first)
    with pytest.raises(
        BackendError, match=r"pfpld_robust_sim_bs1_8003\.onnx is not pfpld: it has .*, wanted .*pull pfpld"
    ):
        dub(footage, speech_wav, folder / "a.mp4", options=replace(heygem, models=own_copy))
