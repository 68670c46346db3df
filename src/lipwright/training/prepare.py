"""Clips to training data: every mouth in face space, the sound beside it.

    python -m lipwright.training.prepare --motion DIR --clips DIR --output FILE.npz

`--motion` holds landmark sets (`*_landmarks.npz`, `*_sound.ogg`, `MANIFEST.csv`); `--clips` holds
videos with a `MANIFEST.csv`. Neither is part of the project. Videos are tracked with MediaPipe's
face mesh (refined, tracking mode); variable frame rates become constant by presentation time.
"""

import argparse
import csv
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipwright.facespace import DRIVE, STABLE, fit_pose
from lipwright.training.clips import SOUND_RATE, TalkingClip, save

log = logging.getLogger(__name__)
MOST_PIXELS = 720  # longer sides are halved until they fit: tracking needs no more


def rows_of(folder: Path) -> list[dict[str, str]]:
    """The manifest of a folder."""
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_sound(path: Path) -> tuple[np.ndarray, float]:
    """Mono sound at 16 kHz and the time of its first sample. ((n,) float32, seconds)."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
    parts, start = [], 0.0
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            if not parts and frame.time is not None:
                start = frame.time
            parts += [part.to_ndarray()[0] for part in resampler.resample(frame)]
    parts += [part.to_ndarray()[0] for part in resampler.resample(None)]
    return np.concatenate(parts).astype(np.float32), start


def motion_clips(folder: Path) -> Iterator[TalkingClip]:
    """The landmark sets: pose removed, sound cut out."""
    rows = rows_of(folder)
    for origin in sorted({row["set"] for row in rows}):
        sound, _ = read_sound(folder / f"{origin}_sound.ogg")
        with np.load(folder / f"{origin}_landmarks.npz") as stored:
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


def track(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Face mesh of every frame that shows a face: ((F, 478, 3) float32 pixels, (F,) seconds)."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    points, times = [], []
    with FaceMesh(refine_landmarks=True) as mesh, av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            shrink = 1
            while max(frame.width, frame.height) // shrink > MOST_PIXELS:
                shrink *= 2
            wide, high = frame.width // shrink, frame.height // shrink
            picture = frame.reformat(width=wide, height=high, format="rgb24").to_ndarray()
            found = mesh.process(picture).multi_face_landmarks  # pyright: ignore[reportAttributeAccessIssue]
            if found and frame.time is not None:
                points.append([(p.x * wide, p.y * high, p.z * wide) for p in found[0].landmark])
                times.append(frame.time)
    return np.array(points, np.float32), np.array(times)


def at_constant_rate(values: np.ndarray, times: np.ndarray, fps: Fraction) -> np.ndarray:
    """Values (F, N, 3) seen at `times`, linearly interpolated to i / fps from the first on."""
    count = int((times[-1] - times[0]) * fps) + 1
    wanted = times[0] + np.arange(count) / float(fps)
    flat = values.reshape(len(values), -1)
    columns = [np.interp(wanted, times, column) for column in flat.T]
    return np.stack(columns, 1).reshape(count, *values.shape[1:]).astype(np.float32)


def wild_clip(folder: Path, row: dict[str, str]) -> TalkingClip | None:
    """One video, tracked; None where too little of it shows a face."""
    points, times = track(folder / row["file"])
    if len(times) < 25 or np.diff(times).max() > 0.5:
        log.warning("%s: too few frames show a face", row["file"])
        return None
    sound_file = row["pair_audio"] if row["has_audio"] == "pair" else row["file"]
    samples, sound_start = read_sound(folder / sound_file)
    lead = round((times[0] - sound_start) * SOUND_RATE)  # sound before the first frame
    samples = samples[lead:] if lead >= 0 else np.pad(samples, (-lead, 0))
    fps = Fraction(row["fps"]).limit_denominator(1001)
    drive = fit_pose(points[:, STABLE]).to_face(points[:, DRIVE])
    return TalkingClip(
        name=Path(row["file"]).stem,
        person=row["person_id"],
        origin="wild",
        use=row["use"],
        fps=fps,
        drive=at_constant_rate(drive, times, fps),
        samples=samples,
        listed=row["sync_ok"] in ("yes", "weak"),
    )


def wild_clips(folder: Path) -> Iterator[TalkingClip]:
    """Every talking video with sound."""
    for row in rows_of(folder):
        if row["kind"] == "real" and row["has_audio"] in ("yes", "pair"):
            clip = wild_clip(folder, row)
            if clip:
                log.info("%s: %d frames", clip.name, len(clip.drive))
                yield clip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--motion", type=Path, required=True)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    save(options.output, [*motion_clips(options.motion), *wild_clips(options.clips)])


if __name__ == "__main__":
    main()
