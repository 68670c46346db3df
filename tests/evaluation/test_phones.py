import numpy as np
import pytest

from lipwright.errors import InputError
from lipwright.evaluation.phones import Phone, closures, read_phones

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 0.75
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 0.75
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.5
            text = "say ""m"""
        intervals [2]:
            xmin = 0.5
            xmax = 0.75
            text = "B"
    item [2]:
        class = "TextTier"
        name = "clicks"
        xmin = 0
        xmax = 0.75
        points: size = 1
        points [1]:
            number = 0.2
            mark = "here"
    item [3]:
        class = "IntervalTier"
        name = "words"
        xmin = 0
        xmax = 0.75
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 0.75
            text = "say b"
'''
SHORT = '"ooTextFile"\n"TextGrid"\n0\n0.75\n<exists>\n1\n"IntervalTier"\n"segments"\n0\n0.75\n1\n0.5\n0.75\n"B"\n'


@pytest.mark.parametrize("label", ["m", "B", "P", "b0", "pʰ", "mː", " M "])
def test_labials(label):
    assert Phone(0, 1, label).closes_lips


@pytest.mark.parametrize("label", ["n", "v", "AH0", "mb", "", "sil"])
def test_other_phones(label):
    assert not Phone(0, 1, label).closes_lips


def counts(**of):
    return {name: dict(zip(("seen", "closed"), of.get(name, (0, 0)), strict=True)) for name in "mbp"}


def test_closures_within_one_frame_of_the_phone():
    opening = np.full(50, 0.1)
    opening[[10, 30]] = 0.014
    phones = [
        Phone(0.44, 0.48, "b"),  # frame 10 is at 0.4 s, one frame before
        Phone(1.25, 1.30, "p"),  # frame 30 is at 1.2 s, more than one frame before
        Phone(0.40, 0.44, "k"),
        Phone(9.0, 9.1, "m"),  # after the end
    ]
    assert closures(phones, opening, 25.0) == counts(p=(1, 0), b=(1, 1))


def test_lips_that_do_not_close_far_enough():
    assert closures([Phone(0, 1, "m")], np.full(25, 0.016), 25.0) == counts(m=(1, 0))
    assert closures([Phone(0, 1, "m")], np.full(25, 0.015), 25.0) == counts(m=(1, 1))
    assert closures([Phone(0, 1, "m")], np.full(25, np.nan), 25.0) == counts()


def test_a_table_of_phones(tmp_path):
    path = tmp_path / "phones.csv"
    path.write_text("\ufeffstart_s,end_s,phone\n0.5,0.75,B\n", encoding="utf-8")
    assert read_phones(path) == [Phone(0.5, 0.75, "B")]


@pytest.mark.parametrize(
    "text", ["start,end,phone\n0,1,b\n", "start_s,end_s,phone\na,1,b\n", "start_s,end_s,phone\n1\n"]
)
def test_a_table_that_is_none_is_one_sentence(tmp_path, text):
    path = tmp_path / "phones.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="start_s, end_s"):
        read_phones(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_textgrid(tmp_path, encoding):
    path = tmp_path / "phones.TextGrid"
    path.write_text(LONG, encoding=encoding)
    assert read_phones(path) == [Phone(0, 0.5, 'say "m"'), Phone(0.5, 0.75, "B")]
    path.write_text(LONG.replace('"phones"', '"other"'), encoding=encoding)
    assert read_phones(path) == [Phone(0, 0.75, "say b")]  # the last one
    path.write_text(SHORT, encoding=encoding)
    assert read_phones(path) == [Phone(0.5, 0.75, "B")]


@pytest.mark.parametrize("text", ["", "start_s,end_s,phone\n0,1,b\n", LONG[:300], SHORT.replace("Interval", "Text")])
def test_a_textgrid_that_is_none_is_one_sentence(tmp_path, text):
    path = tmp_path / "phones.TextGrid"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="not a Praat TextGrid"):
        read_phones(path)


def test_a_textgrid_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_phones(tmp_path / "none.TextGrid")
