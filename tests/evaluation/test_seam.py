"""Seams and changes outside of masks, made by arithmetic and by a real job."""

import cv2
import numpy as np
import pytest

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.compose.blend import paste
from lipwright.evaluation.seam import SeamWatch, outside, seam_step


@pytest.fixture
def grey():
    return np.full((120, 160, 3), 100, np.uint8)


@pytest.fixture
def mask():
    disc = np.zeros((120, 160), np.float32)
    cv2.circle(disc, (80, 60), 30, (1,), -1)
    return disc


def test_a_hard_seam_is_as_high_as_it_is(grey, mask):
    brighter = paste(grey, grey + 40, mask, 0, 0)
    assert seam_step(brighter, grey, mask) == pytest.approx(40, abs=0.5)


def test_a_soft_seam_is_lower(grey, mask):
    soft = cv2.GaussianBlur(mask, (0, 0), 8)
    assert 2 < seam_step(paste(grey, grey + 40, soft, 0, 0), grey, soft) < 12


def test_an_edge_that_the_source_has_there_is_no_seam(grey, mask):
    source = paste(grey, grey + 40, mask, 0, 0)
    assert seam_step(source, source, mask) == 0


def test_a_mask_without_a_contour(grey, mask):
    assert seam_step(grey, grey, np.zeros_like(mask)) is None
    assert seam_step(grey, grey, np.ones_like(mask)) is None


def test_a_mask_cut_off_by_the_frame(grey):
    mask = np.zeros((120, 160), np.float32)
    mask[60:] = 1
    assert seam_step(paste(grey, grey + 40, mask, 0, 0), grey, mask) == pytest.approx(40, abs=0.5)


def test_a_change_outside_is_found(grey, mask):
    changed = grey.copy()
    changed[5, 5, 2] += 3
    assert outside(changed, grey, mask) == 3
    assert outside(paste(grey, grey + 40, mask, 0, 0), grey, mask) == 0
    assert outside(changed, grey, np.ones_like(mask)) == 0


def test_a_job_leaves_everything_outside_as_it_was(clip_file, speech_wav, tmp_path):
    watch = SeamWatch()
    dub(clip_file, speech_wav, tmp_path / "a.mp4",
        options=DubOptions(encode=EncodeOptions(crf=35, preset="ultrafast")), watch=watch)  # fmt: skip
    assert watch.outside == 0
    # A seam would add a step; this warp smooths one that the footage has there.
    assert -1.5 < watch.step < 0.5


def test_a_watch_that_saw_nothing():
    assert np.isnan(SeamWatch().step)
