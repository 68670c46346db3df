"""Closures a viewer sees: sentences full of m, b and p in the mouths of real people, the finished files tracked again.

    python benchmarks/closures_seen.py CLIPS_DIR OUT [--use test] [--people 20] [NAME ...]

One English sentence read by eSpeak NG with its phone times is dubbed onto one clip a person, and
`lipwright.evaluation` judges the file: share of m, b, p whose opening falls to 1.5 % of the eye distance or less within
one frame. OUT gets the videos and a sheet of every person's most open moment and first closures.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

import lipwright
from lipwright.evaluation.evaluate import evaluate
from lipwright.evaluation.phones import Phone
from lipwright.evaluation.scores import Scores
from lipwright.evaluation.sheet import contact_sheet, face_box
from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE
from lipwright.media import open_clip
from lipwright.training.speech import Synthesiser

TEXT = "Mom bought a big blue map, but Bob put the pump in the room before my brother came back."
SHOWN = 5  # closures a person on the sheet


@dataclass(frozen=True, slots=True)
class Sentence:
    """A WAV file and what it says when."""

    sound: Path
    table: Path
    phones: list[Phone]


def sentence(folder: Path) -> Sentence:
    """Say `TEXT` into the folder."""
    said = Synthesiser().say(TEXT, "en-us", words_per_minute=150, pitch=45)
    sound, table = folder / "sentence.wav", folder / "sentence.csv"
    with av.open(str(sound), "w") as sink:
        stream = sink.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray((said.samples[None] * 32767).astype(np.int16), format="s16", layout="mono")
        frame.sample_rate = 16_000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            sink.mux(packet)
    phones = [Phone(start, end, name[:1]) for name, start, end in said.phones]
    rows = ["start_s,end_s,phone", *(f"{p.start},{p.end},{p.label}" for p in phones)]
    table.write_text("\n".join(rows), encoding="utf-8")
    return Sentence(sound, table, phones)


def one_clip_a_person(folder: Path, use: str, names: list[str]) -> list[Path]:
    """The first talking clip of each person."""
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == use and row["kind"] == "real"]
    chosen: dict[str, Path] = {}
    for row in rows:
        if not names or any(name in row["file"] for name in names):
            chosen.setdefault(row["person_id"], folder / row["file"])
    return list(chosen.values())


def closeups(video: Path, said: Sentence, opening: np.ndarray, fps: float) -> list[np.ndarray]:
    """The mouth at its most open and in the middle of the first closures."""
    closing = [p for p in said.phones if p.closes_lips][:SHOWN]
    wanted = [int(np.nanargmax(opening)), *(round((p.start + p.end) / 2 * fps) for p in closing)]
    with open_clip(video) as clip, open_tracker("facemesh") as tracker:
        pictures = []
        for frame in clip.play([min(number, clip.facts.frames - 1) for number in wanted]):
            mesh = tracker.fit(frame)
            if mesh is not None:
                x0, y0, x1, y1 = face_box(mesh[list(DRIVE)], frame.shape[:2], 0.8)
                frame = frame[y0:y1, x0:x1]
            pictures.append(cv2.resize(frame, (200, 200), interpolation=cv2.INTER_AREA))
    return pictures


def judge(path: Path, said: Sentence, video: Path) -> tuple[Scores, list[np.ndarray]]:
    """Dub one clip and look at the file. Raises `lipwright.LipwrightError` where that cannot be done."""
    lipwright.dub(path, said.sound, video)
    found = evaluate(video, said.sound, source=path, phones=said.table)
    return found.scores, closeups(video, said, found.curves.opening, found.curves.fps)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("names", nargs="*", help="only clips whose file name holds one of these")
    parser.add_argument("--use", default="test")
    parser.add_argument("--people", type=int, default=20)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    said = sentence(options.output)
    judged: list[Scores] = []
    pictures: list[np.ndarray] = []
    for path in one_clip_a_person(options.clips, options.use, options.names)[: options.people]:
        try:
            scores, closeup = judge(path, said, options.output / f"{path.stem}.mp4")
        except lipwright.LipwrightError as error:
            print(f"{path.name}: {error}")
            continue
        judged.append(scores)
        pictures += closeup
        flicker = "-" if scores.flicker is None else f"{scores.flicker:.2f}"
        print(f"{path.name} | closed {scores.closure} of {scores.phones} | flicker {flicker}", flush=True)
    contact_sheet(pictures, options.output / "closures.png", columns=2 * (SHOWN + 1))
    shares = np.array([scores.closure for scores in judged if scores.closure is not None])
    phones = [scores.phones for scores in judged if scores.closure is not None]
    flickers = [scores.flicker for scores in judged if scores.flicker is not None]
    print(f"{len(shares)} people: pooled {np.average(shares, weights=phones):.2f}, median {np.median(shares):.2f}")
    print(f"least {shares.min():.2f}; flicker, median {np.median(flickers):.2f}")


if __name__ == "__main__":
    main()
