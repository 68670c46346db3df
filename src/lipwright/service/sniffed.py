"""What a file holds, by decoding it; runs where a crash does no harm (`lipwright.service.sniff`)."""

import warnings
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image

from lipwright.errors import MediaError
from lipwright.media import open_clip
from lipwright.media.photo import is_photo
from lipwright.media.probe import find_video, has_video, open_input, scan
from lipwright.media.sound import SoundReader

MOST_PIXELS = 50_000_000  # of one picture; a frame of 8K has 33 million
SOUND_HZ = 16_000
_PHOTOS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")


def facts_of(path: Path, most_seconds: float) -> dict[str, Any]:
    """See `lipwright.service.sniff.Sniffer.facts`.

    Raises:
        MediaError: it is no media, damaged, too large or too long.
    """
    size = claimed_size(path)
    if size is not None:
        check_size(path, *size)
    if is_photo(path):
        return _photo(path)
    return _sound(path, most_seconds) if size is None else _video(path, most_seconds)


def claimed_size(path: Path) -> tuple[int, int] | None:
    """Width and height of the pictures by what the file claims, nothing decoded; None of a sound.

    Raises:
        MediaError: it is no media.
    """
    if is_photo(path):
        return _photo_size(path)
    with open_input(path) as container:
        if not has_video(container):
            return None
        stream = find_video(container, path)
        return stream.width, stream.height


def _photo(path: Path) -> dict[str, Any]:
    with open_clip(path) as clip:
        facts = clip.facts
    return {"kind": "photo", "width": facts.width, "height": facts.height, "frames": 1, "has_sound": False}


def _photo_size(path: Path) -> tuple[int, int]:
    """Size by a photo's header, nothing decoded; 0 where only the decoder can tell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own limit, which is another than ours
        try:
            with Image.open(path, formats=_PHOTOS) as picture:
                return picture.size
        except Image.DecompressionBombError:  # twice as many as its own limit, which is more than ours
            return MOST_PIXELS + 1, 1
        except (OSError, ValueError, SyntaxError, TypeError, KeyError):  # what its readers raise on damaged headers
            return 0, 0


def _video(path: Path, most_seconds: float) -> dict[str, Any]:
    reel = scan(path)
    check_size(path, reel.width, reel.height)
    if reel.end - reel.zero > most_seconds:  # before its frames are counted out
        raise _too_long(path, most_seconds)
    frames = len(reel.schedule(reel.nominal))
    width, height = reel.upright.size(reel.width, reel.height)
    return {
        "kind": "video",
        "width": width,
        "height": height,
        "fps": str(reel.nominal),
        "frames": frames,
        "duration": float(frames / reel.nominal),
        "has_sound": reel.has_sound,
    }


def _sound(path: Path, most_seconds: float) -> dict[str, Any]:
    heard = 0
    with SoundReader(path, SOUND_HZ) as reader, closing(reader.mono()) as blocks:
        for block in blocks:
            heard += len(block)
            if heard > most_seconds * SOUND_HZ:
                raise _too_long(path, most_seconds)
    return {"kind": "sound", "duration": float(Fraction(heard, SOUND_HZ)), "has_sound": True}


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse pictures that are too large to be decoded.

    Raises:
        MediaError: these are.
    """
    if width * height > MOST_PIXELS:
        raise _too_large(path)


def _too_large(path: Path) -> MediaError:
    return MediaError(f"{path} has more than {MOST_PIXELS / 1e6:.0f} million pixels; scale it down")


def _too_long(path: Path, most_seconds: float) -> MediaError:
    return MediaError(f"{path} lasts longer than {most_seconds:g} seconds, which is the limit; cut it")
