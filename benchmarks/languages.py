"""Speech of many languages in the mouths of a few people: does the mouth keep moving, and do the lips meet.

    python benchmarks/languages.py OUT --video CLIP ... --audio NAME=SOUND ... [--seconds 6]

Every sound is dubbed onto every clip and the finished file tracked again. Printed for each: how far the mouth opens
(percentiles 10, 50, 90 of opening in speech, % of the eye distance), closures a second of speech (times the opening
falls to 1.5 % or less) and motion in silence. OUT gets the videos and one contact sheet a clip, a row a sound: eight
evenly spaced moments, then four of the closures.
"""

import argparse
from pathlib import Path

import av
import cv2
import numpy as np

import lipwright
from lipwright.evaluation.evaluate import Curves, evaluate
from lipwright.evaluation.phones import CLOSED
from lipwright.evaluation.sheet import contact_sheet, face_box
from lipwright.face.base import open_tracker
from lipwright.facespace import DRIVE
from lipwright.media import open_clip

EVEN, SHUT = 8, 4
SIZE = 180


def closures(curves: Curves) -> np.ndarray:
    """Frames in speech at which the lips come together."""
    shut = np.nan_to_num(curves.opening, nan=1.0) <= CLOSED
    return np.flatnonzero(shut[1:] & ~shut[:-1] & ~curves.silent[1:]) + 1


def moments(video: Path, curves: Curves) -> list[np.ndarray]:
    """A row of the sheet."""
    even = np.linspace(0, len(curves.opening) - 1, EVEN + 2)[1:-1].round().astype(int).tolist()
    met = closures(curves)
    chosen = met[np.linspace(0, len(met) - 1, SHUT).round().astype(int)].tolist() if len(met) else []
    pictures, box = [], None
    with open_clip(video) as clip, open_tracker("facemesh") as tracker:
        for frame in clip.play(even + chosen):
            mesh = tracker.fit(frame)
            box = face_box(mesh[list(DRIVE)], frame.shape[:2], 1.0) if mesh is not None else box
            x0, y0, x1, y1 = box or (0, 0, frame.shape[1], frame.shape[0])
            pictures.append(cv2.resize(frame[y0:y1, x0:x1], (SIZE, SIZE), interpolation=cv2.INTER_AREA))
    return pictures + [np.full((SIZE, SIZE, 3), 255, np.uint8)] * (EVEN + SHUT - len(pictures))


def cut(sound: Path, seconds: float, into: Path) -> Path:
    """The first seconds of a sound, as WAV."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
    with av.open(str(sound)) as source, av.open(str(into), "w") as sink:
        stream = sink.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            if frame.time is not None and frame.time >= seconds:
                break
            for piece in resampler.resample(frame):
                for packet in stream.encode(piece):
                    sink.mux(packet)
        for packet in stream.encode(None):
            sink.mux(packet)
    return into


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--video", type=Path, nargs="+", required=True)
    parser.add_argument("--audio", nargs="+", required=True, help="NAME=SOUND")
    parser.add_argument("--seconds", type=float, default=6.0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    for clip in options.video:
        pictures = []
        for name, _, sound in (entry.partition("=") for entry in options.audio):
            said = cut(Path(sound), options.seconds, options.output / f"{name}.wav")
            video = options.output / f"{clip.stem}.{name}.mp4"
            lipwright.dub(clip, said, video)
            found = evaluate(video, said, source=clip)
            spoken = found.curves.opening[found.curves.speech]
            wide = " ".join(f"{100 * value:.1f}" for value in np.nanpercentile(spoken, (10, 50, 90)))
            rate = len(closures(found.curves)) / (found.curves.speech.sum() / found.curves.fps)
            still = found.scores.silence_motion
            print(f"{clip.stem[:30]:30} | {name:9} | {wide} | {rate:.1f} closures/s | silence {still}", flush=True)
            pictures += moments(video, found.curves)
        contact_sheet(pictures, options.output / f"{clip.stem}.png", columns=EVEN + SHUT)


if __name__ == "__main__":
    main()
