"""What the HeyGem engine costs here with random weights of the published size: docs/benchmarks.md, "HeyGem engine".

    python benchmarks/heygem.py [--device cpu] [--batch 1 4] [--seconds 3]

DINet v1 and WeNet are built at full size, converted as the engine converts them, and timed, each in a process of its
own that also tells its peak memory (of the CPU); on the CPU with one thread and with all. Then a whole job runs on
them, its face networks and GFPGAN the test suite's twins (which cost nothing), so that what is left is ours. Random
weights say nothing of looks, and nothing of what the real detectors and GFPGAN take. Needs the extras heygem and test.
"""

import argparse
import multiprocessing
import platform
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import synth
import twins
from twins import generator, speech

from lipwright import DubOptions, dub
from lipwright.example import portrait
from lipwright.example import speech as example_speech
from lipwright.media import open_clip
from lipwright.models.store import ModelStore
from lipwright.runtime import Models
from lipwright.runtime.devices import CPU, choose_device
from lipwright.runtime.sessions import open_session

RUNS = 5
PIECE_SECONDS, PIECE_ROWS = 35, 3503
PACKAGES = ("onnxruntime", "torch", "onnx", "numpy")


def timed(work: object, runs: int = RUNS) -> float:
    """Median seconds of a call, after one that does not count."""
    seconds = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return median(seconds[1:])


def published(folder: Path) -> None:
    """Twins of everything, the two converted networks at their published size."""
    twins.build_pictures(folder)
    generator.build(folder, channels=64)
    speech.build(folder, blocks=12, width=2048)


def still_video(folder: Path, seconds: float) -> Path:
    """The bundled portrait as 640 x 480 footage, where the detector's twin sees its face."""
    picture = cv2.cvtColor(cv2.imread(str(portrait)), cv2.COLOR_BGR2RGB)
    frame = cv2.resize(picture, (640, 640))[:480]
    return synth.write_video(folder / "still.mp4", [frame] * round(25 * seconds), rate=25)


def alone(work: object, *arguments: object) -> tuple[float, float]:
    """What the work returns and the peak memory in GB of a new process that does nothing else."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(with_peak, work, *arguments).result()


def with_peak(work: object, *arguments: object) -> tuple[float, float]:
    """The work's seconds and this process's peak memory in GB."""
    seconds = work(*arguments)
    if sys.platform == "win32":
        return seconds, psutil.Process().memory_info().peak_wset / 1e9
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return seconds, unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e9


def converted(folder: Path, model: str, device: str) -> float:
    """Seconds to convert and open a model."""
    begun = time.perf_counter()
    Models(folder, device).network(model)
    return time.perf_counter() - begun


def run_seconds(folder: Path, model: str, device: str, threads: int, batch: int) -> float:
    """Seconds of a run of a converted model."""
    rng = np.random.default_rng(0)
    checkpoint = ModelStore(folder).path(model)
    (made,) = checkpoint.parent.glob(f"{checkpoint.stem}.*.onnx")
    session = open_session(str(made), made.name, providers=choose_device(device).providers, threads=threads)
    arrays = (
        [rng.normal(-40, 10, (batch, PIECE_ROWS, 80))]
        if model == "wenet"
        else [rng.random((batch, 3, 256, 256)), rng.normal(0, 0.2, (batch, 256, 20))]
    )
    feed = {port.name: array.astype(np.float32) for port, array in zip(session.get_inputs(), arrays, strict=True)}
    return timed(lambda: session.run(None, feed))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    device = choose_device(options.device)
    print(f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} threads, device {device.name}, "
          + ", ".join(f"{package} {version(package)}" for package in PACKAGES))  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published(folder / "models")
        for model in ("wenet", "dinet_v1"):
            seconds, memory = alone(converted, folder / "models", model, options.device)
            print(f"{model}: converted and opened in {seconds:.1f} s, peak {memory:.1f} GB")
        for threads in [1, 0] if device.name == CPU.name else [0]:
            how = "1 thread" if threads else "all threads"
            seconds, memory = alone(run_seconds, folder / "models", "wenet", options.device, threads, 1)
            print(f"wenet, {how}: {seconds / PIECE_SECONDS:.3f} s for a second of sound, peak {memory:.1f} GB")
            for batch in options.batch:
                seconds, memory = alone(run_seconds, folder / "models", "dinet_v1", options.device, threads, batch)
                print(f"dinet_v1, {how}, batch {batch}: {seconds / batch:.2f} s a frame, peak {memory:.1f} GB")
        video = still_video(folder, options.seconds)
        for batch in options.batch:
            job = DubOptions(engine="heygem", models=folder / "models", device=options.device, batch_size=batch,
                             cache=folder / "cache", length="cut_off")  # fmt: skip
            report = dub(video, example_speech, folder / "out.mp4", options=job)
            with open_clip(folder / "out.mp4") as clip:
                whole = clip.facts.frames / report.seconds["render"]
            print(f"job, batch {batch}: {whole:.1f} frames a second drawn and encoded, stages {report.seconds}")


if __name__ == "__main__":
    main()
