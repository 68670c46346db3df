"""Is the mark read back from what became of a file? The numbers of docs/benchmarks.md, "The mark in the pixels".

    python benchmarks/watermark.py CLIPS_DIR SOUND [NAME ...] [--frames 100] [--unmarked 10000] [--sheets DIR]

Every clip in CLIPS_DIR whose file name holds one of NAME (all without) is dubbed with SOUND, marked and encoded as
`lipwright dub` does. Then each attack of `ATTACKS` is made on the encoded file, encoded again and read. The identifiers
differ from clip to clip: one that is read from another's file counts as wrong. For false alarms, parts of the frames
before marking are cut out at random, scaled and read.
"""

import argparse
import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path

import av
import cv2
import numpy as np

from lipwright.errors import LipwrightError
from lipwright.evaluation.sheet import contact_sheet
from lipwright.media import open_clip
from lipwright.pipeline.config import DubOptions
from lipwright.pipeline.job import Drawn, Job
from lipwright.provenance.watermark import Area, Watermark, WatermarkReading, read_watermark_frames
from lipwright.provenance.watermark.code import SENT

Frames = list[np.ndarray]
FIRST = (18, "veryfast")  # how `lipwright dub` encodes
AGAIN = (23, "veryfast")  # how a file is encoded that was changed otherwise
WEAK, WEAKER = (28, "veryfast"), (28, "medium")


@dataclass(frozen=True, slots=True)
class Attack:
    """What becomes of a file.

    Args:
        changes: made one after the other to all frames.
        encoding: constant rate factor and preset.
    """

    changes: tuple[Callable[[Frames], Frames], ...]
    encoding: tuple[int, str] = AGAIN


def scaled(frames: Frames, short: int) -> Frames:
    """Scaled down so that the shorter side has so many pixels; smaller frames stay."""
    height, width = frames[0].shape[:2]
    scale = min(1, short / min(height, width))
    return [_resized(frame, (round(width * scale), round(height * scale))) for frame in frames]


def cropped(frames: Frames, at: float, *, back: bool = False) -> Frames:
    """A tenth of width and of height cut off, the rest as it is or scaled back; `at` is the share cut off in front."""
    height, width = frames[0].shape[:2]
    top, left = round(height * at / 10), round(width * at / 10)
    cut = [frame[top : top + round(0.9 * height), left : left + round(0.9 * width)] for frame in frames]
    return [_resized(frame, (width, height)) for frame in cut] if back else cut


def repaced(frames: Frames, rate: Fraction) -> Frames:
    """Frames shown twice or left out, so that there are `rate` for one."""
    return [frames[int(number / rate)] for number in range(int(len(frames) * rate))]


def graded(frames: Frames) -> Frames:
    """A little brighter, with more contrast and another gamma."""
    curve = 255 * np.clip(1.1 * ((np.arange(256) / 255) ** 0.9 - 0.5) + 0.53, 0, 1)
    return [cv2.LUT(frame, curve.round().astype(np.uint8)) for frame in frames]


