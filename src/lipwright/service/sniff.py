"""What an upload holds, found out in a process of its own."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any


class Sniffer:
    """A process that looks into files."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def facts(self, path: Path) -> dict[str, Any]:
        """What a file holds; called from any thread."""
        return self.run(facts_of, path)

    def run(self, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        """Call a function there; called from any thread."""
        return self._pool.submit(function, *arguments).result(60)

    def close(self) -> None:
        """End."""
        self._pool.shutdown(cancel_futures=True)


def facts_of(path: Path) -> dict[str, Any]:
    """What a file holds."""
    from lipwright.errors import MediaError
    from lipwright.media import open_clip
    from lipwright.media.sound import SoundReader

    try:
        with open_clip(path) as clip:
            facts = clip.facts
            return {
                "kind": "photo" if facts.is_photo else "video",
                "width": facts.width,
                "height": facts.height,
                "fps": str(facts.fps),
                "frames": facts.frames,
                "duration": None if facts.is_photo else float(facts.frames / facts.fps),
                "has_sound": facts.has_sound,
            }
    except MediaError:
        with SoundReader(path) as reader:
            return {
                "kind": "sound",
                "duration": sum(len(block) for block in reader.mono()) / reader.rate,
                "has_sound": True,
            }
