import os
import time

import pytest
from sqlalchemy.exc import OperationalError

from lipwright.service.housekeeping import Housekeeper
from lipwright.service.jobs import Avatar, Job

DAY = 24 * 3600


@pytest.fixture
def put(settings):
    """Writes a file so many days old into the data folder, and the folder it lies in."""

    def write(name, days):
        path = settings.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        for each in (path, path.parent):
            os.utime(each, (time.time() - days * DAY,) * 2)
        return path

    return write


def test_inputs_of_jobs_that_wait_stay(settings, queue, put):
    files = [put(f"uploads/{name}.mp4", 30) for name in ("waits", "again", "over")] + [put("uploads/new.mp4", 1)]
    queue.add(Job(request={"video": "uploads/waits.mp4", "audio": "uploads/waits.mp4"}))
    again, over = (queue.add(Job(request={"video": f"uploads/{name}.mp4"})) for name in ("again", "over"))
    queue.cancel(again.id)
    queue.retry(again.id)
    queue.cancel(over.id)
    Housekeeper(queue, settings).tidy()
    assert [path.exists() for path in files] == [True, True, False, True]


def test_what_lost_its_record_goes_and_all_else_stays(settings, queue, put):
    """A server that is killed between forgetting a job and removing its files leaves these behind."""
    job = Job(kind="avatar", avatar="kept")
    queue.add(job, avatar=Avatar(id="kept", job=job.id))
    queue.claim("w")
    queue.finish(job.id, "w", "", {"avatar_key": "key"})
    stay = [put("results/fresh/result.mp4", 6), put("temp/x-r.mp4", 99), put("avatars/other/footage.mp4", 30)]
    stay += [put(f"results/{job.id}/result.mp4", 30), put("avatars/kept/footage.mp4", 30)]
    stay += [put(f"logs/jobs/{job.id}.log", 30), put(f"logs/jobs/{job.id}.log.1", 30), put("logs/server.log", 30)]
    go = [put("results/gone/result.mp4", 8), put("logs/jobs/gone.log", 8), put("logs/jobs/gone.log.1", 8)]
    Housekeeper(queue, settings).tidy()
    assert [path.exists() for path in stay + go] == [True] * len(stay) + [False] * len(go)


def test_analyses_of_footage_nobody_uses_go_after_a_while(settings, queue, put):
    job = Job(kind="avatar", avatar="kept")
    queue.add(job, avatar=Avatar(id="kept", job=job.id))
    queue.claim("w")
    queue.finish(job.id, "w", "", {"avatar_key": "key"})
    names = {"key.npz": 99, "used.npz": 6, "tuned.npz": 99, "tuned.tuning.json": 99}
    stay = [put(f"cache/avatars/{name}", days) for name, days in names.items()]
    go = [put("cache/avatars/unused.npz", 8), put("cache/avatars/.unused-0a.1.2.partial.part", 8)]
    Housekeeper(queue, settings).tidy()
    assert [path.exists() for path in stay + go] == [True] * 4 + [False] * 2


def test_a_full_disk_gets_room_though_the_database_cannot_be_written(settings, queue, put, monkeypatch):
    def full(_):
        raise OperationalError("DELETE", {}, Exception("database or disk is full"))

    queue.add(Job(state="done", finished=time.time() - 30 * DAY))
    upload = put("uploads/old.mp4", 30)
    monkeypatch.setattr(queue, "remove", full)
    with pytest.raises(OperationalError):
        Housekeeper(queue, settings).tidy()
    assert not upload.exists()
