"""What many machines do per hour, from what one core does: docs/scale.md.

    python benchmarks/queue_simulation.py [--ms-per-frame 38] [--machines 1 10 1000] [--loads 0.6] [...]

Jobs arrive at random, alone and in bursts, their lengths are lognormal. New footage is looked at once, its other jobs
wait for that. Each job is cut into parts of ten seconds (with --whole it is one); a core draws one at a time, oldest
job first, after it has opened the job and fetched its footage. Now and then a part is slow, or a machine is lost with
all it was at, and those parts are drawn again. The head hands out so many parts a second, drivers join finished parts
on so many cores, and all share the bandwidth of the object store. Options called measured are to be set to what
docs/benchmarks.md says of one core; all others are assumptions.
"""

import argparse
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

PART_SECONDS = 10.0
RECENT = 50  # footage that jobs come back to
WARM_UP = 0.2  # of the time, whose jobs are not counted


@dataclass(slots=True)
class Job:
    """One job on its way."""

    arrived: float
    parts: list[float]  # seconds of video each
    footage: int
    left: int = 0
    begun: float = math.nan
    cores: set[int] = field(default_factory=set)  # that have the job open


@dataclass(slots=True)
class Task:
    """What one core does at a time: a part of a job, or looking at its footage."""

    job: Job
    seconds: float  # of video
    looks: bool = False
    began: float = 0.0
    lost: bool = False


class Server:
    """Something that does one thing after another on some lines: the head, the drivers, the object store."""

    def __init__(self, lines: int) -> None:
        self.busy, self._free = 0.0, [0.0] * lines

    def ready(self, now: float, seconds: float) -> float:
        """When something that takes so long is done."""
        begin = max(now, heapq.heappop(self._free))
        heapq.heappush(self._free, begin + seconds)
        self.busy += seconds
        return begin + seconds

    def use(self, span: float) -> float:
        """Share of the time that it was at work."""
        return self.busy / (span * len(self._free))


