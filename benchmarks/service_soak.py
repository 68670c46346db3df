"""The service under load: docs/benchmarks.md, section "Service".

    python benchmarks/service_soak.py [--jobs 200] [--clients 20] [--minutes 10] [--database-url postgresql+psycopg://…]

A stored avatar of 2 seconds in 360 lines; all jobs are submitted at once by the clients, which then ask for their
state as a program does. Every result is downloaded and looked through. With `--minutes`, more jobs follow, so that some
always wait, until so much time is over. Says how long the API took while videos were drawn, and what memory every
process had over time; exits 1 where a job is lost, doubled or wrong. Footage is a real clip where `../shared/clips` is
there, else the bundled portrait.
"""

import argparse
import hashlib
import platform
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path

import httpx
import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service_process import CLIP, CLIPS, RATE, ServiceProcess, footage, sound, stored_avatar, upload, wrong_with

SECONDS = 2.0
LOOK_S = 1.0  # between two looks of a client at its job
MEMORY_S = 5.0  # between two looks at the processes' watch
GIVE_UP_S = 300.0  # for a job, beyond the time it may take in the queue


class Times:
    """How long the service took to answer, by what was asked."""

    def __init__(self) -> None:
        self._lock, self.seconds = threading.Lock(), defaultdict[str, list[float]](list)

    def timed(self, what: str, ask: object) -> httpx.Response:
        """The answer to a question, timed."""
        begun = time.perf_counter()
        answer = ask()
        with self._lock:
            self.seconds[what].append(time.perf_counter() - begun)
        return answer

    def rows(self) -> list[str]:
        """A line for each kind of question, and one for all."""
        everything = [second for each in self.seconds.values() for second in each]
        return [row(what, seconds) for what, seconds in (*sorted(self.seconds.items()), ("all", everything))]


def row(what: str, seconds: list[float]) -> str:
    """A line of the table, milliseconds."""
    p50, p99 = 1000 * np.percentile(seconds, (50, 99))
    return f"| {what} | {len(seconds)} | {p50:.1f} | {p99:.1f} | {1000 * max(seconds):.1f} |"


class Watch(threading.Thread):
    """Looks from time to time at what every process takes."""

    def __init__(self, service: ServiceProcess) -> None:
        super().__init__(daemon=True)
        self._service, self._over, self._begun = service, threading.Event(), time.monotonic()
        self.seen = defaultdict[str, list[tuple[float, float]]](list)
        self.others = 0.0  # share of the machine that neither the service nor its clients took

    def run(self) -> None:
        """Until told to end."""
        all_before, ours_before = busy(), self._ours()
        while not self._over.wait(MEMORY_S):
            workers = {each.pid for each in self._service.workers()}
            for process in self._processes():
                with suppress(psutil.Error):
                    name = "worker" if process.pid in workers else name_of(process, self._service)
                    at, held = time.monotonic() - self._begun, process.memory_full_info().uss / 1e6
                    self.seen[f"{name} {process.pid}"].append((at, held))
        whole = psutil.cpu_count() * (time.monotonic() - self._begun)
        self.others = (busy() - all_before - self._ours() + ours_before) / whole

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()

    def _processes(self) -> list[psutil.Process]:
        return [psutil.Process(self._service.process.pid), *self._service.children()]

    def _ours(self) -> float:
        spent = 0.0
        for process in (psutil.Process(), *self._processes()):
            with suppress(psutil.Error):
                spent += sum(process.cpu_times()[:2])
        return spent

    def rows(self) -> list[str]:
        """A line for each process: what it held by fifths of the run, and how it grows at the end."""
        lines = []
        for name, seen in sorted(self.seen.items()):
            if len(seen) < 10:
                continue
            at, held = np.array(seen).T
            fifths = " | ".join(f"{part.mean():.0f}" for part in np.array_split(held, 5))
            late = at > at[-1] / 2
            slope = 60 * np.polyfit(at[late], held[late], 1)[0]
            lines.append(f"| {name} | {fifths} | {held.max():.0f} | {slope:+.2f} |")
        return lines


