"""The whole application against people who mean it harm: uploads, paths, hosts, and who may ask for what."""

import io
import json
import random
import time
import zipfile
import zlib

import pytest
import synth
import wire
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from standardwebhooks.webhooks import Webhook as Receiver

from lipwright.example import portrait, speech
from lipwright.service.app import create_app
from lipwright.service.keys import KeyRing
from lipwright.service.settings import Settings

BASE, LOCAL, REMOTE = "http://127.0.0.1:8383", ("127.0.0.1", 5000), ("203.0.113.9", 5000)
HOSTILE = 80  # uploads
JSON = {"Content-Type": "application/json"}
FINE = (201, 400, 413, 415, 422)


@pytest.fixture
def add_key(app):
    return KeyRing(app.state.parts.store.database.engine).add


def files_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def seeds(folder):
    """Good files to spoil."""
    film = synth.write_video(folder / "film.mp4", map(synth.numbered, range(12)), sound=synth.chirp(0.4, 48000))
    others = [synth.write_video(folder / f"film{suffix}", map(synth.numbered, range(8))) for suffix in (".mkv", ".ts")]
    return [path.read_bytes() for path in (film, *others, portrait, speech)]


def zip_bomb():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film.mp4", bytes(20_000_000))
    return packed.getvalue()


MADE = (
    lambda: b"",
    lambda: bytes(50_000),
    zip_bomb,
    lambda: zlib.compress(bytes(5_000_000)),
    lambda: b"<!doctype html><script>alert(1)</script>" * 50,
    lambda: b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    lambda: b"ffconcat version 1.0\nfile ../lipwright.db\n",
    lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    lambda: b"\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2" + b"\xff\xff\xff\xffmoov" * 999,
    lambda: b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\xff\xff\xff\xff\xff\xff" + b"\xff" * 999,
    lambda: b"\x1a\x45\xdf\xa3" + b"\x01\xff\xff\xff\xff\xff\xff\xff" * 999,
    lambda: b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x10\x06\0\0\1" + bytes(99),
)
NAMES = ("a.mp4", "../../evil.mp4", "/etc/passwd", "C:\\evil.mp4", "a\0.mp4",
         "x" * 5000 + ".mp4", "", ".", "..", "a.html",
         "con.mp4", "%2e%2e%2fevil.mp4", "a.mp4\r\nX-Evil: 1", "evil.svg", "$(reboot).mp4", "`id`.mp4")  # fmt: skip


