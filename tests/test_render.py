"""The mouth bank, the cavity, and the native renderer's pixels."""

import cv2
import numpy as np
import pytest

from lipwright.avatar.analyse import MOST_CROPS, _Album
from lipwright.compose.blend import paste
from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE, INNER_RING, STABLE, eye_distance, fit_pose, open_face, opening
from lipwright.motion.style import mouth_shape
from lipwright.render.bank import MouthBank, Wanted, choose_views, cut_mouth, ring_shape, skin_tone
from lipwright.render.base import Shot
from lipwright.render.cavity import Mouth, fill_cavity
from lipwright.render.warp import WarpRenderer

EMPTY = MouthBank(
    frames=np.zeros(0, np.int32),
    shapes=np.zeros((0, 20, 2), np.float32),
    openings=np.zeros(0, np.float32),
    angles=np.zeros((0, 3), np.float32),
    meshes=np.zeros((0, 478, 2), np.float32),
    tones=np.zeros((0, 3), np.float32),
    blurs=np.zeros((0, 2), np.float32),
    pictures=[],
)
LOWER_LIP, UPPER_LIP = list(INNER_RING[1:10]), list(reversed(INNER_RING[11:]))


def faces(openings):
    """Drive points in face space of mouths that are this far open. (F, 68, 3)."""
    base = np.repeat(open_face()[None, list(DRIVE)], len(openings), axis=0)
    base[:, [DRIVE.index(p) for p in INNER_RING], 2] = 0
    share = np.asarray(openings)[:, None] / opening(base)[:, None]
    middle = base[:, [DRIVE.index(13), DRIVE.index(14)], 1].mean(1, keepdims=True)
    inner = [DRIVE.index(p) for p in INNER_RING]
    base[:, inner, 1] = middle + (base[:, inner, 1] - middle) * share
    return base


def bank_of(openings, stride=1):
    drive = faces(openings)
    count = len(drive)
    return MouthBank(
        frames=np.arange(count, dtype=np.int32) * stride,
        shapes=ring_shape(drive),
        openings=opening(drive).astype(np.float32),
        angles=np.zeros((count, 3), np.float32),
        meshes=np.zeros((count, 478, 2), np.float32),
        tones=np.full((count, 3), 128, np.float32),
        blurs=np.zeros((count, 2), np.float32),
        pictures=[b""] * count,
    )


def shut(mesh):
    """The mesh with its lips together. (478, 2)."""
    closed = mesh[:, :2].copy()
    for lower, upper in zip(LOWER_LIP, UPPER_LIP, strict=True):
        closed[[lower, upper]] = (closed[lower] + closed[upper]) / 2
    return closed


def bank_from(album, points):
    """The album's bank, every frame sharp and good."""
    return album.bank(points, np.zeros((len(points), 2), np.float32), np.ones(len(points), bool))


def chosen_views(bank, drive, angles, starts, blur=0.0, after=-1):
    """`choose_views` for drive points in face space on frames of one blur."""
    blurs = np.full((len(drive), 2), blur, np.float32)
    return choose_views(bank, Wanted(ring_shape(drive), opening(drive), angles, blurs, starts), after)


def no_starts(count):
    return np.arange(count) == 0


def flat_angles(count):
    return np.zeros((count, 3), np.float32)


