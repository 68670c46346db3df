"""Makes `facespace.npz`: the template of the stable points, the triangles of the mesh, a face with its mouth open.

    python -m lipwright.training.template MOTION_DIR CLIPS_DIR

MOTION_DIR holds landmark sets `*_landmarks.npz` (`points` (N, 92, 3), `mesh_index` (92,)), CLIPS_DIR videos with a
`MANIFEST.csv`, of which those marked `train` are tracked. No part of a
training: what it writes is a constant of the package.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np

from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE, EYE_CORNERS, INNER_RING, STABLE, fit_pose, opening
from lipwright.training.prepare import track, videos_of

OPEN = (0.15, 0.30)  # eye distances between the inner lips of a mouth that counts as wide open
MOST_TURNED = 0.26  # radians of yaw or pitch


def procrustes_mean(points: np.ndarray, rounds: int = 6) -> np.ndarray:
    """Generalised Procrustes mean (Gower 1975) of (N, P, 3) point sets, centred. Returns (P, 3) float64."""
    mean = points[0].astype(np.float64)
    mean -= mean.mean(0)
    centred = points - points.mean(1, keepdims=True)
    for _ in range(rounds):
        u, s, vt = np.linalg.svd(np.einsum("ni,fnj->fij", mean, centred))
        sign = np.ones_like(s)
        sign[:, 2] = np.sign(np.linalg.det(u @ vt))
        scale = (s * sign).sum(1) / np.square(centred).sum((1, 2))
        aligned = scale[:, None, None] * np.einsum("fij,fnj->fni", (u * sign[:, None]) @ vt, centred)
        mean = aligned.mean(0)
    return mean - mean.mean(0)


def read_template(folder: Path) -> np.ndarray:
    """Mean stable points over every tenth frame of the sets, upright, facing the camera, eye distance 1. (16, 3)."""
    sets = []
    for path in sorted(folder.glob("*_landmarks.npz")):
        with np.load(path) as stored:
            index = stored["mesh_index"].tolist()
            sets.append(stored["points"][::10].astype(np.float32)[:, [index.index(i) for i in STABLE]])
    mean = procrustes_mean(np.concatenate(sets))
    return _facing_camera(mean / np.linalg.norm(np.subtract(*(mean[STABLE.index(i)] for i in EYE_CORNERS))))


def _facing_camera(points: np.ndarray) -> np.ndarray:
    """Turn so that the eye corners lie along x and the line from bridge to forehead along -y."""
    at = {index: points[i] for i, index in enumerate(STABLE)}
    x = at[263] - at[33]
    x /= np.linalg.norm(x)
    up = at[9] - (at[195] + at[6]) / 2
    down = -(up - x * (up @ x))
    down /= np.linalg.norm(down)
    rotation = np.stack([x, down, np.cross(x, down)])
    return points @ rotation.T


def mesh_triangles() -> np.ndarray:
    """Faces of MediaPipe's tesselation, from its edge list, and a strip that closes the mouth. (T, 3) int32."""
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    edges = {frozenset(edge) for edge in FACEMESH_TESSELATION if edge[0] != edge[1]}
    neighbours: dict[int, set[int]] = {}
    for a, b in (tuple(edge) for edge in edges):
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    faces = {
        tuple(sorted((a, b, c)))
        for a, around in neighbours.items()
        for b, c in combinations(around, 2)
        if frozenset((b, c)) in edges
    }
    return np.array(sorted(_without_covers(faces)) + mouth_strip(), np.int32)


def _without_covers(faces: set[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Drop the three-edge rings that merely surround three real faces: each of their edges has a third face."""
    shared = Counter(edge for face in faces for edge in combinations(face, 2))
    return {face for face in faces if any(shared[edge] < 3 for edge in combinations(face, 2))}


def mouth_strip() -> list[tuple[int, int, int]]:
    """Triangles between the lower and the upper inner lip, corner to corner."""
    lower, upper = INNER_RING[:11], (INNER_RING[0], *reversed(INNER_RING[11:]), INNER_RING[10])
    strip = [(lower[0], lower[1], upper[1])]
    for i in range(1, 9):
        strip += [(lower[i], lower[i + 1], upper[i]), (upper[i], lower[i + 1], upper[i + 1])]
    return [*strip, (lower[9], lower[10], upper[9])]


def open_face(meshes: Iterable[np.ndarray]) -> np.ndarray:
    """Mean mesh of wide open mouths seen from the front, left and right averaged in position only. (478, 3).

    Args:
        meshes: one (F, 478, 3) array of pixels per clip.
    """
    clips = []
    for points in meshes:
        pose = fit_pose(points[:, STABLE])
        face = pose.to_face(points)
        gap = opening(face[:, DRIVE])
        frontal = np.abs(pose.angles()[:, :2]).max(1) < MOST_TURNED
        wide = frontal & (gap > OPEN[0]) & (gap < OPEN[1])
        if wide.sum() >= 3:
            clips.append(face[wide].mean(0))
    return np.mean(clips, axis=0)


def main(motion: Path, clips: Path) -> None:
    """Write the file into the package."""
    with open_tracker("facemesh") as tracker:
        tracks = [track(video.path, tracker)[0] for video in videos_of(clips) if video.use == "train"]
    np.savez_compressed(
        Path(__file__).parent.parent / "facespace.npz",
        template=read_template(motion).astype(np.float32),
        triangles=mesh_triangles(),
        open_face=open_face(seen.points[seen.present] for seen in tracks).astype(np.float32),
    )


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
