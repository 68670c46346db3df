import errno
import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from serving import serving

from lipwright.errors import BackendError, InputError, OptionError, OutputError
from lipwright.models import catalog
from lipwright.models import store as store_module
from lipwright.models.store import ModelStore

WEIGHTS = bytes(range(256)) * 4096  # 1 MiB
OTHER = WEIGHTS[::-1]
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
PAGE = b"\n<!DOCTYPE html><html><body>Sign in</body></html>"


@pytest.fixture(autouse=True)
def direct(monkeypatch):
    """The test server is reached without the machine's proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def site():
    with serving() as opened:
        opened.files["/xseg.onnx"] = WEIGHTS
        yield opened


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def change(monkeypatch):
    """Change a card for the test."""

    def make(name, **facts):
        known = dict(catalog.cards())
        known[name] = replace(known[name], **facts)
        monkeypatch.setattr(catalog, "cards", lambda: known)

    return make


@pytest.fixture
def mirrors(site, change):
    """The XSeg model is on the test server, under these paths."""

    def make(*paths, **facts):
        change("xseg", urls=tuple(site.url + path for path in paths), **facts)

    make("/xseg.onnx")
    return make


def files_in(store):
    return sorted(str(p.relative_to(store.folder)) for p in store.folder.rglob("*") if p.is_file())


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


XSEG = "xseg/xseg_211104_4790000.onnx"
WHOLE = [XSEG, f"{XSEG}.pin.json"]


class TestPull:
    def test_the_file_is_there_and_pinned(self, store, site, mirrors):
        seen = []
        stored = store.pull("xseg", progress=lambda *step: seen.append(step))
        assert stored.path == store.path("xseg") == store.folder / XSEG
        assert stored.path.read_bytes() == WEIGHTS
        assert stored.sha256 == store.sha256("xseg") == hashlib.sha256(WEIGHTS).hexdigest()
        assert stored.source == f"{site.url}/xseg.onnx"
        assert "no checksum is published for xseg_211104_4790000.onnx" in stored.note
        assert seen[-1] == ("xseg_211104_4790000.onnx", len(WEIGHTS), len(WEIGHTS))
        assert files_in(store) == WHOLE

    def test_what_is_there_is_not_fetched_again(self, store, site, mirrors):
        store.pull("xseg")
        again = store.pull("xseg")
        assert (again.source, again.note, len(site.asked)) == ("", "", 1)

    def test_a_shipped_file_is_there_already(self, store):
        assert store.pull("mouth_motion").bytes == catalog.card("mouth_motion").bytes
        assert not store.folder.exists()

    def test_a_broken_connection_is_taken_up_again(self, store, site, mirrors):
        site.break_after = [300_000, 400_000]
        assert store.pull("xseg").path.read_bytes() == WEIGHTS
        assert [asked for _, asked in site.asked] == [None, "bytes=262144-", "bytes=655360-"]

    def test_a_later_pull_goes_on(self, store, site, mirrors):
        class Stopped(Exception):
            pass

        def stop(stage, done, total):
            if done > 500_000:
                raise Stopped

        with pytest.raises(Stopped):
            store.pull("xseg", progress=stop)
        kept = (store.folder / f"{XSEG}.part").stat().st_size
        assert 500_000 < kept < len(WEIGHTS)
        assert not (store.folder / XSEG).exists()
        assert store.pull("xseg").path.read_bytes() == WEIGHTS
        assert site.asked[-1] == ("/xseg.onnx", f"bytes={kept}-")
        assert files_in(store) == WHOLE

    def test_a_download_that_was_complete_but_not_named(self, store, site, mirrors):
        put(store.folder / f"{XSEG}.part", WEIGHTS)
        etag = f'"{hashlib.sha256(WEIGHTS).hexdigest()[:16]}"'
        put(store.folder / f"{XSEG}.part.json", json.dumps({"url": f"{site.url}/xseg.onnx", "etag": etag}).encode())
        assert store.pull("xseg").path.read_bytes() == WEIGHTS

    def test_another_file_at_the_address_is_begun_anew(self, store, site, mirrors):
        site.break_after = [300_000, 0]
        with pytest.raises(BackendError, match="the connection broke"):
            store.pull("xseg")
        site.files["/xseg.onnx"] = OTHER
        assert store.pull("xseg").path.read_bytes() == OTHER

    def test_a_server_without_ranges(self, store, site, mirrors):
        site.ranges, site.break_after = False, [300_000, 100_000]
        with pytest.raises(BackendError, match="the connection broke"):
            store.pull("xseg")
        assert store.pull("xseg").path.read_bytes() == WEIGHTS

    def test_another_process_that_writes_the_same_download(self, store, site, mirrors):
        def meddle(stage, done, total):
            if len(site.asked) == 1 and done == total:
                with (store.folder / f"{XSEG}.part").open("ab") as part:
                    part.write(b"theirs")

        assert store.pull("xseg", progress=meddle).path.read_bytes() == WEIGHTS

    def test_the_second_mirror_is_used_when_the_first_has_nothing(self, store, site, mirrors):
        mirrors("/gone.onnx", "/xseg.onnx")
        assert store.pull("xseg").source == f"{site.url}/xseg.onnx"
        assert [path for path, _ in site.asked] == ["/gone.onnx", "/xseg.onnx"]

    def test_every_address_fails(self, store, site, mirrors):
        mirrors("/gone.onnx", "/page.onnx", "/pointer.onnx", "/empty.onnx")
        site.files |= {"/page.onnx": PAGE, "/pointer.onnx": POINTER, "/empty.onnx": b""}
        with pytest.raises(BackendError) as caught:
            store.pull("xseg")
        told = str(caught.value)
        for path, why in {
            "/gone.onnx": "answered 404 Not Found",
            "/page.onnx": "is a web page, not weights",
            "/pointer.onnx": "is a Git LFS pointer, not the weights it stands for",
            "/empty.onnx": "is empty",
        }.items():
            assert f"{site.url}{path} ({why})" in told
        assert "lipwright models pull xseg --from FOLDER" in told
        assert files_in(store) == []

    def test_another_size_leaves_nothing(self, store, mirrors):
        mirrors("/xseg.onnx", bytes=1_048_577)
        with pytest.raises(BackendError, match="has 1,048,576 bytes where 1,048,577 are expected"):
            store.pull("xseg")
        assert files_in(store) == []

    def test_another_checksum_leaves_nothing(self, store, mirrors):
        mirrors("/xseg.onnx", sha256=("0" * 64,))
        with pytest.raises(BackendError, match="expected is 000000000000"):
            store.pull("xseg")
        assert files_in(store) == []

    def test_a_published_checksum_needs_no_note(self, store, mirrors):
        mirrors("/xseg.onnx", sha256=(hashlib.sha256(WEIGHTS).hexdigest(),))
        assert store.pull("xseg").note == ""

    def test_a_copy_seen_elsewhere_is_a_hint(self, store, mirrors):
        mirrors("/xseg.onnx", seen_sha256=(hashlib.sha256(WEIGHTS).hexdigest(),))
        assert store.pull("xseg").note.endswith("(a copy seen elsewhere has the same)")

    def test_no_network(self, store, change):
        change("xseg", urls=("http://127.0.0.1:9/x",))
        with pytest.raises(BackendError, match=r"127\.0\.0\.1:9/x \(no connection\); check the network"):
            store.pull("xseg")

    @pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x"])
    def test_only_web_addresses(self, store, url):
        with pytest.raises(BackendError, match="only http and https"):
            store.pull("xseg", urls=[url])

    def test_a_certificate_is_checked(self, store, monkeypatch):
        def refuse(*args, **options):
            assert options.get("verify", True) is True
            raise requests.exceptions.SSLError("self-signed")

        monkeypatch.setattr(requests, "get", refuse)
        with pytest.raises(BackendError, match="its certificate is not trusted"):
            store.pull("xseg", urls=["https://127.0.0.1/x"])

    def test_a_full_disk(self, store, mirrors, monkeypatch):
        def full(*args, **kwargs):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(Path, "open", full)
        with pytest.raises(OutputError, match="No space left on device; free space"):
            store.pull("xseg")

    def test_an_unknown_name(self, store):
        with pytest.raises(BackendError, match="unknown model 'xsag'; known: dinet_v1, "):
            store.pull("xsag")


class TestPin:
    def test_another_file_later_is_refused(self, store, site, mirrors):
        store.pull("xseg").path.write_bytes(OTHER)
        with pytest.raises(BackendError, match=r"when it was first seen; .*models remove xseg"):
            store.path("xseg")
        assert store.state("xseg") == "altered"
        assert store.pull("xseg").path.read_bytes() == WEIGHTS
        assert store.state("xseg") == "there"

    def test_another_file_at_the_address_later_is_refused(self, store, site, mirrors):
        store.pull("xseg").path.unlink()
        site.files["/xseg.onnx"] = OTHER
        with pytest.raises(BackendError, match="when it was first seen"):
            store.pull("xseg")
        assert files_in(store) == [f"{XSEG}.pin.json"]
        store.remove("xseg")
        assert store.pull("xseg").path.read_bytes() == OTHER

    def test_a_file_put_there_by_hand_is_pinned_when_it_is_used(self, store):
        put(store.folder / XSEG, WEIGHTS)
        store.path("xseg")
        assert files_in(store) == WHOLE
        put(store.folder / XSEG, OTHER)
        with pytest.raises(BackendError, match="when it was first seen"):
            store.path("xseg")

    def test_a_touched_file_is_read_and_not_refused(self, store):
        path = put(store.folder / XSEG, WEIGHTS)
        store.path("xseg")
        os.utime(path, ns=(1, 1))
        assert store.path("xseg") == path

    def test_a_pointer_put_there_by_hand(self, store):
        put(store.folder / XSEG, POINTER)
        with pytest.raises(BackendError, match=r"is a Git LFS pointer, .*models pull xseg"):
            store.path("xseg")
        assert store.state("xseg") == "altered"

    def test_a_file_that_cannot_be_read(self, store, monkeypatch):
        put(store.folder / XSEG, WEIGHTS)
        monkeypatch.setattr(Path, "open", lambda *args, **kwargs: os.open("/nowhere/at/all", os.O_RDONLY))
        with pytest.raises(BackendError, match="cannot be read: No such file or directory; check its permissions"):
            store.path("xseg")

    def test_a_missing_file(self, store):
        assert not store.has("xseg")
        with pytest.raises(BackendError, match=r"xseg_211104_4790000\.onnx is not in .*; run `lipwright models pull"):
            store.path("xseg")


class TestTake:
    @pytest.mark.parametrize("place", [XSEG, Path(XSEG).name])
    def test_a_tree_or_a_flat_folder(self, store, tmp_path, place):
        source = put(tmp_path / "theirs" / place, WEIGHTS)
        stored = store.take("xseg", tmp_path / "theirs")
        assert (stored.path.read_bytes(), stored.source) == (WEIGHTS, str(source))
        assert files_in(store) == WHOLE

    def test_the_store_itself(self, store):
        put(store.folder / XSEG, WEIGHTS)
        assert store.take("xseg", store.folder).source
        assert files_in(store) == WHOLE

    def test_the_large_detector_under_the_name_of_the_small_one(self, store, tmp_path):
        small = catalog.card("scrfd").file
        put(tmp_path / small, WEIGHTS)
        with pytest.raises(InputError, match=r"scrfd_10g_kps\.onnx is neither in"):
            store.take("scrfd_10g", tmp_path)
        put(tmp_path / small, WEIGHTS * 10)
        assert store.take("scrfd_10g", tmp_path).path.name == "scrfd_10g_kps.onnx"
        assert store.take("scrfd", tmp_path).path.name == small

    def test_a_pointer(self, store, tmp_path):
        put(tmp_path / Path(XSEG).name, POINTER)
        with pytest.raises(InputError, match="is a Git LFS pointer"):
            store.take("xseg", tmp_path)
        assert not store.has("xseg")

    def test_a_truncated_checkpoint(self, store, tmp_path):
        put(tmp_path / "dinet_v1_20240131.pth", WEIGHTS)
        with pytest.raises(InputError, match="has 1,048,576 bytes where 392,392,973 are expected"):
            store.take("dinet_v1", tmp_path)

    def test_no_folder(self, store, tmp_path):
        with pytest.raises(InputError, match="is neither in"):
            store.take("xseg", tmp_path / "nowhere")


class TestRemove:
    def test_everything_that_belongs_to_it(self, store):
        for name in ("wenetmodel.pt", "wenetmodel.0123456789ab.1.onnx", "wenetmodel.onnx", "wenetmodel.pt.part"):
            put(store.place("wenet").with_name(name), WEIGHTS)
        store.path("wenet")
        assert store.remove("wenet")
        assert [Path(name).name for name in files_in(store)] == ["wenetmodel.onnx"]  # the user's own export
        assert not store.remove("wenet")

    def test_a_shipped_file_stays(self, store):
        with pytest.raises(OptionError, match="mouth_motion is part of Lipwright"):
            store.remove("mouth_motion")


def test_the_folder_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LIPWRIGHT_MODELS", str(tmp_path))
    assert ModelStore().folder == tmp_path
    monkeypatch.delenv("LIPWRIGHT_MODELS")
    assert ModelStore().folder.name == "models"


def test_the_checksum_of_a_file_is_told_with_and_without_a_pin(store, monkeypatch):
    put(store.folder / XSEG, WEIGHTS)

    def unwritable(*_):
        raise OutputError("read-only")

    monkeypatch.setattr(store_module, "_write_pin", unwritable)
    assert store.sha256("xseg") == hashlib.sha256(WEIGHTS).hexdigest()
    assert files_in(store) == [XSEG]
    assert store.sha256("mouth_motion") == catalog.card("mouth_motion").sha256[0]
    with pytest.raises(BackendError, match="is not in"):
        store.sha256("scrfd")
