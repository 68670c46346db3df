import psutil
import pytest
from service_kills import killed_at_random


@pytest.mark.skipif(psutil.WINDOWS, reason="Windows cannot stop a process in its tracks")
def test_jobs_survive_kills_at_random_moments(tmp_path):
    run = killed_at_random(tmp_path, ["server", "worker", "both", "server", "worker"], seed=7)
    assert run.kills.total() == 5
    assert len(run.accepted) > 5
    assert run.hit
    assert run.findings == []
