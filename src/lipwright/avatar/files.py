"""Avatars as files: one `.npz` each, numbers and JPEG bytes only, nothing that runs on loading."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lipwright.avatar.avatar import Avatar
from lipwright.avatar.landmarks import LandmarkAvatar
from lipwright.render.bank import MouthBank
from lipwright.structures import FaceTrack, LandmarkTrack

AnyAvatar = Avatar | LandmarkAvatar
Arrays = Mapping[str, np.ndarray]


def save(file: BinaryIO, avatar: AnyAvatar) -> None:
    """Write an avatar."""
    name, kind = next((name, kind) for name, kind in KINDS.items() if isinstance(avatar, kind.made))
    about = {"footage": avatar.name, "person": avatar.person, "frames": len(avatar.track), "path": avatar.path}
    arrays = {"about": np.array(json.dumps(about | {"kind": name})), **kind.pack(avatar)}
    # As `np.savez`, which leaves its archive open when the disk is full.
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)


def load(path: Path) -> AnyAvatar:
    """Read an avatar; whatever is wrong with the file is raised as NumPy, zipfile or JSON have it."""
    # Opened here: `np.load` leaves a file open that turns out not to be an archive.
    with path.open("rb") as file, np.load(file) as stored:
        about = json.loads(str(stored["about"]))
        return KINDS[about.get("kind", "mesh")].unpack(about, stored)


def digest(avatar: AnyAvatar) -> str:
    """Sha256 of what was found in the footage, hexadecimal; neither of its name nor of what was fitted later."""
    found = hashlib.sha256()
    kind = next(kind for kind in KINDS.values() if isinstance(avatar, kind.made))
    for name, array in sorted(kind.pack(avatar).items()):
        found.update(f"{name} {array.dtype} {array.shape} ".encode())
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _pack_mesh(avatar: Avatar) -> dict[str, np.ndarray]:
    bank = {f.name: getattr(avatar.bank, f.name) for f in fields(MouthBank) if f.name != "pictures"}
    return {
        "points": avatar.track.points,
        "cuts": avatar.track.cuts,
        "trust": avatar.trust,
        "blur": avatar.blur,
        "pictures": np.frombuffer(b"".join(avatar.bank.pictures), np.uint8),
        "lengths": np.array([len(picture) for picture in avatar.bank.pictures], np.int64),
        **{f"bank_{name}": array for name, array in bank.items()},
    }


def _unpack_mesh(about: dict[str, Any], stored: Arrays) -> Avatar:
    whole, ends = stored["pictures"].tobytes(), np.cumsum(stored["lengths"])
    starts = ends - stored["lengths"]
    pictures = [whole[a:b] for a, b in zip(starts, ends, strict=True)]
    bank = {f.name: stored[f"bank_{f.name}"] for f in fields(MouthBank) if f.name != "pictures"}
    track = FaceTrack(stored["points"], stored["cuts"])
    mouths = MouthBank(**bank, pictures=pictures)
    path = about.get("path", "")
    return Avatar(about["footage"], about["person"], track, mouths, stored["trust"], stored["blur"], path)


def _pack_landmarks(avatar: LandmarkAvatar) -> dict[str, np.ndarray]:
    track = {f.name: getattr(avatar.track, f.name) for f in fields(LandmarkTrack)}
    return track | {"wh": np.array(avatar.wh, np.float64)}


def _unpack_landmarks(about: dict[str, Any], stored: Arrays) -> LandmarkAvatar:
    track = LandmarkTrack(**{f.name: stored[f.name] for f in fields(LandmarkTrack)})
    return LandmarkAvatar(about["footage"], about["person"], track, float(stored["wh"]), about["path"])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of avatar: its class, and its way into arrays and back."""

    made: type
    pack: Callable[[Any], dict[str, np.ndarray]]
    unpack: Callable[[dict[str, Any], Arrays], AnyAvatar]


KINDS = {
    "mesh": Kind(Avatar, _pack_mesh, _unpack_mesh),
    "landmarks": Kind(LandmarkAvatar, _pack_landmarks, _unpack_landmarks),
}
