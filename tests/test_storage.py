"""Files that lie elsewhere."""

import http.server
import json
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import fsspec
import pytest
from typer.testing import CliRunner

from lipwright import storage
from lipwright.cli.main import app
from lipwright.errors import BackendError, InputError, MediaError, OutputError
from lipwright.media import open_clip
from lipwright.provenance.verify import verify
from lipwright.storage import fetched, is_url, published, shown, state_of


@pytest.fixture
def memory(monkeypatch):
    """A store of this process alone, which is of no use outside tests."""
    monkeypatch.setitem(storage.STORES, "memory", "")
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()


@pytest.fixture
def web(tmp_path):
    """A folder under an address."""
    place = tmp_path / "web"
    place.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield place, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def dub(*args):
    return CliRunner().invoke(app, ["dub", *map(str, args), "--preset", "ultrafast", "--crf", "30"])


def test_what_is_a_url():
    assert all(map(is_url, ["s3://b/k", "HTTPS://x/y", "file:///a", "gs://b/k"]))
    assert not any(map(is_url, ["a.mp4", "C:\\a.mp4", "C:/a.mp4", "c://a", "/a:b//c", Path("s3://b/k"), ""]))
    assert shown("https://user:secret@host:1/a%20b.mp4?X-Signature=secret#f") == "https://host:1/a%20b.mp4"
    assert shown(Path("x") / "a.mp4") == str(Path("x") / "a.mp4")


def test_paths_and_file_urls_are_themselves(tmp_path):
    path = tmp_path / "ä b.txt"
    path.write_text("x")
    for name in (path, str(path), path.as_uri().replace("%20", " ").replace("%C3%A4", "ä")):
        with fetched(name) as source, published(name) as target:
            assert source == target == path
        assert state_of(name) == (1, path.stat().st_mtime_ns)
    assert path.exists()
    assert state_of(tmp_path / "none") is None


def test_there_and_back(memory, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "BLOCK", 1000)
    memory.pipe("/in/a b.dat", bytes(range(256)) * 40)
    told = []
    with fetched("memory://in/a b.dat", lambda *at: told.append(at), tmp_path) as source:
        assert source.name == "a b.dat"
        assert source.read_bytes() == bytes(range(256)) * 40
        with published("memory://out/c.dat", lambda *at: told.append(at), tmp_path) as target:
            target.write_bytes(source.read_bytes())
            assert not memory.exists("/out/c.dat")
    assert memory.cat("/out/c.dat") == memory.cat("/in/a b.dat")
    assert list(tmp_path.iterdir()) == []
    assert told[0] == ("fetch", 0, 10240)
    assert ("fetch", 10240, 10240) in told
    assert told[-1] == ("publish", 10240, 10240)
    assert state_of("memory://in/a b.dat")[0] == 10240
    assert state_of("memory://in/none") is None


@pytest.mark.parametrize("name", ["%2e%2e", "a%2f..", "..", "."])
def test_a_name_leads_to_no_other_folder(name, memory, tmp_path):
    with published(f"memory://out/{name}", folder=tmp_path) as target:
        assert target.parent.parent == tmp_path
        assert target.name == "file"
        target.write_bytes(b"x")


def test_nothing_half_done_is_published(memory, tmp_path):
    memory.pipe("/out/old.dat", b"old")
    with pytest.raises(ZeroDivisionError), published("memory://out/old.dat", folder=tmp_path) as target:
        1 / target.write_bytes(b"")
    assert memory.cat("/out/old.dat") == b"old"
    assert list(tmp_path.iterdir()) == []


def test_what_came_short_is_refused(memory, monkeypatch):
    memory.pipe("/in/a", b"12345")
    real = memory.info
    monkeypatch.setattr(type(memory), "info", lambda self, path, **more: real(path) | {"size": 9})
    with pytest.raises(MediaError, match=r"memory://in/a came with 5 of 9 bytes"), fetched("memory://in/a"):
        pass