class TestBank:
    def test_the_nearest_shape_is_chosen(self):
        bank = bank_of(np.linspace(0.05, 0.5, 10), stride=1000)
        for wanted in (0, 4, 9):
            target = faces([bank.openings[wanted]] * 3)
            assert (chosen_views(bank, target, flat_angles(3), no_starts(3)) == wanted).all()

    def test_a_view_that_is_too_closed_costs_more_than_one_too_open(self):
        bank = bank_of([0.1, 0.3])
        assert chosen_views(bank, faces([0.2]), flat_angles(1), no_starts(1))[0] == 1

    def test_another_head_pose_costs(self):
        bank = bank_of([0.2, 0.2], stride=1000)
        bank.angles[0] = (0.6, 0, 0)
        turned = np.tile(np.float32((0.6, 0, 0)), (2, 1))
        assert (chosen_views(bank, faces([0.2] * 2), turned, no_starts(2)) == 0).all()
        assert (chosen_views(bank, faces([0.2] * 2), flat_angles(2), no_starts(2)) == 1).all()

    def test_a_blurred_view_is_left_to_blurred_frames(self):
        bank = bank_of([0.2, 0.201], stride=1000)
        bank.blurs[0] = 0.03
        assert chosen_views(bank, faces([0.2]), flat_angles(1), no_starts(1))[0] == 1
        assert chosen_views(bank, faces([0.2]), flat_angles(1), no_starts(1), blur=0.03)[0] == 0

    def test_noise_does_not_make_it_jump_about(self):
        random = np.random.default_rng(0)
        bank = bank_of(0.2 + random.normal(0, 0.004, 60), stride=25)
        target = faces(0.2 + random.normal(0, 0.004, 100))
        chosen = chosen_views(bank, target, flat_angles(100), no_starts(100))
        nearest = np.abs(opening(target)[:, None] - bank.openings).argmin(1)
        assert (np.diff(chosen) != 0).sum() <= 3
        assert (np.diff(nearest) != 0).sum() > 60  # what a choice frame by frame would do

    def test_speech_is_followed_along_the_footage(self):
        wave = 0.25 + 0.2 * np.sin(np.arange(50) / 4)
        chosen = chosen_views(bank_of(wave), faces(wave), flat_angles(50), no_starts(50))
        # The footage's own course is free of both costs up to the small one of going on.
        assert np.abs(wave[chosen] - wave).max() < 0.03

    def test_the_choice_is_free_again_after_a_cut(self):
        bank = bank_of([0.1, 0.102], stride=1000)
        target = faces([0.1] * 10 + [0.102] * 10)
        held = chosen_views(bank, target, flat_angles(20), no_starts(20))
        assert len(set(held.tolist())) == 1  # too little to gain for a jump
        starts = no_starts(20)
        starts[10] = True
        free = chosen_views(bank, target, flat_angles(20), starts)
        np.testing.assert_array_equal(free, [0] * 10 + [1] * 10)

    def test_a_choice_in_windows_is_the_choice_in_one(self):
        random = np.random.default_rng(1)
        wave = 0.25 + 0.2 * np.sin(np.arange(120) / 4)
        bank, target = bank_of(wave, stride=3), faces(wave + random.normal(0, 0.02, 120))
        whole = chosen_views(bank, target, flat_angles(120), no_starts(120))
        second = chosen_views(bank, target[40:], flat_angles(80), np.zeros(80, bool), after=int(whole[39]))
        np.testing.assert_array_equal(whole[40:], second)
        other = chosen_views(bank, target[40:41], flat_angles(1), np.zeros(1, bool), after=(int(whole[39]) + 60) % 120)
        assert other[0] != whole[40]  # where the way there counts, it depends on the entry before

    def test_an_empty_bank_has_no_views(self):
        assert (chosen_views(EMPTY, faces([0.2] * 4), flat_angles(4), no_starts(4)) == -1).all()
        assert len(chosen_views(bank_of([0.2]), faces([]), flat_angles(0), no_starts(0))) == 0

    def test_the_portraits_view_shows_its_mouth(self, avatar, portrait, mesh):
        assert len(avatar.bank) == 1
        view = avatar.bank.view(0)
        assert view.pixels.shape[2] == 4
        assert view.pixels.dtype == np.uint8
        assert view.opening == pytest.approx(0.121, abs=0.01)
        x, y = np.round(view.mesh[[13, 14]].mean(0)).astype(int)
        place = np.round(mesh[[13, 14], :2].mean(0)).astype(int)
        assert view.pixels[y, x, 3] == 255
        difference = np.abs(view.pixels[y, x, :3].astype(int) - portrait[place[1], place[0]])
        assert difference.max() < 40  # JPEG, half a pixel off
        assert view.pixels[0, 0, 3] == 0
        lip = np.round(view.mesh[17]).astype(int)
        assert view.pixels[lip[1], lip[0], 3] == 0

    def test_closed_mouths_are_not_kept(self, portrait, mesh):
        album = _Album()
        closed = np.concatenate([shut(mesh), mesh[:, 2:]], 1).astype(np.float32)
        closed[LOWER_LIP, 2] = closed[UPPER_LIP, 2]
        album.offer(0, portrait, mesh, np.zeros(3))
        album.offer(1, portrait, closed, np.zeros(3))
        assert bank_from(album, np.stack([mesh, closed])).frames.tolist() == [0]

    def test_frames_that_are_not_good_are_not_kept(self, portrait, mesh):
        album = _Album()
        for number in range(3):
            album.offer(number, portrait, mesh, np.zeros(3))
        bank = album.bank(np.repeat(mesh[None], 3, axis=0), np.zeros((3, 2), np.float32), np.arange(3) != 1)
        assert bank.frames.tolist() == [0, 2]

    def test_the_album_is_bounded_and_even(self, monkeypatch, mesh):
        monkeypatch.setattr("lipwright.avatar.analyse.cut_mouth", lambda f, m: (b"", np.float32((0, 0, 1))))
        monkeypatch.setattr("lipwright.avatar.analyse.skin_tone", lambda f, m: np.zeros(3, np.float32))
        album = _Album()
        count = 3 * MOST_CROPS
        for number in range(count):
            album.offer(number, None, mesh, np.zeros(3))
        bank = bank_from(album, np.repeat(mesh[None], count, axis=0))
        assert MOST_CROPS / 2 <= len(bank) < MOST_CROPS
        assert (np.diff(bank.frames) == bank.frames[1]).all()
        assert bank.frames[-1] > count - 5

    @pytest.mark.parametrize("window", [(300, 140, 512, 512), (0, 0, 222, 160), (200, 0, 512, 150)])
    def test_a_mouth_at_the_border_can_be_cut_out(self, portrait, mesh, window):
        x0, y0, x1, y1 = window
        frame = np.ascontiguousarray(portrait[y0:y1, x0:x1])
        picture, place = cut_mouth(frame, mesh - (x0, y0, 0))
        assert cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).size
        assert np.isfinite(place).all()

    def test_large_mouths_are_scaled_down_onto_the_same_place(self, portrait, mesh):
        pose = fit_pose(mesh[None, STABLE])
        large = cv2.resize(portrait, None, fx=12, fy=12, interpolation=cv2.INTER_CUBIC)
        half = np.array((0.5, 0.5, 0))
        grown = (mesh + half) * 12 - half
        views = []
        for frame, points in ((portrait, mesh), (large, grown.astype(np.float32))):
            album = _Album()
            album.offer(0, frame, points, np.zeros(3))
            views.append(bank_from(album, points[None]).view(0))
        assert max(views[1].pixels.shape) <= 400
        assert views[0].opening == pytest.approx(views[1].opening, abs=1e-3)
        scale = eye_distance(views[1].mesh) / eye_distance(views[0].mesh)
        matrix = np.float32(((scale, 0, 0), (0, scale, 0)))
        matrix[:, 2] = views[1].mesh[0] - scale * views[0].mesh[0]
        size = views[1].pixels.shape[1::-1]
        laid = cv2.warpAffine(views[0].pixels[..., :3], matrix, size, flags=cv2.INTER_CUBIC)
        inner = views[1].pixels[..., 3] == 255
        assert np.abs(laid[inner].astype(int) - views[1].pixels[..., :3][inner]).mean() < 8
        assert len(pose) == 1

    def test_skin_tone_is_the_skins(self, portrait, mesh):
        red, green, blue = skin_tone(portrait, mesh)
        assert 150 < red < 255
        assert red > green > blue
        grey = skin_tone(portrait, mesh + np.array((5000, 0, 0)))
        np.testing.assert_array_equal(grey, 128)