def trimmed(frames: Frames) -> Frames:
    """Without its first quarter: a second of four."""
    return frames[len(frames) // 4 :]


SMALL, CROP, FASTER = partial(scaled, short=480), partial(cropped, at=0.5), partial(repaced, rate=Fraction(6, 5))
ATTACKS = {
    "none": Attack((), FIRST),
    "H.264, CRF 28, veryfast": Attack((), WEAK),
    "H.264, CRF 28, medium": Attack((), WEAKER),
    "480p": Attack((SMALL,)),
    "360p": Attack((partial(scaled, short=360),)),
    "10 % crop, centre": Attack((CROP,)),
    "10 % crop, corner": Attack((partial(cropped, at=0.0),)),
    "10 % crop, scaled back": Attack((partial(cropped, at=0.5, back=True),)),
    "25 to 30 frames a second": Attack((FASTER,)),
    "30 to 24 frames a second": Attack((partial(repaced, rate=Fraction(4, 5)),)),
    "first quarter cut off": Attack((trimmed,)),
    "brightness, contrast, gamma": Attack((graded,)),
    "480p, CRF 28": Attack((SMALL,), WEAK),
    "crop, CRF 28": Attack((CROP,), WEAK),
    "crop, 480p": Attack((CROP, SMALL)),
    "25 to 30, CRF 28": Attack((FASTER,), WEAK),
    "crop, 480p, 25 to 30, CRF 28": Attack((CROP, SMALL, FASTER), WEAK),
}


def _resized(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA if size[0] < frame.shape[1] else cv2.INTER_CUBIC)


def encoded(frames: Frames, rate: Fraction, encoding: tuple[int, str]) -> Frames:
    """The frames as H.264 leaves them; odd sizes lose a row or column."""
    height, width = (size - size % 2 for size in frames[0].shape[:2])
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.options = {"crf": str(encoding[0]), "preset": encoding[1], "threads": "1"}
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    file.seek(0)
    with av.open(file) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def area_of(shot: Drawn) -> Area | None:
    """The box around all that was drawn."""
    boxes = [(p.x, p.y, p.x + p.mask.shape[1], p.y + p.mask.shape[0]) for p in shot.patches]
    if not boxes:
        return None
    (x0, y0), (x1, y1) = np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]
    return Area(int(x0), int(y0), int(x1 - x0), int(y1 - y0))


def dubbed(path: Path, sound: Path, count: int) -> tuple[Frames, list[Area | None], Fraction, float]:
    """Frames of a job, what was synthesised, their rate, and seconds a frame took once the job stood."""
    with open_clip(path) as clip:
        job = Job(clip, sound, DubOptions())
        with closing(job.shots(range(min(count, len(job.plan))))) as shots:
            start = time.perf_counter()
            drawn = [(shot.frame, area_of(shot)) for shot in shots]
            took = time.perf_counter() - start
        return [frame for frame, _ in drawn], [area for _, area in drawn], clip.facts.fps, took / len(drawn)


@dataclass
class Cost:
    """What marking costs one clip: decibels of PSNR, and milliseconds."""

    name: str
    frame: float
    window: float
    brightness: float
    mark: float
    frame_time: float

    def row(self) -> str:
        """A line of the table."""
        values = f"{self.frame:.1f} | {self.window:.1f} | {self.brightness:.1f} | {self.mark:.2f} | "
        return f"| {self.name} | {values}{self.frame_time:.1f} | {100 * self.mark / self.frame_time:.1f} % |"


def cost(name: str, plain: Frames, marked: Frames, times: list[float], drawing: float) -> Cost:
    """PSNR over the frame, within the window and there of brightness alone; time of the mark and of drawing."""
    whole, inside, grey = [], [], []
    for before, after in zip(plain[::5], marked[::5], strict=True):
        change = after.astype(np.float32) - before
        touched = np.argwhere(change.any(-1))
        whole.append(np.mean(change**2))
        if len(touched):
            (y0, x0), (y1, x1) = touched.min(0), touched.max(0) + 1
            inside.append(np.mean(change[y0:y1, x0:x1] ** 2))
            grey.append(np.mean((change[y0:y1, x0:x1] @ np.array([0.299, 0.587, 0.114], np.float32)) ** 2))
    psnr = [float(10 * np.log10(255**2 / np.mean(part))) for part in (whole, inside, grey)]
    encoding = time.perf_counter()
    encoded(marked, Fraction(25), FIRST)
    encoding = (time.perf_counter() - encoding) / len(marked)
    return Cost(name, *psnr, 1000 * float(np.median(times)), 1000 * (drawing + encoding))


def marked_and_attacked(
    name: str, frames: Frames, areas: list[Area | None], rate: Fraction, drawing: float
) -> tuple[Cost, Frames, dict[str, WatermarkReading]]:
    """One clip through all attacks: its cost, its marked frames, and what was read by attack."""
    height, width = frames[0].shape[:2]
    mark = Watermark(identifier(name), width, height)
    marked = [mark.over(frame, area) for frame, area in zip(frames, areas, strict=True)]
    times = []
    for frame, area in zip(frames, areas, strict=True):  # once more and thrown away, as a job does with every frame
        start = time.perf_counter()
        mark.over(frame, area)
        times.append(time.perf_counter() - start)
    file = encoded(marked, rate, FIRST)
    read = {}
    for kind, attack in ATTACKS.items():
        changed = file
        for change in attack.changes:
            changed = change(changed)
        if kind != "none":
            changed = encoded(changed, rate, attack.encoding)
        read[kind] = read_watermark_frames(spread(changed))
    return cost(name, frames, marked, times, drawing), marked, read


