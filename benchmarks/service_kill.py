"""Processes of the service killed at random moments: docs/benchmarks.md, section "Service".

    python benchmarks/service_kill.py [--kills 20] [--seed 1] [--database-url postgresql+psycopg://…]

A worker, the server or both are killed with SIGKILL while jobs are submitted, wait and run; the server is started again
each time. In the end every job that was accepted must be done once, with the right pictures and sound, and nothing may
be left over. A job is retried once when its worker dies, so none is hit by it twice. Exits 1 on a finding.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service_kills import killed_at_random

KINDS = ("worker", "server", "both")


def main() -> None:
    """Kill and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database-url")
    options = parser.parse_args()
    more = ["--database-url", options.database_url] if options.database_url else []
    kinds = [KINDS[number % len(KINDS)] for number in range(options.kills)]
    with tempfile.TemporaryDirectory(prefix="lipwright-") as folder:
        begun = time.monotonic()
        run = killed_at_random(Path(folder), kinds, options.seed, *more)
    killed = ", ".join(f"{kind} {number}" for kind, number in run.kills.items())
    print(f"killed {killed}, in {time.monotonic() - begun:.0f} s")
    print(f"{len(run.accepted)} jobs accepted, {len(run.hit)} of them ran when their worker was killed")
    print("\n".join(run.findings) or "every job is done once, with the right pictures and sound; nothing is left over")
    sys.exit(bool(run.findings))


if __name__ == "__main__":
    main()
