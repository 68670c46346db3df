import cv2
import numpy as np
import pytest

from lipwright.errors import OutputError
from lipwright.evaluation.sheet import contact_sheet, face_box, in_rows, spread


@pytest.mark.parametrize(("total", "count"), [(1, 18), (5, 18), (18, 18), (180, 18), (19, 18), (7, 1), (3, 2)])
def test_spread(total, count):
    chosen = spread(total, count)
    assert len(chosen) == min(total, count)
    assert chosen == sorted(set(chosen))
    assert chosen[0] == 0
    assert chosen[-1] == (total - 1 if count > 1 else 0)


def test_face_box_lies_inside_and_has_room_for_the_jaw(mesh):
    x0, y0, x1, y1 = face_box(mesh, (512, 512))
    assert 0 <= x0 < mesh[:, 0].min() < mesh[:, 0].max() < x1 <= 512
    assert 0 <= y0 < mesh[:, 1].min()
    assert y1 > mesh[:, 1].max() + 10
    assert face_box(mesh, (150, 240))[2:] == (240, 150)


def test_a_sheet_shows_all_frames_in_rows(tmp_path):
    frames = [np.full((30, 40, 3), 20 * n, np.uint8) for n in range(7)]
    contact_sheet(frames, tmp_path / "sheet.png", columns=3, width=20)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (3 * 15, 60, 3)
    for n in range(7):
        assert sheet[n // 3 * 15 + 7, n % 3 * 20 + 10, 0] == 20 * n
    assert (sheet[32:, 22:] == 255).all()


def test_a_sheet_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        contact_sheet([np.zeros((4, 4, 3), np.uint8)], tmp_path / "none" / "sheet.png")


def test_rows_stand_over_rows():
    upper, lower = ([np.full((2, 2, 3), base + n, np.uint8) for n in range(5)] for base in (0, 100))
    order = [int(frame[0, 0, 0]) for frame in in_rows(upper, lower, columns=3)]
    assert order == [0, 1, 2, 100, 101, 102, 3, 4, 255, 103, 104, 255]
    assert in_rows(upper, [], columns=3) == upper
