"""The renderer alone on unseen people: the numbers of docs/benchmarks.md, section "Renderer".

    python benchmarks/renderer.py CLIPS_DIR [NAME ...] [--use test] [--sheets DIR]

Three cases, ten frames a clip each, the target always a real frame's mouth:

- near, dubbing-like: the source is the frame 4 to 10 away with the most different mouth, the cavity comes from the rest
  of the clip (the target and two frames either side left out), targets evenly over opening;
- closed: source frames and bank hold only mouths open by less than 3 % of the eye distance, the source is the one next
  to the target in time, targets evenly over those open by more than 6 %;
- photo: the frame with the most closed mouth is all there is, targets evenly over opening.

CLIPS_DIR holds videos and a MANIFEST.csv; those with `kind=real` and that `use` count.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import cv2
import numpy as np

from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.compose.blend import paste
from lipwright.evaluation.picture import MouthScores, aligned, landmark_error, mouth_scores
from lipwright.evaluation.sheet import contact_sheet, face_box
from lipwright.face.base import FaceTracker, open_tracker
from lipwright.facespace import DRIVE, STABLE, eye_distance, fit_pose, opening
from lipwright.media import open_clip
from lipwright.render.bank import MouthBank, Wanted, choose_views, ring_shape
from lipwright.render.base import Shot
from lipwright.render.warp import WarpRenderer

FRAMES = 10
NEAR, FAR = 4, 10
SHUT, WIDE = 0.03, 0.06  # openings, eye distances
LARGE = 100  # pixels between the outer eye corners: ordinary footage of a talker
NAMES = ("eyes px", "untouched", *(f.name for f in fields(MouthScores)))


@dataclass(frozen=True, slots=True)
class Task:
    """Draw one frame's mouth on another: indices into `avatar.seen`, and the entries of the bank that may be used."""

    case: str
    source: int
    target: int
    looks: np.ndarray


def view_for(bank: MouthBank, looks: np.ndarray, mouth: np.ndarray, angles: np.ndarray, blur: np.ndarray) -> int:
    """The bank entry for one target mouth among those that may be used; -1 if there are none."""
    arrays = {f.name: getattr(bank, f.name)[looks] for f in fields(bank) if f.name != "pictures"}
    some = MouthBank(**arrays, pictures=[bank.pictures[i] for i in looks])
    chosen = int(choose_views(some, Wanted(ring_shape(mouth), opening(mouth), angles, blur, np.array([True])))[0])
    return int(looks[chosen]) if chosen >= 0 else -1


def still_mesh(tracker: FaceTracker, frame: np.ndarray, near: np.ndarray) -> np.ndarray | None:
    """Mesh of a picture on its own, no memory of others."""
    x0, y0, x1, y1 = face_box(near, frame.shape[:2], 1.1)
    tracker.forget()
    mesh = tracker.fit(np.ascontiguousarray(frame[y0:y1, x0:x1]))
    return None if mesh is None else mesh + np.array((x0, y0, 0), np.float32)


def spread(order: np.ndarray) -> np.ndarray:
    """`FRAMES` of them, evenly; all of fewer."""
    return order[np.unique(np.linspace(0, len(order) - 1, FRAMES).astype(int))] if len(order) else order


def tasks(avatar: Avatar) -> list[Task]:
    """What is drawn of one clip."""
    seen, lips, openings = avatar.seen, avatar.mouths[:, :40], opening(avatar.mouths)
    order = np.argsort(openings)
    found = []
    for target in spread(order):
        near = [
            target + step
            for step in (*range(-FAR, -NEAR + 1), *range(NEAR, FAR + 1))
            if 0 <= target + step < len(seen) and seen[target + step] - seen[target] == step
        ]
        if near:
            different = [np.linalg.norm(lips[i] - lips[target], axis=1).mean() for i in near]
            rest = np.flatnonzero(np.abs(avatar.bank.frames - seen[target]) > 2)
            found.append(Task("near", near[int(np.argmax(different))], int(target), rest))
    shut, narrow = np.flatnonzero(openings < SHUT), np.flatnonzero(avatar.bank.openings < SHUT)
    if len(shut):
        wide = spread(order[openings[order] > WIDE])
        found += [Task("closed", int(shut[np.argmin(np.abs(shut - at))]), int(at), narrow) for at in wide]
    alone = np.flatnonzero(avatar.bank.frames == seen[order[0]])
    return found + [Task("photo", int(order[0]), int(target), alone) for target in spread(order[1:])]


