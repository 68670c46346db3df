"""The face chain on real clips: the numbers of docs/benchmarks.md, section "Faces".

    python benchmarks/faces.py CLIPS_DIR MODELS_DIR OUT_DIR [NAME ...]

Three exports of SCRFD are laid beside each other and beside MediaPipe's mesh, and so is a public 98-point network in
the place of PFPLD. Errors and jitter are in distances of the eyes' middles. OUT_DIR gets a contact sheet per clip:
boxes and five points as found, landmarks and square as smoothed.
"""

import argparse
import csv
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from lipwright.evaluation.sheet import contact_sheet
from lipwright.face.base import FaceTracker, open_tracker
from lipwright.face.chain import Chain, LandmarkFollower, as_seen, follow_landmarks, smooth_track
from lipwright.face.pfpld import Pfpld
from lipwright.face.rectangle import squares, wh
from lipwright.face.scrfd import Detections, Scrfd
from lipwright.face.track import PersonFollower
from lipwright.media import open_clip
from lipwright.models.catalog import ModelCard
from lipwright.runtime import PictureModel
from lipwright.structures import LandmarkTrack

FRAMES, EVERY = 60, 10  # looked at per clip; of these every tenth by all detectors
EXPORTS = {"640": "scrfd_500m_bnkps", "free": "libfd_scrfd_500m_bnkps", "320": "scrfd_500m_bnkps_shape320x320"}
EYES = ((33, 133), (362, 263))  # mesh points whose mean is the middle of an eye
NOSE, CORNERS = 4, (61, 291)
MESH_OF_68 = {36: 33, 39: 133, 42: 362, 45: 263, 48: 61, 54: 291, 51: 0, 57: 17, 62: 13, 66: 14, 8: 152, 27: 168}
SHOWN = 6


class Rescaled:
    """A landmark network that wants -1..1 and gives points alone, in the place of PFPLD."""

    def __init__(self, model: PictureModel) -> None:
        self._model, self.size = model, model.size

    def __call__(self, pictures: np.ndarray) -> list[np.ndarray]:
        """See `PictureModel`."""
        return [np.zeros((len(pictures), 3), np.float32), *self._model(pictures * 2 - 1)]


class Front:
    """No head-pose network is at hand: every head faces the camera."""

    def angles(self, frame: np.ndarray, points: np.ndarray) -> np.ndarray:  # noqa: ARG002 - as `HeadPose` has them
        """See `HeadPose`."""
        return np.zeros(3, np.float32)


def open_picture(path: Path, side: int) -> PictureModel:
    """A file that is in no model store."""
    return PictureModel(path, ModelCard(name=path.stem, file=path.name, licence="", origin="", takes=(3, side, side)))


def five(mesh: np.ndarray) -> np.ndarray:
    """The five points of a mesh. (478, 3) to (5, 2)."""
    eyes = [mesh[list(eye), :2].mean(0) for eye in EYES]
    return np.stack([*eyes, mesh[NOSE, :2], *mesh[list(CORNERS), :2]])


def nearest(faces: Detections, point: np.ndarray) -> int | None:
    """The face whose nose is nearest to a point, None without one within an eye distance."""
    if not len(faces):
        return None
    away = np.linalg.norm(faces.points[:, 2] - point, axis=1)
    best = int(np.argmin(away))
    eyes = np.linalg.norm(faces.points[best, 0] - faces.points[best, 1])
    return best if away[best] < eyes else None


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Of two boxes."""
    both = np.prod(np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0))
    return float(both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both))


def compare(frame: np.ndarray, mesh: np.ndarray, detectors: dict[str, Scrfd], rows: dict[str, list]) -> None:
    """One frame by every export, RGB, and by the first in BGR."""
    truth = five(mesh)
    eyes = float(np.linalg.norm(truth[0] - truth[1]))
    first = None
    for name, detector in [*detectors.items(), ("640 BGR", detectors["640"])]:
        faces = detector.detect(np.ascontiguousarray(frame[..., ::-1]) if "BGR" in name else frame)
        best = nearest(faces, truth[2])
        row = {"faces": len(faces), "missed": float(best is None)}
        if best is not None:
            apart = np.linalg.norm(faces.points[best] - truth, axis=1) / eyes
            row |= {"eyes": apart[:2].mean(), "nose": apart[2], "mouth": apart[3:].mean(), "score": faces.scores[best]}
            row["all five"] = apart.mean()
            first = (faces.boxes[best], faces.points[best]) if name == "640" else first
            if first is not None:
                row["iou with 640"] = iou(faces.boxes[best], first[0])
                row["points from 640"] = np.linalg.norm(faces.points[best] - first[1], axis=1).mean() / eyes
        rows.setdefault(name, []).append(row)


def jitter(values: np.ndarray, eyes: float) -> float:
    """Mean length of the second difference over time. (F, N, 2) pixels to eye distances."""
    steps = np.linalg.norm(np.diff(values, n=2, axis=0), axis=2)
    return float(steps.mean() / eyes) if steps.size else 0.0


def raw_squares(track: LandmarkTrack, shape: float) -> np.ndarray:
    """The original's squares: each frame alone, whole pixels. (F, 3)."""
    low, high = track.points.min(1), track.points.max(1)
    size = (high[:, 0] - low[:, 0]) / shape
    corner = np.stack([(low[:, 0] + high[:, 0]) / 2 - 0.75 * size, low[:, 1] - 0.15 * size], axis=1)
    return np.column_stack([np.floor(corner), np.floor(corner + 1.5 * size[:, None])[:, 0] - np.floor(corner[:, 0])])


