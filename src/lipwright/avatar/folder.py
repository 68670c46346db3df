"""Where avatars are kept; apart from the store, so that it can be asked where OpenCV does not run."""

import os
from pathlib import Path

from platformdirs import user_cache_path

CACHE_VARIABLE = "LIPWRIGHT_CACHE"


def default_cache() -> Path:
    """Where caches live: LIPWRIGHT_CACHE, else the system's place for them."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else user_cache_path("lipwright", appauthor=False)
