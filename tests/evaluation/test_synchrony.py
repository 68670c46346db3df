"""Offsets and confidences whose answers are known: from towers made of arithmetic, and from the shipped network."""

from pathlib import Path

import numpy as np
import pytest

from lipwright.evaluation import synchrony as sync
from lipwright.evaluation.evaluate import evaluate
from lipwright.face.base import open_tracker
from lipwright.face.track import PersonFollower, follow_person
from lipwright.facespace import DRIVE, STABLE, fit_pose
from lipwright.media import open_clip, read_sound

RATE = 16_000
CLIPS = Path(__file__).parents[3] / "shared" / "clips"
REAL = (
    "FreedomIntelligence_talk-vid_en.mp4",
    "FreedomIntelligence_talk-vid_ar.mp4",
    "jixinya_EAMM_M030_sad_3_001.mp4",
    "FreedomIntelligence_talk-vid_male_1.mp4",
)
real_clips = [
    pytest.mark.clips,
    pytest.mark.skipif(not CLIPS.is_dir(), reason="the talking clips of ../shared are not here"),
]


def vectors(count, seed=0):
    """(count, 16) unit vectors at random."""
    found = np.random.default_rng(seed).normal(size=(count, 16))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.mark.parametrize("late", [-20, -7, 0, 1, 12, 20])
def test_the_peak_is_where_the_vectors_agree(late):
    heard = vectors(200)
    at = 2 * np.arange(50) + 40
    seen = np.full((70, 16), np.nan)
    seen[20:] = heard[at + late]
    found = sync.found_in(sync.offset_curve(seen, heard))
    assert found.offset_ms == pytest.approx(-20 * late, abs=6)
    assert found.confidence == pytest.approx(1, abs=0.1)


def test_vectors_of_another_sound_give_no_confidence():
    found = sync.found_in(sync.offset_curve(vectors(300, 1), vectors(600, 2)))
    assert found.confidence < 0.1


def test_a_parabola_finds_offsets_between_two_steps():
    curve = 1 - 0.02 * (sync.SLIDES - 3.4) ** 2
    assert sync.found_in(curve).offset_ms == pytest.approx(-68, abs=0.1)


def test_too_little_is_no_result():
    assert sync.found_in(np.full(41, np.nan)) is None
    assert sync.found_in(np.where(np.abs(sync.SLIDES) < 3, 0.5, np.nan)) is None
    assert np.isnan(sync.offset_curve(vectors(2), vectors(2))).all()


def test_mouths_come_at_25_a_second_about_their_mean():
    drive = np.zeros((61, 68, 3), np.float32)
    drive[:, 5, 1] = np.arange(61) / 60
    drive[10] = np.nan
    mouths = sync.mouths_of(drive, 60.0)
    assert mouths.shape == (26, 204)
    assert mouths[20, 16] - mouths[15, 16] == pytest.approx(0.2, abs=1e-6)
    assert np.isnan(mouths).any(1).sum() == 1  # 4 * 2.4 = 9.6
    assert abs(np.nanmean(mouths[:, 16])) < 0.03


def test_absent_faces_take_no_part():
    def towers(mouths, rows):
        return mouths[7:-7, :16], np.zeros((40, 16))

    mouths = np.ones((60, 204), np.float32)
    mouths[30] = np.nan
    seen, _ = sync.embedded(towers, mouths, np.zeros((0, 81)))
    assert np.flatnonzero(np.isnan(seen[:, 0])).tolist() == list(range(16, 31))


def test_short_clips_and_faceless_ones_are_no_result():
    towers = sync.shipped_towers()
    sound = np.zeros(RATE, np.float32)
    assert sync.synchrony(towers, np.zeros((14, 68, 3), np.float32), 25.0, sound) is None
    assert sync.synchrony(towers, np.full((50, 68, 3), np.nan, np.float32), 25.0, sound) is None
    assert sync.synchrony(towers, np.zeros((50, 68, 3), np.float32), 25.0, sound[:4000]) is None


def test_the_talking_portrait_five_frames_late(talking, late, long_wav):
    own, shifted = evaluate(talking, long_wav).scores, evaluate(late, long_wav).scores
    assert abs(own.sync_offset) < 60
    assert shifted.sync_offset - own.sync_offset == pytest.approx(200, abs=40)
    assert own.sync_confidence > 0.2
    assert shifted.sync_confidence == pytest.approx(own.sync_confidence, abs=0.15)


def test_the_wrong_sound_gives_less_confidence(talking, long_wav, backward_wav):
    right, wrong = (evaluate(talking, sound).scores.sync_confidence for sound in (long_wav, backward_wav))
    assert wrong < 0.6 * right


def test_what_is_too_short_says_so(rewritten, talking, long_wav):
    scores = evaluate(rewritten("blink.mp4", lambda frames: frames[:12]), long_wav).scores
    assert scores.sync_offset is scores.sync_confidence is None
    assert "0.8 seconds" in scores.missing["sync_offset"]


@pytest.fixture(scope="module")
def people():
    """Four real talkers never trained on: drive, rate and sound."""
    found = []
    for name in REAL:
        with open_clip(CLIPS / name) as clip, open_tracker("facemesh") as tracker:
            frames = clip.frames(0, min(clip.facts.frames, 125))
            looks = list(follow_person(frames, PersonFollower(tracker, "largest")))
            rate = clip.facts.fps
        points = np.stack([look[1] if look[1] is not None else np.full((478, 3), np.nan) for look in looks])
        drive = np.full((len(points), len(DRIVE), 3), np.nan, np.float32)
        seen = ~np.isnan(points[:, 0, 0])
        drive[seen] = fit_pose(points[seen][:, STABLE]).to_face(points[seen][:, DRIVE])
        found.append(
            (drive, float(rate), read_sound(CLIPS / name, RATE).samples[: round(len(drive) / float(rate) * RATE)])
        )
    return found


@pytest.mark.parametrize("number", range(len(REAL)))
class TestRealPeople:
    pytestmark = real_clips

    def test_five_frames_are_found(self, people, number):
        drive, fps, samples = people[number]
        towers = sync.shipped_towers()
        own = sync.synchrony(towers, drive, fps, samples)
        shift = round(5 / fps * RATE)
        later = sync.synchrony(towers, drive, fps, np.pad(samples, (shift, 0)))  # the sound 5 frames later
        assert abs(own.offset_ms) <= 120  # published clips have offsets of their own
        assert later.offset_ms - own.offset_ms == pytest.approx(-5000 / fps, abs=21)

    def test_another_persons_sound_gives_less_confidence(self, people, number):
        drive, fps, samples = people[number]
        towers = sync.shipped_towers()
        own = sync.synchrony(towers, drive, fps, samples).confidence
        others = [sync.synchrony(towers, drive, fps, people[other][2]) for other in range(len(REAL)) if other != number]
        assert max(other.confidence for other in others) < 0.75 * own