class TestCavity:
    def mouth(self, mesh, target, tone=(200, 160, 140)):
        return Mouth(mesh[:, :2].copy(), target, np.array(tone, np.float32), np.zeros(2, np.float32))

    def test_a_closed_mouth_draws_nothing(self, mesh, portrait, avatar):
        for view in (None, avatar.bank.view(0)):
            canvas = portrait.copy()
            fill_cavity(canvas, (0, 0), self.mouth(mesh, shut(mesh)), view)
            np.testing.assert_array_equal(canvas, portrait)

    def test_an_open_mouth_without_a_bank_is_made_between_the_lips(self, mesh, portrait):
        canvas = np.full_like(portrait, 255)
        fill_cavity(canvas, (0, 0), self.mouth(mesh, mesh[:, :2]), None)
        x, y = np.round(mesh[[13, 14], :2].mean(0)).astype(int)
        assert 40 < canvas[y, x].mean() < 185  # neither a black hole nor white paint: a tooth in half light
        assert canvas[y, x, 0] >= canvas[y, x, 1:].max()  # warm, not green
        changed = (canvas != 255).any(2)
        ring = np.zeros(changed.shape, np.uint8)
        cv2.fillPoly(ring, [np.round(mesh[list(INNER_RING), :2]).astype(np.int32)], 1)
        allowed = cv2.dilate(ring, np.ones((9, 9), np.uint8))
        assert not (changed & (allowed == 0)).any()

    def test_a_view_brings_its_teeth(self, mesh, portrait, avatar):
        canvas = np.zeros_like(portrait)
        mouth = self.mouth(mesh, mesh[:, :2], skin_tone(portrait, mesh))
        fill_cavity(canvas, (0, 0), mouth, avatar.bank.view(0))
        x, y = np.round(mesh[[13, 14], :2].mean(0)).astype(int)
        assert canvas[y - 1 : y + 2, x - 3 : x + 4].mean() > 120
        inside = cv2.erode((canvas > 60).all(2).astype(np.uint8), np.ones((3, 3), np.uint8)) == 1
        assert np.abs(canvas[inside].astype(int) - portrait[inside]).mean() < 20  # its own mouth on its own face

    def test_it_comes_in_softly(self, mesh):
        """Opening by a hundredth of a pixel more never changes a pixel by much."""
        closed, darkest = shut(mesh), []
        for amount in np.linspace(0.004, 0.016, 40):
            target = closed.copy()
            target[LOWER_LIP, 1] += amount * eye_distance(mesh)
            canvas = np.full((300, 400, 3), 200, np.uint8)
            fill_cavity(canvas, (0, 0), self.mouth(mesh, target), None)
            darkest.append(int(canvas.min()))
        assert darkest[0] == 200
        assert darkest[-1] < 190
        assert np.abs(np.diff(darkest)).max() < 25

    @pytest.mark.parametrize("blur", [0.0, 0.02])
    def test_thin_lips_get_no_dark_outline(self, mesh, avatar, blur):
        """The cavity's soft edge runs over the lips: a look of one colour on a face of the same adds no line."""
        view = avatar.bank.view(0)
        view.pixels[..., :3] = (200, 160, 140)
        target = mesh[:, :2].copy()
        others = np.setdiff1d(np.arange(len(target)), INNER_RING)
        ring = target[list(INNER_RING)]
        away = np.linalg.norm(target[others, None] - ring, axis=2)
        near = away.min(1) < 0.2 * eye_distance(mesh)
        edge = ring[away.argmin(1)[near]]
        target[others[near]] = edge + 0.1 * (target[others[near]] - edge)
        mouth = Mouth(mesh[:, :2], target, view.tone, np.full(2, blur, np.float32))
        canvas = np.full((512, 512, 3), (200, 160, 140), np.uint8)
        fill_cavity(canvas, (0, 0), mouth, view)
        assert np.abs(canvas.astype(int) - (200, 160, 140)).max() <= 2

    def test_outside_the_canvas_nothing_happens(self, mesh, portrait, avatar):
        canvas = np.full((40, 40, 3), 9, np.uint8)
        fill_cavity(canvas, (400, 400), self.mouth(mesh, mesh[:, :2]), avatar.bank.view(0))
        assert (canvas == 9).all()


