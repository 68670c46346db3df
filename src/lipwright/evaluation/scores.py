"""Every measure of one finished clip, and how each is called."""

from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Any, NamedTuple

ONLY_IN_A_JOB = "needs the drawn frames and their mask; `--suite` measures it while a job runs"


class Measure(NamedTuple):
    """How a figure is shown: its field in `Scores`, a title, a unit, decimal places."""

    name: str
    title: str
    unit: str
    digits: int


MEASURES = (
    Measure("opening_r", "opening r", "", 2),
    Measure("width_r", "width r", "", 2),
    Measure("lag", "lag", "frames", 0),
    Measure("sync_offset", "sync offset", "ms", 0),
    Measure("sync_confidence", "sync confidence", "", 2),
    Measure("amplitude", "amplitude", "of real", 2),
    Measure("silence_motion", "motion in silence", "of speech", 2),
    Measure("closure", "closure", "of m, b, p", 2),
    Measure("landmark_error", "landmark error", "% of eye distance", 2),
    Measure("opening_error", "opening error", "% of eye distance", 2),
    Measure("psnr", "PSNR", "dB", 1),
    Measure("ssim", "SSIM", "", 3),
    Measure("sharpness", "sharpness", "of real", 2),
    Measure("head_jitter", "jitter of the head", "of source", 2),
    Measure("lip_jitter", "jitter of resting lips", "of source", 2),
    Measure("flicker", "flicker", "of real", 2),
    Measure("seam_step", "seam step", "of 255", 2),
    Measure("outside", "change outside the mask", "of 255", 0),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """The measures of docs/evaluation.md; None where one cannot be told, and `missing` says why.

    Args:
        frames: of the output.
        frames_without_face: of these, frames in which no face was found.
        compared: frames that show a face in both the output and the reference.
        eye_distance: median, pixels.
        lag_against: what `lag` was measured against, `reference` or `sound energy`.
        lag_r: Pearson r at that lag.
        silent_frames: frame pairs that `silence_motion` stands on.
        phones: m, b and p that `closure` stands on.
        phone_counts: the same by phone: how many are `seen`, and how many of these `closed`.
        missing: name of a measure to the reason why it is None.
    """

    frames: int
    frames_without_face: int
    compared: int
    eye_distance: float
    opening_r: float | None = None
    width_r: float | None = None
    lag: int | None = None
    lag_against: str | None = None
    lag_r: float | None = None
    sync_offset: float | None = None
    sync_confidence: float | None = None
    amplitude: float | None = None
    silence_motion: float | None = None
    silent_frames: int = 0
    closure: float | None = None
    phones: int = 0
    phone_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    landmark_error: float | None = None
    opening_error: float | None = None
    psnr: float | None = None
    ssim: float | None = None
    sharpness: float | None = None
    head_jitter: float | None = None
    lip_jitter: float | None = None
    flicker: float | None = None
    seam_step: float | None = None
    outside: int | None = None
    missing: dict[str, str] = field(default_factory=dict)

    def with_job(self, *, seam_step: float, outside: int) -> "Scores":
        """These and what was measured while the frames were drawn."""
        missing = {name: why for name, why in self.missing.items() if why != ONLY_IN_A_JOB}
        if not isfinite(seam_step):
            missing["seam_step"] = "the mask has no contour inside the frame"
            return replace(self, outside=outside, missing=missing)
        return replace(self, seam_step=seam_step, outside=outside, missing=missing)

    def without(self, name: str, why: str) -> "Scores":
        """These, one measure left out for a reason."""
        return replace(self, missing=self.missing | {name: why}, **{name: None})

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


class Tally:
    """Collects figures and the reasons why some are not to be had, until they make `Scores`."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.missing: dict[str, str] = {}

    def put(self, name: str, value: float, otherwise: str) -> None:
        """A figure, unless it is NaN or infinite: then the reason."""
        if isfinite(value):
            self.found[name] = value
        else:
            self.missing[name] = otherwise

    def leave_out(self, names: tuple[str, ...], why: str) -> None:
        """Figures that cannot be measured, all for one reason."""
        self.missing |= dict.fromkeys(names, why)
