"""The mouth made by rule: where its teeth are, what lights them, and that it keeps still."""

import dataclasses

import cv2
import numpy as np
import pytest

from lipwright.facespace import INNER_RING, LIPS_OUTER, NOSE_BASE, eye_distance
from lipwright.render.bank import MouthView
from lipwright.render.cavity import Mouth, fill_cavity
from lipwright.render.made import likely_blur, made_mouth, tooth_colour, upper_edge
from lipwright.render.teeth import LOWER, UPPER, Teeth, face_plane, look_of

LARGER = 3.0  # the portrait's mouth is small; teeth are told apart on a larger one
SIZE = (260, 320)  # the area around the mouth
TONE = np.array((200, 160, 140), np.float32)
LOWER_LIP, UPPER_LIP = list(INNER_RING[1:10]), list(reversed(INNER_RING[11:]))


@pytest.fixture(scope="module")
def face(mesh):
    """The portrait's mesh, larger, its lips together. (478, 2)."""
    closed = mesh[:, :2].astype(np.float32) * LARGER
    for lower, upper in zip(LOWER_LIP, UPPER_LIP, strict=True):
        closed[[lower, upper]] = (closed[lower] + closed[upper]) / 2
    return closed - closed[list(NOSE_BASE)].mean(0) + np.float32((160, 60))


def opened(face, by, lift=0.0, jaw=True):
    """Lower lip and chin moved down and the upper lip up, eye distances."""
    target, eyes = face.copy(), eye_distance(face)
    arch = 1 - np.square(np.linspace(-1, 1, len(LOWER_LIP)))
    target[LOWER_LIP, 1] += by * eyes * arch
    target[UPPER_LIP, 1] -= lift * eyes * arch
    target[152, 1] += by * eyes * jaw
    return target


def made(face, target, tone=TONE, upper=1.0, teeth=Teeth()):  # noqa: B008 - frozen
    return made_mouth(face, target, tone, np.zeros(2, np.float32), SIZE, upper=upper, teeth=teeth)


def filled(face, target, view=None, tone=TONE, canvas=None):
    canvas = np.full((*SIZE, 3), 150, np.uint8) if canvas is None else canvas
    fill_cavity(canvas, (0, 0), Mouth(face, target, tone, np.zeros(2, np.float32)), view)
    return canvas


def edge_row(picture, x, rows):
    """The row in which the upper front teeth end in column x: the steepest fall of light."""
    light = cv2.GaussianBlur(picture[rows, x - 3 : x + 4].mean((1, 2))[:, None], (1, 9), 2)[:, 0]
    return rows.start + int(np.argmin(np.diff(light)))


def front(face):
    """Column in the middle of a front tooth, and the rows around where it ends."""
    plane = face_plane(face)
    middle, edge = upper_edge(plane, face)
    x, y = plane.origin + (middle + 0.05) * plane.across + edge * plane.down
    return round(x), slice(round(y - 0.05 * plane.scale), round(y + 0.05 * plane.scale)), y


