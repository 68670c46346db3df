"""A job whose worker dies goes on from its finished parts; what is kept for that goes with the job."""

import os
import time

import numpy as np
import psutil
import pytest
import synth
from service_process import ServiceProcess, ended, footage, submit, upload
from unsigned import unsigned

from lipwright.example import speech
from lipwright.media import read_sound
from lipwright.pipeline import parts
from lipwright.service.housekeeping import Housekeeper, remove_job
from lipwright.service.jobs import Job
from lipwright.service.publish import parts_folder
from lipwright.service.worker import Worker

OPTIONS = {"preset": "ultrafast", "crf": 30}


def kept(data):
    return sorted((data / "cache" / "parts").rglob("*.part"))


def test_a_killed_workers_job_goes_on(tmp_path):
    said = np.tile(read_sound(speech, 16_000).samples, 6)[: 16_000 * 36]
    audio = synth.write_sound(tmp_path / "long.wav", said, 16_000, "pcm_s16le")
    with ServiceProcess(tmp_path / "data") as service, service.client() as client:
        given = {"video": upload(client, footage(tmp_path, 1)), "audio": upload(client, audio), "options": OPTIONS}
        whole, killed = submit(client, **given), None
        ended(client, [whole], 120)
        assert kept(service.folder) == []
        killed = submit(client, **given)
        until = time.monotonic() + 60
        while not kept(service.folder) and time.monotonic() < until:
            time.sleep(0.02)
        assert client.get(f"/v1/jobs/{killed}").json()["state"] == "running"
        psutil.wait_procs([worker for worker in service.workers() if not worker.kill()], 10)
        view = ended(client, [killed], 120)[killed]
        assert view["state"] == "done"
        assert any("parts were there already" in note for note in view["result"]["notes"])
        assert kept(service.folder) == []
        results = service.folder / "results"
        assert unsigned(results / killed / "result.mp4") == unsigned(results / whole / "result.mp4")


@pytest.fixture
def worker(settings):
    with Worker(settings, "cpu", "w") as made:
        yield made


def test_a_cancelled_jobs_parts_go(settings, queue, worker, inputs, monkeypatch):
    monkeypatch.setattr(parts, "SECONDS", 1)
    queue.add(Job(request={**inputs, "options": OPTIONS}))
    job, wanted, seen = queue.claim("w"), type(queue).wanted, []

    def cancelled(self, name, lease):
        seen.append(len(kept(settings.data_dir)))
        if seen[-1] == 3:
            self.cancel(name)
        return wanted(self, name, lease)

    monkeypatch.setattr(type(queue), "wanted", cancelled)
    worker.run(job)
    assert seen[-1] == 3
    assert not parts_folder(settings, job.id).exists()


def test_parts_of_forgotten_jobs_go(settings, queue):
    over, waits = queue.add(Job()), queue.add(Job())
    for job in (over, waits):
        folder = parts_folder(settings, job.id)
        (folder / "key").mkdir(parents=True)
        os.utime(folder, (time.time() - 30 * 3600,) * 2)
    queue.cancel(over.id)
    Housekeeper(queue, settings).tidy()
    assert [parts_folder(settings, job.id).exists() for job in (over, waits)] == [False, True]
    queue.cancel(waits.id)
    remove_job(queue, settings, waits)
    assert not parts_folder(settings, waits.id).exists()
