import numpy as np
import pytest
from pictures import noisy, panned, placed, scene

from lipwright.avatar.analyse import analyse
from lipwright.errors import NoFaceError, OptionError
from lipwright.face.base import open_tracker
from lipwright.face.track import RETRY_EVERY, CutDetector, PersonFollower, check_person, choose, leaps
from lipwright.facespace import MESH_POINTS, eye_distance

BOXES = np.array([(300, 10, 400, 110), (10, 10, 60, 60), (500, 200, 580, 280)], np.float32)


@pytest.fixture(scope="module")
def tracker():
    with open_tracker("facemesh") as opened:
        yield opened


@pytest.fixture(scope="module")
def two_faces(portrait):
    """A large face on the left, a smaller one on the right, nearer to the middle."""
    return placed(placed(scene(760, 400), portrait, 10, 60, 320), portrait, 420, 130, 190)


def analysed(frames, tracker, person="largest"):
    return analyse(frames, tracker, name="test.mp4", person=person)


@pytest.mark.parametrize(
    ("person", "index"), [("largest", 0), ("left", 1), ("right", 2), ("center", 0), ("1", 1), ("2", 0), ("3", 2)]
)
def test_choose(person, index):
    assert choose(BOXES, person, (640, 480)) == index


def test_choose_of_too_few_or_no_faces():
    assert choose(BOXES, "4", (640, 480)) is None
    for person in ("largest", "center", "left", "right", "1"):
        assert choose(np.zeros((0, 4), np.float32), person, (640, 480)) is None


@pytest.mark.parametrize("person", ["", "0", "-1", "1.5", "Largest", "²", "middle"])
def test_an_unknown_person_is_an_option_error(person, tracker):
    with pytest.raises(OptionError, match=r"--person .* is unknown; use one of largest, center, left, right, or 1, 2"):
        check_person(person)
    with pytest.raises(OptionError):
        PersonFollower(tracker, person)


@pytest.mark.parametrize(
    ("person", "side"),
    [("largest", "left"), ("left", "left"), ("right", "right"), ("center", "right"), ("1", "left"), ("2", "right")],
)
def test_the_wanted_one_of_two_faces_is_followed(two_faces, tracker, person, side):
    frames = [noisy(two_faces, seed) for seed in range(3)]
    track = analysed(frames, tracker, person).track
    assert track.present.all()
    middle = track.points[:, :, 0].mean(1)
    assert (middle < 380).all() if side == "left" else (middle > 400).all()


def test_one_face_too_few_is_one_clear_sentence(two_faces, tracker):
    with pytest.raises(NoFaceError) as caught:
        analysed([two_faces], tracker, "3")
    assert str(caught.value) == (
        "test.mp4: person 3 was asked for, but no frame shows more than 2 faces; "
        "choose a number up to 2, counted from the left"
    )


def test_nobody_at_all_is_one_clear_sentence(tracker):
    with pytest.raises(NoFaceError, match=r"^test.mp4: no usable face \(2\) in 3 frames; use footage where"):
        analysed([scene(320, 240)] * 3, tracker, "2")


def test_a_face_too_small_to_draw_on_is_no_face(portrait, tracker):
    with pytest.raises(NoFaceError, match="at least 10 pixels between the eyes"):
        analysed([placed(scene(320, 240), portrait, 100, 100, 40)], tracker)


def test_frames_without_the_face_are_none_and_it_is_found_again(portrait, tracker):
    here = placed(scene(400, 300), portrait, 60, 20, 260)
    covered = here.copy()
    covered[20:280, 60:320] = np.mean(here[20:280, 60:320], axis=(0, 1))
    track = analysed([here] * 6 + [covered] * 8 + [here] * 6, tracker).track
    assert track.present[:6].all()
    assert not track.present[6:14].any()
    assert track.present[14 + RETRY_EVERY - 1 :].all()
    assert np.isnan(track.points[6:14]).all()
    error = np.abs(track.points[-1] - track.points[0])[:, :2].mean()
    assert error < 0.01 * eye_distance(track.points[0])


def test_the_only_person_may_come_back_elsewhere(portrait, tracker):
    """Nobody is looked for far away at once: that could be someone else."""
    empty = scene(760, 300)
    left, right = placed(empty, portrait, 20, 60, 200), placed(empty, portrait, 520, 60, 200)
    track = analysed([left] * 3 + [empty] * 3 + [right] * 40, tracker).track
    assert track.cuts.sum() == 1
    assert track.present[:3].all()
    assert not track.present[3:25].any()
    assert track.present[25 + 2 * RETRY_EVERY :].all()
    assert track.points[-1, :, 0].min() > 500


def test_a_face_that_appears_at_frame_30(portrait, tracker):
    empty = scene(400, 300)
    filled = placed(empty, portrait, 60, 20, 260)
    frames = [empty] * 30
    frames += [np.uint8((1 - a) * empty + a * filled) for a in np.linspace(0, 1, 8)[1:]]  # fades in: not a cut
    track = analysed([*frames, *[filled] * 8], tracker).track
    assert not track.present[:30].any()
    assert track.present[37 + RETRY_EVERY - 1 :].all()
    assert track.cuts.nonzero()[0].tolist() == [0]


