import os
import re
import socket
import sys
from pathlib import Path

import pytest

from lipwright.errors import InputError
from lipwright.service.paths import LONGEST, confined, for_client, media_suffix, shown, stored_name

posix = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows; no FIFOs there")


@pytest.fixture
def data(tmp_path):
    """A data folder with files of all sorts, and a secret beside it."""
    root = tmp_path / "data"
    for name in ("temp/a b.mp4", "uploads/clip.mp4", "top.mp4", "lipwright.db", "lipwright.db-wal", "webhook.secret",
                 "logs/server.log", "work/1/part.mp4", "tmp/upload", "cache/x.npz", "lipwright.toml"):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    (tmp_path / "data2").mkdir()
    (tmp_path / "data2" / "near.mp4").write_bytes(b"secret")
    return root


def refused(root, name, words=None, **more):
    with pytest.raises(InputError, match=words) as caught:
        confined(root, name, **more)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 250
    told.encode()  # no lone surrogates: it goes into JSON and logs
    return told


@pytest.mark.parametrize("name", ["uploads/clip.mp4", "./uploads//clip.mp4", "temp/a b.mp4", "top.mp4"])
def test_files_of_the_folder_are_found(data, name):
    assert confined(data, name) == (data / name).resolve()
    assert confined(data, str(data / name)) == (data / name).resolve()


def test_bare_names_start_from_the_base(data):
    temp = data / "temp"
    assert confined(data, "a b.mp4", base=temp) == (temp / "a b.mp4").resolve()
    refused(data, "clip.mp4", "no file", base=temp)
    refused(data, "../uploads/clip.mp4", "not in the data folder", base=temp)


def test_a_containers_prefix_means_the_folder(data):
    assert confined(data, "/code/data/temp/a b.mp4", mapped="/code/data").name == "a b.mp4"
    refused(data, "/code/data/temp/a b.mp4", "not in the data folder")
    refused(data, "/code/data/../secret.mp4", "not in the data folder", mapped="/code/data")
    refused(data, "/code/data2/near.mp4", "not in the data folder", mapped="/code/data")
    refused(data, "/code/data/lipwright.db", "the service itself", mapped="/code/data")
    refused(data, "/code/data", "folder", mapped="/code/data")


