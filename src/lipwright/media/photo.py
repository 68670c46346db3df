"""A photo as a picture."""

from pathlib import Path

import cv2
import numpy as np

from lipwright.errors import MediaError
from lipwright.media.probe import reading
from lipwright.media.quiet import quiet

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_SIGNATURES = (
    _PNG,
    _JPEG,
    b"BM",
    b"II*\x00",  # TIFF, both byte orders
    b"MM\x00*",
)


def is_photo(path: Path) -> bool:
    """Whether a file's first bytes are a photo's (PNG, JPEG, WebP, BMP, TIFF)."""
    if not path.is_file():
        return False
    with reading(path), path.open("rb") as file:
        head = file.read(16)
    return head.startswith(_SIGNATURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_photo(path: Path) -> np.ndarray:
    """Decode a photo.

    The EXIF orientation is applied. What is transparent shows white, as on a page; then the
    orientation of a picture with an alpha channel is not looked at (cameras write none).

    Returns:
        (H, W, 3) uint8 RGB, C-contiguous.

    Raises:
        MediaError: The file cannot be decoded.
    """
    stored, picture = _decode(path)
    if _has_alpha(stored):
        picture = _on_white(stored)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def read_picture(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decode a picture that is to be laid over others; EXIF orientation as of `read_photo`.

    Returns:
        (H, W, 3) uint8 RGB, and (H, W) float32 alpha in 0..1, 1 everywhere where the file has none.

    Raises:
        MediaError: The file is missing, no picture, or cannot be decoded.
    """
    if path.is_file() and not is_photo(path):
        raise MediaError(f"{path} is no picture; use a PNG, JPEG, WebP, BMP or TIFF")
    stored, picture = _decode(path)
    alpha = np.ones(picture.shape[:2], np.float32)
    if _has_alpha(stored):
        share = _shares(stored)
        picture, alpha = np.rint(255 * share[:, :, :3]).clip(0, 255).astype(np.uint8), share[:, :, 3].clip(0, 1)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.ascontiguousarray(alpha)


def _decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """A picture as it is stored, and as (H, W, 3) uint8 BGR turned upright."""
    with reading(path):
        stored_bytes = path.read_bytes()  # cv2.imread fails on names beyond ASCII on Windows
    data = np.frombuffer(stored_bytes, np.uint8)
    if _breaks_off(stored_bytes):
        raise MediaError(f"the photo {path} is incomplete, its end is missing; copy or download it again")
    try:
        with quiet():
            stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as exc:  # over OpenCV's limit of 2^30 pixels
        raise MediaError(f"cannot decode the photo {path}: it is too large; scale it down") from exc
    if stored is None or picture is None:
        raise MediaError(f"cannot decode the photo {path}; is the file complete?")
    return stored, picture


def _has_alpha(stored: np.ndarray) -> bool:
    return stored.ndim == 3 and stored.shape[2] == 4


def _on_white(stored: np.ndarray) -> np.ndarray:
    """(H, W, 4) of any depth, BGR and alpha, as (H, W, 3) uint8 BGR."""
    share = _shares(stored)
    alpha = share[:, :, 3:]
    return np.rint(255 * (share[:, :, :3] * alpha + 1 - alpha)).clip(0, 255).astype(np.uint8)


def _shares(stored: np.ndarray) -> np.ndarray:
    """Stored values of any depth as float32 in 0..1."""
    top = np.iinfo(stored.dtype).max if stored.dtype != np.float32 else 1
    return stored.astype(np.float32) / np.float32(top)


def _breaks_off(data: bytes) -> bool:
    """Whether a PNG or JPEG lacks its last mark; decoders would make the rest of the picture up."""
    if data.startswith(_PNG):
        return b"IEND" not in data
    if not data.startswith(_JPEG):
        return False
    at = 2
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] != b"\xda":  # headers; one may hold a small picture
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return b"\xff\xd9" not in data[at:]
