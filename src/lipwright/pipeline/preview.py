"""A few moments of a job on one picture, before anything is encoded: source, result and mask side by side."""

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lipwright.errors import OptionError, OutputError
from lipwright.media import Clip, open_clip
from lipwright.media.partial import partial_name
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import Drawn, Job
from lipwright.pipeline.overlay import UNTOUCHED, overlay
from lipwright.pipeline.run import check_output, open_writer
from lipwright.progress import Progress, silent

MOMENTS = 8
CELL, GAP, LINE = 360, 6, 30  # pixels: side of a picture, space between two, height of a line of text
COLUMNS = ("source", "result", "mask, tracked lips (green), target (red)")
REACH = 0.75  # half of the side that is shown, in heights of the face: room for a dropped jaw
INK = 40  # grey level of the text


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a preview shows.

    Args:
        picture: the PNG made.
        moments: output frames shown, one a row.
        fps: rate of the output.
        frames: output frames of the whole job.
        frames_without_face: how many of those shown are left as they are.
        avatar_key, avatar_reused: name of the footage's analysis in the store, and whether it was there already.
        notes: what the user should know of how the inputs were taken, one sentence each.
    """

    picture: Path
    moments: tuple[int, ...]
    fps: Fraction
    frames: int
    frames_without_face: int
    avatar_key: str
    avatar_reused: bool
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the rate stays exact as "30000/1001"."""
        plain = {"picture": str(self.picture), "fps": str(self.fps)}
        return asdict(self) | plain | {"moments": list(self.moments), "notes": list(self.notes)}


def preview(
    video: Path | str,
    audio: Path | str,
    output: Path | str,
    seconds: float,
    *,
    options: DubOptions | None = None,
    progress: Progress = silent,
) -> Preview:
    """Draw moments spread over the beginning of a job into a PNG; nothing is encoded.

    The footage is analysed whole and its avatar kept, so that the job itself need not do it again. Pictures to be laid
    over the result and its label are read, to refuse what the job would refuse, and not shown: this is about faces.
    The picture carries no marks.

    Args:
        video, audio: as of `lipwright.dub`.
        output: a name that ends in .png, or that of the video the job would write: the picture lies beside it.
        seconds: how much of the output to look at.
        options: see `DubOptions`.
        progress: told `(stage, done, total)`, stages `analyse` and `render`.

    Raises:
        InputError: the video, the sound or an option cannot be used.
        OutputError: the picture cannot be written.
        BackendError: a part of the engine is missing.
    """
    if not (isfinite(seconds) and seconds > 0):
        raise OptionError(f"--preview must be a number of seconds above 0, got {seconds:g}; try --preview 3")
    options = options or DubOptions()
    video, audio, output = Path(video), Path(audio), Path(output)
    picture = picture_name(output)
    for path in {output, picture}:
        check_output(path, inputs=(video, audio))
    with open_clip(video, options.fps) as clip:
        if picture != output:
            open_writer(output, clip, audio, options)  # refuses what the job would refuse
        job = Job(clip, audio, options, progress)
        moments = _moments(len(job.plan), seconds, clip.facts.fps)
        rows = _rows(job, moments, clip, progress)
    _save(_sheet(rows), picture)
    return Preview(
        picture=picture,
        moments=moments,
        fps=clip.facts.fps,
        frames=len(job.plan),
        frames_without_face=job.passed,
        avatar_key=job.avatar_key,
        avatar_reused=job.avatar_reused,
        notes=tuple(job.notes),
    )


def picture_name(output: Path) -> Path:
    """Where the preview of a job with this output goes."""
    return output if output.suffix.lower() == ".png" else output.with_suffix(".preview.png")


