"""Do lips close over an open mouth: the numbers of docs/benchmarks.md, section "Renderer", closing.

    python benchmarks/closing.py CLIPS_DIR [NAME ...] [--use test] [--sheet FILE]

The four most open frames of every real clip are given this person's own closed mouth and looked at again by the face
tracker, each picture on its own. CLIPS_DIR holds videos and a MANIFEST.csv.
"""

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from renderer import closeup, still_mesh

from lipwright.avatar.analyse import analyse
from lipwright.compose.blend import paste
from lipwright.evaluation.sheet import contact_sheet
from lipwright.face.base import FaceTracker, open_tracker
from lipwright.facespace import LIP_BOTTOM, LIP_TOP, eye_distance, opening
from lipwright.media import open_clip
from lipwright.motion.style import speaker_style
from lipwright.render.base import Shot
from lipwright.render.warp import WarpRenderer

OPEN_FRAMES = 4
CLOSED = 1.5  # % of the eye distance: what counts as a closure


def close(path: Path, tracker: FaceTracker) -> tuple[list[float], list[np.ndarray]]:
    """Openings found after closing, % of eye distance, infinite where no face is found; pictures before and after."""
    with open_clip(path) as clip:
        avatar = analyse(clip.frames(), tracker, name=path.name)
        widest = np.argsort(opening(avatar.mouths))[-OPEN_FRAMES:]
        numbers = np.sort(avatar.seen[widest])
        frames = list(clip.play(numbers.tolist()))
    renderer = WarpRenderer(avatar.bank)
    neutral = np.repeat(speaker_style(avatar.telling).neutral[None], len(numbers), axis=0)
    openings, pictures = [], []
    for number, frame, target in zip(numbers, frames, avatar.place(neutral, numbers), strict=True):
        mesh = avatar.track.points[number]
        patch = renderer.render(Shot(frame, mesh, target, -1, avatar.blur[number]))
        drawn = paste(frame, patch.pixels, patch.mask, patch.x, patch.y)
        found = still_mesh(tracker, drawn, mesh)
        pictures += [closeup(frame, mesh), closeup(drawn, mesh)]
        if found is None:
            openings.append(np.inf)
            continue
        gap = np.linalg.norm(found[LIP_TOP, :2] - found[LIP_BOTTOM, :2])
        openings.append(100 * float(gap / eye_distance(found)))
    return openings, pictures


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--use", default="test")
    parser.add_argument("--sheet", type=Path, help="contact sheet: open, closed")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == options.use and row["kind"] == "real"]
    people: dict[str, list[float]] = defaultdict(list)
    pictures: list[np.ndarray] = []
    for row in rows:
        if options.names and not any(name in row["file"] for name in options.names):
            continue
        with open_tracker("facemesh") as tracker:
            openings, some = close(options.clips / row["file"], tracker)
        people[row["person_id"]] += openings
        pictures += some
        print(row["file"], *(f"{value:.2f}" for value in openings), sep=" | ", flush=True)
    every = np.concatenate(list(people.values()))
    closed = np.mean([np.median(some) <= CLOSED for some in people.values()])
    print(f"{len(every)} frames: median {np.median(every):.2f} %, closed {np.mean(every <= CLOSED):.2f}")
    print(f"{len(people)} people: median closed in {closed:.2f} of them")
    if options.sheet:
        contact_sheet(pictures, options.sheet, columns=2 * OPEN_FRAMES)


if __name__ == "__main__":
    main()
