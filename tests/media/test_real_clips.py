# ruff: noqa: S311 - seeded, for an order of frames
"""Real files, beside the repository where they are kept; skipped elsewhere."""

import random
import zlib
from pathlib import Path

import pytest

from lipwright.media import open_clip, read_sound

FOLDER = Path(__file__).parents[3] / "shared" / "clips"
CLIPS = [
    "Hangz-nju-cuhk_Talking-Face_PC-AVS_00473.mp4",
    "choijeongsoo_av2av_2.webm",
    "rizkiarm_LipNet_bbaf2n.mpg",
    "OpenTalker_video-retalking_4.mp4",  # variable rate, and a frame hidden by an edit list
]


@pytest.mark.clips
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the talking clips of ../shared are not here")
@pytest.mark.parametrize("name", CLIPS)
def test_real_clips_play_in_any_order(name):
    with open_clip(FOLDER / name) as clip:
        sums = [zlib.crc32(picture) for picture in clip.frames()]
        assert len(sums) == clip.facts.frames
        last = len(sums) - 1
        order = [*range(last, last - 20, -1), *random.Random(5).choices(range(len(sums)), k=5)]
        for picture, index in zip(clip.play(order), order, strict=True):
            assert zlib.crc32(picture) == sums[index]
        sound = read_sound(FOLDER / name)
        assert abs(sound.duration - clip.facts.duration) < 0.15
