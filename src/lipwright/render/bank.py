"""The mouth bank: what the inside of this person's mouth looks like, taken from their own footage.

Built once per avatar; the choice which entry serves which output frame is made in the plan, along the whole clip.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lipwright.facespace import DRIVE, INNER_RING, OUTER_RING, opening

SMALLEST_OPENING = 0.015  # eye distances; under it a frame shows no cavity worth keeping
LARGEST_CROP = 384  # pixels of the mouth's width kept; a larger one is scaled down
TONE_POINTS = (205, 425, 200, 199, 182, 406, 202, 422, 165, 391)
"""Skin around the mouth, where a frame's colour and light are read."""

INNER_IN_DRIVE = tuple(DRIVE.index(point) for point in INNER_RING)
RING = (len(INNER_RING), 2)  # shape of what `ring_shape` makes of one mouth


@dataclass(frozen=True, slots=True)
class MouthView:
    """One look into the mouth, in the pixels of its own crop.

    Args:
        pixels: (H, W, 4) uint8 RGB and the soft inside of the lips (255 inside).
        mesh: (478, 2) float32, the frame's mesh in crop pixels.
        tone: (3,) float32 mean skin colour around the mouth, RGB 0..255.
        opening: eye distances.
        blur: (2,) float32 along x and y, eye distances.
    """

    pixels: np.ndarray
    mesh: np.ndarray
    tone: np.ndarray
    opening: float
    blur: np.ndarray


@dataclass(frozen=True, slots=True)
class MouthBank:
    """Mouth crops of B frames and what is needed to choose among them.

    Args:
        frames: (B,) int32 source frame of each entry, increasing.
        shapes: (B, 20, 2) float32 inner lip ring in face space, its own mean removed.
        openings: (B,) float32, eye distances.
        angles: (B, 3) float32 yaw, pitch, roll, radians.
        meshes: (B, 478, 2) float32, mesh in crop pixels.
        tones: (B, 3) float32 RGB.
        blurs: (B, 2) float32 standard deviation of the blur along x and y, eye distances.
        pictures: B JPEG images.
    """

    frames: np.ndarray
    shapes: np.ndarray
    openings: np.ndarray
    angles: np.ndarray
    meshes: np.ndarray
    tones: np.ndarray
    blurs: np.ndarray
    pictures: list[bytes] = field(repr=False)

    def __len__(self) -> int:
        return len(self.frames)

    def view(self, entry: int) -> MouthView:
        """Decode one entry."""
        picture = cv2.imdecode(np.frombuffer(self.pictures[entry], np.uint8), cv2.IMREAD_COLOR)
        inside = _inside(self.meshes[entry], picture.shape[:2])
        pixels = np.dstack([cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), inside])
        return MouthView(pixels, self.meshes[entry], self.tones[entry], float(self.openings[entry]), self.blurs[entry])


def _inside(mesh: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Soft mask of the area between the lips, (H, W) uint8; its edge keeps off the lips' own pixels."""
    mask = np.zeros(size, np.uint8)
    ring = mesh[list(INNER_RING)]
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
    soft = max(0.6, 0.012 * float(np.linalg.norm(mesh[33] - mesh[263])))
    blurred = cv2.GaussianBlur(mask, (0, 0), soft)
    return cv2.addWeighted(blurred, 1.6, blurred, 0, -0.6 * 255 * 0.5)


def cut_mouth(frame: np.ndarray, mesh: np.ndarray) -> tuple[bytes, np.ndarray]:
    """The mouth of one frame as JPEG, and where its crop lies.

    Args:
        frame: (H, W, 3) uint8 RGB.
        mesh: (478, 2 or 3) float32 frame pixels.

    Returns:
        The picture, and (3,) float32 x0, y0, scale: crop = (frame - (x0, y0)) * scale.
    """
    lips = mesh[list(OUTER_RING), :2]
    low, high = lips.min(0), lips.max(0)
    margin = 0.12 * (high - low).max()
    x0, y0 = np.maximum(np.floor(low - margin), 0).astype(int)
    x1, y1 = np.minimum(np.ceil(high + margin) + 1, frame.shape[1::-1]).astype(int)
    crop = frame[y0 : max(y1, y0 + 2), x0 : max(x1, x0 + 2)]
    scale = min(1.0, LARGEST_CROP / max(crop.shape[:2]))
    if scale < 1:
        crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 95, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    picture = cv2.imencode(".jpg", cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2BGR), quality)[1]
    return picture.tobytes(), np.array((x0, y0, scale), np.float32)


