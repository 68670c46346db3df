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
