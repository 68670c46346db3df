"""What strangers may send to the service: docs/benchmarks.md, section "Service".

    python benchmarks/service_fuzz.py [--uploads 1000] [--examples 100] [--seconds 600] [--seed 1]

Hostile uploads (truncated and mutated media, bombs, playlists, other types, two things at once, evil names), giant and
malformed headers and bodies, then Schemathesis over the OpenAPI document. There may be no answer from 500 on but 503
and 507, no process may die, and nothing may be written outside the data folder. Exits 1 on a finding. Needs the package
schemathesis.
"""

import argparse
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from service_fuzz import attack, deaths, schemathesis, strays
from service_process import ServiceProcess

JOBS_S = 300.0  # for the jobs of damaged files that were taken


def main() -> None:
    """Attack and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=100, help="of Schemathesis, for each operation and phase")
    parser.add_argument("--seconds", type=int, default=600, help="for Schemathesis")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lipwright-") as name:
        folder, mine = Path(name) / "around", Path(name) / "mine"
        folder.mkdir()
        mine.mkdir()
        # Whatever is written to the usual places lands where it is seen.
        usual = dict.fromkeys(("HOME", "TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
        with ServiceProcess(folder / "data", environment=usual) as service:
            begun = time.monotonic()
            answers, findings = attack(service, mine, options.uploads, options.seed)
            print(f"{options.uploads} hostile uploads and more, {time.monotonic() - begun:.0f} s")
            print("\n".join(f"  {what}: {number}" for what, number in sorted(answers.items())))
            code, said = schemathesis(service, mine, options.examples, options.seconds)
            print(f"Schemathesis {version('schemathesis')}:\n{said[said.find('SUMMARY') :]}")
            if code:
                findings.append(f"Schemathesis found something:\n{said}")
            findings += deaths(service, JOBS_S)
            if service.process.poll() is not None:
                findings.append("the server ended")
            findings += [f"outside the data folder: {path}" for path in strays(service)]
    print("\n".join(findings) or "nothing found")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
