"""Clips to training data: every mouth in face space, the sound beside it.

Videos are read, followed, smoothed and heard by the code that a job uses, so that a network learns from what it will
meet. What a job keeps beside that (looks into the mouth, trust) is not made here.
"""

import csv
import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.errors import InputError, MediaError, NoFaceError
from lipwright.face.base import FaceTracker, open_tracker
from lipwright.face.smooth import runs
from lipwright.face.track import PersonFollower, follow_person, to_track
from lipwright.facespace import DRIVE, STABLE, fit_pose
from lipwright.media import open_clip, read_sound
from lipwright.progress import Progress, silent
from lipwright.structures import FaceTrack
from lipwright.training.clips import SOUND_RATE, TalkingClip, load, save

log = logging.getLogger(__name__)
MANIFEST = "MANIFEST.csv"
VIDEOS = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv"})
SHORTEST = 25  # frames of an unbroken view that are worth learning from
AFTER = 0.5  # seconds of sound kept beyond the last frame: the network looks ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Video:
    """A video to learn from, or to measure on.

    Args:
        path: the file.
        sound: where the speech is; the same file as a rule.
        name: of its clips.
        person: who speaks.
        use: "train" or "test".
        listed: whoever collected it found sound and picture in sync.
    """

    path: Path
    sound: Path
    name: str
    person: str
    use: str
    listed: bool


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The manifest of a folder.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with (folder / MANIFEST).open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise InputError(f"{folder / MANIFEST} cannot be read as a CSV table in UTF-8: {exc}") from exc


def motion_clips(folder: Path) -> Iterator[TalkingClip]:
    """The landmark sets of a folder: pose removed, sound cut out.

    Raises:
        InputError: the folder's manifest cannot be read, or a file is missing.
        MediaError: a sound cannot be read.
    """
    rows = rows_of(folder)
    for origin in sorted({row["set"] for row in rows}):
        sound = read_sound(folder / f"{origin}_sound.ogg", SOUND_RATE).samples
        path = folder / f"{origin}_landmarks.npz"
        if not path.is_file():
            raise InputError(f"{path} is missing; a landmark set is SET_landmarks.npz, SET_sound.ogg and {MANIFEST}")
        with np.load(path) as stored:
            points, index = stored["points"], stored["mesh_index"].tolist()
        stable, drive = ([index.index(i) for i in wanted] for wanted in (STABLE, DRIVE))
        for row in rows:
            if row["set"] != origin:
                continue
            begin, at = int(row["frame_start"]), int(row["sample_start"])
            mesh = points[begin : begin + int(row["frames"])].astype(np.float32)
            yield TalkingClip(
                name=row["clip"],
                person=row["speaker_group"],
                origin=origin,
                use=row["use"],
                fps=Fraction(row["fps"]).limit_denominator(1001),
                drive=fit_pose(mesh[:, stable]).to_face(mesh[:, drive]),
                samples=sound[at : at + int(row["samples"])],
                confirmed=True,
                listed=True,
            )


