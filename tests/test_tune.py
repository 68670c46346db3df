"""Tuning to one person: from footage in which they speak to jobs that use it."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import synth
from test_cli import lipwright_cli

from lipwright import DubOptions, dub
from lipwright.avatar.store import AvatarStore
from lipwright.avatar.teeth import FEWEST, read_teeth
from lipwright.avatar.tuning import Tuning
from lipwright.errors import InputError
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.facespace import INNER_RING, eye_distance
from lipwright.media import ClipWriter, open_clip
from lipwright.motion.style import SpeakerStyle, mouth_shape
from lipwright.pipeline.tune import tune
from lipwright.render.bank import MouthBank
from lipwright.render.teeth import Teeth

SIZE = len(mouth_shape()["basis"])


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    """The portrait made to speak: footage whose mouth goes with its sound."""
    path = tmp_path_factory.mktemp("talking") / "person.mp4"
    dub(portrait_file, speech_file, path, options=DubOptions(still=True, cache=path.parent))
    return path


@pytest.fixture
def tuning(avatar):
    style = SpeakerStyle(avatar.style.neutral, response=(0.8 * np.eye(SIZE)).astype(np.float32))
    return Tuning(style, Teeth((0.9, 1.0, 1.1), 0.02))


def test_a_tuning_comes_back_as_it_was(tuning):
    again = Tuning.from_json(tuning.to_json())
    assert again.teeth == tuning.teeth
    np.testing.assert_array_equal(again.style.neutral, tuning.style.neutral)
    np.testing.assert_array_equal(again.style.response, tuning.style.response)
    bare = replace(tuning, style=None)
    assert Tuning.from_json(bare.to_json()) == bare


@pytest.mark.parametrize("harm", ["text", "models", "shape", "nan", "half"])
def test_a_tuning_that_cannot_be_used_is_left_and_said(tuning, avatar, harm, tmp_path):
    store, notes = AvatarStore(tmp_path), []
    store.get("abc", lambda: avatar)
    store.keep_tuning("abc", tuning)
    path = store.folder / "abc.tuning.json"
    stored = json.loads(path.read_text())
    if harm == "models":
        stored["models"]["mouth_motion"] = "another"
    elif harm == "shape":
        stored["style"]["neutral"].pop()
    elif harm == "nan":
        stored["style"]["neutral"][0][0] = float("nan")
    text = {"text": "no tuning", "half": json.dumps(stored)[:200]}.get(harm, json.dumps(stored))
    path.write_text(text)
    assert store.tuning("abc", notes) is None
    (note,) = notes
    assert note.startswith("abc.tuning.json cannot be used (")
    assert note.endswith("run `lipwright avatar tune abc` again")


def test_an_avatar_goes_with_its_tuning(tuning, avatar, tmp_path):
    store = AvatarStore(tmp_path)
    store.get("abc", lambda: avatar)
    assert not store.list()[0].tuned
    assert store.tuning("abc") is None
    store.keep_tuning("abc", tuning)
    assert store.list()[0].tuned
    store.remove("abc")
    assert list(store.folder.iterdir()) == []


def test_a_tuned_avatar_has_the_mouth_that_was_fitted(tuning, avatar):
    tuned = replace(avatar, tuning=tuning)
    assert tuned.style is tuning.style
    assert tuned.teeth == tuning.teeth
    only_teeth = replace(avatar, tuning=replace(tuning, style=None))
    np.testing.assert_array_equal(only_teeth.style.neutral, avatar.style.neutral)
    assert only_teeth.teeth == tuning.teeth


def test_from_footage_to_a_job_that_uses_it(talking, speech_wav, tmp_path):
    untuned = dub(talking, speech_wav, tmp_path / "0.mp4")
    assert untuned.notes == ()
    done = lipwright_cli("avatar", "tune", talking, "--json")
    report = json.loads(done.stdout)
    assert report["avatar_key"] == untuned.avatar_key
    assert abs(report["sound_late"]) <= 0.06
    assert report["error_after"] <= report["error_before"]
    assert 0.7 <= report["opens"] <= 1.4
    (listed,) = json.loads(lipwright_cli("avatar", "list", "--json").stdout)
    assert listed["tuned"]
    assert listed["path"] == str(talking)
    assert "(tuned)" in lipwright_cli("avatar", "list").stdout
    tuned = dub(talking, speech_wav, tmp_path / "1.mp4")
    assert tuned.avatar_reused
    assert any("tuned to this person" in note for note in tuned.notes)

    by_key = lipwright_cli("avatar", "tune", report["avatar_key"][:8])
    assert by_key.stdout.startswith(f"{report['avatar_key']}: person.mp4, ")
    assert lipwright_cli("avatar", "tune", talking, "--reset").stdout == f"{report['avatar_key']}: not tuned any more\n"
    assert dub(talking, speech_wav, tmp_path / "2.mp4").notes == ()


def test_what_cannot_be_tuned_is_refused_in_a_sentence(clip_file, faceless_file):
    for what, words in (
        (clip_file, "at least 4 are needed"),
        (portrait_file, "is a photo; tuning needs a video"),
        (faceless_file, "has no sound; tuning needs a video"),
        ("nonesuch", "'nonesuch' is no file, and 0 avatars begin like that"),
    ):
        done = lipwright_cli("avatar", "tune", what)
        assert done.exit_code == 2
        assert words in done.stderr.replace("\n", " ")
    assert not any(avatar.tuned for avatar in AvatarStore().list())


def test_a_key_whose_footage_is_gone_or_changed_is_refused(clip_file, copy):
    footage = copy(clip_file)
    key = json.loads(lipwright_cli("avatar", "build", footage, "--json").stdout)["key"]
    whole = footage.read_bytes()
    footage.write_bytes(whole + b"\0")
    with pytest.raises(InputError, match=r"is not what .* was made of"):
        tune(key)
    footage.unlink()
    with pytest.raises(InputError, match=r"talking\.mp4, is no longer where it was"):
        tune(key)


def test_another_sound_is_refused(talking, tmp_path):
    other = tmp_path / "other.mp4"
    noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 6).astype(np.float32)
    hum = synth.write_sound(tmp_path / "noise.wav", noise, 16000, "pcm_s16le")
    with open_clip(talking) as clip:
        facts = clip.facts
        with ClipWriter(other, width=facts.width, height=facts.height, fps=facts.fps, sound=hum) as sink:
            for frame in clip.frames():
                sink.write(frame)
    with pytest.raises(InputError, match="does not go with its mouth"):
        tune(other)


def bank_of(mesh, colour, looks):
    """Looks into an open mouth whose upper half is a row of teeth of one colour, the rest dark."""
    large = mesh[:, :2].astype(np.float32) * 3
    eyes = eye_distance(large)
    large[list(INNER_RING[1:10]), 1] += 0.2 * eyes
    large -= large[list(INNER_RING)].min(0) - 60
    size = np.ceil(large[list(INNER_RING)].max(0) + 60).astype(int)
    picture = np.full((size[1], size[0], 3), 30, np.uint8)
    ring = large[list(INNER_RING)]
    cv2.fillPoly(picture, [ring.astype(np.int32)], (20, 15, 15))
    half = int(ring[:, 1].min() + 0.5 * np.ptp(ring[:, 1]))
    teeth = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(teeth, [ring.astype(np.int32)], (255,))
    teeth[half:] = 0
    picture[teeth > 0] = colour
    stored = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    many = np.ones(looks, np.float32)
    return MouthBank(
        frames=np.arange(looks, dtype=np.int32),
        shapes=np.zeros((looks, 20, 2), np.float32),
        openings=0.2 * many,
        angles=np.zeros((looks, 3), np.float32),
        meshes=np.repeat(large[None], looks, 0),
        tones=np.repeat(np.float32([[180, 140, 120]]), looks, 0),
        blurs=np.zeros((looks, 2), np.float32),
        pictures=[stored] * looks,
    )


def test_enamel_is_read_off_the_looks(mesh):
    white, looks = read_teeth(bank_of(mesh, (220, 220, 215), FEWEST))
    grey, _ = read_teeth(bank_of(mesh, (200, 200, 195), FEWEST))
    assert looks == FEWEST
    np.testing.assert_allclose(np.divide(grey.enamel, white.enamel), (200 / 220, 200 / 220, 195 / 215), atol=0.02)


def test_lips_and_tongue_are_no_teeth_and_few_looks_tell_nothing(mesh):
    assert read_teeth(bank_of(mesh, (190, 90, 95), 8)) == (Teeth(), 0)
    assert read_teeth(bank_of(mesh, (220, 220, 215), FEWEST - 1)) == (Teeth(), FEWEST - 1)
