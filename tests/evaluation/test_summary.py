"""Groups, medians and intervals over rows made by arithmetic."""

import numpy as np
import pytest

from lipwright.evaluation import summary
from lipwright.evaluation.evaluate import Curves
from lipwright.evaluation.scores import Scores
from lipwright.evaluation.suite import curves_of_row, curves_to_row


def row(person, drive="self", *, use="test", sync_ok="yes", seed=0, error="", **scores):
    facts = {"clip": f"{person}.mp4", "person": person, "use": use, "sync_ok": sync_ok, "drive": drive,
             "sound": "x", "seconds": 4.0, "error": error}  # fmt: skip
    if error:
        return facts
    rng = np.random.default_rng(seed)
    real = rng.normal(0, 0.05, 100)
    flags = np.arange(100) < 30
    curves = Curves(
        fps=25.0,
        opening=real + rng.normal(0, 0.05, 100),
        width=real,
        real_opening=real if drive == "self" else None,
        real_width=real if drive == "self" else None,
        energy=np.full(100, -10.0),
        silent=flags,
        speech=~flags,
    )
    values = {"frames": 100, "frames_without_face": 0, "compared": 100, "eye_distance": 80.0} | scores
    if drive == "self":
        values = {"opening_r": 0.5, "width_r": 1.0} | values
    return facts | Scores(**values).as_dict() | {"curves": curves_to_row(curves)}


def figure(rows, title, group=0):
    return summary.groups_of(rows)[group].figures[title]


def test_groups_count_people_and_jobs():
    rows = [
        row("ann"), row("ann", seed=1), row("bob", sync_ok="no"), row("cat", error="no face"),
        row("ann", "cross"), row("bob", "cross"), row("dan", use="train"),
    ]  # fmt: skip
    groups = [(g.title, g.people, g.jobs, g.failed) for g in summary.groups_of(rows)]
    assert groups == [
        ("self, test", 2, 4, 1),
        ("self, test, in sync", 1, 3, 1),
        ("self, train", 1, 1, 0),
        ("cross, test", 2, 2, 0),
    ]


def test_a_person_with_many_clips_counts_once():
    rows = [row("ann", psnr=30.0), row("ann", psnr=10.0), row("ann", psnr=20.0), row("bob", psnr=40.0)]
    found = figure(rows, "PSNR")
    assert (found.value, found.people, found.interval) == (30, 2, None)


def test_sync_stands_in_the_table_and_nothing_reads_minus_zero():
    rows = [row("ann", sync_offset=-0.3, sync_confidence=0.5), row("bob", sync_offset=0.1, sync_confidence=0.7)]
    cells = {line[0]: line[1] for line in summary.cells(summary.groups_of(rows))}
    assert (cells["sync offset (ms)"], cells["sync confidence"]) == ("0", "0.60")


def test_what_a_job_could_not_measure_is_left_out():
    rows = [row("ann", psnr=30.0), row("bob"), row("cat", psnr=20.0), row("dan", psnr=10.0)]
    found = figure(rows, "PSNR")
    assert (found.value, found.people) == (20, 3)
    assert found.interval == (10, 30)
    assert "PSNR" not in summary.groups_of([row("ann")])[0].figures
    assert "20.0 [10.0 30.0], 3 people" in summary.as_markdown(summary.groups_of(rows), rows)


def test_r_is_pooled_over_clips_with_an_interval_over_people():
    rows = [row(f"p{i}", seed=i) for i in range(12)]
    found = figure(rows, "opening r, pooled")
    assert found.value == pytest.approx(1 / np.sqrt(2), abs=0.05)  # as much noise as signal
    low, high = found.interval
    assert low < found.value < high < low + 0.2
    assert figure(rows, "width r, pooled").value == pytest.approx(1, abs=1e-6)


def test_rest_is_pooled_over_frames():
    found = figure([row(f"p{i}", seed=i) for i in range(12)], "motion in silence, pooled")
    assert found.value == pytest.approx(1, abs=0.15)  # the noise is the same in silence
    quiet = [row(f"p{i}", seed=i) for i in range(12)]
    for kept in quiet:
        kept["curves"]["real_opening"][:30] = [0.0] * 30
    assert figure(quiet, "motion in silence of the real mouth, pooled").value == 0
    assert figure(quiet, "motion in silence, pooled").value == pytest.approx(1, abs=0.15)
    assert "motion in silence of the real mouth, pooled" not in summary.groups_of([row("ann", "cross")])[0].figures


def test_lags():
    rows = [row("ann", lag=0), row("bob", lag=-1), row("cat", lag=-4), row("dan", lag=1)]
    assert figure(rows, "lag within one frame").value == 0.75
    assert figure(rows, "lag").value == -0.5


def test_what_must_be_zero_shows_its_worst():
    rows = [row("ann", outside=0), row("bob", outside=3), row("cat", outside=0)]
    assert figure(rows, "change outside the mask").value == 3


def test_the_table_names_what_failed():
    rows = [row("ann", psnr=30.0), row("bob", error="b.mp4 shows no face")]
    text = summary.as_markdown(summary.groups_of(rows), rows)
    assert "| jobs | 2, 1 failed |" in text
    assert "- `bob.mp4`, self: b.mp4 shows no face" in text


def test_csv_has_one_line_a_job():
    lines = summary.as_csv([row("ann", psnr=30.5), row("bob", error="it failed, twice")]).splitlines()
    assert len(lines) == 3
    head = lines[0].split(",")
    assert lines[1].split(",")[head.index("psnr")] == "30.5"
    assert '"it failed, twice"' in lines[2]


def test_curves_survive_json():
    curves = curves_of_row(row("ann"))
    assert curves_to_row(curves) == row("ann")["curves"]
    gap = curves_of_row({"curves": row("ann")["curves"] | {"opening": [0.1, None, 0.2]}})
    np.testing.assert_array_equal(gap.opening, [0.1, np.nan, 0.2])
