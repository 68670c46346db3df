"""What the HeyGem engine costs here with random weights of the published size: docs/benchmarks.md, "HeyGem engine".

    python benchmarks/heygem.py [--device cpu] [--batch 1 4] [--seconds 3]

DINet v1 and WeNet are built at full size, converted as the engine converts them, and timed; then a whole job runs on
them, its face networks and GFPGAN the test suite's twins (which cost nothing), so that what is left is ours. Random
weights say nothing of looks, and nothing of what the real detectors and GFPGAN take. Needs the extras heygem and test.
"""

import argparse
import platform
import sys
import tempfile
import time
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
from lipwright.runtime import Models, load_onnxruntime

RUNS = 5


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--seconds", type=float, default=3.0)
    options = parser.parse_args()
    onnxruntime = load_onnxruntime()
    print(f"{platform.processor() or platform.machine()}, {psutil.cpu_count()} threads, ONNX Runtime "
          f"{onnxruntime.__version__}, device {options.device}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published(folder / "models")
        models, rng = Models(folder / "models", options.device), np.random.default_rng(0)
        for model in ("wenet", "dinet_v1"):
            begun = time.perf_counter()
            models.network(model)
            print(f"{model}: converted and opened in {time.perf_counter() - begun:.1f} s on {models.device.name}")
        mel = rng.normal(-40, 10, (1, 3503, 80)).astype(np.float32)
        seconds = timed(lambda: models.network("wenet").run(mel))
        print(f"wenet: {seconds:.2f} s for 35 s of sound, {35 / seconds:.0f} times real time")
        for batch in options.batch:
            inner = rng.random((batch, 3, 256, 256), np.float32)
            audio = rng.normal(0, 0.2, (batch, 256, 20)).astype(np.float32)
            seconds = timed(lambda inner=inner, audio=audio: models.network("dinet_v1").run(inner, audio)) / batch
            print(f"dinet_v1, batch {batch}: {1000 * seconds:.0f} ms a frame, {1 / seconds:.1f} frames a second")
        video = still_video(folder, options.seconds)
        for batch in options.batch:
            job = DubOptions(engine="heygem", models=folder / "models", device=options.device, batch_size=batch,
                             cache=folder / "cache", length="cut_off")  # fmt: skip
            report = dub(video, example_speech, folder / "out.mp4", options=job)
            with open_clip(folder / "out.mp4") as clip:
                whole = clip.facts.frames / report.seconds["render"]
            print(f"job, batch {batch}: {whole:.1f} frames a second drawn and encoded, stages {report.seconds}")
    peak = psutil.Process().memory_info()
    print(f"memory of this process: {getattr(peak, 'peak_wset', peak.rss) / 1e9:.1f} GB")


if __name__ == "__main__":
    main()