def draw(frame: np.ndarray, faces: Detections, track: LandmarkTrack, square: np.ndarray, number: int) -> np.ndarray:
    """A close-up with everything found."""
    picture, thick = frame.copy(), max(1, frame.shape[0] // 400)
    for box, points in zip(faces.boxes, faces.points, strict=True):
        x0, y0, x1, y1 = box.round().astype(int).tolist()
        cv2.rectangle(picture, (x0, y0), (x1, y1), (255, 255, 0), thick)
        for x, y in points.round().astype(int).tolist():
            cv2.circle(picture, (x, y), 2 * thick, (255, 0, 0), -1)
    if np.isnan(square).any():
        return cv2.resize(picture, (360, 360))
    for x, y in track.points[number].round().astype(int).tolist():
        cv2.circle(picture, (x, y), thick, (0, 255, 0), -1)
    x, y, side = square.round().astype(int).tolist()
    cv2.rectangle(picture, (x, y), (x + side, y + side), (0, 200, 255), thick)
    middle, half = np.array((x + side / 2, y + side / 2)), 0.8 * side
    x0, y0 = np.maximum(middle - half, 0).astype(int)
    x1, y1 = (middle + half).astype(int)
    return cv2.resize(picture[y0:y1, x0:x1], (360, 360), interpolation=cv2.INTER_AREA)


def measure(raw: LandmarkTrack, meshes: list[np.ndarray | None]) -> dict[str, float]:
    """Landmarks beside meshes, and the squares, before and after smoothing."""
    both = [number for number, mesh in enumerate(meshes) if mesh is not None and raw.present[number]]
    row: dict[str, float] = {"meshes": sum(mesh is not None for mesh in meshes), "both": len(both)}
    if not both:
        return row
    truth = np.stack([mesh for number, mesh in enumerate(meshes) if number in both and mesh is not None])
    middles = np.stack([five(mesh) for mesh in truth])
    eyes = float(np.median(np.linalg.norm(middles[:, 0] - middles[:, 1], axis=1)))
    track = smooth_track(raw)
    for name, one in (("raw", raw), ("smooth", track)):
        points = one.points[both]
        apart = np.linalg.norm(points[:, list(MESH_OF_68)] - truth[:, list(MESH_OF_68.values()), :2], axis=2)
        row |= {f"error {name}": apart.mean() / eyes, f"jitter {name}": jitter(points, eyes)}
    row["jitter mesh"] = jitter(truth[..., :2], eyes)
    before, after = raw_squares(raw, wh(raw)), squares(track, wh(track))
    row |= {
        "square jitter raw": jitter(corners(before[both]), eyes),
        "square jitter": jitter(corners(after[both]), eyes),
    }
    away = np.linalg.norm(corners(after[both]) - corners(before[both]), axis=2) / eyes
    return row | {"square moved": away.mean(), "at most": away.max(), "wh": wh(track)}


def corners(boxes: np.ndarray) -> np.ndarray:
    """Top left and bottom right of squares. (F, 3) to (F, 2, 2)."""
    return np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def sheet(frames: list[np.ndarray], raw: LandmarkTrack, detector: Scrfd, path: Path) -> None:
    """Frames spread over the clip with everything drawn."""
    track = smooth_track(raw)
    places = squares(track, wh(track))
    numbers = np.linspace(0, len(frames) - 1, SHOWN).round().astype(int).tolist()
    pictures = [draw(frames[n], detector.detect(frames[n]), track, places[n], n) for n in numbers]
    contact_sheet(pictures, path, columns=SHOWN)


def look(
    path: Path, tracker: FaceTracker, detectors: dict[str, Scrfd], chain: Chain, rows: dict[str, list], out: Path
) -> None:
    """One clip."""
    with open_clip(path) as clip:
        frames = list(islice(clip.frames(), FRAMES))
    tracker.forget()
    person = PersonFollower(tracker, "largest")
    meshes = [person.follow(frame, cut=number == 0) for number, frame in enumerate(frames)]
    for number in range(0, len(frames), EVERY):
        mesh = meshes[number]
        if mesh is not None:
            compare(frames[number], mesh, detectors, rows)
    followed = list(follow_landmarks(frames, LandmarkFollower(chain, "largest")))
    raw = as_seen([look for _, look, _ in followed], [cut for *_, cut in followed])
    row = measure(raw, meshes)
    rows.setdefault("landmarks", []).append(row)
    print(path.name, *(f"{key} {value:.3g}" for key, value in row.items()), sep=" | ", flush=True)
    if raw.present.any():
        sheet(frames, raw, detectors["640"], out / f"{path.stem}.png")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    detectors = {name: Scrfd(open_picture(options.models / f"{file}.onnx", 640)) for name, file in EXPORTS.items()}
    points = Pfpld(Rescaled(open_picture(options.models / "PFLD_GhostOne_112_98.onnx", 112)))
    chain = Chain(detectors["640"], points, Front())
    with (options.clips / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        files = [row["file"] for row in csv.DictReader(file)]
    rows: dict[str, list[dict[str, float]]] = {}
    with open_tracker("facemesh") as tracker:
        for name in files:
            if not options.names or any(part in name for part in options.names):
                look(options.clips / name, tracker, detectors, chain, rows, options.out)
    for name, group in rows.items():
        keys = list(dict.fromkeys(key for row in group for key in row))
        means = {key: float(np.mean([row[key] for row in group if key in row])) for key in keys}
        print(name, f"{len(group)} rows", *(f"{key} {value:.4g}" for key, value in means.items()), sep=" | ")


if __name__ == "__main__":
    main()