def videos_of(folder: Path) -> list[Video]:
    """The talking videos of a folder.

    A `MANIFEST.csv` tells of each `file`: `kind` (real or silent), `has_audio` (yes, pair, no), `pair_audio`,
    `person_id`, `use`, `sync_ok`. Without one every video is of a person of its own, and to learn from.

    Raises:
        InputError: no such folder, no manifest that can be read, or no video in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; name one that holds videos of talking people")
    if (folder / MANIFEST).exists():
        rows = [row for row in rows_of(folder) if row.get("kind", "real") == "real"]
        videos = [_listed(folder, row) for row in rows if row.get("has_audio", "yes") in ("yes", "pair")]
    else:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEOS)
        videos = [Video(path=p, sound=p, name=p.stem, person=p.stem, use="train", listed=False) for p in files]
    if not videos:
        raise InputError(f"{folder} holds no talking video; put MP4, MOV, MKV or WebM files there")
    return videos


def _listed(folder: Path, row: dict[str, str]) -> Video:
    path = folder / row["file"]
    return Video(
        path=path,
        sound=folder / row["pair_audio"] if row.get("has_audio") == "pair" else path,
        name=path.stem,
        person=row.get("person_id") or path.stem,
        use=row.get("use") or "train",
        listed=row.get("sync_ok") in ("yes", "weak"),
    )


def track(path: Path, tracker: FaceTracker) -> tuple[FaceTrack, Fraction]:
    """One person's face through a video as a job sees it, and the frames per second.

    Raises:
        MediaError: the file cannot be read.
        NoFaceError: nobody is to be seen.
    """
    meshes, cuts, follower = [], [], PersonFollower(tracker, "largest")
    tracker.forget()
    with open_clip(path) as clip:
        for _, mesh, cut in follow_person(clip.frames(), follower):
            meshes.append(mesh)
            cuts.append(cut)
        return to_track(meshes, cuts, follower), clip.facts.fps


def video_clips(video: Video, tracker: FaceTracker) -> list[TalkingClip]:
    """Every unbroken view of the face in a video, with its sound; none where too little can be used, which is logged.

    A network cannot tell a jump of the picture from speech, so a clip ends at a cut and where the face is lost.
    """
    try:
        seen, fps = track(video.path, tracker)
        sound = read_sound(video.sound, SOUND_RATE).samples
    except (MediaError, NoFaceError) as exc:
        log.warning("%s is left out: %s", video.path.name, exc)
        return []
    views = [view for view in runs(seen.present, seen.cuts) if view.stop - view.start >= SHORTEST]
    if not views:
        log.warning("%s is left out: no second of it shows one face without a break", video.path.name)
    whole = TalkingClip(
        name=video.name,
        person=video.person,
        origin="wild",
        use=video.use,
        fps=fps,
        drive=np.zeros((0, len(DRIVE), 3), np.float32),
        samples=sound,
        listed=video.listed,
    )
    return [_view(whole, seen, view, number) for number, view in enumerate(views)]


def _view(whole: TalkingClip, seen: FaceTrack, view: slice, number: int) -> TalkingClip:
    points = seen.points[view]
    begin, end = (round(frame / float(whole.fps) * SOUND_RATE) for frame in (view.start, view.stop))
    return replace(
        whole,
        name=f"{whole.name}.{number + 1}" if number else whole.name,
        drive=fit_pose(points[:, STABLE]).to_face(points[:, DRIVE]),
        samples=whole.samples[begin : end + round(AFTER * SOUND_RATE)],
    )


def prepare(
    output: Path,
    *,
    clips: tuple[Path, ...] = (),
    motion: tuple[Path, ...] = (),
    progress: Progress = silent,
) -> list[TalkingClip]:
    """Prepare folders and write them as one file. Videos done before are taken from `output`.cache.

    Args:
        output: npz, see `lipwright.training.clips`.
        clips: folders of videos, see `videos_of`.
        motion: folders of landmark sets, see `motion_clips`.
        progress: told after every video.

    Raises:
        InputError: a folder cannot be used, two clips share a name, or none is left.
        BackendError: the face tracker is not installed.
        OutputError: the file cannot be written.
    """
    videos = [video for folder in clips for video in videos_of(folder)]
    found = [clip for folder in motion for clip in motion_clips(folder)]
    cache = output.with_name(output.name + ".cache")
    if videos:
        with open_tracker("facemesh") as tracker:
            for done, video in enumerate(videos, start=1):
                found += _cached(cache, video, tracker)
                progress("prepare", done, len(videos))
    names = [clip.name for clip in found]
    twice = sorted({name for name in names if names.count(name) > 1})[:3] if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"several clips are called {', '.join(twice)}; rename the files so that each name is unique")
    if not found:
        raise InputError(
            "no clip can be used: give videos in which one face is in view and speaks for a second or more"
        )
    save(output, found)
    return found


def _cached(folder: Path, video: Video, tracker: FaceTracker) -> list[TalkingClip]:
    """`video_clips`, kept by what is known of the files: tracking hours of video should not be done twice."""
    facts = [(str(p.resolve()), *_state(p)) for p in (video.path, video.sound)]
    path = folder / (hashlib.sha256(repr((facts, video)).encode()).hexdigest()[:24] + ".npz")
    if not path.exists():
        save(path, video_clips(video, tracker))
    return load(path)  # also when just made: the file rounds, and a later run shall see the same numbers


def _state(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0
    return stat.st_size, stat.st_mtime_ns
