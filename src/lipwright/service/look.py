"""Who is in footage: the faces of one real frame, numbered as a job counts them."""

import time
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipwright.face.base import FaceTracker, open_tracker
from lipwright.face.facemesh import overlap
from lipwright.face.track import RETRY_EVERY, CutDetector, PersonFollower, mesh_box
from lipwright.media import Clip, open_clip, prefetch
from lipwright.pipeline.analysis import AHEAD

LOOKS, LOOKS_S = 8, 8.0  # frames spread over the footage; no more are looked at once it took so many seconds
REACH = 125  # frames of 1080p that people are followed over at most, to the one that is shown; fewer of larger ones
MOST = 12  # people that are told apart
SAME_FACE = 0.5  # overlap of the boxes of two numbers that stand for one face
SIDE = 960  # pixels: longer side of the picture
QUALITY = 85


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    Args:
        person: what a job that shall dub it is told, see `lipwright.face.track.choose`.
        box: x, y, width and height, pixels of the picture.
    """

    person: str
    box: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Faces:
    """A frame and the faces on it.

    Args:
        picture: the frame as a JPEG, its longer side at most 960 pixels.
        width, height: of the picture.
        faces: from left to right.
    """

    picture: bytes
    width: int
    height: int
    faces: tuple[Face, ...]


def faces(path: Path, tracker: str = "facemesh") -> Faces:
    """The first of some frames spread over the footage that shows the most faces.

    A job numbers people on the first frame of a shot that it finds enough of them on, and follows them from there. So
    they are followed here, too: a number stands at the face a job would dub. (The HeyGem engine finds faces with
    another network and may count one more or less.)

    Args:
        path: a video or photo.
        tracker: row of `lipwright.face.base.TRACKERS`.

    Raises:
        MediaError: it cannot be read.
        BackendError: the tracker cannot start.
    """
    with open_clip(path) as clip, open_tracker(tracker) as opened:
        at, count = _most_faces(clip, opened)
        shot = _shot_around(clip, at) if count > 1 else range(at, at + 1)
        boxes: dict[str, np.ndarray] = {}
        for person in map(str, range(1, min(count, MOST) + 1)):
            box = _followed(clip, opened, person, shot)
            if box is not None and all(overlap(box, other) < SAME_FACE for other in boxes.values()):
                boxes[person] = box
        frame = next(iter(clip.play(shot[-1:])))
    return _drawn(frame, boxes)


def faces_told(path: Path) -> dict[str, Any]:
    """The same as plain values for JSON, the picture as a data URL."""
    seen = faces(path)
    picture = f"data:image/jpeg;base64,{b64encode(seen.picture).decode()}"
    return asdict(seen) | {"picture": picture}


def _most_faces(clip: Clip, tracker: FaceTracker) -> tuple[int, int]:
    """The frame to show, and how many faces a job finds on it."""
    places = np.unique(np.linspace(0, clip.facts.frames - 1, LOOKS).astype(int)).tolist()
    counts, end = [], time.monotonic() + LOOKS_S
    for frame in _played(clip, places):
        look = PersonFollower(tracker, "1")
        look.follow(frame, cut=True)
        counts.append(look.most_faces)
        if time.monotonic() > end:
            break
    best = int(np.argmax(counts))
    return places[best], counts[best]


def _shot_around(clip: Clip, at: int) -> range:
    """Frames of the shot that a frame belongs to, up to one by which a job has searched for everybody on it."""
    facts = clip.facts
    reach = min(REACH, REACH * 1920 * 1080 // (facts.width * facts.height))
    start, is_cut = max(0, at - reach), CutDetector()
    stop = min(at + RETRY_EVERY, facts.frames)
    for number, frame in enumerate(_played(clip, range(start, stop)), start):
        if is_cut(frame):
            if number > at:
                return range(start, number)
            start = number
    return range(start, stop)


def _followed(clip: Clip, tracker: FaceTracker, person: str, frames: range) -> np.ndarray | None:
    """Where somebody followed over these frames is on the last of them; None where they are not seen there."""
    follower, mesh = PersonFollower(tracker, person), None
    for number, frame in enumerate(_played(clip, frames)):
        mesh = follower.follow(frame, cut=number == 0)
    return None if mesh is None else mesh_box(mesh)


def _played(clip: Clip, frames: Iterable[int]) -> Iterator[np.ndarray]:
    with closing(prefetch(clip.play(frames), AHEAD)) as played:
        yield from played


def _drawn(frame: np.ndarray, boxes: dict[str, np.ndarray]) -> Faces:
    """The frame at the size of a page, and the boxes on it."""
    height, width = frame.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
    found = []
    for person, box in sorted(boxes.items(), key=lambda item: item[1][0]):
        x0, y0, x1, y1 = (box * scale).clip(0, (*size, *size)).round().astype(int).tolist()
        found.append(Face(person, (x0, y0, x1 - x0, y1 - y0)))
    coded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return Faces(coded.tobytes(), *size, tuple(found))
