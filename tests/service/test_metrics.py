import json
import time

import pytest
from answering import answering
from fastapi import FastAPI, HTTPException, Response
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import StreamingResponse

from lipwright.service.jobs import Job, JobStore
from lipwright.service.metrics import Metrics, RequestWatch
from lipwright.service.routes.metrics import router
from lipwright.service.settings import Settings
from lipwright.service.supervisor import Supervisor


@pytest.fixture
def store(tmp_path):
    store = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    yield store
    store.close()


@pytest.fixture
def supervisor(store, tmp_path):
    return Supervisor(store, Settings(data_dir=tmp_path, devices=("cpu",)))


@pytest.fixture
def client(store, supervisor, tmp_path):
    app = FastAPI()
    app.state.metrics = Metrics(store, supervisor, tmp_path, lambda: 1234)
    app.include_router(router)

    @app.get("/v1/jobs/{job}")
    def job(job: str, response: Response) -> str:
        if job == "broken":
            raise ValueError(job)
        if job == "missing":
            raise HTTPException(404)
        response.headers["X-Request-ID"] = "req-7"
        return job

    @app.get("/v1/slow")
    def slow() -> StreamingResponse:
        def lines():
            yield "first"
            time.sleep(0.3)
            yield "last"

        return StreamingResponse(lines())

    app.add_middleware(RequestWatch, metrics=app.state.metrics)
    with answering(app) as client:
        yield client


def figures(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value for family in families for sample in family.samples
    }


def ended(store, state, *, kind="dub", frames=0):
    """Bring a job through to its end."""
    job = store.add(Job(kind=kind))
    if state == "cancelled":
        return store.cancel(job.id)
    assert store.claim("lease", (kind,)).id == job.id
    if state == "done":
        assert store.finish(job.id, "lease", "results/x.mp4", {"frames": frames})
    else:
        assert store.fail(job.id, "lease", "no face", "input")
    return store.get(job.id)


def test_jobs_and_queue_are_those_of_the_store(client, store):
    waiting = store.add(Job(created=time.time() - 100))
    store.add(Job(kind="preview", state="fetching"))
    got = figures(client)
    assert got["lipwright_jobs", ("kind", "dub"), ("state", "queued")] == 1
    assert got["lipwright_jobs", ("kind", "preview"), ("state", "fetching")] == 1
    assert got["lipwright_queue_length",] == 2
    assert 100 <= got["lipwright_queue_oldest_seconds",] < 110
    store.cancel(waiting.id)
    store.claim("lease", ("preview",))
    assert figures(client)["lipwright_queue_length",] == 1


def test_an_empty_queue_has_no_oldest(client):
    got = figures(client)
    assert (got["lipwright_queue_length",], got["lipwright_queue_oldest_seconds",]) == (0, 0)


def test_what_ends_is_counted_once_and_kept_when_it_is_removed(client, store):
    assert figures(client)["lipwright_jobs_ended_total", ("kind", "dub"), ("state", "done")] == 0
    done = ended(store, "done", frames=50)
    ended(store, "done", frames=25)
    ended(store, "failed")
    ended(store, "cancelled", kind="preview")
    for _ in range(3):
        got = figures(client)
        assert got["lipwright_jobs_ended_total", ("kind", "dub"), ("state", "done")] == 2
        assert got["lipwright_jobs_ended_total", ("kind", "dub"), ("state", "failed")] == 1
        assert got["lipwright_jobs_ended_total", ("kind", "preview"), ("state", "cancelled")] == 1
        assert got["lipwright_frames_total",] == 75
        assert got["lipwright_job_seconds_count", ("kind", "dub")] == 3
        store.remove(done.id)


def test_a_job_that_ends_again_counts_again(client, store):
    job = ended(store, "failed")
    figures(client)
    store.retry(job.id)
    store.claim("lease")
    store.finish(job.id, "lease", "results/x.mp4", {"frames": 5})
    got = figures(client)
    assert got["lipwright_jobs_ended_total", ("kind", "dub"), ("state", "failed")] == 1
    assert got["lipwright_jobs_ended_total", ("kind", "dub"), ("state", "done")] == 1


def test_what_ended_before_the_server_started_does_not_count(store, supervisor, tmp_path):
    ended(store, "done", frames=5)
    metrics = Metrics(store, supervisor, tmp_path, lambda: 0)
    labels = {"state": "done", "kind": "dub"}
    assert metrics.registry.get_sample_value("lipwright_jobs_ended_total", labels) == 0
    ended(store, "done", frames=7)
    assert metrics.registry.get_sample_value("lipwright_jobs_ended_total", labels) == 1
    assert metrics.registry.get_sample_value("lipwright_frames_total") == 7


def test_workers(client, supervisor):
    supervisor.slots[0].ready, supervisor.slots[0].crashes = True, 3
    got = figures(client)
    assert got["lipwright_worker_up", ("device", "cpu"), ("takes", "all")] == 1
    assert got["lipwright_worker_up", ("device", "cpu"), ("takes", "previews")] == 0
    assert got["lipwright_worker_crashes_total", ("device", "cpu"), ("takes", "all")] == 3


def test_requests_are_counted_by_route_not_by_address(client):
    for path in ("/v1/jobs/a", "/v1/jobs/b", "/v1/jobs/missing", "/v1/jobs/broken", "/nowhere/1", "/nowhere/2"):
        client.get(path, headers={"Connection": "close"})  # as the server does after an error
    client.request("BREW", "/v1/jobs/a")
    got = figures(client)
    counts = {
        tuple(value for _, value in labels): number
        for (name, *labels), number in got.items()
        if name == "lipwright_request_seconds_count"
    }
    assert counts == {
        ("GET", "/v1/jobs/{job}", "200"): 2,
        ("GET", "/v1/jobs/{job}", "404"): 1,
        ("GET", "/v1/jobs/{job}", "500"): 1,
        ("GET", "none", "404"): 2,
        ("other", "/v1/jobs/{job}", "405"): 1,
    }


def test_a_stream_counts_until_it_begins(client):
    assert client.get("/v1/slow").text == "firstlast"
    got = figures(client)
    labels = (("method", "GET"), ("route", "/v1/slow"), ("status", "200"))
    assert got["lipwright_request_seconds_sum", *labels] < 0.25


def test_one_line_a_request_without_its_query(client, caplog):
    caplog.set_level("INFO", "lipwright.service.access")
    client.get("/v1/jobs/a%0Ab?key=hush", headers={"X-API-Key": "hush"})
    client.get("/metrics")
    (line,) = [record for record in caplog.records if record.name == "lipwright.service.access"]
    assert (line.method, line.path, line.status) == ("GET", "/v1/jobs/a%0Ab", 200)
    assert line.request_id == "req-7"
    assert line.ms > 0
    assert "hush" not in json.dumps({name: str(value) for name, value in vars(line).items()})


def test_space(client):
    got = figures(client)
    assert got["lipwright_data_bytes",] == 1234
    assert got["lipwright_disk_free_bytes",] > 0


def test_openmetrics_where_asked_for(client):
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
