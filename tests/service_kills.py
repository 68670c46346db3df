"""Kills the service's processes at random moments and looks whether every job still ends with its file.

`tests/service/test_kill.py` has a short form, `benchmarks/service_kill.py` the long one.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from service_process import RATE, ServiceProcess, ended, footage, sound, stored_avatar, submit, upload, wrong_with
from unsigned import unsigned

SECONDS = 1.0
ORPHAN_S = 10.0  # in which a dead server's children must be gone
AHEAD = 4  # jobs that wait at every kill


@dataclass
class Kills:
    """What was done and found.

    Args:
        kills: by what was killed.
        accepted: jobs the service said yes to.
        hit: jobs that ran when their worker was killed; no second worker is taken from one, a third try is not due.
        findings: what is wrong, empty for nothing.
    """

    kills: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    hit: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)


def killed_at_random(folder: Path, kinds: list[str], seed: int, *arguments: str) -> Kills:
    """Run a service, kill these of its processes, and look at what is left.

    Args:
        folder: for everything.
        kinds: `worker`, `server` or `both`, one a kill.
        seed: of the moments.
        arguments: further ones of `lipwright serve`.
    """
    rng, run = random.Random(seed), Kills()  # noqa: S311 - moments, not secrets
    video, audio = footage(folder, SECONDS), sound(folder, SECONDS)
    with ServiceProcess(folder / "data", *arguments) as service, service.client() as client:
        given = {"video": upload(client, video), "audio": upload(client, audio)}
        avatar = stored_avatar(client, given["video"])
        asks = [given, {"avatar": avatar, "audio": given["audio"]}]
        right = undisturbed(client, run, asks, folder)
        for kind in kinds:
            fill(client, run, asks, rng)
            time.sleep(rng.uniform(0.0, 1.5))
            kill(service, client, kind, run, rng)
        views = ended(client, run.accepted, 60 + 5 * len(run.accepted))
        judge(service, client, run, views, right)
    return run


def undisturbed(client: httpx.Client, run: Kills, asks: list[dict], folder: Path) -> set[tuple[bytes, int]]:
    """The file that these jobs give when nothing is killed: one but for its signature, however the footage is named."""
    run.accepted += [submit(client, **ask) for ask in asks]
    ended(client, run.accepted, 120)
    return {compared(client.get(f"/v1/jobs/{name}/output").content, folder) for name in run.accepted}


def compared(content: bytes, folder: Path) -> tuple[bytes, int]:
    """What must be the same in every file of the same job."""
    path = folder / "compared.mp4"
    path.write_bytes(content)
    return unsigned(path)


def fill(client: httpx.Client, run: Kills, asks: list[dict], rng: random.Random) -> None:
    """Keep the queue filled, so that something runs and something waits."""
    waiting = len(client.get("/v1/jobs", params={"state": "queued"}).json()["jobs"])
    for _ in range(AHEAD - waiting):
        run.accepted.append(submit(client, **rng.choice(asks)))


def kill(service: ServiceProcess, client: httpx.Client, kind: str, run: Kills, rng: random.Random) -> None:
    """One kill, and what an operator does after it: nothing, or start the server again."""
    if kind in ("worker", "both"):
        worker = frozen_worker(service, client, run, rng)
        if kind == "both":
            psutil.Process(service.process.pid).suspend()  # it must not see the other die first
        worker.kill()
    if kind in ("server", "both"):
        children = service.children()
        service.kill()
        _, alive = psutil.wait_procs(children, ORPHAN_S)
        if alive:
            run.findings.append(f"outlive their server: {[each.cmdline()[-2:] for each in alive]}")
        service.start()
    run.kills[kind] += 1


def frozen_worker(service: ServiceProcess, client: httpx.Client, run: Kills, rng: random.Random) -> psutil.Process:
    """A worker, stopped in its tracks while it has no job that was hit already."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for worker in service.workers():
            worker.suspend()
            running = {job["id"] for job in client.get("/v1/jobs", params={"state": "running"}).json()["jobs"]}
            if not running & run.hit:
                run.hit |= running
                return worker
            worker.resume()
        time.sleep(rng.uniform(0.05, 0.3))
    raise TimeoutError("no worker was found that may be killed")


def judge(service: ServiceProcess, client: httpx.Client, run: Kills, views: dict[str, dict], right: set) -> None:
    """Every job is done once, with the right pictures and sound, and nothing is left over."""
    for name, view in views.items():
        if view["state"] != "done":
            run.findings.append(f"job {name} is {view['state']}: {view['error']}")
            continue
        content = client.get(f"/v1/jobs/{name}/output").content
        wrong = wrong_with(content, service.folder.parent / "got.mp4", round(SECONDS * RATE))
        if wrong or {compared(content, service.folder.parent)} != right:
            run.findings.append(f"job {name}: {wrong or 'another file than without a kill'}")
    known, before = [], None
    while page := client.get("/v1/jobs", params={"limit": 200, "kind": "dub"} | ({"before": before} if before else {})):
        known += [job["id"] for job in page.json()["jobs"]]
        if (before := page.json()["next"]) is None:
            break
    if sorted(known) != sorted(run.accepted):
        run.findings.append(f"{len(known)} jobs are known, {len(run.accepted)} were accepted")
    files = sorted(path.relative_to(service.folder).as_posix() for path in (service.folder / "results").rglob("*.*"))
    if files != sorted(f"results/{name}/result.mp4" for name in run.accepted):
        run.findings.append(f"{len(files)} files in results for {len(run.accepted)} jobs")
    left = [path.name for name in ("work", "tmp") for path in (service.folder / name).iterdir()]
    if left:
        run.findings.append(f"left over: {left}")
