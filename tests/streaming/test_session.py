"""A live session on the bundled portrait and on a short clip."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import lipwright
from lipwright.errors import InputError, OptionError
from lipwright.example import portrait, speech
from lipwright.media import open_clip, read_sound
from lipwright.streaming.session import LOOK_AHEAD, Session

PIECE = 320


@pytest.fixture(scope="module")
def samples():
    return read_sound(speech, 16000).samples


@pytest.fixture
def plain(quick):
    return replace(quick, marks=False, encode=lipwright.EncodeOptions())


def said(session, samples):
    """Frames of a sound that comes in pieces of 20 ms."""
    frames = []
    for at in range(0, len(samples), PIECE):
        session.hear(samples[at : at + PIECE])
        frames.extend(session.frames())
    return frames


def difference(one, other):
    return float(np.abs(one.astype(int) - other).mean())


def test_frames_come_as_those_of_a_file(clip_file, long_wav, plain, samples):
    with Session(clip_file, options=plain) as session:
        sound = read_sound(long_wav, 16000).samples
        live = said(session, sound)
        session.finish()
        live.extend(session.frames())
    whole = list(lipwright.dub_frames(clip_file, long_wav, options=plain))
    assert len(live) >= len(whole)
    off = [difference(one.picture, other) for one, other in zip(live, whole, strict=False)]
    assert np.median(off) < 0.05
    assert max(off) < 1.0
    moved = [difference(a, b) for a, b in zip(whole, whole[6:], strict=False)]
    assert np.median(moved) > 1.0  # the frames are not all alike


def test_sound_and_time_belong_to_the_frames(plain, samples):
    with Session(portrait, options=plain) as session:
        frames = said(session, samples[: 16000 * 2])
    assert [frame.number for frame in frames] == list(range(len(frames)))
    assert [frame.time for frame in frames] == [number / session.fps for number in range(len(frames))]
    heard = np.concatenate([frame.sound for frame in frames])
    np.testing.assert_array_equal(heard, samples[: len(heard)])
    assert len(heard) >= 16000 * (2 - LOOK_AHEAD) - 640


@pytest.mark.parametrize("rate", [16000, 48000])
def test_pieces_of_any_length_give_the_same_frames(plain, rate):
    sound = read_sound(speech, rate).samples[: 4 * rate]
    shown = []
    for piece in (rate // 50, 4 * rate):  # longer than ears remember
        with Session(portrait, options=plain, rate=rate) as session:
            frames = []
            for at in range(0, len(sound), piece):
                session.hear(sound[at : at + piece])
                while session.ready:
                    frames.append(session._next_mouth()[0])
                    session._number += 1
        shown.append(np.array(frames))
    assert len(shown[0]) > 90
    np.testing.assert_allclose(shown[1], shown[0], atol=1e-6)


def test_only_the_mouth_changes(clip_file, plain, samples):
    with Session(clip_file, options=plain) as session:
        frames = said(session, samples[16000 : 16000 + 12800])
    with open_clip(clip_file) as clip:
        source = list(clip.frames())
    for frame in frames[:12]:
        changed = (frame.picture != source[frame.number]).any(2)
        assert 0 < changed.mean() < 0.5
        assert not changed[:8].any()


def test_silence_leaves_the_mouth_at_rest_and_the_person_alive(quick, samples):
    options = replace(quick, marks=False, encode=lipwright.EncodeOptions())
    with Session(portrait, options=options) as session:
        mouths = []
        frames = []
        for _ in range(30):
            frames.append(session.next_frame())
            mouths.append(np.abs(session._mouth).max())
    assert max(mouths) < 1e-6
    assert all(not frame.sound.any() for frame in frames)
    assert difference(frames[0].picture, frames[25].picture) > 0.1


def test_an_interruption_brings_the_mouth_to_rest_smoothly(plain, samples):
    with Session(portrait, options=plain) as session:
        said(session, samples[8000 : 8000 + 16000 * 2])
        while np.abs(session._mouth).max() < 0.05:  # in the middle of a sound
            session.next_frame()
        session.hear(samples[:16000])
        session.interrupt()
        before, sizes = np.abs(session._mouth).max(), []
        for _ in range(6):
            frame = session.next_frame()
            sizes.append(float(np.abs(session._mouth).max()))
        assert not frame.sound.any()
        assert before > sizes[0] > sizes[1] > sizes[2]
        assert sizes[2:] == [0.0] * 4  # 120 ms
        assert sizes[0] > 0.5 * before
        frames = said(session, samples[8000:24000])
        assert max(np.abs(frame.sound).max() for frame in frames) > 0.05
        assert np.abs(session._mouth).max() >= 0


def test_after_an_interruption_new_sound_moves_the_mouth(plain, samples):
    with Session(portrait, options=plain) as session:
        said(session, samples[:16000])
        session.interrupt()
        moved = 0.0
        for at in range(8000, 32000, PIECE):
            session.hear(samples[at : at + PIECE])
            for _ in session.frames():
                moved = max(moved, float(np.abs(session._mouth).max()))
    assert moved > 0.05


def test_the_mark_is_in_the_frames(quick, samples):
    options = replace(quick, encode=lipwright.EncodeOptions())
    with Session(portrait, options=options) as session:
        frame = said(session, samples[:16000])[-1]
        mark = session.origin.mark_id()
    with Session(portrait, options=replace(options, marks=False)) as session:
        unmarked = said(session, samples[:16000])[-1]
    assert len(mark) == 8
    assert 0.1 < difference(frame.picture, unmarked.picture) < 3


def test_the_label_is_over_the_frames(plain):
    with Session(portrait, options=replace(plain, label="always")) as session:
        labelled = session.next_frame().picture
    with Session(portrait, options=plain) as session:
        assert difference(labelled[:60], session.next_frame().picture[:60]) > 5


@pytest.mark.parametrize(
    ("options", "named"),
    [({"engine": "heygem"}, "heygem"), ({"length": "loop"}, "length"), ({"consent_note": "yes"}, "consent-note")],
)
def test_what_a_session_cannot_do_is_refused(options, named):
    with pytest.raises(OptionError, match=named):
        Session(portrait, options=lipwright.DubOptions(**options))


def test_sound_that_is_none(plain):
    with Session(portrait, options=plain) as session:
        with pytest.raises(InputError, match="one channel"):
            session.hear(np.zeros((2, 320), np.float32))
        with pytest.raises(InputError, match="not numbers"):
            session.hear(np.full(320, np.nan, np.float32))
        session.hear(np.full(320, 1000, np.int16))
    with pytest.raises(InputError, match="closed"):
        session.next_frame()


def test_memory_stays_flat_over_many_minutes(plain, samples, monkeypatch):
    """All but the drawing, which would take as long as the minutes."""
    with Session(portrait, options=plain) as session:
        monkeypatch.setattr(session._person, "draw", lambda offsets, number: None)
        loud = np.tile(samples[:32000], 5)
        sizes = []
        tracemalloc.start()
        for _ in range(8):
            for _ in range(6):
                said_bare(session, loud)
            sizes.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    assert session._number > 11_000
    assert max(sizes[2:]) - min(sizes[2:]) < 300_000


def said_bare(session, samples):
    for at in range(0, len(samples), 1600):
        session.hear(samples[at : at + 1600])
        for _ in session.frames():
            pass