class Cluster:
    """Machines, what waits for them, and what happens to it.

    Args:
        given: the command line.
        machines: how many.
        seed: of all chance.
    """

    def __init__(self, given: argparse.Namespace, machines: int, seed: int) -> None:
        self.given, self.machines, self.chance = given, machines, random.Random(seed)  # noqa: S311 - a simulation
        self.now, self._count = 0.0, 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._waiting: list[tuple[float, int, Task]] = []
        self._free = deque(range(machines * given.cores))
        self._at: dict[int, Task] = {}
        self._down: set[int] = set()
        self._looked: dict[int, list[Job] | None] = {}  # jobs that wait for a footage, None once it is known
        self.head, self.drivers, self.store = Server(1), Server(given.driver_cores), Server(1)
        self.done: list[tuple[Job, float]] = []
        self.used = self.wasted = 0.0
        cost = given.ms_per_frame * given.fps / 1000
        mean = given.job_minutes * 60 * math.exp(given.job_spread**2 / 2)
        capacity = machines * given.cores / cost  # seconds of video per second
        self.rate = given.load * capacity / mean
        size = mean if given.whole else PART_SECONDS
        self.span = min(given.hours * 3600, given.parts * size / (given.load * capacity))

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Have something happen."""
        self._count += 1
        heapq.heappush(self._events, (when, self._count, act))

    def run(self) -> "Cluster":
        """Let jobs arrive for the whole span, and see how far they get in it."""
        self.at(0.0, self._arrive)
        if self.given.loss_hours:
            self.at(self._until_loss(), self._lose)
        while self._events and self._events[0][0] <= self.span:
            self.now, _, act = heapq.heappop(self._events)
            act()
        for task in self._at.values():  # what is under way counts as far as it is
            self.used += max(0.0, self.span - task.began)
        return self

    def _arrive(self) -> None:
        given = self.given
        burst = given.burst_jobs if self.chance.random() < given.bursts else 1
        for _ in range(burst):
            self._begin()
        mean = 1 + given.bursts * (given.burst_jobs - 1)
        self.at(self.now + self.chance.expovariate(self.rate / mean), self._arrive)

    def _begin(self) -> None:
        given, chance = self.given, self.chance
        seconds = max(2.0, 60 * given.job_minutes * math.exp(given.job_spread * chance.gauss(0, 1)))
        count = 1 if given.whole else math.ceil(seconds / PART_SECONDS)
        known = len(self._looked)
        new = not known or chance.random() < given.new_footage
        footage = known if new else chance.randrange(max(0, known - RECENT), known)
        job = Job(self.now, [seconds / count] * count, footage, left=count)
        waiting = self._looked.setdefault(footage, [])
        if waiting is None:  # it is known
            self._parts(job)
            return
        waiting.append(job)
        if new or given.stampede:
            self._queue(Task(job, 60 * given.footage_minutes, looks=True))

    def _parts(self, job: Job) -> None:
        for seconds in job.parts:
            self._queue(Task(job, seconds))

    def _queue(self, task: Task) -> None:
        self._count += 1
        heapq.heappush(self._waiting, (task.job.arrived, self._count, task))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._free:
            core = self._free.popleft()
            if core // self.given.cores in self._down:
                continue
            self._start(core, heapq.heappop(self._waiting)[2])

    def _start(self, core: int, task: Task) -> None:
        given, job = self.given, task.job
        begin = self.head.ready(self.now, 1 / given.head_rate)
        if core not in job.cores:  # it has neither footage nor sound yet
            job.cores.add(core)
            begin = self.store.ready(begin, given.footage_minutes * given.megabytes * 8e-3 / given.store_gbits)
            begin += given.open_seconds
        task.began = self.now
        if math.isnan(job.begun):
            job.begun = self.now
        cost = given.look_ms if task.looks else given.ms_per_frame
        work = task.seconds * given.fps * cost / 1000 * math.exp(0.1 * self.chance.gauss(0, 1))
        if self.chance.random() < given.stragglers:
            work *= given.straggler_times
        self._at[core] = task
        self.at(begin + work, lambda: self._finish(core, task))

    def _finish(self, core: int, task: Task) -> None:
        if task.lost:
            return
        del self._at[core]
        self.used += self.now - task.began
        self._free.append(core)
        job = task.job
        if task.looks:
            waiting, self._looked[job.footage] = self._looked[job.footage], None
            for other in waiting or ():
                self._parts(other)
        else:
            job.left -= 1
            joining = 0.0 if self.given.whole else task.seconds * self.given.fps * self.given.join_ms / 1000
            joined = self.drivers.ready(self.now, joining)
            if not job.left:
                self.at(joined, lambda: self._publish(job))
        self._hand_out()

    def _publish(self, job: Job) -> None:
        megabits = sum(job.parts) / 60 * self.given.megabytes * 8
        ready = self.store.ready(self.now, megabits * 1e-3 / self.given.store_gbits)
        self.at(ready, lambda: self.done.append((job, self.now)))

    def _until_loss(self) -> float:
        return self.now + self.chance.expovariate(self.machines / (self.given.loss_hours * 3600))

    def _lose(self) -> None:
        """A machine goes, and comes back empty after a while."""
        cores, machine = self.given.cores, self.chance.randrange(self.machines)
        if machine not in self._down:
            self._down.add(machine)
            for core in range(machine * cores, (machine + 1) * cores):
                if (task := self._at.pop(core, None)) is not None:
                    task.lost = True
                    self.used += self.now - task.began
                    self.wasted += self.now - task.began
                    task.job.cores.discard(core)
                    self._queue(Task(task.job, task.seconds, task.looks))
            self.at(self.now + self.given.replace_seconds, lambda: self._replace(machine))
        self.at(self._until_loss(), self._lose)

    def _replace(self, machine: int) -> None:
        self._down.discard(machine)
        cores = range(machine * self.given.cores, (machine + 1) * self.given.cores)
        idle = set(self._free)
        self._free.extend(core for core in cores if core not in idle and core not in self._at)
        self._hand_out()


def share(values: list[float], part: float) -> float:
    """A quantile; NaN of nothing."""
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else math.nan


def row_of(cluster: Cluster) -> str:
    """A line of the table."""
    given, span = cluster.given, cluster.span
    counted = [(job, at) for job, at in cluster.done if job.arrived >= WARM_UP * span]
    made = sum(sum(job.parts) for job, at in cluster.done if at >= WARM_UP * span) / ((1 - WARM_UP) * span)
    waits = [job.begun - job.arrived for job, _ in counted]
    whole = [at - job.arrived for job, at in counted]
    core_hours = cluster.machines * given.cores
    price = core_hours * given.price / (made * 60) if made else math.nan  # an hour makes 60 · made minutes
    cells = [
        f"{cluster.machines}",
        f"{given.load:g}",
        f"{made * 60:,.0f}",
        " / ".join(f"{share(waits, part):.1f}" for part in (0.5, 0.95, 0.99)),
        " / ".join(f"{share(whole, part):.0f}" for part in (0.5, 0.95, 0.99)),
        f"{100 * cluster.used / (core_hours * span):.0f} %",
        f"{100 * cluster.wasted / max(cluster.used, 1e-9):.2f} %",
        " / ".join(f"{100 * server.use(span):.0f}" for server in (cluster.head, cluster.drivers, cluster.store)),
        f"{price:.4f}",
    ]
    return f"| {' | '.join(cells)} |"


def options() -> argparse.Namespace:  # noqa: PLR0915 - one statement an option
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--machines", type=int, nargs="+", default=[1, 10, 100, 1000])
    add("--loads", type=float, nargs="+", default=[0.6], help="arriving work, as a share of what all cores can draw")
    add("--cores", type=int, default=16, help="of one machine")
    add("--ms-per-frame", type=float, default=38.0, help="measured: processor time of an output frame")
    add("--look-ms", type=float, default=8.0, help="measured: processor time of a frame of new footage")
    add("--join-ms", type=float, default=0.15, help="measured: driver's time for a frame that is joined")
    add("--open-seconds", type=float, default=1.5, help="about: until a core that has not the job yet can draw")
    add("--fps", type=float, default=25.0)
    add("--megabytes", type=float, default=20.0, help="measured: of a minute of video")
    add("--job-minutes", type=float, default=2.0, help="median length")
    add("--job-spread", type=float, default=1.0, help="sigma of its logarithm")
    add("--footage-minutes", type=float, default=1.0)
    add("--new-footage", type=float, default=0.1, help="share of jobs on footage nobody has looked at")
    add("--whole", action="store_true", help="a job is drawn and joined by one core, as in a batch")
    add("--stampede", action="store_true", help="no job waits for another that looks at its footage: each looks itself")
    add("--bursts", type=float, default=0.05, help="share of arrivals that are bursts")
    add("--burst-jobs", type=int, default=20)
    add("--stragglers", type=float, default=0.02, help="share of parts that are slow")
    add("--straggler-times", type=float, default=3.0)
    add("--loss-hours", type=float, default=200.0, help="hours until a machine is lost, on average; 0: never")
    add("--replace-seconds", type=float, default=180.0)
    add("--head-rate", type=float, default=1000.0, help="parts a head hands out a second")
    add("--driver-cores", type=int, default=16)
    add("--store-gbits", type=float, default=100.0, help="bandwidth to the object store, all together")
    add("--price", type=float, default=0.04, help="of an hour of one core, in any currency")
    add("--hours", type=float, default=48.0)
    add("--parts", type=float, default=1_000_000, help="at most so many are simulated")
    add("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Simulate and print."""
    given = options()
    print("| machines | load | minutes of video per hour | wait for a core, s: p50 / p95 / p99 | until done, s | cores "
          "busy | drawn in vain | head / drivers / store, % | price of a minute |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for machines, load in itertools.product(given.machines, given.loads):
        given.load = load
        print(row_of(Cluster(given, machines, given.seed).run()), flush=True)


if __name__ == "__main__":
    main()
