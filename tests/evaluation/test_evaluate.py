"""Finished clips whose measures are known."""

from fractions import Fraction
from math import isfinite

import cv2
import numpy as np
import pytest
import synth

from lipwright.errors import InputError, MediaError, NoFaceError
from lipwright.evaluation.evaluate import evaluate
from lipwright.evaluation.scores import MEASURES, ONLY_IN_A_JOB
from lipwright.example import portrait as portrait_file
from lipwright.example import speech as speech_file
from lipwright.media import ClipWriter, EncodeOptions, open_clip, read_sound

FINE = EncodeOptions(crf=8, preset="ultrafast")


@pytest.fixture(scope="module")
def itself(talking):
    return evaluate(talking, reference=talking)


def test_a_clip_against_itself(itself):
    scores = itself.scores
    assert scores.frames == scores.compared == 63
    assert scores.frames_without_face == 0
    assert (scores.landmark_error, scores.opening_error) == (0, 0)
    assert (scores.lag, scores.lag_against) == (0, "reference")
    assert scores.psnr > 100
    for name in ("opening_r", "width_r", "amplitude", "ssim", "sharpness", "head_jitter", "flicker"):
        assert getattr(scores, name) == pytest.approx(1), name


def test_every_measure_has_a_value_or_a_reason(itself, talking, long_wav):
    for scores in (itself.scores, evaluate(talking, long_wav).scores):
        for measure in MEASURES:
            value = getattr(scores, measure.name)
            assert (value is None) == (measure.name in scores.missing), measure.name
            assert value is None or isfinite(value)
        assert scores.missing["seam_step"] == scores.missing["outside"] == ONLY_IN_A_JOB
        assert scores.missing["closure"] == "needs the phones of the sound"


def test_a_clip_five_frames_late(talking, late):
    scores = evaluate(late, reference=talking).scores
    assert scores.lag == 5
    assert scores.lag_r > 0.95 > scores.opening_r + 0.2
    assert scores.amplitude == pytest.approx(1, abs=0.15)


def test_a_reference_five_frames_late(talking, late):
    assert evaluate(talking, reference=late).scores.lag == -5


def test_a_blurred_clip(talking, blurred):
    scores = evaluate(blurred, reference=talking).scores
    assert scores.sharpness < 0.3
    assert scores.ssim < 0.95
    assert scores.psnr < 40
    assert scores.opening_r > 0.9  # the mouth moves as before
    assert scores.lag == 0


def test_the_wrong_words(talking, saying_other):
    scores = evaluate(saying_other, reference=talking).scores
    assert scores.opening_r < 0.4
    assert scores.landmark_error > 1
    assert scores.opening_error > 1


def test_the_right_and_the_wrong_sound(talking, long_wav, backward_wav):
    right, wrong = evaluate(talking, long_wav).scores, evaluate(talking, backward_wav).scores
    assert right.lag_against == wrong.lag_against == "sound energy"
    assert abs(right.lag) <= 3  # lips lead the energy of speech by nature
    assert right.lag_r > wrong.lag_r  # by how much is for the sync scorer to tell: lips that close are silent or loud
    assert right.opening_r is right.landmark_error is right.amplitude is None


def test_its_own_sound_is_taken_when_none_is_named(talking, long_wav):
    own, named = evaluate(talking).scores, evaluate(talking, long_wav).scores
    assert own.lag == named.lag
    assert own.lag_r == pytest.approx(named.lag_r, abs=0.02)


def test_the_footage_stands_in_for_the_reference_where_words_do_not_matter(talking, saying_other):
    scores = evaluate(saying_other, source=talking).scores
    assert 0.5 < scores.amplitude < 2
    assert 0.3 < scores.head_jitter < 3
    assert 0.3 < scores.flicker < 3
    assert {"opening_r", "landmark_error", "psnr", "lip_jitter"} <= set(scores.missing)


def test_a_reference_of_another_rate_and_length_is_compared_by_time(talking, rewritten):
    slow = rewritten("slow.mp4", lambda frames: frames[:40:2], fps=Fraction(25, 2))
    found = evaluate(talking, reference=slow)
    assert (found.scores.frames, found.scores.compared) == (63, 40)
    assert found.scores.lag == 0
    assert found.scores.opening_r > 0.9
    assert np.isnan(found.curves.real_opening[40:]).all()
    assert (found.real_pictures[-1] == 255).all()  # it has ended


