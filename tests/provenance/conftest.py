"""A finished job with all its marks, for those who read or damage them."""

import pytest

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.example import portrait as portrait_file


@pytest.fixture(scope="package")
def made(tmp_path_factory, long_wav):
    """A finished job with all its marks: 2.5 seconds of the portrait."""
    folder = tmp_path_factory.mktemp("made")
    options = DubOptions(encode=EncodeOptions(preset="veryfast"), cache=folder / "cache")
    output = folder / "made.mp4"
    dub(portrait_file, long_wav, output, options=options)
    return output
