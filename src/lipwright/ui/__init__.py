"""The web page: plain files that `lipwright.service` serves as they are."""

from pathlib import Path

static = Path(__file__).parent / "static"
