"""One identity through time: who is followed, where the cuts are, which frames have no usable face."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np

from lipwright.errors import NoFaceError, OptionError
from lipwright.face.base import FaceTracker
from lipwright.face.smooth import smooth
from lipwright.facespace import FACE_OVAL, MESH_POINTS, STABLE, eye_distance
from lipwright.media import Picture
from lipwright.structures import FaceTrack

Frame = TypeVar("Frame", np.ndarray, Picture)

WINDOW = 2.4  # side of the square the mesh is fitted in, in face sizes
WINDOW_SLACK = 0.3  # the face may wander this far (in face sizes) from the window's middle before the window follows
WINDOW_PIXELS = 512  # a larger window is scaled down: the mesh model itself sees 192 pixels
SLIDE = 0.2  # of the face's size: a step between two frames after which the fit is started anew
RETRY_EVERY = 5  # frames between full searches while nobody is in the picture
LOST_AFTER = 25  # frames of absence after which the only person ever seen may come back anywhere
SMALLEST_EYES = 10.0  # pixels between the outer eye corners under which a mouth cannot be drawn
CUT_LEVEL, CUT_RATIO = 18.0, 3.5  # mean thumbnail step that may be a cut, and its ratio to the recent median
LEAP_LEVEL, LEAP_RATIO = 0.12, 5.0  # the head's step in eye distances that may be a cut, and its ratio to those around
LEAP_REACH = 4  # frames to each side that count as around

PERSONS = ("largest", "center", "left", "right")


def choose(boxes: np.ndarray, person: str, size: tuple[int, int]) -> int | None:
    """Index of the wanted box, None while the frame shows too few faces.

    Args:
        boxes: (N, 4) x0, y0, x1, y1 pixels.
        person: `largest`, `center`, `left`, `right`, or a number counted from 1, left to right.
        size: width and height of the frame.

    Raises:
        OptionError: `person` is none of these.
    """
    number = check_person(person)
    if len(boxes) == 0:
        return None
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    if number:
        return int(np.argsort(middle[:, 0])[number - 1]) if number <= len(boxes) else None
    rank = {
        "largest": -np.prod(boxes[:, 2:] - boxes[:, :2], axis=1),
        "center": np.linalg.norm(middle - np.divide(size, 2), axis=1),
        "left": middle[:, 0],
        "right": -middle[:, 0],
    }
    return int(np.argmin(rank[person]))


def check_person(person: str) -> int:
    """The number in `person`, 0 for a word.

    Raises:
        OptionError: neither a known word nor a number from 1 on.
    """
    if person in PERSONS:
        return 0
    if person.isdecimal() and int(person) >= 1:
        return int(person)
    raise OptionError(f"--person {person!r} is unknown; use one of {', '.join(PERSONS)}, or 1, 2, … from the left")


def nearest(boxes: np.ndarray, last: np.ndarray) -> int | None:
    """Index of the box nearest to where the person was a moment ago and of about that size, None without one.

    Args:
        boxes: (N, 4) x0, y0, x1, y1 pixels.
        last: (4,) the person's last box.
    """
    if len(boxes) == 0:
        return None
    middle, side = (last[:2] + last[2:]) / 2, float(np.max(last[2:] - last[:2]))
    sides = np.max(boxes[:, 2:] - boxes[:, :2], axis=1)
    away = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - middle, axis=1) / side
    away[(sides < side / 2.5) | (sides > side * 2.5)] = np.inf
    return int(np.argmin(away)) if away.min() < 2 else None


class PersonFollower:
    """Follows one person, frame after frame.

    Args:
        tracker: finds faces and fits meshes.
        person: which of several faces, see `choose`.

    Attributes:
        most_faces: the largest number of faces that one search has found.

    Raises:
        OptionError: `person` is not understood.
    """

    def __init__(self, tracker: FaceTracker, person: str) -> None:
        check_person(person)
        self._tracker, self.person = tracker, person
        self._window: tuple[int, int, int, int] | None = None
        self._last: np.ndarray | None = None  # box of the last fitted face since the last cut
        self._since_search = RETRY_EVERY
        self._fresh = True  # the tracker has seen nothing of this window yet
        self._absent = 0  # frames since the last mesh
        self.most_faces = 0

    def follow(self, frame: np.ndarray | Picture, *, cut: bool) -> np.ndarray | None:
        """Mesh of the person in this frame. (H, W, 3) uint8 RGB to (478, 3) float32 pixels, None where absent."""
        frame = Picture.of(frame)
        if cut:
            self._window = self._last = None
            self._since_search = RETRY_EVERY
        self._absent += 1
        if self._window is not None:
            points = self._fit(frame, self._window)
            if points is not None and self._slid_off(points):
                self._set_window(self._last, frame)
                points = self._fit(frame, self._window)
            if points is not None:
                return self._accept(points, frame)
            self._window = None
            self._since_search = RETRY_EVERY
        return self._search(frame)

    def _slid_off(self, points: np.ndarray) -> bool:
        """Whether the mesh has left the place of the frame before: it may have slid off the face."""
        if self._last is None or self._absent > 1:
            return False
        box, side = mesh_box(points), float(np.max(self._last[2:] - self._last[:2]))
        grown = float(np.max(box[2:] - box[:2])) / side
        return bool(np.abs(box - self._last).max() > SLIDE * side or not 1 - SLIDE < grown < 1 + SLIDE)

    def _search(self, frame: Picture) -> np.ndarray | None:
        self._since_search += 1
        if self._since_search < RETRY_EVERY:
            return None
        self._since_search = 0
        boxes = self._confirmed(self._tracker.detect(frame.rgb), frame)
        self.most_faces = max(self.most_faces, len(boxes))
        chosen = self._choose(boxes, frame)
        if chosen is None:
            return None
        self._set_window(boxes[chosen], frame)
        points = self._fit(frame, self._window)
        if points is None:
            self._window = None
            return None
        self._since_search = RETRY_EVERY
        return self._accept(points, frame)

    def _confirmed(self, boxes: np.ndarray, frame: Picture) -> np.ndarray:
        """Of several boxes, those a mesh fits in: a detector's false alarms must not be counted or chosen."""
        if len(boxes) < 2:
            return boxes
        kept = []
        for box in boxes:
            self._set_window(box, frame)
            if self._fit(frame, self._window) is not None:
                kept.append(box)
        self._window = None
        return np.array(kept, np.float32).reshape(-1, 4)

    def _choose(self, boxes: np.ndarray, frame: Picture) -> int | None:
        if self._last is None or (self.most_faces == 1 and self._absent > LOST_AFTER):
            return choose(boxes, self.person, (frame.shape[1], frame.shape[0]))
        return nearest(boxes, self._last)

    def _fit(self, frame: Picture, window: tuple[int, int, int, int] | None) -> np.ndarray | None:
        if window is None:
            return None
        x0, y0, x1, y1 = window
        if x0 >= x1 or y0 >= y1:  # a detector's box may lie outside the picture
            return None
        box = x0, y0, x1 - x0, y1 - y0
        scale = min(1.0, WINDOW_PIXELS / max(box[2:]))
        if scale < 1:
            # Averaging is ten times as slow at odd factors, and not needed down to half the size.
            how = cv2.INTER_LINEAR if scale > 0.5 else cv2.INTER_AREA
            crop = frame.shrunk(box, scale, how)
        else:
            crop = frame.part(*box)
        if self._fresh:  # the first fit stands on the detector's rough box, the second on the first
            self._tracker.fit(crop)
            self._fresh = False
        points = self._tracker.fit(crop)
        if points is None:
            return None
        points = points / scale
        points[:, :2] += np.array((x0, y0), np.float32) + (0.5 / scale - 0.5)
        return points if _plausible(points, frame) else None

    def _accept(self, points: np.ndarray, frame: Picture) -> np.ndarray:
        box = mesh_box(points)
        self._last, self._absent = box, 0
        x0, y0, x1, y1 = self._window or (0, 0, 0, 0)
        side = float(np.max(box[2:] - box[:2]))
        wander = np.abs((box[:2] + box[2:]) / 2 - np.array(((x0 + x1) / 2, (y0 + y1) / 2)))
        grown = not 0.7 < side * WINDOW / max(self._wanted_side, 1.0) < 1.4
        if grown or np.any(wander > WINDOW_SLACK * side + self._edge_allowance):
            self._set_window(box, frame)
        return points

    def _set_window(self, box: np.ndarray | None, frame: Picture) -> None:
        if box is None:
            return
        height, width = frame.shape[:2]
        middle, side = (box[:2] + box[2:]) / 2, float(np.max(box[2:] - box[:2])) * WINDOW
        x0, y0 = np.maximum(np.floor(middle - side / 2), 0).astype(int)
        x1, y1 = np.minimum(np.ceil(middle + side / 2), (width, height)).astype(int)
        self._window = (int(x0), int(y0), int(x1), int(y1))
        self._wanted_side = side
        # A window cut off by the picture's border is not centred on the face to begin with.
        self._edge_allowance = np.abs(middle - np.array(((x0 + x1) / 2, (y0 + y1) / 2)))
        self._tracker.forget()
        self._fresh = True


