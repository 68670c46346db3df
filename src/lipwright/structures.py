"""Values that cross the borders between stages. Each checks itself at birth."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.errors import MediaError, ShapeError
from lipwright.facespace import DRIVE, MESH_POINTS


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What is known of a video or photo before any pixel is decoded.

    `width` and `height` are those of the upright picture; `frames` counts frames at the constant rate `fps`, each
    shown at index / fps. A photo has one frame.
    """

    path: Path
    width: int
    height: int
    fps: Fraction
    frames: int
    has_sound: bool
    is_photo: bool

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return self.frames / self.fps


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono sound. samples: (n,) float32 in -1..1; rate: samples per second."""

    samples: np.ndarray
    rate: int

    def __post_init__(self) -> None:
        if self.samples.ndim != 1 or self.samples.dtype != np.float32:
            raise ShapeError("Sound.samples", expected="(n,) float32", got=self.samples.shape)
        if not np.isfinite(self.samples).all():
            raise MediaError("the sound holds values that are not numbers; write it again as ordinary PCM")

    @property
    def duration(self) -> Fraction:
        """Seconds, exact."""
        return Fraction(len(self.samples), self.rate)


@dataclass(frozen=True, slots=True)
class FaceTrack:
    """One person's face mesh through a clip.

    Args:
        points: (F, 478, 3) float32, pixels of the upright frame (z: pixels, away from the camera); NaN where absent.
        cuts: (F,) bool, True on the first frame after a cut (frame 0 included).
    """

    points: np.ndarray
    cuts: np.ndarray

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[1:] != (MESH_POINTS, 3):
            raise ShapeError("FaceTrack.points", expected=f"(F, {MESH_POINTS}, 3)", got=self.points.shape)
        if self.cuts.shape != self.points.shape[:1]:
            raise ShapeError("FaceTrack.cuts", expected=f"({len(self.points)},)", got=self.cuts.shape)

    @property
    def present(self) -> np.ndarray:
        """(F,) bool: frames that show the face."""
        return ~np.isnan(self.points[:, 0, 0])

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class LandmarkTrack:
    """One person's 68 landmarks through a clip, NaN where the face is absent or turned away.

    Args:
        points: (F, 68, 2) float32, pixels of the upright frame: the usual 68 (jaw, brows, nose, eyes, lips).
        anchors: (F, 5, 2) float32, pixels: image-left eye, image-right eye, tip of the nose, image-left and image-right
            corner of the mouth, as the face detector sees them.
        angles: (F, 3) float32, yaw, pitch and roll of the head, degrees.
        cuts: (F,) bool, True on the first frame after a cut (frame 0 included).
    """

    points: np.ndarray
    anchors: np.ndarray
    angles: np.ndarray
    cuts: np.ndarray

    def __post_init__(self) -> None:
        frames = len(self.points)
        for name, part, inner in (
            ("points", self.points, (68, 2)),
            ("anchors", self.anchors, (5, 2)),
            ("angles", self.angles, (3,)),
        ):
            if part.shape[1:] != inner or len(part) != frames or part.dtype != np.float32:
                wanted = ", ".join(str(size) for size in (frames, *inner))
                raise ShapeError(
                    f"LandmarkTrack.{name}", expected=f"({wanted}) float32", got=f"{part.shape} {part.dtype}"
                )
            if (np.isnan(part).reshape(frames, -1) == self.present[:, None]).any():
                raise ShapeError(
                    f"LandmarkTrack.{name}", expected="all or no values of a frame, as in points", got="some NaN"
                )
        if self.cuts.shape != (frames,):
            raise ShapeError("LandmarkTrack.cuts", expected=f"({frames},)", got=self.cuts.shape)

    @property
    def present(self) -> np.ndarray:
        """(F,) bool: frames that show the face."""
        return ~np.isnan(self.points[:, 0, 0])

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, slots=True)
class MouthDrive:
    """What the native engine's motion hands to its staging: one entry per output frame.

    Args:
        offsets: (F, 68, 3) float32, displacement of the `DRIVE` points from the person's closed, relaxed mouth, in
            face space (1 = distance of the outer eye corners).
    """

    offsets: np.ndarray

    def __post_init__(self) -> None:
        if self.offsets.ndim != 3 or self.offsets.shape[1:] != (len(DRIVE), 3):
            raise ShapeError("MouthDrive.offsets", expected=f"(F, {len(DRIVE)}, 3)", got=self.offsets.shape)

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, frames: range) -> "MouthDrive":
        """The entries of consecutive output frames."""
        return MouthDrive(self.offsets[frames.start : frames.stop])


@dataclass(frozen=True, slots=True)
class SpeechFeatures:
    """What the native engine's motion hears: one row every 1 / rate seconds, row i centred at i / rate.

    Args:
        mel: (n, 80) float32, log-mel bands after running normalisation, unitless.
        energy: (n,) float32, loudness of 40 ms against the running speech level, in units of 10 dB (0 = as loud).
        gate: (n,) float32, 0 where the lips rest, 1 where they speak.
        rate: rows per second.
    """

    mel: np.ndarray
    energy: np.ndarray
    gate: np.ndarray
    rate: int = 100

    def __post_init__(self) -> None:
        if self.mel.ndim != 2 or self.mel.shape[1] != 80:
            raise ShapeError("SpeechFeatures.mel", expected="(n, 80)", got=self.mel.shape)
        for name, part in (("energy", self.energy), ("gate", self.gate)):
            if part.shape != self.mel.shape[:1]:
                raise ShapeError(f"SpeechFeatures.{name}", expected=f"({len(self.mel)},)", got=part.shape)

    def __len__(self) -> int:
        return len(self.mel)