def skin_tone(frame: np.ndarray, mesh: np.ndarray) -> np.ndarray:
    """Mean colour of small patches around the mouth. (H, W, 3) uint8 RGB, (478, 2+) to (3,) float32."""
    reach = max(1, int(0.02 * np.linalg.norm(mesh[33, :2] - mesh[263, :2])))
    height, width = frame.shape[:2]
    places = mesh[list(TONE_POINTS), :2].astype(int)
    if (places >= reach).all() and (places < (width - reach, height - reach)).all():
        near = np.arange(-reach, reach + 1)
        seen = frame[places[:, 1, None, None] + near[:, None], places[:, 0, None, None] + near]
        return seen.reshape(-1, 3).mean(0).astype(np.float32)
    colours = []
    for x, y in places:
        patch = frame[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        if 0 <= x < width and 0 <= y < height and patch.size:
            colours.append(patch.reshape(-1, 3).mean(0))
    return np.mean(colours, axis=0).astype(np.float32) if colours else np.full(3, 128, np.float32)


def build_bank(  # noqa: PLR0913 - one array for each thing a choice looks at
    frames: np.ndarray,
    meshes: np.ndarray,
    face: np.ndarray,
    angles: np.ndarray,
    cuts: list[tuple],
    tones: np.ndarray,
    blurs: np.ndarray,
) -> MouthBank:
    """Put the bank together once the meshes are smoothed.

    Args:
        frames: (K,) source frame numbers of the crops.
        meshes: (K, 478, 3) smoothed meshes of those frames, frame pixels.
        face: (K, 68, 3) their drive points in face space.
        angles: (K, 3) radians.
        cuts: K results of `cut_mouth`.
        tones: (K, 3).
        blurs: (K, 2) eye distances.

    Returns:
        The entries whose mouth is open.
    """
    openings = opening(face)
    keep = np.flatnonzero(openings >= SMALLEST_OPENING)
    places = np.array([cut[1] for cut in cuts], np.float32).reshape(-1, 3)[keep]
    # A scaled picture's pixel centres sit half a pixel of the new size in.
    scale = places[:, None, 2:]
    return MouthBank(
        frames=frames[keep].astype(np.int32),
        shapes=ring_shape(face[keep]),
        openings=openings[keep].astype(np.float32),
        angles=angles[keep].astype(np.float32),
        meshes=((meshes[keep, :, :2] - places[:, None, :2] + 0.5) * scale - 0.5).astype(np.float32),
        tones=tones[keep].astype(np.float32),
        blurs=blurs[keep].astype(np.float32),
        pictures=[cuts[i][0] for i in keep],
    )


def ring_shape(face: np.ndarray) -> np.ndarray:
    """Inner lip ring of drive points, centred. (F, 68, 3) face space to (F, 20, 2) float32."""
    ring = face[:, INNER_IN_DRIVE, :2]
    return (ring - ring.mean(1, keepdims=True)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Mouths that want a look inside, in the order they are shown.

    Args:
        rings: (F, 20, 2) float32 their inner lips, see `ring_shape`.
        openings: (F,) float32 eye distances.
        angles: (F, 3) float32 head pose of the frames they are drawn on, radians.
        blurs: (F, 2) float32 blur of these frames, eye distances.
        starts: (F,) bool; no step cost into these frames (cuts).
    """

    rings: np.ndarray
    openings: np.ndarray
    angles: np.ndarray
    blurs: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.rings)


def choose_views(bank: MouthBank, wanted: Wanted, after: int = -1) -> np.ndarray:
    """Which bank entry fills which output frame's mouth: the cheapest path along time (Viterbi 1967).

    Cost of an entry: mean distance of the inner lip rings + 0.3 × difference in opening (twice when the entry is the
    less open one) + a little for another head pose + by how much it is more blurred than the frame. Cost of a step
    between consecutive output frames: 0.001 per source frame of jump, capped at 0.02. All in eye distances.

    Args:
        bank: B entries.
        wanted: F mouths.
        after: the entry shown before the first of them, -1 for none.

    Returns:
        (F,) int32 entries, -1 everywhere for an empty bank.
    """
    if not len(bank) or not len(wanted):
        return np.full(len(wanted), -1, np.int32)
    back = np.empty((len(wanted), len(bank)), np.int16)
    total, jumps = np.zeros(len(bank), np.float32), _jumps(bank.frames)
    if after >= 0:
        total[np.arange(len(bank)) != after] = np.inf
    for t, cost in enumerate(_costs(bank, wanted)):
        if not wanted.starts[t] and (t or after >= 0):
            total, back[t] = _step(total, jumps)
        else:
            back[t] = int(np.argmin(total))
            total = np.full_like(total, total.min())
        total = total + cost
        total -= total.min()
    path = np.empty(len(wanted), np.int32)
    path[-1] = int(np.argmin(total))
    for t in range(len(wanted) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path


def _costs(bank: MouthBank, wanted: Wanted) -> Iterator[np.ndarray]:
    """What each entry costs in each frame, jumps left out. F times (B,) float32, eye distances."""
    view_blurs, blurs = bank.blurs.max(1), wanted.blurs.max(1)
    across, down = np.ascontiguousarray(np.moveaxis(bank.shapes, 2, 0))
    for t in range(len(wanted)):
        lack = wanted.openings[t] - bank.openings
        x, y = wanted.rings[t, :, 0] - across, wanted.rings[t, :, 1] - down
        cost = np.sqrt(x * x + y * y).mean(1)
        cost += np.where(lack > 0, 0.6 * lack, -0.3 * lack) + 0.05 * np.abs(wanted.angles[t] - bank.angles).sum(1)
        yield cost + np.maximum(view_blurs - blurs[t], 0)


JUMP_COST, JUMP_CAP = 0.001, 0.02
NEAR = round(JUMP_CAP / JUMP_COST)  # entries away: further ones are as far in source frames, and cost the cap


def _jumps(frames: np.ndarray) -> np.ndarray:
    """What a step to each entry costs from those up to `NEAR` before and after it. (2 NEAR + 1, B) float32."""
    beside = sliding_window_view(np.pad(frames, NEAR), len(frames))
    return np.minimum(JUMP_COST * np.abs(beside - frames), JUMP_CAP).astype(np.float32)


def _step(total: np.ndarray, jumps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cheapest predecessor of every entry: a neighbour within reach of the cap, or the best of all at the cap."""
    best = int(np.argmin(total))
    cost = np.full_like(total, total[best] + JUMP_CAP)
    came = np.full(len(total), best, np.int32)
    offers = sliding_window_view(np.pad(total, NEAR, constant_values=np.inf), len(total)) + jumps
    nearest = offers.argmin(0)
    offer = np.take_along_axis(offers, nearest[None], 0)[0]
    better = offer < cost
    cost[better] = offer[better]
    came[better] = np.flatnonzero(better) + nearest[better] - NEAR
    return cost, came