def busy() -> float:
    """Seconds that all processors have worked, for anybody."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0)


def name_of(process: psutil.Process, service: ServiceProcess) -> str:
    """What a process is, from its command line."""
    if process.pid == service.process.pid:
        return "server"
    return "tracker" if "resource_tracker" in " ".join(process.cmdline()) else "sniffer"


class Run:
    """Clients at work.

    Args:
        service: what they ask.
        asked: the job each of them asks for, again and again.
    """

    def __init__(self, service: ServiceProcess, asked: dict[str, str]) -> None:
        self._service, self._asked = service, asked
        self.times, self.accepted, self.findings = Times(), list[str](), list[str]()
        self.received = dict[str, str]()

    def client(self, jobs: int, until: float) -> None:
        """Submit all jobs at once, then see each to its end; with time left, go on with one after another."""
        with self._service.client() as client:
            mine = [self._submit(client) for _ in range(jobs)]
            while mine or time.monotonic() < until:
                if not mine:
                    mine = [self._submit(client)]
                self._follow(client, mine.pop(0))

    def _submit(self, client: httpx.Client) -> str:
        answer = self.times.timed("POST /v1/jobs", lambda: client.post("/v1/jobs", json=self._asked))
        if answer.status_code != 202:
            raise RuntimeError(f"refused: {answer.status_code} {answer.text}")
        self.accepted.append(answer.json()["id"])
        return self.accepted[-1]

    def _follow(self, client: httpx.Client, job: str) -> None:
        patience = time.monotonic() + GIVE_UP_S + 3 * len(self.accepted)
        for turn in count():
            view = self.times.timed("GET /v1/jobs/{id}", lambda: client.get(f"/v1/jobs/{job}")).json()
            if view["state"] in ("done", "failed", "cancelled"):
                break
            if time.monotonic() > patience:
                self.findings.append(f"{job} is lost: still {view['state']}")
                return
            if turn % 10 == 9:
                self.times.timed("GET /v1/jobs", lambda: client.get("/v1/jobs", params={"limit": 50}))
            time.sleep(LOOK_S)
        if view["state"] != "done":
            self.findings.append(f"{job} is {view['state']}: {view['error']}")
            return
        got = self.times.timed("GET /v1/jobs/{id}/output", lambda: client.get(f"/v1/jobs/{job}/output"))
        self.received[job] = hashlib.sha256(got.content).hexdigest()

    def judge(self, folder: Path) -> None:
        """Look through what lies in the data folder; afterwards, as it would slow down what is measured."""
        files = {path.relative_to(self._service.folder).as_posix() for path in self._service.folder.glob("results/*/*")}
        expected = {f"results/{job}/result.mp4": job for job in self.accepted}
        if strange := files - set(expected):
            self.findings.append(f"{len(strange)} results nobody asked for")
        if lost := set(expected) - files:
            self.findings.append(f"{len(lost)} results are not in the folder")
        for place in sorted(files & set(expected)):
            content = (self._service.folder / place).read_bytes()
            if hashlib.sha256(content).hexdigest() != self.received.get(expected[place]):
                self.findings.append(f"{place} is not what was received")
            if wrong := wrong_with(content, folder / "looked-at.mp4", round(SECONDS * RATE)):
                self.findings.append(f"{place}: {wrong}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=0)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    more = ["--database-url", options.database_url] if options.database_url else []
    machine = platform.processor() or platform.machine()
    print(f"{machine}, {psutil.cpu_count()} threads, Python {platform.python_version()}")
    print(f"footage: {CLIP if (CLIPS / CLIP).is_file() else 'the bundled portrait'}")
    with tempfile.TemporaryDirectory(prefix="lipwright-") as name:
        folder = Path(name)
        video, audio = footage(folder, SECONDS), sound(folder, SECONDS)
        with ServiceProcess(folder / "data", *more) as service:
            with service.client() as client:
                asked = {"avatar": stored_avatar(client, upload(client, video)), "audio": upload(client, audio)}
            run, watch = Run(service, asked), Watch(service)
            load(run, watch, options)
            run.judge(folder)
    print("\n".join(run.findings) or "none lost, none doubled, every file right")
    sys.exit(bool(run.findings))


def load(run: Run, watch: Watch, options: argparse.Namespace) -> None:
    """Let the clients work, and print what it took."""
    begun = time.monotonic()
    watch.start()
    jobs = -(-options.jobs // options.clients)
    with ThreadPoolExecutor(options.clients) as clients:
        waits = [clients.submit(run.client, jobs, begun + 60 * options.minutes) for _ in range(options.clients)]
        for wait in waits:
            wait.result()
    seconds = time.monotonic() - begun
    watch.stop()
    print(f"{len(run.accepted)} jobs in {seconds:.0f} s, {len(run.accepted) / seconds:.2f} a second", end="; ")
    print(f"other programs took {watch.others:.0%} of the machine")
    print("\n| request | number | p50 (ms) | p99 | longest |\n|---|--:|--:|--:|--:|")
    print("\n".join(run.times.rows()))
    print("\n| process | MB, first fifth | second | third | fourth | last | most | a minute, second half |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    print("\n".join(watch.rows()) + "\n")


if __name__ == "__main__":
    main()