def _moments(frames: int, seconds: float, fps: Fraction) -> tuple[int, ...]:
    """Output frames in the middle of equal parts of the time looked at."""
    within = min(frames, ceil(min(seconds, frames) * fps))
    count = min(MOMENTS, within)
    return tuple((2 * part + 1) * within // (2 * count) for part in range(count))


def _rows(job: Job, moments: tuple[int, ...], clip: Clip, progress: Progress) -> list[np.ndarray]:
    rows = []
    with closing(job.shots(moments)) as shots:
        for done, shot in enumerate(shots, 1):
            seconds = float(shot.output / clip.facts.fps)
            text = f"{seconds:.2f} s, frame {shot.output}" + ("" if shot.patches else f" - {UNTOUCHED}")
            rows.append(np.vstack([_text((text,)), _side_by_side(_pictures(shot))]))
            progress("render", done, len(moments))
    return rows


def _pictures(shot: Drawn) -> tuple[np.ndarray, ...]:
    """Source, result and mask of one moment, cut to the face and enlarged or reduced to fill a cell."""
    x0, y0, x1, y1 = _face_box(shot)
    zoom = CELL / max(x1 - x0, y1 - y0)
    size = max(1, round((x1 - x0) * zoom)), max(1, round((y1 - y0) * zoom))
    how = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    source, frame = (cv2.resize(whole[y0:y1, x0:x1], size, interpolation=how) for whole in (shot.source, shot.frame))
    mask = cv2.resize(shot.mask()[y0:y1, x0:x1], size, interpolation=cv2.INTER_LINEAR)
    corner = np.array((x0, y0)) - 0.5  # pixel centres

    def placed(points: np.ndarray) -> np.ndarray:
        return ((points[:, :2] - corner) * zoom - 0.5).astype(np.float32)

    aims = [replace(aim, mesh=placed(aim.mesh), target=placed(aim.target)) for aim in shot.aims]
    return source, frame, overlay(frame, mask, aims)


def _face_box(shot: Drawn) -> tuple[int, int, int, int]:
    """A square around the face, moved and cut to lie inside the frame; the whole frame where there is no face."""
    height, width = shot.frame.shape[:2]
    if not shot.aims:
        return 0, 0, width, height
    mesh = shot.aims[-1].mesh[:, :2]
    low, high = mesh.min(0), mesh.max(0)
    side = max(2, round(2 * REACH * float(high[1] - low[1])))
    spans = []
    for middle, whole in zip((low + high) / 2, (width, height), strict=True):
        length = min(side, whole)
        start = int(np.clip(round(float(middle)) - length // 2, 0, whole - length))
        spans.append((start, start + length))
    (x0, x1), (y0, y1) = spans
    return x0, y0, x1, y1


def _sheet(rows: Sequence[np.ndarray]) -> np.ndarray:
    return np.vstack([_text(COLUMNS), *rows])


def _side_by_side(pictures: Sequence[np.ndarray]) -> np.ndarray:
    row = np.full((CELL + GAP, len(pictures) * (CELL + GAP), 3), 255, np.uint8)
    for number, picture in enumerate(pictures):
        high, wide = picture.shape[:2]
        x, y = number * (CELL + GAP) + (CELL - wide) // 2, (CELL - high) // 2
        row[y : y + high, x : x + wide] = picture
    return row


def _text(columns: Sequence[str]) -> np.ndarray:
    line = np.full((LINE, len(COLUMNS) * (CELL + GAP), 3), 255, np.uint8)
    for number, text in enumerate(columns):
        place = (number * (CELL + GAP) + 4, LINE - 9)
        cv2.putText(line, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (INK, INK, INK), 1, cv2.LINE_AA)
    return line


def _save(picture: np.ndarray, path: Path) -> None:
    """Write a PNG that appears complete or not at all."""
    part = partial_name(path)
    try:
        part.write_bytes(cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes())
        part.replace(path)
    except OSError as exc:
        raise OutputError(f"the preview {path} cannot be written: {exc.strerror}; choose another folder") from exc
    finally:
        with suppress(OSError):
            part.unlink()