def test_a_cut_is_seen_and_the_track_starts_anew(portrait, tracker):
    left = placed(scene(640, 300), portrait, 20, 20, 240)
    other = scene(640, 300, seed=11)
    right = placed(scene(640, 300, seed=12), portrait, 370, 30, 220)
    frames = [noisy(f, n) for n, f in enumerate([left] * 6 + [other] * 6 + [right] * 6)]
    track = analysed(frames, tracker).track
    assert track.cuts.nonzero()[0].tolist() == [0, 6, 12]
    np.testing.assert_array_equal(track.present, [True] * 6 + [False] * 6 + [True] * 6)
    assert track.points[:6, :, 0].max() < 300
    assert track.points[12:, :, 0].min() > 340
    spread = track.points[12:, :, :2].std(0).mean()  # the new shot is not pulled towards the old one
    assert spread < 0.02 * eye_distance(track.points[12])


def test_a_direct_cut_between_two_faces_moves_the_mesh_at_once(portrait, tracker):
    left = placed(scene(640, 300), portrait, 20, 20, 240)
    right = placed(scene(640, 300, seed=12), portrait, 370, 30, 220)
    track = analysed([left] * 5 + [right] * 5, tracker).track
    assert track.present.all()
    assert track.points[4, :, 0].max() < 300
    assert track.points[5, :, 0].min() > 340


def test_an_ordinary_moving_clip_has_no_cut(footage, portrait):
    is_cut = CutDetector()
    assert [is_cut(frame) for frame in footage] == [True] + [False] * (len(footage) - 1)
    is_cut = CutDetector()  # a quick pan: 4 pixels a frame
    assert sum(is_cut(panned(portrait, 0.02 * n)) for n in range(50)) == 1


def test_a_cut_within_one_scene_is_seen_by_the_head(portrait, tracker):
    """A jump cut changes too little of the picture for the thumbnails; the head is elsewhere at once."""
    empty = scene(640, 400)
    frames = [noisy(placed(empty, portrait, 60 + 12 * (n >= 8), 40, 240), n) for n in range(16)]
    is_cut = CutDetector()
    assert sum(is_cut(frame) for frame in frames) == 1
    track = analysed(frames, tracker).track
    assert track.cuts.nonzero()[0].tolist() == [0, 8]
    middle = track.points[:, 6, 0]
    assert abs(middle[7] - middle[:7].mean()) < 1
    assert abs(middle[8] - middle[9:].mean()) < 1


@pytest.mark.parametrize("motion", ["still", "steady", "nodding", "starting", "turning fast"])
def test_a_moving_head_does_not_leap(motion, mesh):
    frame = np.arange(40)
    eyes = eye_distance(mesh)
    along = {
        "still": np.zeros(40),
        "steady": 0.2 * frame,
        "nodding": 0.5 * np.sin(frame / 2),
        "starting": 0.15 * np.maximum(frame - 20, 0),
        "turning fast": 0.8 / (1 + np.exp(-(frame - 20))),
    }[motion]
    points = mesh + (eyes * along)[:, None, None] * (1, 0.3, 0)
    points += np.random.default_rng(1).normal(0, 0.01 * eyes, points.shape)
    assert not leaps(points.astype(np.float32)).any()


def test_leaps_of_one_frame_and_of_none(mesh):
    assert leaps(mesh[None]).tolist() == [False]
    gap = np.stack([mesh, np.full_like(mesh, np.nan), mesh + 100])
    assert not leaps(gap).any()  # a gap starts a new run anyway


def test_identity_is_kept_while_another_face_is_larger(portrait, tracker):
    """Who was chosen in the first frame stays chosen, whoever comes nearer to the camera."""
    one = placed(scene(760, 400), portrait, 420, 130, 190)
    both = placed(one, portrait, 10, 60, 320)
    fade = [np.uint8((1 - a) * one + a * both) for a in np.linspace(0, 1, 6)]
    track = analysed([one] * 3 + fade + [both] * 3, tracker).track
    assert track.present.all()
    assert track.points[:, :, 0].min() > 400


def test_a_face_cut_off_by_the_border_is_followed(portrait, tracker):
    frames = [np.ascontiguousarray(portrait[60 + n : 300, 190 + n : 420]) for n in (0, 0, 0)]
    track = analysed(frames, tracker).track
    assert track.points.shape == (3, MESH_POINTS, 3)
    assert track.present.all()


def test_a_detector_with_boxes_outside_the_picture_does_no_harm(portrait):
    class Wild:
        def detect(self, picture):
            return np.array([(-300, -300, -200, -200), (900, 900, 990, 990), (5, 5, 5, 5)], np.float32)

        def fit(self, picture):
            assert picture.size
            return

        def forget(self): ...

    follower = PersonFollower(Wild(), "largest")
    assert follower.follow(portrait, cut=True) is None
    Wild.detect = lambda self, picture: np.array([(900, 900, 990, 990)], np.float32)
    assert PersonFollower(Wild(), "1").follow(portrait, cut=True) is None
