"""Lists of jobs and what is refused before the first begins."""

import json
from fractions import Fraction
from pathlib import Path

import pytest

from lipwright.batch.manifest import Row, every_pair, read_manifest
from lipwright.batch.options import KINDS, values_of
from lipwright.batch.plan import plan_jobs
from lipwright.errors import InputError, OptionError

HEADER = "video,audio,output"


def listed(folder: Path, text: str, name="jobs.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def planned(folder, text, name="jobs.csv", **common):
    return plan_jobs(read_manifest(listed(folder, text, name)), common)


def test_a_table_and_json_lines_mean_the_same(tmp_path):
    table = planned(
        tmp_path,
        f"\ufeff{HEADER},crf,intensity,still,fps,marks,label-text,watermark\r\n"
        'a.mp4,b.wav,c.mp4,20,0.5,on,29.97,off,"made, not said",logo.png\r\n'
        "\r\n"
        "a.mp4,/x/b.wav,file:///bucket/d.mp4,,,,,,,\r\n",
    )
    row = {"video": "a.mp4", "audio": "b.wav", "output": "c.mp4", "crf": 20, "intensity": 0.5, "still": True,
           "fps": "29.97", "marks": False, "label_text": "made, not said", "watermark": "logo.png"}  # fmt: skip
    other = {"video": "a.mp4", "audio": "/x/b.wav", "output": "file:///bucket/d.mp4", "crf": None}
    lines = planned(tmp_path, f"{json.dumps(row)}\n\n{json.dumps(other)}\n", "jobs.jsonl")
    assert [(one.video, one.audio, one.output, one.options) for one in table] == [
        (one.video, one.audio, one.output, one.options) for one in lines
    ]
    first, second = table
    assert (first.video, first.output) == (tmp_path / "a.mp4", tmp_path / "c.mp4")
    assert (second.audio, second.output) == (Path("/x/b.wav"), "file:///bucket/d.mp4")
    assert (first.options.encode.crf, first.options.intensity, first.options.still) == (20, 0.5, True)
    assert (first.options.fps, first.options.marks) == (Fraction(30000, 1001), False)
    assert first.options.overlays[0].picture == tmp_path / "logo.png"
    assert second.options.encode.crf == 18


def test_a_rows_own_option_counts_more(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list").mkdir()
    text = f"{HEADER},preset\nv,a,1.mp4,\nv,a,2.mp4,slow\n"
    jobs = planned(tmp_path / "list", text, preset="ultrafast", crf="30", cache="here")
    assert [(job.options.encode.preset, job.options.encode.crf) for job in jobs] == [("ultrafast", 30), ("slow", 30)]
    assert jobs[0].options.cache == tmp_path / "here"


def test_two_folders_give_every_pair(tmp_path):
    for name in ("v/b.MP4", "v/a.jpg", "v/.hidden.mp4", "v/notes.txt", "s/x.wav", "s/y.m4a"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = every_pair(tmp_path / "v", tmp_path / "s", tmp_path / "o")
    assert [Path(row.words["output"]).name for row in rows] == ["a.x.mp4", "a.y.mp4", "b.x.mp4", "b.y.mp4"]
    rows = every_pair(tmp_path / "v", tmp_path / "s", "s3://bucket/made/")
    assert rows[0].words["output"] == "s3://bucket/made/a.x.mp4"


UNREADABLE = {
    "no such file": (None, "cannot be read"),
    "nothing in it": (f"{HEADER}\n", "lists no job"),
    "unknown column": (f"{HEADER},lenght\nv,a,o.mp4,loop\n", "line 2 has the unknown column 'lenght'; known are"),
    "no option of dub": (f"{HEADER},parts\nv,a,o.mp4,p\n", "line 2 has the unknown column 'parts'"),
    "a column twice": (f"{HEADER},label-text,label_text\nv,a,o.mp4,x,y\n", "has two columns 'label-text'"),
    "no character of a name": (f"{HEADER}\nv\0,a,o.mp4\n", "line 2 holds a NUL character"),
    "no output": ("video,audio\nv,a\n", "line 2 names no output"),
    "empty cell": (f"{HEADER}\nv,,o.mp4\n", "line 2 names no audio"),
    "too many cells": (f"{HEADER}\nv,a,o.mp4,x\n", "line 2 has more cells"),
    "torn quotes": (f'{HEADER}\nv,a,"o.mp4\n', "not CSV"),
    "not text": (b"\xff\xfe\x00", "not UTF-8"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_table_that_cannot_be_taken(name, tmp_path):
    text, told = UNREADABLE[name]
    path = tmp_path / "jobs.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=told):
        read_manifest(path)


@pytest.mark.parametrize(("text", "told"), [("{", "line 1 is not JSON"), ("\n[1]", "line 2 must be an object")])
def test_lines_that_are_no_jobs(text, told, tmp_path):
    with pytest.raises(InputError, match=told):
        read_manifest(listed(tmp_path, text, "jobs.jsonl"))


def test_another_kind_of_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a CSV table"):
        read_manifest(tmp_path / "jobs.xlsx")


BAD_ROWS = {
    "v,a,o.mp4,loop,x,": "crf must be a whole number, got 'x'",
    "v,a,o.mp4,loop,99,": "crf must be 0..51",
    "v,a,o.mp4,round,18,": "length 'round' is unknown",
    "v,a,o.mp4,loop,18,maybe": "marks: must be on or off, got 'maybe'",
    "v,a,o.avi,loop,18,": "cannot write o.avi",
    "v,a,https://x/o.mp4,loop,18,": "https://x/o.mp4 cannot be written",
    "http://[x,a,o.mp4,loop,18,": "a URL's host cannot be read",
    "v,a,s3://[x/o.mp4,loop,18,": "a URL's host cannot be read",
    "ftp://x/v.mp4,a,o.mp4,loop,18,": "ftp://x/v.mp4 cannot be read",
}


@pytest.mark.parametrize("row", BAD_ROWS)
def test_a_value_that_cannot_be_used_names_its_row(row, tmp_path):
    with pytest.raises(InputError) as caught:
        planned(tmp_path, f"{HEADER},length,crf,marks\nv,a,good.mp4,,,\n{row}\n")
    assert str(caught.value).startswith("jobs.csv, line 3: ")
    assert BAD_ROWS[row] in str(caught.value)
    assert str(caught.value).endswith("nothing was begun")


def test_jobs_that_would_meet_are_refused(tmp_path):
    (tmp_path / "v.mp4").touch()
    (tmp_path / "link.mp4").hardlink_to(tmp_path / "v.mp4")
    with pytest.raises(InputError, match=r"line 3 writes .*o.mp4, as jobs.csv, line 2 does; nothing"):
        planned(tmp_path, f"{HEADER}\nv.mp4,a,o.mp4\nv.mp4,b,./o.mp4\n")
    with pytest.raises(
        InputError, match=r"line 3 writes .*v.mp4, which jobs.csv, line 2 reads [(]and 1 more[)]; nothing"
    ):
        planned(tmp_path, f"{HEADER}\nv.mp4,a,o.mp4\nx.mp4,b,link.mp4\nv.mp4,c,p.mp4\n")
    with pytest.raises(InputError, match=r"o\.mask\.mp4"):
        planned(tmp_path, f"{HEADER},mask-debug\nv.mp4,a,o.mp4,yes\nv.mp4,a,o.mask.mp4,\n")
    with pytest.raises(InputError, match="mask-debug writes a second file"):
        planned(tmp_path, f"{HEADER},mask-debug\nv.mp4,a,file:///b/o.mp4,yes\n")


def test_every_option_has_a_reader(tmp_path):
    for name, kind in KINDS.items():
        text = {int: "4", float: "1", bool: "on", Fraction | None: "25"}.get(kind, "x")
        assert values_of({name: text}, tmp_path)[name] is not None
    with pytest.raises(OptionError, match="restore must be a number, got 'much'"):
        values_of({"restore": "much"}, tmp_path)


def test_common_options_are_checked_too(tmp_path):
    with pytest.raises(OptionError, match="crf must be a whole number"):
        plan_jobs([Row("1", {"video": "v", "audio": "a", "output": "o.mp4"}, tmp_path)], {"crf": "low"})
