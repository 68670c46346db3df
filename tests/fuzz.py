"""Damaged copies of small clips, photos and sounds through the public entry points.

Each must come out as a result or as an error of Lipwright's own with one sentence; no traceback, no hang, bounded
memory: `python tests/fuzz.py --count 500`. A slice of it is in `tests/test_fuzz.py`.
"""

import argparse
import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import synth

from lipwright import DubOptions, EncodeOptions, LipwrightError, dub
from lipwright.example import portrait, speech
from lipwright.media import open_clip, read_sound

SIDE, FRAMES = 160, 30
SECONDS_ALLOWED, MEGABYTES_ALLOWED = 60, 1_500
MOST_FRAMES = 3_000  # played of one damaged clip: its header may promise more
PER_WORKER = 25  # mutants, then a fresh process: one file's memory is not hidden behind another's

VIDEOS = {
    "end.mp4": ("libx264", {}),
    "front.mp4": ("libx264", {"movflags": "+faststart"}),
    "fragments.mp4": ("libx264", {"movflags": "+frag_keyframe+empty_moov"}),
    "a.mkv": ("libx264", {}),
    "a.webm": ("libvpx-vp9", {}),
    "a.avi": ("mpeg4", {}),
}
PHOTOS = ("a.png", "a.jpg", "a.webp")
SOUNDS = {
    "s.wav": ("pcm_s16le", 16000),
    "float.wav": ("pcm_f32le", 16000),
    "s.mp3": ("libmp3lame", 44100),
    "s.flac": ("flac", 48000),
    "s.ogg": ("libopus", 48000),
    "s.m4a": ("aac", 44100),
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A damaged copy.

    Args:
        number: of the mutant; with the seed it gives the same bytes every time.
        source: name of the whole file.
        harm: what was done to it.
        data: the bytes.
    """

    number: int
    source: str
    harm: str
    data: bytes


def make_sources(folder: Path) -> dict[str, bytes]:
    """Small whole files of every kind, by name."""
    picture = cv2.imdecode(np.fromfile(portrait, np.uint8), cv2.IMREAD_COLOR)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    sound = read_sound(speech, 48000).samples[24000:72000]
    rgb = np.ascontiguousarray(small[:, :, ::-1])
    for name, (codec, options) in VIDEOS.items():
        frames = (np.roll(rgb, n // 4, axis=1) for n in range(FRAMES))
        _write(folder / name, frames, codec, options)
    for name in PHOTOS:
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, small)[1].tobytes())
    for name, (codec, rate) in SOUNDS.items():
        at = np.arange(len(sound) * rate // 48000) * 48000 // rate
        synth.write_sound(folder / name, sound[at], rate, codec)
    return {name: (folder / name).read_bytes() for name in (*VIDEOS, *PHOTOS, *SOUNDS)}


def _write(path: Path, frames: Iterator[np.ndarray], codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"g": "10"})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 3, 30, 300))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def edit_head(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(min(512, len(data)))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))


def edit_tail(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 8)):
        data[-1 - chance.randrange(min(2048, len(data)))] = chance.randrange(256)


def cut_off(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def swap_chunks(data: bytearray, chance: random.Random) -> None:
    size = chance.choice((16, 256, 2048))
    a, b = (chance.randrange(max(1, len(data) - size)) for _ in range(2))
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def insert_garbage(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.randbytes(chance.choice((1, 4, 100, 5000)))


def blank_out(data: bytearray, chance: random.Random) -> None:
    at, size = chance.randrange(len(data)), chance.choice((4, 64, 4096))
    data[at : at + size] = bytes(len(data[at : at + size]))


HARMS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits,
    edit_head,
    edit_tail,
    cut_off,
    swap_chunks,
    insert_garbage,
    blank_out,
)


def mutants(sources: dict[str, bytes], seed: int) -> Iterator[Mutant]:
    """Without end; every source and every harm in turn."""
    names = list(sources)
    number = 0
    while True:
        chance = random.Random(f"{seed} {number}")  # noqa: S311 - for repeatable damage
        name, harm = names[number % len(names)], HARMS[number // len(names) % len(HARMS)]
        data = bytearray(sources[name])
        harm(data, chance)
        yield Mutant(number, name, harm.__name__, bytes(data))
        number += 1


def try_media(path: Path) -> None:
    """Read everything a file holds."""
    if path.name in SOUNDS:
        read_sound(path)
        return
    with open_clip(path) as clip:
        for _ in islice(clip.frames(), MOST_FRAMES):
            pass


def try_dub(path: Path, folder: Path, whole: Path, cache: Path) -> None:
    """A whole job with a file; nothing but a finished result may stay."""
    video, audio = (whole / "front.mp4", path) if path.name in SOUNDS else (path, whole / "s.wav")
    options = DubOptions(length="cut_off", encode=EncodeOptions(preset="ultrafast"), cache=cache)
    output = folder / "out.mp4"
    try:
        dub(video, audio, output, options=options)
    finally:
        output.unlink(missing_ok=True)
        left = [entry.name for entry in folder.iterdir() if entry != path]
        assert not left, f"left behind: {left}"


def outcome(job: Callable[[], None]) -> tuple[str, str]:
    """How a job went: `ok`, the name of the library's error, or a finding; and the sentence."""
    try:
        job()
    except LipwrightError as exc:
        sentence = str(exc)
        fine = "\n" not in sentence and len(sentence) > 20 and type(exc).__name__ != "ShapeError"
        return type(exc).__name__ if fine else "FINDING no sentence", f"{type(exc).__name__}: {sentence}"
    except Exception as exc:  # noqa: BLE001 - what is looked for
        return f"FINDING {type(exc).__name__}", str(exc)
    return "ok", ""


def work(pipe: "multiprocessing.connection.Connection", whole: Path) -> None:  # type: ignore[name-defined]
    """In a process of its own: take mutants, answer with outcomes, seconds and peak memory."""
    import resource

    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    while (mutant := pipe.recv()) is not None:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / mutant.source
            path.write_bytes(mutant.data)
            reading = outcome(lambda p=path: try_media(p))
            dubbing = outcome(lambda p=path: try_dub(p, p.parent, whole, whole.parent / "cache"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
        pipe.send((reading, dubbing, time.perf_counter() - start, peak))


class Worker:
    """A process that is replaced when it hangs, dies or has done enough."""

    def __init__(self, whole: Path) -> None:
        self._whole = whole
        self._context = multiprocessing.get_context("spawn")
        self._process, self._done = None, 0

    def run(self, mutant: Mutant) -> tuple[tuple[str, str], tuple[str, str], float, float]:
        if self._process is None or self._done >= PER_WORKER:
            self.stop()
            self._pipe, theirs = self._context.Pipe()
            self._process = self._context.Process(target=work, args=(theirs, self._whole), daemon=True)
            self._process.start()
            theirs.close()
            self._done = 0
        self._done += 1
        self._pipe.send(mutant)
        try:
            if self._pipe.poll(SECONDS_ALLOWED):
                return self._pipe.recv()
            finding = "FINDING hang"
        except EOFError:
            finding = "FINDING process died"
        self.stop()
        return (finding, ""), (finding, ""), float(SECONDS_ALLOWED), 0.0

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    slowest = most = 0.0
    findings = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        whole = Path(name) / "whole"
        whole.mkdir()
        sources = make_sources(whole)
        worker = Worker(whole)
        for mutant in islice(mutants(sources, options.seed), options.first, options.first + options.count):
            reading, dubbing, seconds, peak = worker.run(mutant)
            slowest, most = max(slowest, seconds), max(most, peak)
            kinds[f"read: {reading[0]}"] += 1
            kinds[f"dub: {dubbing[0]}"] += 1
            too_much = peak > MEGABYTES_ALLOWED
            if too_much or any("FINDING" in kind for kind, _ in (reading, dubbing)):
                findings += 1
                say(mutant.number, mutant.source, mutant.harm, reading, dubbing, f"{seconds:.1f} s {peak:.0f} MB")
        worker.stop()
    facts = {"count": options.count, "findings": findings, "slowest_s": round(slowest, 1), "peak_mb": round(most)}
    say(json.dumps(facts | dict(sorted(kinds.items())), indent=1))
    sys.exit(findings > 0)


def say(*words: object) -> None:
    print(*words, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    main()