def test_a_reference_of_another_size_gives_no_pixel_distances(talking, rewritten):
    half = rewritten("half.mp4", lambda frames: [cv2.resize(f, None, fx=0.5, fy=0.5) for f in frames])
    scores = evaluate(talking, reference=half).scores
    assert scores.landmark_error is None
    assert "picture size" in scores.missing["landmark_error"]
    assert scores.opening_r > 0.9
    assert scores.sharpness > 1.1  # than half the pixels


def test_a_picture_that_flickers(talking, rewritten):
    def uneven(frames):
        return [cv2.convertScaleAbs(f, alpha=1, beta=12 * (i % 2)) for i, f in enumerate(frames)]

    assert evaluate(rewritten("uneven.mp4", uneven), reference=talking).scores.flicker > 2


def test_a_head_that_shakes(talking, rewritten):
    def shaken(frames):
        return [np.roll(frame, 3 * (i % 2), axis=1) for i, frame in enumerate(frames)]

    assert evaluate(rewritten("shaken.mp4", shaken), reference=talking).scores.head_jitter > 3


def test_lips_that_rest(dubbed, tmp_path):
    spoken = np.pad(read_sound(speech_file, 16_000).samples[8_000:20_800], (0, 16_000))
    rests = dubbed(synth.write_sound(tmp_path / "rests.wav", spoken, 16_000, "pcm_s16le"), "rests.mp4")
    assert evaluate(rests, reference=rests).scores.lip_jitter == pytest.approx(1)
    with open_clip(rests) as clip:
        frames, facts = list(clip.frames()), clip.facts
    shaken = tmp_path / "shaken.mp4"
    with ClipWriter(shaken, width=facts.width, height=facts.height, fps=facts.fps, sound=rests, options=FINE) as sink:
        for i, frame in enumerate(frames):
            sink.write(np.roll(frame, 3 * (i % 2), axis=1))
    scores = evaluate(shaken, reference=rests).scores
    assert scores.lip_jitter < scores.head_jitter / 3  # within the face little shakes


def test_phones(talking, long_wav, tmp_path):
    found = evaluate(talking, long_wav)
    closed, wide = int(np.nanargmin(found.curves.opening)), int(np.nanargmax(found.curves.opening))
    assert found.curves.opening[closed] < 0.015
    rows = [f"{at / 25},{(at + 0.5) / 25},{phone}" for at, phone in ((closed, "B"), (wide, "m"), (wide, "AH0"))]
    (tmp_path / "phones.csv").write_text("\n".join(["start_s,end_s,phone", *rows]), encoding="utf-8")
    scores = evaluate(talking, long_wav, phones=tmp_path / "phones.csv").scores
    assert (scores.phones, scores.closure) == (2, 0.5)


def test_frames_without_a_face_take_no_part(talking, rewritten):
    def interrupted(frames):
        return [*frames[:30], *[np.full_like(frames[0], 90)] * 6, *frames[36:]]

    scores = evaluate(rewritten("interrupted.mp4", interrupted), reference=talking).scores
    assert scores.frames_without_face >= 6
    assert scores.compared == 63 - scores.frames_without_face
    assert scores.opening_r > 0.95
    assert scores.lag == 0


def test_what_cannot_be_measured_is_one_sentence(talking, faceless_file, long_wav, tmp_path):
    with pytest.raises(NoFaceError, match=r"stripes\.mp4 shows no usable face"):
        evaluate(faceless_file, long_wav)
    with pytest.raises(NoFaceError, match=r"stripes\.mp4 shows no usable face"):
        evaluate(talking, reference=faceless_file)
    with pytest.raises(MediaError, match="is a photo"):
        evaluate(portrait_file, long_wav)
    with pytest.raises(MediaError, match="is a photo"):
        evaluate(talking, reference=portrait_file)
    with pytest.raises(InputError, match="phones"):
        evaluate(talking, phones=tmp_path / "none.csv")


def test_short_clips_say_so(rewritten, long_wav, talking):
    short = rewritten("short.mp4", lambda frames: frames[:12])
    scores = evaluate(short, long_wav, reference=talking).scores
    for name in ("opening_r", "width_r", "lag"):
        assert "21 frames" in scores.missing[name]
    assert scores.landmark_error is not None