def score_clip(path: Path, tracker: FaceTracker, sheets: Path | None) -> dict[str, list[tuple[float, ...]]]:
    """Scores of one clip by case: (eye distance in pixels, untouched landmark error, *MouthScores) per frame."""
    with open_clip(path) as clip:
        avatar = analyse(clip.frames(), tracker, name=path.name)
        wanted = tasks(avatar)
        numbers = sorted({int(avatar.seen[i]) for task in wanted for i in (task.source, task.target)})
        frames = dict(zip(numbers, clip.play(numbers), strict=True))
    meshes = {number: still_mesh(tracker, frames[number], avatar.track.points[number]) for number in numbers}
    scores: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    pictures: dict[str, list[np.ndarray]] = defaultdict(list)
    for task in wanted:
        here, there = int(avatar.seen[task.source]), int(avatar.seen[task.target])
        mesh, real = meshes[here], meshes[there]
        if mesh is None or real is None:
            continue
        goal, drawn = draw(avatar, task, (frames[here], mesh), real)
        found = still_mesh(tracker, drawn, mesh)
        score = found is not None and mouth_scores(aligned(drawn, mesh), aligned(frames[there], real), found, goal)
        if not score:
            print(f"{path.name}: the face of frame {here} drawn like {there} is not found again, or leaves the crop")
            continue
        scores[task.case].append((float(eye_distance(mesh)), landmark_error(mesh, goal), *astuple(score)))
        pictures[task.case] += [closeup(*pair) for pair in ((frames[here], mesh), (drawn, mesh), (frames[there], real))]
    if sheets is not None:
        for case, some in pictures.items():
            contact_sheet(some, sheets / f"{path.stem}_{case}.png", columns=6)
    return scores


def draw(
    avatar: Avatar, task: Task, source: tuple[np.ndarray, np.ndarray], real: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The target's drive points on the source frame, and that frame with its mouth drawn so."""
    frame, mesh = source
    pose = fit_pose(mesh[None, STABLE])
    mouth = fit_pose(real[None, STABLE]).to_face(real[None, DRIVE])
    goal = pose.to_frame(mouth)[0, :, :2]
    blur = avatar.blur[avatar.seen[task.source]]
    view = view_for(avatar.bank, task.looks, mouth, pose.angles(), blur[None])
    patch = WarpRenderer(avatar.bank).render(Shot(frame, mesh, goal, view, blur))
    return goal, paste(frame, patch.pixels, patch.mask, patch.x, patch.y)


def closeup(frame: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """The lower face as a small square."""
    x0, y0, x1, y1 = face_box(mesh[list(DRIVE)], frame.shape[:2], 0.9)
    return cv2.resize(frame[y0:y1, x0:x1], (240, 240), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--use", default="test")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets: source, drawn, real")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == options.use and row["kind"] == "real"]
    people: dict[tuple[str, str], list[tuple[float, ...]]] = defaultdict(list)
    print("clip", "case", *NAMES, sep=" | ")
    for row in rows:
        if options.names and not any(name in row["file"] for name in options.names):
            continue
        with open_tracker("facemesh") as tracker:
            scores = score_clip(options.clips / row["file"], tracker, options.sheets)
        for case, some in scores.items():
            people[case, row["person_id"]].extend(some)
            print(row["file"], case, *(f"{value:.2f}" for value in np.median(some, axis=0)), sep=" | ", flush=True)
    for case in ("near", "closed", "photo"):
        summary(case, np.array([np.median(some, axis=0) for (of, _), some in people.items() if of == case]))


def summary(case: str, medians: np.ndarray) -> None:
    """Print the medians over people of one case, (P, columns)."""
    if not len(medians):
        return
    large = medians[:, 0] >= LARGE
    for name, some in (("all", medians), (f"eyes {LARGE} px or more", medians[large]), ("smaller", medians[~large])):
        if len(some):
            print(f"{case}, {name}, median of {len(some)}", *(f"{v:.2f}" for v in np.median(some, axis=0)), sep=" | ")


if __name__ == "__main__":
    main()
