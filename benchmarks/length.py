"""Does memory grow with a job's length? The numbers of docs/benchmarks.md, section "Long jobs".

    python benchmarks/length.py VIDEO --minutes 1 10 [--height 360] [--sound FILE] [--codec h264]

The footage, scaled to that height, is played forward and back to a sound repeated for so many minutes. Each job runs in
a process of its own; its resident memory is looked at five times a second, and the largest value of every minute of the
result is written down. The avatar is built before, in another process.
"""

import argparse
import multiprocessing
import tempfile
import threading
import time
import wave
from pathlib import Path

import cv2
import numpy as np
import psutil

from lipwright import DubOptions, EncodeOptions, dub
from lipwright.example import speech
from lipwright.media import ClipWriter, open_clip, read_sound

RATE, EVERY_S, MB = 48_000, 0.2, 1e6


def scaled(video: Path, height: int | None, folder: Path) -> Path:
    """The footage in that height; itself where none is asked for."""
    if height is None:
        return video
    path = folder / "footage.mp4"
    with open_clip(video) as clip:
        width = round(clip.facts.width * height / clip.facts.height / 2) * 2
        options = EncodeOptions(crf=12)
        with ClipWriter(path, width=width, height=height, fps=clip.facts.fps, options=options) as sink:
            for frame in clip.frames():
                sink.write(cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA))
    return path


def repeated(sound: Path, minutes: float, folder: Path) -> Path:
    """The sound, over and over, as a WAV file."""
    samples = (read_sound(sound, RATE).samples.clip(-1, 1) * 32767).astype("<i2")
    path = folder / f"{minutes:g}.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        left = round(minutes * 60 * RATE)
        while left > 0:
            file.writeframes(samples[:left].tobytes())
            left -= len(samples)
    return path


def measured(video: Path, sound: Path, output: Path, options: DubOptions, told: "multiprocessing.Queue") -> None:
    """Do a job and tell `(seconds, frames, seconds of drawing, {minute: bytes})`; the body of a process."""
    me, at, peaks, ended = psutil.Process(), [0], {}, threading.Event()

    def look() -> None:
        while not ended.wait(EVERY_S):
            minute = int(at[0] / rate / 60)
            peaks[minute] = max(peaks.get(minute, 0), me.memory_info().rss)

    def progress(stage: str, done: int, total: int | None) -> None:
        del total
        if stage == "render":
            at[0] = done

    with open_clip(video) as clip:
        rate = float(clip.facts.fps)
    begun = time.perf_counter()
    looking = threading.Thread(target=look)
    looking.start()
    report = dub(video, sound, output, options=options, progress=progress)
    ended.set()
    looking.join()
    told.put((time.perf_counter() - begun, report.frames, report.seconds["render"], peaks))


def main() -> None:
    """Print one table for each length."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10])
    parser.add_argument("--height", type=int)
    parser.add_argument("--sound", type=Path, default=speech)
    parser.add_argument("--codec", default="h264")
    asked = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="lipwright-length-") as name:
        folder = Path(name)
        video = scaled(asked.video, asked.height, folder)
        options = DubOptions(cache=folder / "cache", encode=EncodeOptions(codec=asked.codec))
        for minutes in [0.05, *asked.minutes]:  # the first one builds the avatar
            sound, told = repeated(asked.sound, minutes, folder), spawn.Queue()
            job = spawn.Process(target=measured, args=(video, sound, folder / "result.mp4", options, told))
            job.start()
            seconds, frames, render, peaks = told.get()
            job.join()
            sound.unlink()
            if minutes in asked.minutes:
                show(minutes, seconds, frames, render, peaks)


def show(minutes: float, seconds: float, frames: int, render: float, peaks: dict[int, int]) -> None:
    """A line for the job and one for each minute; the last says how far memory rose after the first."""
    print(f"{minutes:g} minutes: {frames} frames in {seconds:.1f} s, {frames / render:.1f} frames a second")
    for minute, most in sorted(peaks.items()):
        print(f"  minute {minute + 1:3}  {most / MB:7.0f} MB")
    first, later = peaks[0], [most for minute, most in peaks.items() if minute]
    if later:
        print(f"  after the first minute: {100 * (np.max(later) / first - 1):+.1f} %", flush=True)


if __name__ == "__main__":
    main()
