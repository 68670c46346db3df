"""A batch on a Ray cluster of this machine."""

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from lipwright.batch import cluster
from lipwright.batch.manifest import Row
from lipwright.batch.plan import plan_jobs
from lipwright.batch.run import run_batch
from lipwright.errors import BackendError, OptionError


@pytest.fixture
def jobs(clip_file, speech_wav, folder, quick):
    rows = [
        Row(str(n), {"video": str(video), "audio": str(speech_wav), "output": f"{n}.mp4"}, folder)
        for n, video in enumerate((clip_file, folder / "none.mp4", clip_file))
    ]
    return plan_jobs(rows, {"preset": "ultrafast", "crf": "30", "cache": str(quick.cache)})


@pytest.fixture
def ray(monkeypatch):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    yield ray
    ray.shutdown()


@pytest.mark.filterwarnings("default")
def test_a_cluster_does_whole_jobs(jobs, folder, ray):
    result = run_batch(jobs, folder / "r.jsonl", executor="ray")
    assert [outcome.state for outcome in result.outcomes] == ["done", "failed", "done"]
    assert "none.mp4" in result.outcomes[1].error
    assert (folder / "0.mp4").stat().st_size > 1000
    again = run_batch(jobs, folder / "r.jsonl", executor="ray", resume=True)
    assert [outcome.state for outcome in again.outcomes] == ["skipped", "failed", "skipped"]


def test_a_cluster_without_machines_is_not_waited_for_in_vain(jobs, folder, monkeypatch):
    class Empty:
        exceptions = SimpleNamespace(RayError=RuntimeError)
        remote = cancel = staticmethod(lambda *_, **__: MagicMock())
        cluster_resources = staticmethod(dict)
        wait = staticmethod(lambda left, **_: ([], left))

    monkeypatch.setattr(cluster, "connect", lambda _: Empty)
    monkeypatch.setattr(cluster, "WAIT_S", 0.2)
    with pytest.raises(BackendError, match="has had no CPU for"):
        run_batch(jobs, folder / "r.jsonl", executor="ray")


def test_what_belongs_to_a_cluster_is_refused_without(jobs, folder):
    with pytest.raises(OptionError, match="--address belongs to --executor ray"):
        run_batch(jobs, folder / "r.jsonl", address="127.0.0.1:1")
    with pytest.raises(OptionError, match="executor 'slurm' is unknown; use one of local, ray"):
        run_batch(jobs, folder / "r.jsonl", executor="slurm")
