"""The renderer alone on unseen people, dubbing-like: the numbers of docs/benchmarks.md, section "Renderer".

    python benchmarks/renderer.py CLIPS_DIR [--sheets DIR] [NAME ...]

The source is the frame 4 to 10 away with the most different mouth, the cavity comes from the rest of the clip (the
target and two frames either side left out), the target is the real frame. CLIPS_DIR holds videos and a MANIFEST.csv;
those with `use=test`, `kind=real` count, ten frames each, evenly over opening.
"""

import argparse
import csv
from dataclasses import astuple, fields
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
LARGE = 100  # pixels between the outer eye corners: ordinary footage of a talker


def without(bank: MouthBank, frame: int) -> np.ndarray:
    """Entries of the bank that are not within two frames of `frame`."""
    return np.flatnonzero(np.abs(bank.frames - frame) > 2)


def view_for(bank: MouthBank, frame: int, mouth: np.ndarray, angles: np.ndarray, blur: np.ndarray) -> int:
    """The bank entry for one target mouth, the target's own surroundings left out."""
    keep = without(bank, frame)
    arrays = {f.name: getattr(bank, f.name)[keep] for f in fields(bank) if f.name != "pictures"}
    rest = MouthBank(**arrays, pictures=[bank.pictures[i] for i in keep])
    chosen = int(choose_views(rest, Wanted(ring_shape(mouth), opening(mouth), angles, blur, np.array([True])))[0])
    return int(keep[chosen]) if chosen >= 0 else -1


def still_mesh(tracker: FaceTracker, frame: np.ndarray, near: np.ndarray) -> np.ndarray | None:
    """Mesh of a picture on its own, no memory of others."""
    x0, y0, x1, y1 = face_box(near, frame.shape[:2], 1.1)
    tracker.forget()
    mesh = tracker.fit(np.ascontiguousarray(frame[y0:y1, x0:x1]))
    return None if mesh is None else mesh + np.array((x0, y0, 0), np.float32)


def pairs(avatar: Avatar) -> list[tuple[int, int]]:
    """(source, target) indices into `avatar.seen`."""
    seen, lips = avatar.seen, avatar.mouths[:, :40]
    order = np.argsort(opening(avatar.mouths))
    found = []
    for target in order[np.linspace(0, len(order) - 1, FRAMES).astype(int)]:
        near = [
            target + step
            for step in (*range(-FAR, -NEAR + 1), *range(NEAR, FAR + 1))
            if 0 <= target + step < len(seen) and seen[target + step] - seen[target] == step
        ]
        if near:
            different = [np.linalg.norm(lips[i] - lips[target], axis=1).mean() for i in near]
            found.append((near[int(np.argmax(different))], int(target)))
    return found


def score_clip(path: Path, tracker: FaceTracker, sheet: Path | None) -> list[tuple[float, ...]]:
    """Scores of one clip: (eye distance in pixels, untouched landmark error, *MouthScores) per frame."""
    with open_clip(path) as clip:
        avatar = analyse(clip.frames(), tracker, name=path.name)
        chosen = pairs(avatar)
        wanted = sorted({int(avatar.seen[i]) for pair in chosen for i in pair})
        frames = dict(zip(wanted, clip.play(wanted), strict=True))
    renderer = WarpRenderer(avatar.bank)
    scores, pictures = [], []
    for source, target in chosen:
        here, there = int(avatar.seen[source]), int(avatar.seen[target])
        mesh, real = (still_mesh(tracker, frames[i], avatar.track.points[i]) for i in (here, there))
        if mesh is None or real is None:
            continue
        pose = fit_pose(mesh[None, STABLE])
        mouth = fit_pose(real[None, STABLE]).to_face(real[None, DRIVE])
        goal = pose.to_frame(mouth)[0, :, :2]
        view = view_for(avatar.bank, there, mouth, pose.angles(), avatar.blur[[here]])
        patch = renderer.render(Shot(frames[here], mesh, goal, view, avatar.blur[here]))
        drawn = paste(frames[here], patch.pixels, patch.mask, patch.x, patch.y)
        found = still_mesh(tracker, drawn, mesh)
        if found is None:
            print(f"{path.name}: the drawn face of frame {here} is not found again")
            continue
        score = mouth_scores(aligned(drawn, mesh), aligned(frames[there], real), found, goal)
        if score is None:
            print(f"{path.name}: the mouth of frame {there} lies outside the crop")
            continue
        scores.append((float(eye_distance(mesh)), landmark_error(mesh, goal), *astuple(score)))
        pictures += [_closeup(*pair) for pair in ((frames[here], mesh), (drawn, mesh), (frames[there], real))]
    if sheet is not None and pictures:
        contact_sheet(pictures, sheet, columns=6)
    return scores


def _closeup(frame: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = face_box(mesh[list(DRIVE)], frame.shape[:2], 0.9)
    return cv2.resize(frame[y0:y1, x0:x1], (240, 240), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--sheets", type=Path, help="folder for contact sheets: source, drawn, real")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == "test" and row["kind"] == "real"]
    people: dict[str, list[tuple[float, ...]]] = {}
    names = ("eyes px", "untouched", *(f.name for f in fields(MouthScores)))
    print("clip", *names, sep=" | ")
    for row in rows:
        if options.names and not any(name in row["file"] for name in options.names):
            continue
        sheet = options.sheets / f"{Path(row['file']).stem}.png" if options.sheets else None
        with open_tracker("facemesh") as tracker:
            scores = score_clip(options.clips / row["file"], tracker, sheet)
        people.setdefault(row["person_id"], []).extend(scores)
        print(row["file"], *(f"{value:.2f}" for value in np.median(scores, axis=0)), sep=" | ", flush=True)
    medians = np.array([np.median(scores, axis=0) for scores in people.values()])
    large = medians[:, 0] >= LARGE
    for name, some in (("all", medians), (f"eyes {LARGE} px or more", medians[large]), ("smaller", medians[~large])):
        if len(some):
            print(f"{name}, median of {len(some)} people", *(f"{v:.2f}" for v in np.median(some, axis=0)), sep=" | ")


if __name__ == "__main__":
    main()
