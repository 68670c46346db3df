"""POST /v1/verify: a free detector that keeps nothing, and that no file harms."""

import random

import pytest
from fastapi.testclient import TestClient
from othertool import SIGNER, OtherTool
from service_fuzz import png

from lipwright.example import portrait, speech
from lipwright.service.keys import KeyRing

BASE, LOCAL, REMOTE = "http://127.0.0.1:8383", ("127.0.0.1", 5000), ("203.0.113.9", 5000)


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signed")
    return OtherTool(folder).sign(portrait, folder / "signed.jpg")


def kept(app):
    folder = app.state.parts.settings.data_dir
    return [path.name for name in ("uploads", "tmp") for path in (folder / name).iterdir()]


def check(client, data, name="a file.jpg"):
    return client.post("/v1/verify", files={"file": (name, data, "image/jpeg")})


def test_an_upload_is_checked_and_not_kept(client, app, signed):
    answer = check(client, signed.read_bytes(), "../../my: file.jpg")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["conclusion"] == "holds"
    assert told["file"] == {"name": "my file.jpg", "bytes": signed.stat().st_size, "kind": "photo"}
    assert told["summary"]["code"] == "holds_unchecked"
    assert told["statement"]["by"] == SIGNER
    assert [layer["state"] for layer in told["layers"]] == ["holds", "absent", "absent"]
    assert kept(app) == []
    jobs = client.get("/v1/jobs").json()["jobs"]
    assert jobs == []


def test_a_path_in_the_data_folder_is_checked_and_stays(client, app, signed):
    for source in (signed, speech):
        with source.open("rb") as file:
            path = client.post("/v1/files", files={"file": (source.name, file)}).json()["path"]
        told = client.post("/v1/verify", json={"file": path}).json()
        assert told["conclusion"] == ("holds" if source == signed else "nothing_found")
        assert told["file"]["name"] == source.name
        by_form = client.post("/v1/verify", files={"file": (None, path)})
        assert by_form.json() == told
    assert len(kept(app)) == 2


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"file": ""}, 422),
        ({"file": "uploads/none.jpg"}, 422),
        ({"file": "lipwright.db"}, 422),
        ({"file": "/etc/passwd"}, 422),
        ({"file": "https://example.com/a.jpg"}, 422),
        ({"path": "a.jpg"}, 422),
        ({"file": "a.jpg", "trust": "b.pem"}, 422),
    ],
)
def test_what_is_none_of_the_clients_business_is_refused(client, body, status):
    answer = client.post("/v1/verify", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_what_is_no_media_is_refused_and_not_kept(client, app, tmp_path):
    for data in (b"", b"Dear reader", bytes(50_000), b"\xff\xd8\xff"):
        answer = check(client, data)
        assert answer.status_code == 415, answer.text
        assert str(tmp_path) not in answer.text
    assert kept(app) == []


def test_a_picture_too_large_to_be_decoded_is_refused(client, app):
    answer = check(client, png(30_000, 30_000), "large.png")
    assert answer.status_code == 415
    assert "million pixels; scale it down" in answer.json()["error"]
    assert kept(app) == []


def test_limits_and_keys_are_those_of_the_other_routes(client, app, signed):
    assert check(client, bytes(5_000_000)).status_code == 413
    stranger = TestClient(app, base_url=BASE, client=REMOTE)
    assert check(stranger, signed.read_bytes()).status_code == 401
    key = KeyRing(app.state.parts.store.database.engine).add("friend")
    assert check(client, signed.read_bytes()).status_code == 401, "a key exists, so it is needed"
    answer = TestClient(app, base_url=BASE, client=REMOTE, headers={"X-API-Key": key})
    assert check(answer, signed.read_bytes()).status_code == 200
    assert kept(app) == []


def test_damaged_files_are_answered_or_refused(client, app, signed, tmp_path):
    rng, whole, seen = random.Random(5), signed.read_bytes(), set()  # noqa: S311
    for _ in range(20):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 40)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        answer = check(client, bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]))
        assert answer.status_code in (200, 415), answer.text
        assert str(tmp_path) not in answer.text
        seen.add(answer.json().get("conclusion", "refused"))
    assert "changed" in seen
    assert kept(app) == []
