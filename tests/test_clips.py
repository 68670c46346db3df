"""Whole jobs on real clips, beside the repository where they are kept; skipped elsewhere."""

from fractions import Fraction
from math import ceil
from pathlib import Path

import av
import numpy as np
import pytest
import synth
from recording import Recorder

from lipwright import DubOptions, EncodeOptions, NoFaceError, dub, dub_frames
from lipwright.avatar.store import AvatarStore
from lipwright.facespace import eye_distance
from lipwright.media import open_clip, read_sound

SHARED = Path(__file__).parents[2] / "shared"
pytestmark = [
    pytest.mark.clips,
    pytest.mark.skipif(not (SHARED / "clips").is_dir(), reason="the talking clips of ../shared are not here"),
]

CLIPS = {
    "1080p": "FreedomIntelligence_talk-vid_en.mp4",
    "224px webm": "choijeongsoo_av2av_2.webm",
    "GRID mpg": "rizkiarm_LipNet_bbaf2n.mpg",
    "silent": "FuxiVirtualHuman_styletalk_happyenglish_clip1.mp4",
    "small face": "choijeongsoo_av2av_10.webm",
    "tiny face": "v-iashin_SparseSync_00018.mp4",
}
FAST = EncodeOptions(preset="ultrafast", crf=25)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """1.3 seconds of a stranger's speech."""
    source = SHARED / "audio" / "SkyworkAI_SkyReels-A1_1.flac"
    if not source.is_file():
        pytest.skip(f"{source} is not here")
    samples = read_sound(source, 16000).samples[16000:36800]
    return synth.write_sound(tmp_path_factory.mktemp("sound") / "cut.wav", samples, 16000, "pcm_s16le")


@pytest.fixture(scope="module")
def clip(request, tmp_path_factory):
    """The first second and a half of a real clip, its packets untouched."""
    source = SHARED / "clips" / CLIPS[request.param]
    path = tmp_path_factory.mktemp("clip") / source.name
    if path.suffix == ".mpg":  # MPEG program streams do not copy well; three seconds are short enough
        return source
    with av.open(str(source)) as whole, av.open(str(path), "w") as part:
        stream = whole.streams.video[0]
        copied = part.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.pts is None:
                continue
            if (packet.pts - (stream.start_time or 0)) * stream.time_base > Fraction(3, 2):
                break
            packet.stream = copied
            part.mux(packet)
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Avatars shared by this module's tests."""
    return tmp_path_factory.mktemp("kept")


@pytest.mark.parametrize("clip", [name for name in CLIPS if name != "tiny face"], indirect=True)
def test_a_real_clip_speaks(clip, sound, kept, tmp_path):
    report = dub(clip, sound, tmp_path / "a.mp4", options=DubOptions(encode=FAST, cache=kept))
    assert report.frames == ceil(read_sound(sound).duration * report.fps)
    assert report.frames_without_face == 0
    with open_clip(clip) as source, open_clip(tmp_path / "a.mp4") as made:
        assert made.facts.fps == source.facts.fps == report.fps
        assert made.facts.frames == report.frames
        assert (report.width, report.height) == (source.facts.width, source.facts.height)
    heard = read_sound(tmp_path / "a.mp4").samples
    assert abs(synth.shift_ms(heard, read_sound(sound).samples, 16000)) < 1
    avatar, stored = AvatarStore(kept).get(report.avatar_key, lambda: pytest.fail("was not kept"))
    assert stored
    cuts = np.flatnonzero(avatar.track.cuts).tolist()
    assert cuts == ([0, 18] if "talk-vid_en" in clip.name else [0])  # that one has a cut within its scene
    steps = np.linalg.norm(np.diff(avatar.track.points[:, 6, :2], axis=0), axis=1)[~avatar.track.cuts[1:]]
    assert steps.max() < 0.3 * np.median(eye_distance(avatar.track.points))  # nobody else was taken for them


@pytest.mark.parametrize("clip", ["tiny face"], indirect=True)
def test_a_face_of_a_few_pixels_is_refused(clip, sound, kept, tmp_path):
    with pytest.raises(NoFaceError, match="too small"):
        dub(clip, sound, tmp_path / "a.mp4", options=DubOptions(encode=FAST, cache=kept))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("clip", ["224px webm", "small face"], indirect=True)
def test_a_real_clip_is_untouched_outside_the_mask(clip, sound, kept, monkeypatch):
    record = Recorder.installed(monkeypatch)
    options = DubOptions(engine="recorded", length="remap", cache=kept, marks=False)
    with open_clip(clip) as source:
        frames = list(source.frames())
        count = ceil(read_sound(sound).duration * source.facts.fps)
    for number, out in enumerate(dub_frames(clip, sound, options=options)):
        expected = frames[(2 * number + 1) * len(frames) // (2 * count)]
        outside = record.mask(number, out.shape[:2]) == 0
        assert outside.mean() > 0.3
        np.testing.assert_array_equal(out[outside], expected[outside])
    assert number + 1 == count