@pytest.mark.parametrize(
    "name",
    [
        "../secret.mp4", "uploads/../../secret.mp4", "uploads/../top.mp4", "/etc/passwd", "/", "..",
        "uploads/..", "../data/top.mp4", "../data2/near.mp4", "/proc/self/environ", "/dev/zero", "/dev/stdin",
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused(data, name):
    refused(data, name, "not in the data folder")


def test_a_neighbour_whose_name_begins_the_same_is_outside(data, tmp_path):
    refused(data, str(tmp_path / "data2" / "near.mp4"), "not in the data folder")
    refused(data, str(data / ".." / "secret.mp4"), "not in the data folder")


@pytest.mark.parametrize(
    "name",
    [
        r"..\secret.mp4", r"C:\Windows\win.ini", "C:top.mp4", r"\\server\share\a.mp4", r"\\?\C:\a.mp4", "c:/a.mp4",
        "//etc/passwd", "top.mp4\0.png", "\0", "a\nb.mp4", "a\u2028b", "\udcff.mp4", "\ud800", "", "   ", "\t",
        "x" * 300 + ".mp4", "ü" * 150, "a/" * LONGEST, "a" * 10_000_000,
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(data, name):
    refused(data, name)


def test_names_beyond_ascii_are_names(data):
    for name in (
        "视频　一.mp4",
        "Screen Recording at 3.00\u202fPM.mov",
        "größer.mp4",
        "👨‍👩‍👧.mp4",
        "~",
        "%2e%2e",
        "$HOME",
    ):
        (data / name).write_bytes(b"x")
        assert confined(data, name) == (data / name).resolve()


@pytest.mark.parametrize(
    "name",
    [
        "lipwright.db", "lipwright.db-wal", "LipWright.DB", "webhook.secret", "logs/server.log", "work/1/part.mp4",
        "tmp/upload", "./tmp/upload", "cache/x.npz", "lipwright.toml",
    ],
)  # fmt: skip
def test_the_services_own_files_are_refused(data, name):
    if not (data / name).exists():
        (data / name).write_bytes(b"x")  # a file system that tells capitals apart
    refused(data, name, "file of the service itself")


def test_the_same_names_elsewhere_are_anybodys(data):
    (data / "uploads" / "lipwright.db.mp4").write_bytes(b"x")
    assert confined(data, "uploads/lipwright.db.mp4")


def test_folders_and_missing_files_are_refused(data):
    for name in ("uploads", ".", str(data), "uploads/"):
        refused(data, name, "is a folder")
    told = refused(data, "uploads/none.mp4", "there is no file 'uploads/none.mp4' in the data folder")
    assert str(data) not in told
    refused(data, "top.mp4/x", "there is no file")


@posix
def test_links_count_for_what_they_lead_to(data, tmp_path):
    (data / "in.mp4").symlink_to("uploads/clip.mp4")
    assert confined(data, "in.mp4") == (data / "uploads/clip.mp4").resolve()
    leads = {
        "out.mp4": tmp_path / "secret.mp4",
        "out": tmp_path,
        "up.mp4": Path("../secret.mp4"),
        "chain.mp4": data / "out.mp4",
    }
    for name, target in leads.items():
        (data / name).symlink_to(target)
    for name in ("out.mp4", "up.mp4", "chain.mp4", "out/secret.mp4"):
        refused(data, name, "not in the data folder")
    (data / "own.mp4").symlink_to(data / "lipwright.db")
    (data / "uploads" / "log.mp4").symlink_to(data / "logs" / "server.log")
    refused(data, "own.mp4", "the service itself")
    refused(data, "uploads/log.mp4", "the service itself")
    (data / "round.mp4").symlink_to(data / "round.mp4")
    (data / "dangling.mp4").symlink_to(data / "nothing")
    refused(data, "round.mp4", "there is no file")
    refused(data, "dangling.mp4", "there is no file")


@posix
def test_a_link_that_is_changed_after_the_check_leads_nowhere_else(data, tmp_path):
    link = data / "in.mp4"
    link.symlink_to(data / "uploads" / "clip.mp4")
    path = confined(data, "in.mp4")
    link.unlink()
    link.symlink_to(tmp_path / "secret.mp4")
    assert path.read_bytes() == b"x"
    refused(data, "in.mp4", "not in the data folder")


@posix
def test_a_data_folder_reached_through_a_link_works(data, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(data)
    assert confined(link, "top.mp4") == (data / "top.mp4").resolve()
    assert confined(link, str(link / "top.mp4")) == (data / "top.mp4").resolve()
    refused(link, str(link / ".." / "secret.mp4"), "not in the data folder")


@posix
def test_what_is_no_ordinary_file_is_refused_without_being_opened(data):
    os.mkfifo(data / "pipe.mp4")
    refused(data, "pipe.mp4", "no ordinary file")
    if sys.platform == "linux":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(data / "socket.mp4"))
            refused(data, "socket.mp4", "no ordinary file")
        (data / "null.mp4").symlink_to("/dev/null")
        refused(data, "null.mp4", "not in the data folder")


def test_words_of_clients_are_shown_on_one_line():
    assert shown("a.mp4") == "'a.mp4'"
    assert shown("a\n\x1b[31mb\ud800") == r"'a\n\x1b[31mb\ud800'"
    assert len(shown("x" * 10_000)) == 80


def test_only_endings_of_media_are_kept():
    kept = {
        "a.MP4": ".mp4",
        "b/c.tar.webm": ".webm",
        "a.jpeg": ".jpeg",
        "a.wav": ".wav",
        "視.png": ".png",
        "a.mov": ".mov",
    }
    assert {name: media_suffix(name) for name in kept} == kept
    for name in ("", "a", ".mp4", "a.html", "a.htm", "a.svg", "a.SVG", "a.xhtml", "a.js", "a.svgz", "a.exe", "a.php",
                 "a.mp4.html", "a.m p4", "a.mp4\0", "a.mp4;.html", "a.pdf", "a.db", "a." + "x" * 99):  # fmt: skip
        assert media_suffix(name) == ""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("person one.MP4", "-person one.mp4"),
        ("../../etc/päss<wd>.wav", "-päss<wd>.wav".replace("<wd>", "wd")),
        ("C:\\videos\\me.mov", "-me.mov"),
        ("你好.mp3", "-你好.mp3"),
        (".hidden", "-hidden"),
        ("page.html", "-page"),
        ("", ""),
        ("x" * 500 + ".jpg", "-" + "x" * 40 + ".jpg"),
        ("a\n\0b.png", "-ab.png"),
    ],
)
def test_uploads_keep_what_is_harmless_of_their_name(given, kept, tmp_path):
    name = stored_name(given)
    assert re.fullmatch(r"[0-9a-f]{32}", name[:32])
    assert name[32:] == kept
    assert stored_name(given) != name
    if kept:
        told = f"cannot read {tmp_path}{os.sep}uploads{os.sep}{name}: no face"
        assert for_client(told, tmp_path) == f"cannot read {kept[1:]}: no face"
