"""Whole commands as a user runs them, start-up included, and the floor they are compared with."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import av
import psutil
from av.video.stream import VideoStream

from lipwright.errors import BackendError, InputError, LipwrightError, OutputError
from lipwright.media import EncodeOptions

COMMAND = ("-m", "lipwright.cli.main")
SAMPLE_SECONDS = 0.02


class Cost(NamedTuple):
    """Wall-clock seconds and peak resident memory in bytes of a process."""

    seconds: float
    memory: int


def run_lipwright(*words: str | Path) -> Cost:
    """Run a command of ours in a process of its own, which ends with this block whatever happens.

    Raises:
        LipwrightError: it failed; of the kind its exit code stands for.
    """
    command = [sys.executable, *COMMAND, *map(str, words)]
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said) as process:  # noqa: S603
            try:
                peak = _watch(process)
            except BaseException:
                process.kill()
                raise
        seconds = time.perf_counter() - start
        if process.returncode:
            said.seek(0)
            raise _failure(process.returncode, said.read().decode("utf-8", "replace"), words[0])
    return Cost(seconds, peak)


def _watch(process: subprocess.Popen) -> int:
    """Wait for a process. Returns the most memory it was seen to hold."""
    family, peak = [psutil.Process(process.pid)], 0
    while True:
        try:
            if os.name == "nt":  # the `python` of a virtual environment there starts the real one
                family[1:] = family[0].children(recursive=True)
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.Error:  # it has just ended
            pass
        try:
            process.wait(SAMPLE_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return peak


def _failure(code: int, said: str, command: str | Path) -> LipwrightError:
    sentence = said.strip().splitlines()[-1].removeprefix("lipwright: ") if said.strip() else "it said nothing"
    kinds = {kind.exit_code: kind for kind in (InputError, OutputError, BackendError)}
    return kinds.get(code, LipwrightError)(f"`lipwright {command}` ended with exit code {code}: {sentence}")


def run_floor(source: Path, sink: Path, options: EncodeOptions) -> float:
    """Decode every frame of a video with PyAV and encode it again, sound copied, no colour conversion.

    Args:
        source: a video with sound.
        sink: the file to make.
        options: codec, quality and speed of the encoder.

    Returns:
        Wall-clock seconds.
    """
    encoder = options.ffmpeg_name
    start = time.perf_counter()
    with av.open(str(source)) as reader, av.open(str(sink), "w") as writer:
        video, sound = reader.streams.video[0], reader.streams.audio[0]
        settings = options.encoder_settings(video.width)
        video.thread_type = "AUTO"
        out = writer.add_stream(encoder, rate=video.average_rate, options=settings)
        assert isinstance(out, VideoStream)  # noqa: S101 - the table holds video encoders only
        out.width, out.height, out.pix_fmt, out.thread_type = video.width, video.height, "yuv420p", "AUTO"
        copy = writer.add_stream_from_template(sound)
        for packet in reader.demux(video, sound):
            if packet.stream is sound:
                if packet.dts is not None:
                    packet.stream = copy
                    writer.mux(packet)
                continue
            for frame in video.decode(packet):
                writer.mux(out.encode(frame))
        writer.mux(out.encode(None))
    return time.perf_counter() - start
