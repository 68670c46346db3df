"""What was fitted to one person, kept beside their avatar as a JSON file of numbers."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lipwright.facespace import DRIVE
from lipwright.models.catalog import cards
from lipwright.motion.style import SpeakerStyle, mouth_shape
from lipwright.render.teeth import Teeth

HEARS = ("mouth_motion", "mouth_shape")  # the models a style is fitted to


@dataclass(frozen=True, slots=True)
class Tuning:
    """One person's own mouth, instead of what is read off the footage in passing.

    Args:
        style: neutral, range and response; None: as without tuning.
        teeth: of the made mouth.
    """

    style: SpeakerStyle | None
    teeth: Teeth

    def to_json(self) -> str:
        """As text."""
        style = self.style and {
            "neutral": self.style.neutral.tolist(),
            "gain": self.style.gain,
            "response": None if self.style.response is None else self.style.response.tolist(),
        }
        return json.dumps({"models": _models(), "style": style, "teeth": asdict(self.teeth)})

    @classmethod
    def from_json(cls, text: str) -> "Tuning":
        """What `to_json` wrote.

        Raises:
            ValueError, KeyError, TypeError: it is no tuning, or one fitted to other models.
        """
        stored = json.loads(text)
        if stored["models"] != _models():
            raise ValueError("it was fitted to other models")
        red, green, blue = map(float, stored["teeth"]["enamel"])
        teeth = Teeth(enamel=(red, green, blue), edge=float(stored["teeth"]["edge"]))
        return cls(_style(stored["style"]) if stored["style"] else None, teeth)


def _style(stored: dict[str, Any]) -> SpeakerStyle:
    size = len(mouth_shape()["basis"])
    neutral = _numbers(stored["neutral"], (len(DRIVE), 3))
    response = None if stored["response"] is None else _numbers(stored["response"], (size, size))
    return SpeakerStyle(neutral, float(stored["gain"]), response)


def _numbers(values: list[list[float]], shape: tuple[int, int]) -> np.ndarray:
    array = np.array(values, np.float32)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"numbers of the shape {shape} are missing")
    return array


def _models() -> dict[str, str]:
    """Checksums of the models that a style is fitted to: of other ones it would be wrong."""
    return {name: cards()[name].sha256[0] for name in HEARS}