def spoilt(rng, sources):
    """One hostile file: cut, mutated, joined, or made up."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(MADE)()
    data = bytearray(rng.choice(sources))
    if kind == 1:
        return bytes(data[: rng.randrange(len(data))])
    if kind == 2:
        return bytes(data[: rng.randrange(len(data))] + rng.choice(sources)[rng.randrange(999) :])
    head = len(data) if kind == 3 else min(len(data), 600)
    for _ in range(rng.randrange(1, 60)):
        data[rng.randrange(head)] = rng.randrange(256)
    return bytes(data)


def test_hostile_uploads_do_no_harm(client, app, tmp_path):
    """`HOSTILE` files under names as bad: each is taken or refused in a sentence, and nothing is left anywhere else."""
    root, rng, sources = app.state.parts.settings.data_dir, random.Random(6), seeds(tmp_path)  # noqa: S311
    before, kept, counted = files_in(tmp_path), set(), dict.fromkeys(FINE, 0)
    for number in range(HOSTILE):
        file = (rng.choice(NAMES), spoilt(rng, sources), rng.choice(["video/mp4", "text/html", "", "x" * 900]))
        answer = client.post("/v1/files", files={"file": file})
        assert answer.status_code in FINE, (number, answer.status_code, answer.text)
        counted[answer.status_code] += 1
        if answer.status_code == 201:
            kept.add(f"data/{answer.json()['path']}")
            assert not answer.json()["path"].endswith((".html", ".svg"))
        else:
            assert "Traceback" not in answer.text
            assert str(tmp_path) not in answer.text
    assert counted[415] > HOSTILE / 4
    assert counted[201] > HOSTILE / 20  # some survive a changed byte
    new = {name for name in files_in(tmp_path) - before if not name.startswith(("data/lipwright.db", "data/logs/"))}
    assert new == kept
    assert list((root / "tmp").iterdir()) == []
    with portrait.open("rb") as file:
        assert client.post("/v1/files", files={"file": ("a.jpg", file)}).status_code == 201


def test_what_looks_like_a_page_is_served_as_none(client):
    """A picture that is a page, too, for those who go by its name."""
    trick = portrait.read_bytes() + b"<!doctype html><script>alert(document.domain)</script>"
    video = client.post("/v1/files", files={"file": ("page.html", trick)}).json()["path"]
    with speech.open("rb") as file:
        audio = client.post("/v1/files", files={"file": ("a.flac", file)}).json()["path"]
    job = client.post("/v1/jobs", json={"video": video, "audio": audio}).json()
    answer = client.get(f"/v1/jobs/{job['id']}/source")
    assert answer.content == trick
    assert "html" not in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox"


@pytest.mark.parametrize(
    "path",
    [
        "lipwright.db", "webhook.secret", "../secret.mp4", "/etc/passwd", "uploads/../lipwright.db", "logs/server.log",
        "tmp", "\0", "a\nb", "file:///etc/passwd", "concat:a|b", "\ud800", "uploads/link.mp4",
    ],
)  # fmt: skip
def test_jobs_reach_no_file_outside_and_none_of_the_services_own(client, app, tmp_path, path):
    (tmp_path / "secret.mp4").write_bytes(portrait.read_bytes())
    root = app.state.parts.settings.data_dir
    (root / "uploads" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    (root / "uploads" / "good.flac").write_bytes(speech.read_bytes())
    for body in ({"video": path, "audio": "uploads/good.flac"}, {"video": "uploads/good.flac", "audio": path}):
        answer = client.post("/v1/jobs", content=json.dumps(body))  # which can write halves of a pair, too
        assert answer.status_code in (415, 422), answer.text
        assert str(root) not in answer.text
    assert client.post("/v1/faces", content=json.dumps({"path": path}), headers=JSON).status_code == 422


def test_every_route_asks_for_the_key(client, app, add_key):
    """All that the document lists, by their paths: nothing was forgotten."""
    token = add_key("a")
    document = client.get("/openapi.json").json()
    asked = 0
    for path, methods in document["paths"].items():
        for method in methods:
            there = path.replace("{", "").replace("}", "")
            answer = client.request(method, there)
            if path.startswith(("/v1/", "/v2/", "/metrics")) and not path.endswith("/{generation_id}/output"):
                if "HeyGem" in methods[method]["tags"]:
                    continue
                asked += 1
                assert answer.status_code == 401, (method, path, answer.status_code)
                with_key = client.request(method, there, headers={"X-API-Key": token})
                assert with_key.status_code not in (401, 403), (method, path)
            else:
                assert answer.status_code != 401, (method, path)
    assert asked >= 15
    assert client.get("/v2/generate/x/output").status_code in (401, 403, 404, 422)


def test_heygem_calls_come_from_this_machine(app):
    remote = TestClient(app, base_url=BASE, client=REMOTE)
    for method, path in (("POST", "/easy/submit"), ("GET", "/easy/query?code=1"), ("POST", "/v1/invoke")):
        assert remote.request(method, path).status_code == 403


def test_other_sites_reach_nothing(client):
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        for method, path in (("GET", "/"), ("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("POST", "/easy/submit"),
                             ("GET", "/health"), ("GET", "/none")):  # fmt: skip
            assert client.request(method, path, headers=headers).status_code == 403


def test_large_requests_are_refused(client):
    answer = client.post("/v1/files", files={"file": ("a.mp4", bytes(4_500_000))})
    assert (answer.status_code, answer.json()["kind"]) == (413, "limit")
    answer = client.post("/v1/jobs", content=b"[" * 2_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    answer = client.post("/v1/jobs", content=b"[" * 900_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_webhook_tells_of_a_jobs_end(tmp_path):
    """With the service running: a job whose download is refused fails, and its webhook says so, signed."""
    settings = Settings(data_dir=tmp_path / "data", devices=("cpu",), least_free_bytes=0, allow_private_urls=True)
    app = create_app(settings)
    secret = app.state.parts.settings.webhook_secret.get_secret_value()
    answered = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    not_found = b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
    with (
        wire.peer(lambda _, path: answered if path == "/hook" else not_found) as site,
        TestClient(app, base_url=BASE, client=LOCAL) as client,
    ):
        body = {
            "video": f"{site.url}/film.mp4?token=hunter2",
            "audio": f"{site.url}/a.wav",
            "webhook": f"{site.url}/hook",
        }
        job = client.post("/v1/jobs", json=body).json()
        end = time.monotonic() + 20
        while "/hook" not in site.paths():
            assert time.monotonic() < end
            time.sleep(0.05)
        told = dict(line.split(": ", 1) for line in site.asked[-1].split("\r\n")[1:])
        view = Receiver(secret).verify(site.bodies[-1], told)
    assert (view["id"], view["state"], view["error_kind"]) == (job["id"], "failed", "input")
    assert "answered with status 404" in view["error"]
    assert "hunter2" not in view["error"]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_odd_letters_are_no_error_of_the_service(kind, tmp_path, request):
    more = {"database_url": request.getfixturevalue("postgres")} if kind == "postgresql" else {}
    app = create_app(Settings(data_dir=tmp_path / "data", least_free_bytes=0, **more))
    client = TestClient(app, base_url=BASE, client=LOCAL, raise_server_exceptions=False)
    root = app.state.parts.settings.data_dir
    (root / "uploads" / "good.jpg").write_bytes(portrait.read_bytes())
    (root / "uploads" / "good.flac").write_bytes(speech.read_bytes())
    good = {"video": "uploads/good.jpg", "audio": "uploads/good.flac"}
    for path in ("/v1/jobs/{}", "/v1/jobs/{}/events", "/v1/jobs/{}/output", "/v1/jobs?before={}", "/v1/avatars/{}",
                 "/v2/generate/{}", "/v2/generations?ids={}", "/easy/query?code={}", "/ui/{}", "/{}"):  # fmt: skip
        for odd in ("%00", "a%00b", "%ff%fe", "%ed%a0%80", "%F0%9F%98%80", "..%2f..", "'--", "x" * 5000):
            answer = client.get(path.format(odd))
            assert answer.status_code < 500, (path, odd, answer.text)
    for odd in ("\0", "a\0b", "\ud800", "\U0001f600", "'; DROP TABLE jobs; --"):
        for body in (good | {"name": odd}, good | {"webhook": odd}, good | {"options": {"preset": odd}},
                     {"avatar": odd, "audio": good["audio"]}):  # fmt: skip
            answer = client.post("/v1/jobs", content=json.dumps(body), headers=JSON)
            assert answer.status_code < 500, (body, answer.text)
        answer = client.post("/v1/avatars", content=json.dumps({"video": good["video"], "name": odd}), headers=JSON)
        assert answer.status_code < 500, (odd, answer.text)
    app.state.parts.sniffer.close()
    app.state.parts.store.close()


def test_a_database_that_is_away_is_told(app, monkeypatch):
    def away(_):
        raise OperationalError("SELECT", {}, Exception("connection refused to postgresql://user:password@host"))

    monkeypatch.setattr(app.state.parts.store, "get", away)
    client = TestClient(app, base_url=BASE, client=LOCAL, raise_server_exceptions=False)
    answer = client.get("/v1/jobs/a")
    assert (answer.status_code, answer.json()["kind"]) == (503, "database")
    assert answer.headers["retry-after"]
    assert "password" not in answer.text