def spread(frames: Frames) -> Frames:
    """The frames in the order in which the reader of files takes them: all parts of the clip come early."""
    return [frame for start in range(3) for frame in frames[start::3]]


def identifier(name: str) -> bytes:
    """The identifier a clip is marked with."""
    return sha256(name.encode()).digest()[:8]


def unmarked_views(frames: Frames, count: int, seed: int) -> Iterator[Frames]:
    """Parts of unmarked frames: random moments, crops and scales."""
    random = np.random.default_rng(seed)
    height, width = frames[0].shape[:2]
    for _ in range(count):
        short = random.uniform(240, 540)
        high = int(height * random.uniform(0.5, 1))
        wide = min(width, int(high * random.uniform(0.8, 1.3)))
        y, x = random.integers(0, height - high + 1), random.integers(0, width - wide + 1)
        scale = short / min(high, wide)
        size = round(wide * scale), round(high * scale)
        start = random.integers(0, max(1, len(frames) - 4))
        yield [_resized(frame[y : y + high, x : x + wide], size) for frame in frames[start : start + 4 : 2]]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("sound", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--frames", type=int, default=100, help="of each clip")
    parser.add_argument("--unmarked", type=int, default=10_000, help="readings of footage without a mark")
    parser.add_argument("--sheets", type=Path, help="folder for pictures: plain, marked, difference x 20")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    paths = [p for p in sorted(options.clips.glob("*.mp4")) if any(n in p.name for n in options.names or [""])]
    right, wrong, repaired = Counter[str](), Counter[str](), {kind: list[int]() for kind in ATTACKS}
    clips, looked, alarms = 0, 0, 0
    print("| clip | PSNR, frame | window | its brightness | mark (ms) | frame (ms) | share |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for path in paths:
        try:
            frames, areas, rate, drawing = dubbed(path, options.sound, options.frames)
        except LipwrightError as exc:
            print(f"{path.name}: {exc}")
            continue
        if not any(areas):
            continue
        clips += 1
        spent, marked, read = marked_and_attacked(path.stem, frames, areas, rate, drawing)
        print(spent.row(), ", ".join(k for k, r in read.items() if r.identifier is None) or "all read", flush=True)
        for kind, reading in read.items():
            right[kind] += reading.identifier == identifier(path.stem)
            wrong[kind] += reading.identifier not in (None, identifier(path.stem))
            repaired[kind] += [reading.corrected] if reading.identifier else []
        for view in unmarked_views(frames, -(-options.unmarked // len(paths)), clips):
            looked += 1
            alarms += read_watermark_frames(view).identifier is not None
        if options.sheets is not None:
            show(frames[len(frames) // 2], marked[len(frames) // 2], options.sheets / f"{path.stem}.png")
    print(f"\n| attack | read, of {clips} | wrong | signs of {SENT} put right, median |\n|---|--:|--:|--:|")
    for kind in ATTACKS:
        print(f"| {kind} | {right[kind]} | {wrong[kind]} | {np.median(repaired[kind] or [np.nan]):.0f} |")
    print(f"\n{looked} readings of footage without a mark, {alarms} identifiers")


def show(plain: np.ndarray, marked: np.ndarray, path: Path) -> None:
    """A frame, the marked one, and their difference times 20, at 1:1 around what changed."""
    change = marked.astype(np.int16) - plain
    touched = np.argwhere(change.any(-1))
    (y0, x0), (y1, x1) = touched.min(0), touched.max(0) + 1
    loud = np.clip(128 + 20 * change, 0, 255).astype(np.uint8)
    contact_sheet([picture[y0:y1, x0:x1] for picture in (plain, marked, loud)], path, columns=3)


if __name__ == "__main__":
    main()
