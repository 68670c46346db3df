import asyncio
import errno
import io
import json
import os
import re
import shutil
import threading
import time
from pathlib import Path

import av
import httpx
import pytest
import sqlalchemy
from fastapi.testclient import TestClient

from lipwright.example import portrait, speech
from lipwright.service import intake
from lipwright.service.app import create_app
from lipwright.service.settings import Settings

FAST = {"preset": "ultrafast", "crf": 30}
BASE = "http://127.0.0.1:8383"  # what a browser on this machine would call it


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def client(data):
    """The whole service, worker included."""
    app = create_app(Settings(data_dir=data, devices=("cpu",), least_free_bytes=0))
    with TestClient(app, base_url=BASE, client=("127.0.0.1", 50000)) as made:
        yield made


@pytest.fixture
def idle(tmp_path):
    """A service whose workers never come: jobs wait."""
    app = create_app(Settings(data_dir=tmp_path / "idle", least_free_bytes=0, queue_length=2, max_seconds=8))
    yield TestClient(app, base_url=BASE, client=("127.0.0.1", 50000))
    app.state.parts.sniffer.close()
    app.state.parts.store.close()


def upload(client, path):
    with path.open("rb") as file:
        answer = client.post("/v1/files", files={"file": (path.name, file)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def ended(client, url, seconds=60):
    end = time.monotonic() + seconds
    while (view := client.get(url).json())["state"] in ("fetching", "queued", "running", "building"):
        assert time.monotonic() < end, view
        time.sleep(0.1)
    return view


def test_a_job_over_http(client):
    video, audio = upload(client, portrait), upload(client, speech)
    assert (video["kind"], video["width"], audio["kind"]) == ("photo", 512, "sound")
    assert audio["duration"] == pytest.approx(7.2, abs=0.05)
    asked = {"video": video["path"], "audio": audio["path"], "options": FAST, "name": "Hello"}
    answer = client.post("/v1/jobs", json=asked)
    assert answer.status_code == 202, answer.text
    view = ended(client, f"/v1/jobs/{answer.json()['id']}")
    assert (view["state"], view["progress"], view["result"]["frames"], view["name"]) == ("done", 100.0, 180, "Hello")
    whole = client.get(view["output_url"])
    assert whole.headers["content-type"] == "video/mp4"
    part = client.get(view["output_url"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    assert "attachment" in client.get(f"{view['output_url']}?download=1").headers["content-disposition"]
    with av.open(io.BytesIO(whole.content)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 180
    assert client.get(view["source_url"]).content == portrait.read_bytes()
    assert client.delete(f"/v1/jobs/{view['id']}").status_code == 204
    assert client.get(view["output_url"]).status_code == 404


def test_a_form_with_files_and_its_events(client):
    with portrait.open("rb") as video, speech.open("rb") as audio:
        form = {"options": json.dumps(FAST)}
        answer = client.post("/v1/jobs", files={"video": ("me.JPG", video), "audio": ("a.flac", audio)}, data=form)
    assert answer.status_code == 202, answer.text
    told = []
    with client.stream("GET", f"/v1/jobs/{answer.json()['id']}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told += [json.loads(line[5:]) for line in stream.iter_lines() if line.startswith("data:")]
    assert told[-1]["state"] == "done"
    assert any(view["state"] == "running" and 0 < view["progress"] < 100 for view in told)
    assert [view["progress"] for view in told] == sorted(view["progress"] for view in told)
    assert told[-1]["request"]["video"].endswith(".jpg")


def test_an_avatar_from_upload_to_removal(client, data):
    with portrait.open("rb") as video:
        made = client.post("/v1/avatars", files={"video": ("ada.jpg", video)}, data={"name": "Ada"}).json()
    view = ended(client, f"/v1/avatars/{made['id']}")
    assert (view["state"], view["name"], view["width"]) == ("ready", "Ada", 512)
    assert client.get(view["picture_url"]).content.startswith(b"\xff\xd8")
    refused = client.delete(f"/v1/jobs/{made['job']}")
    assert (refused.status_code, made["id"] in refused.json()["error"]) == (409, True)
    sound = upload(client, speech)["path"]
    job = client.post("/v1/jobs", json={"avatar": made["id"], "audio": sound, "options": FAST}).json()
    assert client.delete(f"/v1/avatars/{made['id']}").status_code == 409
    assert ended(client, f"/v1/jobs/{job['id']}")["result"]["avatar_reused"]
    assert [avatar["id"] for avatar in client.get("/v1/avatars").json()["avatars"]] == [made["id"]]
    assert client.delete(f"/v1/avatars/{made['id']}").status_code == 204
    assert client.get("/v1/avatars").json() == {"avatars": []}
    assert not (data / "avatars" / made["id"]).exists()
    assert client.get(f"/v1/jobs/{made['job']}").status_code == 404


def test_cancel_and_retry(client):
    video, audio = upload(client, portrait)["path"], upload(client, speech)["path"]
    asked = {"video": video, "audio": audio, "options": FAST}
    first, second = (client.post("/v1/jobs", json=asked).json()["id"] for _ in range(2))
    assert client.post(f"/v1/jobs/{second}/retry").status_code == 409
    assert client.delete(f"/v1/jobs/{second}").status_code == 202
    assert client.delete(f"/v1/jobs/{first}").status_code == 202
    assert ended(client, f"/v1/jobs/{second}")["state"] == "cancelled"
    assert ended(client, f"/v1/jobs/{first}")["state"] == "cancelled"
    assert client.get(f"/v1/jobs/{first}/output").status_code == 409
    assert client.post(f"/v1/jobs/{first}/retry").status_code == 202
    assert ended(client, f"/v1/jobs/{first}")["state"] == "done"


def test_removing_a_job_that_somebody_puts_into_the_queue_again_cancels_it(idle, monkeypatch):
    store = idle.app.state.parts.store
    files = {"video": upload(idle, portrait)["path"], "audio": upload(idle, speech)["path"]}
    job, remove = idle.post("/v1/jobs", json=files).json()["id"], store.remove
    store.cancel(job)
    monkeypatch.setattr(store, "remove", lambda name: store.retry(name) and remove(name))
    answer = idle.delete(f"/v1/jobs/{job}")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")


def test_what_is_gone_is_not_tried_again(idle):
    video = upload(idle, portrait)["path"]
    job = idle.post("/v1/jobs", json={"video": video, "audio": upload(idle, speech)["path"]}).json()["id"]
    idle.delete(f"/v1/jobs/{job}")
    (idle.app.state.parts.settings.data_dir / video).unlink()
    answer = idle.post(f"/v1/jobs/{job}/retry")
    assert (answer.status_code, answer.json()["error"][:15]) == (410, "the job's video")


def test_ready_and_health(client):
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/ready").json() == {"status": "ready", "version": "0.1.0", "missing": []}


def test_without_workers_it_is_not_ready(idle):
    answer = idle.get("/ready")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["a worker for auto"])


def test_a_full_queue_says_when_to_come_again(idle):
    asked = {"video": upload(idle, portrait)["path"], "audio": upload(idle, speech)["path"]}
    views = [idle.post("/v1/jobs", json=asked).json() for _ in range(2)]
    assert [view["position"] for view in views] == [0, 1]
    answer = idle.post("/v1/jobs", json=asked)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert "2 jobs wait" in answer.json()["error"]
    listed = idle.get("/v1/jobs", params={"limit": 1}).json()
    assert (listed["jobs"][0]["id"], listed["next"]) == (views[1]["id"], views[1]["id"])
    assert idle.get("/v1/jobs", params={"before": listed["next"]}).json()["jobs"][0]["id"] == views[0]["id"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"video": None}, "either video or avatar"),
        ({"avatar": "x"}, "either video or avatar"),
        ({"video": None, "avatar": "x"}, "no avatar 'x'"),
        ({"video": "../../secret"}, "not in the data folder"),
        ({"video": "lipwright.db"}, "file of the service itself"),
        ({"audio": "uploads/none.wav"}, "no file"),
        ({"video": "ftp://example.org/a.mp4"}, "http"),
        ({"video": "s3://bucket/a.mp4"}, "http"),
        ({"options": {"engine": "quantum"}}, "options.engine"),
        ({"options": {"engine": "heygem"}}, "lipwright models pull"),
        ({"options": {"fps": "fast"}}, "fps"),
        ({"options": {"mask_debug": True}}, "mask_debug"),
        ({"options": {"crf": 63}}, "crf"),
        ({"options": {"batch_size": 8}}, "batch-size"),
        ({"webhook": "file:///etc/passwd"}, "http"),
        ({"audio": None}, "audio"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(idle, change, told):
    asked = {"video": upload(idle, portrait)["path"], "audio": upload(idle, speech)["path"]} | change
    answer = idle.post("/v1/jobs", json=asked)
    assert answer.status_code in (404, 415, 422), answer.text
    assert told in answer.json()["error"]
    assert idle.get("/v1/jobs").json()["jobs"] == []


def test_inputs_that_are_swapped_are_refused(idle):
    picture, sound = upload(idle, portrait)["path"], upload(idle, speech)["path"]
    for video, audio, told in ((sound, sound, "holds sound only"), (picture, picture, "holds no sound")):
        answer = idle.post("/v1/jobs", json={"video": video, "audio": audio})
        assert answer.status_code == 422
        assert told in answer.json()["error"]


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", speech.read_bytes()[:64]])
def test_what_is_no_media_is_not_kept(idle, content):
    answer = idle.post("/v1/files", files={"file": ("x.mp4", content)})
    assert answer.status_code == 415, answer.text
    assert not list((idle.app.state.parts.settings.data_dir / "uploads").iterdir())


def test_footage_that_is_too_long_is_not_kept(idle, tmp_path):
    idle.app.state.parts.sniffer._most_seconds = 5.0
    answer = idle.post("/v1/files", files={"file": ("x.flac", speech.read_bytes())})
    assert answer.status_code == 415
    assert "lasts longer than 5 seconds" in answer.json()["error"]


def test_a_database_that_is_busy_for_too_long_is_503(idle, monkeypatch):
    def late(**_):
        raise sqlalchemy.exc.TimeoutError("QueuePool limit reached")

    monkeypatch.setattr(idle.app.state.parts.store, "recent", late)
    answer = idle.get("/v1/jobs")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")


def test_a_full_disk_is_507(idle):
    parts = idle.app.state.parts
    parts.intake._settings = parts.settings.model_copy(update={"disk_quota_bytes": 1})
    answer = idle.post("/v1/files", files={"file": ("x.jpg", portrait.read_bytes())})
    assert answer.status_code == 507
    parts.intake._settings = parts.settings.model_copy(update={"least_free_bytes": 10**18})
    assert idle.get("/ready").status_code == 503


def test_what_the_folder_holds_is_counted_while_it_changes(idle, monkeypatch):
    parts, listed = idle.app.state.parts, os.scandir
    root = parts.settings.data_dir
    (root / "work" / "gone").mkdir()
    (root / "work" / "clip.mp4").write_bytes(b"x" * 1000)

    def scandir(path):
        if Path(path).name == "gone":  # the job has ended between two looks
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert parts.intake.usage() >= 1000


def test_files_that_take_long_do_not_hold_up_the_rest(idle, monkeypatch):
    """A hundred files that decoders hang on, and the service still answers."""
    app, over = idle.app, threading.Event()
    monkeypatch.setattr(app.state.parts.intake, "facts", lambda _: over.wait(30))
    asked = {"video_url": "a.jpg", "audio_url": "a.jpg"}
    shutil.copyfile(portrait, app.state.parts.settings.data_dir / "temp" / "a.jpg")

    async def run():
        way = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=way, base_url=BASE) as client:
            calls = [client.post("/easy/submit", json=asked | {"code": str(number)}) for number in range(60)]
            calls += [client.post("/v1/files", files={"file": ("a.wav", b"x" * 100)}) for _ in range(40)]
            waiting = [asyncio.create_task(call) for call in calls]
            try:
                await asyncio.sleep(1)
                async with asyncio.timeout(5):
                    return [await client.get(path) for path in ("/health", "/easy/query?code=1")]
            finally:
                over.set()
                await asyncio.gather(*waiting, return_exceptions=True)

    assert [answer.status_code for answer in asyncio.run(run())] == [200, 200]


@pytest.mark.parametrize("step", ["copyfile", "add"])
def test_an_avatar_that_cannot_be_kept_leaves_nothing(idle, tmp_path, monkeypatch, step):
    video = upload(idle, portrait)["path"]

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    parts = idle.app.state.parts
    monkeypatch.setattr(*((intake.shutil, step) if step == "copyfile" else (parts.store, step)), full)
    assert idle.post("/v1/avatars", json={"video": video}).status_code == 507
    assert list((parts.settings.data_dir / "avatars").iterdir()) == []
    assert parts.store.avatars() == []


def test_the_document_describes_every_route(idle):
    paths = idle.get("/openapi.json").json()["paths"]
    assert {"/v1/jobs", "/v1/jobs/{job_id}", "/v1/files", "/v1/avatars", "/health", "/ready"} <= set(paths)
    body = paths["/v1/jobs"]["post"]["requestBody"]["content"]
    assert body["multipart/form-data"]["schema"]["properties"]["video"]["format"] == "binary"


def test_the_documentation_loads_nothing_from_elsewhere(idle):
    page = idle.get("/docs").text
    addresses = re.findall(r"""(?:src|href|url)[=:]\s*["']([^"']+)["']""", page)
    assert len(addresses) >= 4
    for address in addresses:
        assert idle.get(address).status_code == 200, address


def test_two_servers_do_not_share_a_data_folder(tmp_path):
    from lipwright.errors import OptionError
    from lipwright.service.app import only_one

    settings = Settings(data_dir=tmp_path).prepared()
    with only_one(settings), pytest.raises(OptionError, match="another lipwright server"):
        only_one(settings)


def test_a_disk_that_fills_while_a_file_comes_in(idle, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    answer = idle.post("/v1/files", files={"file": ("x.jpg", portrait.read_bytes())})
    assert (answer.status_code, answer.json()["kind"]) == (507, "NoSpace")
    assert not list((idle.app.state.parts.settings.data_dir / "uploads").iterdir())