class TestUpperRow:
    def test_it_stays_with_the_skull(self, face):
        x, rows, y = front(face)
        ends = [
            edge_row(made(face, opened(face, *lips)), x, rows) for lips in ((0.14, 0.03), (0.22, 0.03), (0.18, 0.06))
        ]
        assert max(ends) - min(ends) <= 1
        assert np.mean(ends) == pytest.approx(y, abs=2.5)  # its edge is rounded

    def test_a_lip_drawn_far_up_bares_hardly_any_gum(self, face):
        x, _, _ = front(face)
        scale = face_plane(face).scale
        for lift in (0.10, 0.14):
            target = opened(face, 0.2, lift)
            lip = round(target[UPPER_LIP[4], 1])
            under = made(face, target)[lip + round(0.03 * scale) : lip + round(0.08 * scale), x]
            assert (under[:, 1] / under[:, 0]).min() > 0.8  # enamel, where gums are red

    def test_gaps_between_teeth_do_not_move(self, face):
        _, _, y = front(face)
        line = round(y - 0.025 * face_plane(face).scale)
        middle = round(face_plane(face).origin[0])
        strips = [
            made(face, opened(face, by, 0.05))[line, middle - 60 : middle + 60].mean(1) for by in (0.14, 0.18, 0.22)
        ]
        for other in strips[1:]:
            assert np.corrcoef(strips[0], other)[0, 1] > 0.98

    def test_it_lies_where_it_was_measured(self, face):
        below = (front(face)[2] - face[list(NOSE_BASE), 1].mean()) / eye_distance(face)
        assert 0.24 < below < 0.37

    def test_a_turned_head_shows_more_of_one_side(self, face):
        plane = face_plane(face)
        u, v = np.meshgrid(np.linspace(-0.3, 0.3, 400, dtype=np.float32), np.float32([-0.05]))
        looks = {
            turn: look_of(UPPER, dataclasses.replace(plane, turn=turn), u, v)[0, :, 3] for turn in (-0.5, 0.0, 0.5)
        }
        assert looks[0.0][:200].sum() == pytest.approx(looks[0.0][200:].sum(), rel=0.1)
        assert looks[0.5][200:].sum() >= looks[0.5][:200].sum()
        np.testing.assert_allclose(looks[0.5], looks[-0.5][::-1], atol=1.0)


class TestBlur:
    def test_a_face_smooth_in_one_direction_has_a_sharp_mouth(self):
        assert likely_blur(np.float32((0.014, 0.002))) == pytest.approx((0.002, 0.002), abs=1e-6)

    def test_motion_and_softness_count(self):
        assert likely_blur(np.float32((0.050, 0.004))) == pytest.approx((0.035, 0.004), abs=1e-6)
        assert likely_blur(np.float32((0.020, 0.020))) == pytest.approx((0.020, 0.020), abs=1e-6)


class TestLowerRow:
    def test_it_goes_with_the_jaw(self, face):
        plane = face_plane(face)
        bright = []
        for by in (0.16, 0.22):
            with_row = made(face, opened(face, by, 0.02), upper=0)
            lip = opened(face, by, 0.02)[14]
            rows = slice(round(lip[1] - 0.1 * plane.scale), round(lip[1]))
            column = with_row[rows, round(lip[0]) + 6].mean(1)
            bright.append(rows.start + int(np.argmax(np.diff(column))))
        assert bright[1] - bright[0] == pytest.approx(0.06 * eye_distance(face), abs=0.02 * eye_distance(face))

    def test_its_picture_has_gaps_and_ends(self, face):
        u, v = np.meshgrid(np.linspace(-0.3, 0.3, 600, dtype=np.float32), np.float32([-0.04, 0.02]))
        look = look_of(LOWER, face_plane(face), u, v)
        assert look[1, :, 3].max() == 0
        assert look[0, 280:320, 3].min() > 0.2
        assert look[0, 300, 0] > look[0, 100, 0]  # the back is darker


class TestLight:
    def test_a_darker_face_has_darker_teeth(self):
        levels = [tooth_colour(np.array((1.2, 0.95, 0.85)) * level).mean() for level in (15, 40, 80, 130, 200, 235)]
        assert (np.diff(levels) > 0).all()
        assert levels[0] < 30
        assert levels[-1] < 245

    def test_teeth_are_less_coloured_than_skin_and_never_cold(self):
        tooth = tooth_colour(TONE)
        assert tooth[0] >= tooth[1] >= tooth[2]
        assert np.ptp(tooth) / tooth.mean() < np.ptp(TONE) / TONE.mean()

    def test_pursed_lips_keep_the_light_out(self, face):
        wide = opened(face, 0.10, 0.03)
        pursed = wide.copy()
        lips = [*INNER_RING, *LIPS_OUTER]
        pursed[lips, 0] = wide[13, 0] + 0.6 * (wide[lips, 0] - wide[13, 0])
        x, _, y = front(face)
        part = (slice(round(y - 12), round(y - 4)), slice(x - 5, x + 5))
        assert made(face, pursed)[part].mean() < 0.6 * made(face, wide)[part].mean()

    def test_hardly_parted_lips_show_no_white(self, face):
        before = filled(face, face)
        drawn = filled(face, opened(face, 0.02))
        assert (before == 150).all()
        assert drawn.max() <= 150


