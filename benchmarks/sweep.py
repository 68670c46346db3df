"""Every real clip through the whole chain, self-driven and with another clip's sound.

    python benchmarks/sweep.py CLIPS_DIR OUT_DIR [--seconds 6] [--workers 2] [NAME ...]

Writes OUT_DIR/sweep.csv (one row a job), a contact sheet per job, and prints the summary of docs/benchmarks.md, section
"Sweep". The finished files are tracked again: what is measured is what a viewer gets. Interrupted sweeps go on where
they stopped.
"""

import argparse
import csv
import os
import tempfile
import wave
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import lipwright
from lipwright.audio.activity import energy_db
from lipwright.avatar.analyse import analyse
from lipwright.avatar.avatar import Avatar
from lipwright.evaluation.curves import activity, amplitude, changes, lag_of, pooled_r
from lipwright.evaluation.sheet import contact_sheet, face_box, spread
from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE, STABLE, fit_pose, opening
from lipwright.media import open_clip, read_sound
from lipwright.pipeline.job import load_avatar

FIELDS = ("clip", "person", "use", "drive", "sound", "sync_ok", "eyes", "frames", "no_face", "lost", "r", "lag",
          "amplitude", "still", "still_n", "moving", "moving_n", "jitter", "error")  # fmt: skip


def openings(points: np.ndarray) -> np.ndarray:
    """Opening of every frame, NaN where there is no face. (F, 478, 3) pixels to (F,)."""
    curve = np.full(len(points), np.nan)
    seen = ~np.isnan(points[:, 0, 0])
    if seen.any():
        meshes = points[seen]
        curve[seen] = opening(fit_pose(meshes[:, STABLE]).to_face(meshes[:, DRIVE]))
    return curve


def jitter(points: np.ndarray) -> float:
    """Mean absolute second difference of the stable points, % of eye distance."""
    stable = points[:, STABLE, :2]
    eyes = np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1)
    return float(np.nanmean(np.abs(np.diff(stable, 2, axis=0)).mean((1, 2)) / eyes[1:-1]) * 100)


def short_sound(source: Path, seconds: float, folder: Path) -> Path:
    """The first seconds of a sound as a WAV file."""
    sound = read_sound(source, 16000)
    path = folder / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        samples = sound.samples[: int(seconds * 16000)]
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def measure(job: dict[str, Any], avatar: Avatar, output: Path, sound: Path, fps: Fraction) -> dict[str, Any]:
    """Track the finished file again and compare."""
    with open_clip(output) as clip, open_tracker("facemesh") as tracker:
        points = analyse(clip.frames(), tracker, name=output.name).track.points
        wanted = spread(clip.facts.frames, 12)
        pictures = [closeup(frame, points[i]) for i, frame in zip(wanted, clip.play(wanted), strict=True)]
    contact_sheet(pictures, job["sheet"], columns=6)
    made, real = openings(points), openings(avatar.track.points)
    energy = energy_db(read_sound(sound, 16000).samples)
    times = np.arange(len(made)) / float(fps)
    if job["drive"] == "self":
        count = min(len(made), len(real))
        both = ~np.isnan(made[:count] + real[:count])
        pair = made[:count][both], real[:count][both]
    else:
        both = ~np.isnan(made)
        at = np.clip((times * 100).astype(int), 0, len(energy) - 1)
        pair = made[both], np.clip(energy[at] - energy.max(), -40, 0)[both]
    present = ~np.isnan(made)
    still, moving = changes(made[present], *(part[present] for part in activity(energy, times)), float(fps))
    spoken = np.nanstd(made) / max(float(np.nanstd(real)), 1e-6)
    return {
        "frames": len(made),
        "no_face": int((~avatar.track.present).sum()),
        "lost": int(np.isnan(made).sum()),
        "eyes": round(float(np.nanmedian(np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1))), 1),
        "r": round(pooled_r([pair]), 3),
        "lag": lag_of([pair]),
        "amplitude": round(amplitude([pair]) if job["drive"] == "self" else float(spoken), 3),
        "still": round(float(still.sum()), 4),
        "still_n": len(still),
        "moving": round(float(moving.sum()), 4),
        "moving_n": len(moving),
        "jitter": round(jitter(points) / max(jitter(avatar.track.points[: len(points)]), 1e-6), 2),
    }


