import time

import pytest
from sqlalchemy.exc import OperationalError

from lipwright.service import fetcher
from lipwright.service.fetcher import Fetcher
from lipwright.service.intake import Intake
from lipwright.service.jobs import Job


class _Sniffer:
    def facts(self, path):
        return {"kind": "video", "has_sound": False}


@pytest.mark.parametrize("when", ["while it is downloaded", "once it is here"])
def test_a_download_begins_anew_after_the_database_was_away(settings, queue, monkeypatch, when):
    """Else the job would be `fetching` for ever, under the lease of a thread that has forgotten it."""
    tries, made = [], settings.data_dir / "uploads" / "clip.mp4"

    def gone(*_):
        raise OperationalError("UPDATE", {}, Exception("server closed the connection"))

    def download(*_, **__):
        tries.append(1)
        if len(tries) == 1 and when == "while it is downloaded":
            gone()
        made.write_bytes(b"clip")
        return made

    real = queue.fetched
    monkeypatch.setattr(fetcher, "download", download)
    if when == "once it is here":
        monkeypatch.setattr(queue, "fetched", lambda *given: gone() if len(tries) == 1 else real(*given))
    job = queue.add(Job(state="fetching", request={"video": "http://a/clip.mp4", "audio": "uploads/a.wav"}))
    loads = Fetcher(queue, settings, Intake(settings, queue, _Sniffer()))
    loads.start()
    end = time.monotonic() + 10
    while queue.get(job.id).state == "fetching" and time.monotonic() < end:
        time.sleep(0.05)
    loads.stop()
    after = queue.get(job.id)
    assert (after.state, after.request["video"], len(tries)) == ("queued", "uploads/clip.mp4", 2)