class TestWarp:
    def shot(self, portrait, mesh, target):
        return Shot(portrait, mesh, np.ascontiguousarray(target, np.float32), -1)

    def area(self, portrait, patch):
        height, width = patch.mask.shape
        return portrait[patch.y : patch.y + height, patch.x : patch.x + width]

    def test_an_unmoved_target_leaves_the_picture(self, portrait, mesh, avatar):
        shot = Shot(portrait, mesh, mesh[list(DRIVE), :2].copy(), 0)
        patch = WarpRenderer(avatar.bank).render(shot)
        difference = np.abs(patch.pixels.astype(int) - self.area(portrait, patch))[patch.mask > 0]
        assert np.percentile(difference, 90) <= 4
        assert difference.mean() < 2

    def test_skin_is_untouched_where_nothing_moves(self, portrait, mesh):
        target = mesh[list(DRIVE), :2].copy()
        target[: len(DRIVE) - 28, 1] += 0.02 * eye_distance(mesh)
        patch = WarpRenderer(EMPTY).render(self.shot(portrait, mesh, target))
        nose = np.round(mesh[4, :2]).astype(int)
        part = (slice(nose[1] - 2, nose[1] + 2), slice(nose[0] - 3, nose[0] + 4))
        drawn = patch.pixels[part[0].start - patch.y : part[0].stop - patch.y]
        drawn = drawn[:, part[1].start - patch.x : part[1].stop - patch.x]
        assert np.abs(drawn.astype(int) - portrait[part]).max() <= 2

    @pytest.mark.parametrize("amount", [-0.08, 0.06])
    def test_the_tracker_finds_the_lips_where_they_were_put(self, portrait, mesh, avatar, amount):
        opened = amount * mouth_shape()["opening_direction"]
        target = mesh[list(DRIVE), :2] + avatar.pose.to_frame_offset(opened[None])[0, :, :2]
        patch = WarpRenderer(avatar.bank).render(Shot(portrait, mesh, target, 0))
        out = paste(portrait, patch.pixels, patch.mask, patch.x, patch.y)
        with open_tracker("facemesh") as tracker:
            found = tracker.fit(out)
        before = (mesh[14] - mesh[13])[1] / eye_distance(mesh)
        after = (found[14] - found[13])[1] / eye_distance(found)
        assert after - before == pytest.approx(amount, abs=0.035)

    def test_the_mask_is_zero_on_its_border(self, portrait, mesh):
        """The whole face lies inside the frame: no side of the patch may show an edge."""
        mask = WarpRenderer(EMPTY).render(self.shot(portrait, mesh, mesh[list(DRIVE), :2])).mask
        assert np.abs(np.diff(mask, axis=0)).max() < 0.5  # feathered
        for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]):
            assert not side.any()