def mesh_box(points: np.ndarray) -> np.ndarray:
    """Bounding box of the face outline. (478, 3) to (4,) x0, y0, x1, y1."""
    outline = points[list(FACE_OVAL), :2]
    return np.concatenate([outline.min(0), outline.max(0)])


def _plausible(points: np.ndarray, frame: Picture) -> bool:
    inside = (points[:, :2] >= 0).all(1) & (points[:, :2] < (frame.shape[1], frame.shape[0])).all(1)
    return bool(inside.mean() > 0.6 and eye_distance(points) >= SMALLEST_EYES)


class CutDetector:
    """Says whether a frame starts a new shot, by the step between thumbnails against the recent median step."""

    def __init__(self) -> None:
        self._last: np.ndarray | None = None
        self._steps: deque[float] = deque(maxlen=15)

    def __call__(self, frame: np.ndarray | Picture) -> bool:
        """(H, W, 3) uint8 RGB to True on the first frame of a shot."""
        # Nearest samples first: averaging a whole 4K frame would cost more than the decision is worth.
        sparse = Picture.of(frame).sparse(max(1, frame.shape[0] // 108), max(1, frame.shape[1] // 192))
        thumb = cv2.resize(sparse, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        if self._last is None:
            self._last = thumb
            return True
        step = float(np.abs(thumb - self._last).mean())
        usual = float(np.median(self._steps)) if self._steps else 0.0
        self._last = thumb
        if step > CUT_LEVEL and step > CUT_RATIO * usual:
            self._steps.clear()
            return True
        self._steps.append(step)
        return False


def follow_person(frames: Iterable[Frame], follower: PersonFollower) -> Iterator[tuple[Frame, np.ndarray | None, bool]]:
    """Yield (frame, mesh or None, cut) for each frame; the meshes are not smoothed yet."""
    is_cut = CutDetector()
    for frame in frames:
        cut = is_cut(frame)
        yield frame, follower.follow(frame, cut=cut), cut


def to_track(meshes: list[np.ndarray | None], cuts: list[bool], follower: PersonFollower) -> FaceTrack:
    """Smooth the meshes within each shot and check that there is a face at all.

    Args:
        meshes: of every frame, None where absent.
        cuts: True where a shot starts.
        follower: who made them, asked why there are none.

    Raises:
        NoFaceError: no frame shows the wanted person.
    """
    if all(mesh is None for mesh in meshes):
        raise nobody(follower.person, follower.most_faces, len(meshes))
    absent = np.full((MESH_POINTS, 3), np.nan, np.float32)
    points = np.stack([absent if mesh is None else mesh for mesh in meshes]).astype(np.float32)
    starts = np.array(cuts, bool) | leaps(points)
    return FaceTrack(smooth(points, starts), starts)


def nobody(person: str, most_faces: int, frames: int) -> NoFaceError:
    """The error of footage in which the wanted person was never found.

    Args:
        person: who was asked for, see `choose`.
        most_faces: the largest number of faces one frame shows.
        frames: how many were looked at.
    """
    if 0 < most_faces < check_person(person):
        return NoFaceError(
            f"person {person} was asked for, but no frame shows more than {most_faces} "
            f"face{'s' if most_faces > 1 else ''}; choose a number up to {most_faces}, counted from the left"
        )
    return NoFaceError(
        f"no usable face ({person}) in {frames} frames; use footage where the face is in view, at least "
        f"{SMALLEST_EYES:.0f} pixels between the eyes"
    )


def leaps(points: np.ndarray) -> np.ndarray:
    """Frames on which the head is suddenly elsewhere: a cut within one scene, which hardly changes the whole picture.

    Args:
        points: (F, 478, 3) pixels, NaN where absent.

    Returns:
        (F,) bool.
    """
    return sudden(points[:, STABLE, :2], eye_distance(points))


def sudden(stable: np.ndarray, eyes: np.ndarray) -> np.ndarray:
    """Frames on which points are suddenly elsewhere, against the steps around.

    Args:
        stable: (F, N, 2) pixels, NaN where absent; points that speech leaves alone.
        eyes: (F,) distance of the outer eye corners, pixels.

    Returns:
        (F,) bool.
    """
    steps = np.zeros(len(stable))
    steps[1:] = np.linalg.norm(np.diff(stable, axis=0), axis=2).mean(1) / eyes[1:]
    steps = np.nan_to_num(steps)
    around = np.pad(steps, LEAP_REACH)
    near = np.stack([around[shift : shift + len(steps)] for shift in range(2 * LEAP_REACH + 1) if shift != LEAP_REACH])
    return (steps > LEAP_LEVEL) & (steps > LEAP_RATIO * near.max(0))
