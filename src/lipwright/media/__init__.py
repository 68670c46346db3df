"""Video, photos and sound: read exactly, written completely."""

from lipwright.media.colour import ColourTags
from lipwright.media.decode import Clip, open_clip
from lipwright.media.encode import ClipWriter, EncodeOptions
from lipwright.media.picture import Picture
from lipwright.media.prefetch import prefetch
from lipwright.media.sound import read_sound

__all__ = [
    "Clip",
    "ClipWriter",
    "ColourTags",
    "EncodeOptions",
    "Picture",
    "open_clip",
    "prefetch",
    "read_sound",
]