def closeup(frame: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """The face, or the whole frame where there is none, 240 px square."""
    if not np.isnan(mesh[0, 0]):
        x0, y0, x1, y1 = face_box(mesh, frame.shape[:2], 0.7)
        frame = frame[y0:y1, x0:x1]
    return cv2.resize(frame, (240, 240), interpolation=cv2.INTER_AREA)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """One job to one row."""
    cv2.setNumThreads(1)
    row = {name: job.get(name, "") for name in FIELDS}
    try:
        with tempfile.TemporaryDirectory() as folder:
            sound, output = short_sound(job["sound_path"], job["seconds"], Path(folder)), Path(folder) / "out.mp4"
            report = lipwright.dub(job["path"], sound, output)
            with open_clip(job["path"]) as clip:
                avatar, _, _ = load_avatar(clip, lipwright.DubOptions())
            row |= measure(job, avatar, output, sound, report.fps)
    except Exception as exc:  # noqa: BLE001 - the sweep's very question is what fails
        row["error"] = f"{type(exc).__name__}: {exc}"
    return row


def jobs(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Two jobs a clip."""
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "real" and row["has_audio"] != "no"]
    for number, row in enumerate(rows):
        if options.names and not any(name in row["file"] for name in options.names):
            continue
        for drive, other in (("self", row), ("cross", rows[(number + 7) % len(rows)])):
            yield {
                "clip": row["file"],
                "person": row["person_id"],
                "use": row["use"],
                "drive": drive,
                "sound": other["file"],
                "sync_ok": row["sync_ok"],
                "path": options.clips / row["file"],
                "sound_path": options.clips / (other["pair_audio"] or other["file"]),
                "seconds": options.seconds,
                "sheet": options.out / f"{Path(row['file']).stem}.{drive}.png",
            }


def summary(rows: list[dict[str, str]]) -> None:
    """Medians over jobs that ran; motion in silence pooled over their frames."""
    for drive in ("self", "cross"):
        for use in ("test", "train"):
            mine = [row for row in rows if row["drive"] == drive and row["use"] == use]
            ran = [row for row in mine if not row["error"]]
            people = len({row["person"] for row in ran})
            print(f"{drive}-driven, {use}: {len(ran)} of {len(mine)} jobs, {people} people", end="")
            for name in ("r", "lag", "amplitude", "jitter"):
                values = [float(row[name]) for row in ran if row[name] not in ("", "nan")]
                print(f" | {name} {np.median(values):.2f} ({len(values)})" if values else "", end="")
            still, frames, moving, more = (
                sum(float(row[name]) for row in ran) for name in ("still", "still_n", "moving", "moving_n")
            )
            if frames:
                print(f" | motion in silence {still / frames / (moving / more):.2f} ({frames:.0f} frames)", end="")
            print()
            for row in mine:
                if row["error"]:
                    print("  error:", row["clip"], row["error"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each sound")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("LIPWRIGHT_CACHE", str(options.out / "cache"))
    table = options.out / "sweep.csv"
    done = list(csv.DictReader(table.open(encoding="utf-8"))) if table.exists() else []
    finished = {(row["clip"], row["drive"]) for row in done}
    wanted = [job for job in jobs(options) if (job["clip"], job["drive"]) not in finished]
    with table.open("a", newline="", encoding="utf-8") as file, ProcessPoolExecutor(options.workers) as pool:
        writer = csv.DictWriter(file, FIELDS)
        if not done:
            writer.writeheader()
        for row in pool.map(run, wanted):
            writer.writerow(row)
            file.flush()
            print(*(row[name] for name in FIELDS), sep=" | ", flush=True)
    summary(list(csv.DictReader(table.open(encoding="utf-8"))))


if __name__ == "__main__":
    main()