class TestSteady:
    def test_a_trembling_mesh_hardly_changes_it(self, face):
        target = opened(face, 0.15, 0.03)
        first = filled(face, target).astype(int)
        random = np.random.default_rng(0)
        for _ in range(4):
            shake = random.normal(0, 0.05, face.shape).astype(np.float32)
            change = np.abs(filled(face + shake, target + shake) - first)
            assert change.max() <= 14
            assert change[change > 0].mean() < 2.5

    def test_it_turns_and_grows_with_the_face(self, face):
        angle, scale = 0.35, 0.8
        turn = scale * np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
        shift = np.array((80.0, -25.0))
        target = opened(face, 0.16, 0.03)
        straight = filled(face, target)
        moved = [(points @ turn.T + shift).astype(np.float32) for points in (face, target)]
        turned = filled(*moved)
        matrix = np.column_stack([turn, shift])
        expected = cv2.warpAffine(straight, matrix, SIZE[::-1], borderValue=(150, 150, 150))
        inside = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(inside, [np.round(moved[1][list(INNER_RING)]).astype(np.int32)], (1,))
        assert inside.sum() > 1500
        difference = np.abs(turned.astype(int) - expected)[inside > 0]
        assert difference.mean() < 5


class TestUnderAView:
    def view(self, face, opening):
        """A grey look into a mouth that is a little open."""
        target = opened(face, opening)
        inside = np.zeros(SIZE, np.uint8)
        cv2.fillPoly(inside, [np.round(target[list(INNER_RING)]).astype(np.int32)], (255,))
        pixels = np.dstack([np.full((*SIZE, 3), 90, np.uint8), inside])
        return MouthView(pixels, target, TONE, opening, np.zeros(2, np.float32))

    def test_a_slit_has_no_say_in_the_teeth(self, face):
        target = opened(face, 0.18, 0.03)
        assert np.abs(filled(face, target, self.view(face, 0.02)).astype(int) - filled(face, target)).max() < 40

    def test_a_look_inside_brings_the_upper_teeth_alone(self, face):
        target = opened(face, 0.18, 0.03)
        x, _, y = front(face)
        own = filled(face, target, self.view(face, 0.07))
        assert own[round(y) - 8 : round(y) - 2, x].max() < 130
        assert filled(face, target)[round(y) - 8 : round(y) - 2, x].max() > 130

    def test_opening_it_further_never_pops(self, face):
        view, before = self.view(face, 0.035), None
        for by in np.arange(0.03, 0.16, 0.0015):
            drawn = filled(face, opened(face, by), view)[..., 1].astype(np.float32)
            if before is not None:
                assert np.abs(drawn - before).max() < 60
                assert np.abs(drawn - before).mean() < 1.5
            before = drawn


def test_a_persons_own_teeth_end_lower_and_are_of_another_colour(face):
    target = opened(face, 0.22, lift=0.05)
    x, rows, _ = front(face)
    plain = made(face, target)
    lower = made(face, target, teeth=Teeth(edge=0.03))
    moved = edge_row(lower, x, rows) - edge_row(plain, x, rows)
    assert moved == pytest.approx(0.03 * face_plane(face).scale, abs=1.5)
    dull = made(face, target, teeth=Teeth(enamel=(0.8, 0.8, 0.7)))
    bright = plain.mean(2) > np.percentile(plain.mean(2), 99.7)
    ratio = dull[bright].mean(0) / plain[bright].mean(0)
    np.testing.assert_allclose(ratio, (0.8, 0.8, 0.7), atol=0.03)
