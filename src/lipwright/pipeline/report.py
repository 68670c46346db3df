"""What happened in a job."""

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The facts of a finished job.

    Args:
        output: the file made.
        mask_video: the second file of `DubOptions.mask_debug`, None without it.
        frames: output frames.
        fps: their exact rate.
        width, height: of the picture, pixels.
        engine, length, person: as asked for.
        frames_without_face: output frames passed through untouched: no face in them, or one turned far away, covered,
            smeared or a few pixels small.
        avatar_key: name of the footage's analysis in the store.
        avatar_reused: whether it was there already.
        notes: what the user should know of how the inputs were taken, one sentence each.
        seconds: wall-clock time by stage.
        marks: what tells of the file's origin: of `statement`, `mark`, `records` and `label` those that are in it.
        mark_id: the mark that picture, records and statement name, hexadecimal; None where marks are off.
        signed_by: whom the certificate of the statement names, None where there is no statement.
    """

    output: Path
    frames: int
    fps: Fraction
    width: int
    height: int
    engine: str
    length: str
    person: str
    frames_without_face: int
    avatar_key: str
    avatar_reused: bool
    mask_video: Path | None = None
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    marks: tuple[str, ...] = ()
    mark_id: str | None = None
    signed_by: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the rate stays exact as "30000/1001"."""
        plain = {"output": str(self.output), "fps": str(self.fps), "notes": list(self.notes), "marks": list(self.marks)}
        return asdict(self) | plain | {"mask_video": str(self.mask_video) if self.mask_video else None}
