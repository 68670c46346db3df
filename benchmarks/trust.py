"""How frames are trusted, on every clip of a folder: the numbers of docs/benchmarks.md, section "Hard people".

    python benchmarks/trust.py CLIPS_DIR OUT_DIR [NAME ...]

For each clip its first frames are analysed as they are, and again with a piece of the person's own cheek laid before
the mouth for a while. Where trust falls by itself, OUT_DIR gets a contact sheet: the frames of least trust, drawn as if
every frame were sharp and trusted in full, and drawn as they are.
"""

import argparse
import csv
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.avatar.trust import GOOD
from lipwright.compose.blend import paste
from lipwright.evaluation.record import close_up
from lipwright.evaluation.sheet import contact_sheet
from lipwright.example import speech
from lipwright.face.base import FaceTracker, open_tracker
from lipwright.facespace import eye_distance
from lipwright.media import open_clip
from lipwright.pipeline.engines import ENGINES
from lipwright.pipeline.hearing import read_speech
from lipwright.pipeline.plan import plan_frames
from lipwright.pipeline.staging import LEAST_TRUST, MouthStaging
from lipwright.runtime import Models

FRAMES = 120
COVERED, RAMP = range(60, 84), 8  # frames in which the cheek lies before the mouth; frames on its way there and back
SHOWN = 6
FPS = Fraction(25)  # of the drive; the frames' own rate does not matter here


def covered(frame: np.ndarray, mesh: np.ndarray, share: float) -> np.ndarray:
    """The frame with an oval of cheek before the mouth; `share` 0 is below the chin, 1 on the mouth."""
    eyes = float(eye_distance(mesh))
    side = max(3, int(0.3 * eyes))
    x, y = (mesh[50, :2] - side / 2).astype(int).clip(0)
    cheek = frame[y : y + side, x : x + side]
    if not cheek.size or share <= 0:
        return frame
    hand = cv2.resize(cheek, (int(0.9 * eyes), int(1.1 * eyes)), interpolation=cv2.INTER_CUBIC)
    oval = cv2.ellipse(
        np.zeros(hand.shape[:2], np.uint8), (hand.shape[1] // 2, hand.shape[0] // 2),
        (hand.shape[1] // 2 - 1, hand.shape[0] // 2 - 1), 0, 0, 360, (255,), -1,
    )  # fmt: skip
    mouth = mesh[[13, 14], :2].mean(0)
    mouth[1] += 1.5 * (1 - share) * eyes
    move = np.array([[1, 0, mouth[0] - hand.shape[1] / 2], [0, 1, mouth[1] - hand.shape[0] / 2]])
    size = frame.shape[1::-1]
    mask = cv2.warpAffine(oval, move, size).astype(np.float32) / 255
    return cv2.blendLinear(cv2.warpAffine(hand, move, size), frame, mask, 1 - mask)


def cover(frames: list[np.ndarray], avatar: Avatar) -> list[np.ndarray]:
    """The clip with the cheek coming up before the mouth and going again."""
    out = list(frames)
    for number in range(COVERED.start - RAMP, min(COVERED.stop + RAMP, len(frames))):
        mesh = avatar.track.points[number]
        share = min(number - (COVERED.start - RAMP), COVERED.stop + RAMP - number) / RAMP
        if not np.isnan(mesh[0, 0]):
            out[number] = covered(frames[number], mesh, min(1.0, share))
    return out


def sheet(frames: list[np.ndarray], avatar: Avatar, path: Path) -> None:
    """Frames of least trust, spread over those relaxed: source, drawn without trust and blur, drawn with."""
    low = np.flatnonzero(avatar.track.present & (avatar.trust < GOOD))
    low = low if len(low) else avatar.seen[[int(np.argmin(avatar.trust[avatar.seen]))]]
    plan = plan_frames("bounce", len(frames), len(frames) / FPS, FPS)
    heard = read_speech(speech, ENGINES["native"], Models())
    drive = heard.motion.drive(heard.code, FPS, len(plan))
    plain = replace(avatar.bank, blurs=np.zeros_like(avatar.bank.blurs))
    blind = replace(avatar, trust=avatar.track.present.astype(np.float32), blur=np.zeros_like(avatar.blur), bank=plain)
    people = (blind, avatar) if avatar.trust.max() >= LEAST_TRUST else (blind,)  # else the job is refused
    stages = [MouthStaging(person, drive, plan, "warp") for person in people]
    rows: list[list[np.ndarray]] = [[] for _ in range(1 + len(stages))]
    for number in low[np.linspace(0, len(low) - 1, SHOWN).round().astype(int)].tolist():
        shown = [frames[number]]
        for stage in stages:
            patch = stage.draw(frames[number], number, under=False)
            if patch is None:
                shown.append(frames[number])
            else:
                shown.append(paste(frames[number], patch.pixels, patch.mask, patch.x, patch.y))
        for row, picture in zip(rows, shown, strict=True):
            row.append(close_up(picture, avatar.track.points[number]))
    contact_sheet([picture for row in rows for picture in row], path, columns=SHOWN)


def look(path: Path, tracker: FaceTracker, out: Path) -> dict[str, float]:
    """One clip to one row."""
    with open_clip(path) as clip:
        frames = list(islice(clip.frames(), FRAMES))
    avatar = analyse(frames, tracker, name=path.name)
    seen = avatar.seen
    row = {
        "eyes": float(np.median(eye_distance(avatar.track.points[seen]))),
        "yaw": float(np.degrees(np.percentile(np.abs(avatar.angles(seen)[:, 0]), 95))),
        "blur": float(100 * np.median(avatar.blur[seen].max(1))),
        "relaxed": float((avatar.trust[seen] < 1).mean()),
        "left": float((avatar.trust[seen] < GOOD).mean()),
    }
    if row["relaxed"]:
        sheet(frames, avatar, out / f"{path.stem}.png")
    if len(frames) >= COVERED.stop + 3 * RAMP:
        hidden = analyse(cover(frames, avatar), tracker, name=path.name)
        before = COVERED.start - 2 * RAMP
        row["covered"] = float(hidden.trust[COVERED].mean())
        row["lost before"] = float((avatar.trust[:before] - hidden.trust[:before]).max())
    return row


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        files = [row["file"] for row in csv.DictReader(file)]
    rows = []
    with open_tracker("facemesh") as tracker:
        for name in files:
            if not options.names or any(part in name for part in options.names):
                tracker.forget()
                row = look(options.clips / name, tracker, options.out)
                rows.append(row)
                print(name, *(f"{key} {value:.3g}" for key, value in row.items()), sep=" | ", flush=True)
    hidden = np.array([row["covered"] for row in rows if "covered" in row])
    print(f"{len(rows)} clips; relaxed somewhere: {sum(row['relaxed'] > 0 for row in rows)}, "
          f"half of it or more: {sum(row['left'] > 0.5 for row in rows)}; frames relaxed, mean over clips "
          f"{np.mean([row['relaxed'] for row in rows]):.3f}")  # fmt: skip
    print(f"cheek before the mouth, {len(hidden)} clips: mean trust {hidden.mean():.2f}; under 0.25 in "
          f"{(hidden < 0.25).sum()}, under {GOOD} in {(hidden < GOOD).sum()}")  # fmt: skip


if __name__ == "__main__":
    main()
