"""Source and result side by side, on real clips, too."""

from fractions import Fraction
from pathlib import Path

import pytest
from browsing import DONE, WAIT_MS, expect, give, jobs, until

from lipwright.pipeline.plan import LENGTHS, plan_frames

CLIPS = Path(__file__).parents[4] / "shared" / "clips"


@pytest.mark.parametrize(
    ("footage", "count", "fps"), [(1, 7, 25), (2, 9, 25), (24, 60, 24), (75, 500, 30), (50, 30, 12)]
)
def test_the_player_shows_the_source_frame_that_was_drawn_on(opened, footage, count, fps):
    page = opened()
    for length in LENGTHS:
        plan = plan_frames(length, footage, Fraction(count, fps), Fraction(fps))
        shown = page.evaluate(
            """async ({ length, footage, count, fps }) => {
              const { sourceFrame } = await import(new URL("ui/player.js", document.baseURI));
              return [...Array(count).keys()].map((frame) => sourceFrame(frame, { length, footage, count, fps }));
            }""",
            {"length": length, "footage": footage, "count": len(plan), "fps": fps},
        )
        assert shown == plan.source.tolist(), length


def played_beside(page):
    """Frames that source and result are apart while they play, and once they stand."""
    return page.evaluate(
        """async () => {
          const { sourceFrame } = await import(new URL("ui/player.js", document.baseURI));
          const result = document.querySelector("#player-result");
          const source = document.querySelector("#player-source video");
          const fps = 25;
          const frames = (video) => Math.round(video.duration * fps);
          const known = { length: "bounce", footage: frames(source), count: frames(result), fps };
          const at = (video) => Math.floor(video.currentTime * fps + 0.01);
          const apart = () => Math.abs(at(source) - sourceFrame(at(result), known));
          const pause = (time) => new Promise((done) => setTimeout(done, time));
          const seen = [];
          while (result.currentTime < Math.min(6, result.duration - 0.3)) {
            await pause(50);
            seen.push(apart());
          }
          result.pause();
          await pause(600);
          seen.sort((a, b) => a - b);
          const typical = seen[Math.floor(seen.length / 2)];
          return { typical, still: apart(), looks: seen.length, muted: source.muted };
        }"""
    )


@pytest.mark.clips
@pytest.mark.skipif(not CLIPS.is_dir(), reason="needs the real clips in ../shared")
def test_a_real_clip_from_upload_to_play(opened, service):
    clip = CLIPS / "FuxiVirtualHuman_styletalk_Obama_clip1.mp4"
    page = opened()
    give(page, source=clip, sound=CLIPS / "FuxiVirtualHuman_styletalk_Obama_clip2.wav")
    page.click("#preview")
    until(page, "document.querySelector('#preview-picture').naturalWidth > 1000")
    page.click("#run")
    done = page.locator(DONE, has_text="Video")
    expect(done).to_be_visible(timeout=4 * WAIT_MS)
    told = next(job for job in jobs(service) if job["kind"] == "dub")
    assert told["result"]["frames_without_face"] < 0.1 * told["result"]["frames"]
    done.locator("[data-act=play]").click()
    until(page, "document.querySelector('#player-source video')?.readyState >= 2")
    page.click("#player-play")
    apart = played_beside(page)
    assert apart["looks"] > 20
    assert apart["typical"] <= 3
    assert apart["still"] <= 1
    assert apart["muted"]
