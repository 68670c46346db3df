import os
import subprocess
import sys

import psutil
import pytest

from lipwright.runtime.processes import how_ended, share_of, usable_cores


@pytest.mark.parametrize(("code", "told"), [(-9, "SIGKILL, as"), (-11, "SIGSEGV"), (-40, "signal 40"), (3, "code 3")])
def test_how_a_worker_ended_is_told_whatever_ended_it(code, told):
    assert told in how_ended(code)


@pytest.mark.parametrize(("cores", "places"), [(1, 1), (2, 2), (8, 3), (16, 4), (5, 4)])
def test_cores_are_shared_out_without_rest_or_overlap(cores, places):
    numbers = list(range(10, 10 + cores))
    shares = [share_of(numbers, place, places) for place in range(places)]
    assert [core for share in shares for core in share] == numbers
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_more_processes_than_cores_take_turns():
    assert [share_of([3, 7], place, 5) for place in range(5)] == [[3], [7], [3], [7], [3]]


BOUND = """
from lipwright.runtime.processes import keep_to, usable_cores
keep_to(usable_cores()[:1])
from lipwright.runtime.sessions import open_model
session = open_model("mouth_motion", threads=0)
import psutil
print(len(usable_cores()), psutil.Process().num_threads())
"""


@pytest.mark.skipif(not hasattr(psutil.Process(), "cpu_affinity"), reason="this system binds no process to a core")
def test_a_process_of_one_core_has_networks_of_one_thread():
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", BOUND], capture_output=True, text=True, check=True, env=env)
    cores, threads = map(int, done.stdout.split())
    assert cores == 1
    assert len(usable_cores()) == 1 or threads == 1
