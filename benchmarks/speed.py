"""Speed and memory of whole commands against the floor: the numbers of docs/benchmarks.md, section "Speed".

    python benchmarks/speed.py VIDEO [--seconds 10] [--long 300] [--runs 5]

The floor is decoding every frame of a video with PyAV and encoding it again (yuv420p, libx264, veryfast, CRF 18, sound
copied, no colour conversion), in a process of its own, start-up not counted. Ours is the whole command, start-up
counted, the avatar stored. The two run in turn; the ratio is the median over the pairs. VIDEO is first bounced to
`--seconds` of footage, so that both handle the same number of frames.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path

import numpy as np

from lipwright.example import speech
from lipwright.media import ClipWriter, open_clip, read_sound
from lipwright.pipeline.plan import plan_frames

FLOOR = """
import sys, time, av
start = time.perf_counter()
with av.open(sys.argv[1]) as source, av.open(sys.argv[2], "w") as sink:
    video, sound = source.streams.video[0], source.streams.audio[0]
    video.thread_type = "AUTO"
    out = sink.add_stream("libx264", rate=video.average_rate, options={"preset": "veryfast", "crf": "18"})
    out.width, out.height, out.pix_fmt, out.thread_type = video.width, video.height, "yuv420p", "AUTO"
    copy = sink.add_stream_from_template(sound)
    frames = 0
    for packet in source.demux(video, sound):
        if packet.stream is sound:
            if packet.dts is not None:
                packet.stream = copy
                sink.mux(packet)
            continue
        for frame in packet.decode():
            sink.mux(out.encode(frame))
            frames += 1
    sink.mux(out.encode(None))
print(time.perf_counter() - start, frames)
"""


def write_sound(path: Path, seconds: float) -> None:
    """The bundled speech over and over, as WAV."""
    once = read_sound(speech, 16000).samples
    samples = np.resize(once, int(seconds * 16000))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


def run(*command: str | Path) -> tuple[float, float]:
    """Wall-clock seconds and peak memory (MB) of a command."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)  # noqa: S603
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} ended with {process.returncode}")
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return time.perf_counter() - start, usage.ru_maxrss / unit


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--long", type=float, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    """Make the material, take turns, print."""
    footage, sound, out = folder / "footage.mp4", folder / "sound.wav", folder / "out.mp4"
    write_sound(sound, options.seconds)
    with open_clip(options.video) as clip:
        facts = clip.facts
        plan = plan_frames("bounce", facts.frames, read_sound(sound).duration, facts.fps)
        shape = {"width": facts.width, "height": facts.height, "fps": facts.fps}
        with ClipWriter(footage, sound=sound, colour=clip.colour, **shape) as sink:
            for frame in clip.play(plan.source.tolist()):
                sink.write(frame)
    cli = (sys.executable, "-m", "lipwright.cli.main")
    cache = ("--cache", folder / "cache")
    build, build_memory = run(*cli, "avatar", "build", footage, *cache)
    rate = len(plan) / build
    print(f"{facts.width}x{facts.height}, {len(plan)} frames at {float(facts.fps):g} fps")
    print(f"avatar build: {rate:.0f} frames/s, whole command, {build_memory:.0f} MB")
    ratios, ours, floors, peak = [], [], [], 0.0
    for _ in range(options.runs):
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", FLOOR, footage, folder / "floor.mp4"], capture_output=True, text=True, check=True
        )
        floors.append(float(done.stdout.split()[0]))
        seconds, peak = run(*cli, "dub", "--video", footage, "--audio", sound, "-o", out, "-q", *cache)
        ours.append(seconds)
        ratios.append(seconds / floors[-1])
    frames = len(plan)
    print(f"floor {statistics.median(floors) / frames * 1e3:.1f} ms/frame, dub "
          f"{statistics.median(ours) / frames * 1e3:.1f} ms/frame, ratio {statistics.median(ratios):.2f} "
          f"({min(ratios):.2f} to {max(ratios):.2f}), peak {peak:.0f} MB")  # fmt: skip
    if options.long:
        compare_memory(options, folder, cli, cache)


def compare_memory(
    options: argparse.Namespace, folder: Path, cli: tuple[str, ...], cache: tuple[str | Path, ...]
) -> None:
    """A long job against a short one on the same footage, which both loop where it is shorter than the sound."""
    sound, out, peaks = folder / "sound.wav", folder / "out.mp4", []
    run(*cli, "avatar", "build", options.video, "-q", *cache)
    for length in (options.seconds, options.long):
        write_sound(sound, length)
        seconds, peak = run(*cli, "dub", "--video", options.video, "--audio", sound, "-o", out, "-q", *cache)
        peaks.append(peak)
        print(f"{length:g} s of sound: {seconds:.0f} s, peak {peak:.0f} MB")
    print(f"peak memory, long over short: {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    main()
