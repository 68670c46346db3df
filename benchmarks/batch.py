"""What a second worker of `lipwright batch` brings: docs/benchmarks.md, "Many jobs".

    python benchmarks/batch.py CLIP [--jobs 4] [--rounds 3]

The same jobs on the clip, its analysis stored, are done by one worker that has one core and by two that have one each,
in turns, so that whatever else the machine does meets both. Each batch is a process of its own, bound to its cores;
its processor time is told too: were a worker to use more than its core, it would exceed the seconds.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from lipwright.batch.manifest import Row
from lipwright.batch.plan import plan_jobs
from lipwright.batch.run import run_batch
from lipwright.example import speech
from lipwright.runtime.processes import keep_to, usable_cores


def measured(rows: list[Row], common: dict[str, str], folder: Path, workers: int) -> tuple[float, float, int]:
    """Seconds of a batch in a process with one core for each worker, its processor seconds, and its frames."""
    keep_to(usable_cores()[:workers])
    jobs = plan_jobs(rows, common)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = run_batch(jobs, folder / f"{workers}.jsonl", workers=workers)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert result.count("done") == len(jobs), [outcome.error for outcome in result.outcomes]
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, used, result.as_dict()["frames"]


def in_process(*arguments: object) -> tuple[float, float, int]:
    """`measured` in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, *arguments).result()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--audio", type=Path, default=speech)
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, here = Path(name), Path.cwd()
        common = {"cache": str(folder)}
        job = {"video": str(options.clip), "audio": str(options.audio)}
        rows = [Row(f"{n}", job | {"output": f"{folder}/{n}.mp4"}, here) for n in range(options.jobs)]
        in_process(rows[:1], common, folder, 1)  # keeps the analysis
        rounds = [[in_process(rows, common, folder, workers) for workers in (1, 2)] for _ in range(options.rounds)]
    print("| workers, one core each | frames | seconds | processor seconds | frames per second |")
    print("|---|--:|--:|--:|--:|")
    for place, workers in enumerate((1, 2)):
        seconds, used, frames = (median(values) for values in zip(*(pair[place] for pair in rounds), strict=True))
        print(f"| {workers} | {frames} | {seconds:.1f} | {used:.1f} | {frames / seconds:.1f} |")
    ratios = [one[0] / two[0] for one, two in rounds]
    print(
        f"\nTwo workers do {median(ratios):.2f} times as much as one (rounds: {', '.join(f'{r:.2f}' for r in ratios)})."
    )


if __name__ == "__main__":
    main()
