"""Talking clips as the motion model sees them: a mouth in face space and the sound beside it."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipwright.errors import InputError
from lipwright.facespace import DRIVE
from lipwright.training.files import write_whole

SOUND_RATE = 16_000
LOUDEST = 32_767  # of 16-bit samples; the same in both directions, so that writing again changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class TalkingClip:
    """One clip of one person.

    Args:
        name: unique name of the clip.
        person: who speaks; train and validation never share one.
        origin: the set it comes from: "arabic_news", "grid" or "wild".
        use: "train" or "test".
        fps: frames per second, constant.
        drive: (F, 68, 3) float32, the drive points in face space; frame i is at i / fps.
        samples: (n,) float32, sound at 16 kHz that starts with frame 0.
        late: seconds that the sound comes after the picture, estimated; 0 until it was.
        confirmed: sound and picture belong together.
        listed: whoever collected the clip found it in sync too.
    """

    name: str
    person: str
    origin: str
    use: str
    fps: Fraction
    drive: np.ndarray
    samples: np.ndarray
    late: float = 0.0
    confirmed: bool = False
    listed: bool = False


def save(path: Path, clips: Iterable[TalkingClip]) -> None:
    """Write the clips as one npz: points and sound end to end, and a JSON table of who lies where.

    Raises:
        OutputError: the file cannot be written.
    """
    rows, drives, sounds = [], [np.zeros((0, len(DRIVE), 3), np.float16)], [np.zeros(0, np.int16)]
    for clip in clips:
        rows.append(
            {
                "name": clip.name,
                "person": clip.person,
                "origin": clip.origin,
                "use": clip.use,
                "fps": str(clip.fps),
                "frames": len(clip.drive),
                "samples": len(clip.samples),
                "late": clip.late,
                "confirmed": clip.confirmed,
                "listed": clip.listed,
            }
        )
        drives.append(clip.drive.astype(np.float16))
        sounds.append(np.rint(np.clip(clip.samples, -1, 1) * LOUDEST).astype(np.int16))
    stored = io.BytesIO()
    np.savez(stored, table=json.dumps(rows), drive=np.concatenate(drives), sound=np.concatenate(sounds))
    write_whole(path, stored.getvalue())


def load(path: Path) -> list[TalkingClip]:
    """Read what `save` wrote.

    Raises:
        InputError: the file cannot be read, or is something else.
    """
    try:
        with np.load(path) as stored:
            rows, drive, sound = json.loads(str(stored["table"])), stored["drive"], stored["sound"]
    except (OSError, KeyError, ValueError, AttributeError, zipfile.BadZipFile) as exc:
        raise InputError(f"{path} holds no prepared clips: {exc}; `lipwright train prepare` writes them") from exc
    clips, frame, sample = [], 0, 0
    for row in rows:
        frames, samples = row.pop("frames"), row.pop("samples")
        clips.append(
            TalkingClip(
                **row | {"fps": Fraction(row["fps"])},
                drive=drive[frame : frame + frames].astype(np.float32),
                samples=sound[sample : sample + samples].astype(np.float32) / LOUDEST,
            )
        )
        frame, sample = frame + frames, sample + samples
    return clips


def fingerprint(clips: Iterable[TalkingClip]) -> str:
    """A hash of everything that a training takes from these clips."""
    digest = hashlib.sha256()
    for clip in clips:
        digest.update(repr((clip.name, clip.person, clip.origin, clip.fps, clip.late)).encode())
        digest.update(np.ascontiguousarray(clip.drive).tobytes())
        digest.update(np.ascontiguousarray(clip.samples).tobytes())
    return digest.hexdigest()


def allowed(clips: list[TalkingClip], held_out: tuple[str, ...]) -> list[TalkingClip]:
    """Clips that may be trained on: marked so, confirmed in sync, of nobody held out, not a copy of a test clip."""
    return [
        clip
        for clip in clips
        if clip.use == "train"
        and clip.confirmed
        and clip.person not in held_out
        and not (clip.origin == "wild" and clip.person.startswith("grid_"))
    ]