def test_a_result_that_cannot_be_sent_is_kept(memory, monkeypatch, tmp_path):
    def refuse(self, *args, **more):
        raise PermissionError("no")

    monkeypatch.setattr(type(memory), "put_file", refuse)
    monkeypatch.setattr(storage.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(OutputError, match="access denied") as caught, published("memory://out/c.mp4") as target:
        target.write_bytes(b"work of an hour")
    assert str(target) in str(caught.value)
    assert target.read_bytes() == b"work of an hour"


def test_an_upload_that_is_interrupted_leaves_nothing(memory, monkeypatch, tmp_path):
    def interrupt(self, *args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(type(memory), "put_file", interrupt)
    monkeypatch.setattr(storage.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(KeyboardInterrupt), published("memory://out/c.mp4") as target:
        target.write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_fetched_is_a_sentence(memory):
    with pytest.raises(MediaError, match="there is no such file"), fetched("memory://in/none.mp4"):
        pass
    with pytest.raises(InputError, match=r"ftp://host/a.mp4 cannot be read; give a path"), fetched("ftp://host/a.mp4"):
        pass
    with pytest.raises(OutputError, match=r"https://host/a.mp4 cannot be written"), published("https://host/a.mp4"):
        pass


def test_a_missing_driver_is_named(monkeypatch):
    def missing(url):
        raise ImportError("Please install gcsfs")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(BackendError, match="gs://b/k needs gcsfs, which is not installed; pip install gcsfs"):
        storage.check_source("gs://b/k")


def test_web_addresses(web, tmp_path):
    place, address = web
    (place / "a.bin").write_bytes(b"x" * 100_000)
    with fetched(f"{address}/a.bin?token=secret", folder=tmp_path) as source:
        assert (source.name, source.stat().st_size) == ("a.bin", 100_000)
    with pytest.raises(MediaError) as caught, fetched(f"{address}/none.bin?token=secret", folder=tmp_path):
        pass
    assert str(caught.value) == f"{address}/none.bin cannot be fetched: answered 404 File not found"
    assert list(place.parent.glob("lipwright-*")) == []


def test_dub_from_the_web_into_a_store(web, memory, clip_file, speech_wav):
    place, address = web
    (place / "v.mp4").write_bytes(clip_file.read_bytes())
    memory.pipe("/in/s.wav", speech_wav.read_bytes())
    inputs = ("--video", f"{address}/v.mp4", "--audio", "memory://in/s.wav")
    done = dub(*inputs, "-o", "memory://out/made.mp4")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("memory://out/made.mp4: 20 frames")
    with fetched("memory://out/made.mp4") as made, open_clip(made) as clip:
        assert clip.facts.frames == 20
        assert verify(made).conclusion == "holds"
    planned = dub(*inputs, "-o", "memory://out/other.mp4", "--dry-run", "--json")
    assert json.loads(planned.stdout)["output"] == "memory://out/other.mp4"
    for more, told in {("--mask-debug",): "second file", ("--preview", "1"): "a picture to look at"}.items():
        refused = dub(*inputs, "-o", "memory://out/m.mp4", *more)
        assert (refused.exit_code, told in refused.stderr) == (2, True)
    assert memory.ls("/out", detail=False) == ["/out/made.mp4"]


# ------------------------------------------------------------------------------------------------ a store like Amazon's


@contextmanager
def bucket(monkeypatch):
    """Moto's S3 on this machine, and a bucket in it."""
    server_module = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    import boto3

    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                            "AWS_DEFAULT_REGION": "us-east-1"}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="here")
        yield client
    finally:
        server.stop()
        fsspec.filesystem("s3").clear_instance_cache()


@pytest.mark.filterwarnings("default")  # drivers warn of their own dependencies
def test_dub_from_s3_to_s3(monkeypatch, clip_file, speech_wav, tmp_path):
    with bucket(monkeypatch) as client:
        client.put_object(Bucket="here", Key="in/v.mp4", Body=clip_file.read_bytes())
        client.put_object(Bucket="here", Key="in/s.wav", Body=speech_wav.read_bytes())
        inputs = ("--video", "s3://here/in/v.mp4", "--audio", "s3://here/in/s.wav")
        done = dub(*inputs, "-o", "s3://here/out/made.mp4", "--json")
        assert done.exit_code == 0, done.stderr
        assert json.loads(done.stdout)["output"] == "s3://here/out/made.mp4"
        made = tmp_path / "made.mp4"
        made.write_bytes(client.get_object(Bucket="here", Key="out/made.mp4")["Body"].read())
        assert verify(made).conclusion == "holds"
        missing = dub("--video", "s3://here/in/none.mp4", "--audio", "s3://here/in/s.wav", "-o", "s3://here/x.mp4")
        assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
        assert "s3://here/in/none.mp4 cannot be fetched: there is no such file" in missing.stderr
        lost = dub(*inputs, "-o", "s3://nowhere/x.mp4")
        assert lost.exit_code == 3
        assert "s3://nowhere/x.mp4 cannot be written" in lost.stderr

        rows = [{"video": "s3://here/in/v.mp4", "audio": "s3://here/in/s.wav", "output": f"s3://here/batch/{n}.mp4",
                 "preset": "ultrafast"} for n in range(2)]  # fmt: skip
        manifest = tmp_path / "jobs.jsonl"
        manifest.write_text("\n".join(map(json.dumps, rows)))
        for state in ("done", "skipped"):
            many = CliRunner().invoke(app, ["batch", str(manifest), "--json", "--resume"])
            assert many.exit_code == 0, many.stdout
            assert json.loads(many.stdout)[state] == 2
        listed = client.list_objects_v2(Bucket="here", Prefix="batch/")["Contents"]
        assert [one["Key"] for one in listed] == ["batch/0.mp4", "batch/1.mp4"]
