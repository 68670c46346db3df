# ruff: noqa: S104 - an address to refuse, not to bind
"""Downloads against hostile servers; all on 127.0.0.1."""

import gzip
import logging
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time

import httpcore
import pytest
import wire

from lipwright.errors import InputError, OutputError
from lipwright.service import fetch, guarded
from lipwright.service.fetch import (
    AddressRefused,
    FetchCancelled,
    FetchError,
    FetchLimit,
    FetchLimits,
    check_url,
    download,
    post,
)

SMALL = FetchLimits(most_bytes=100_000, seconds=1.2, idle_seconds=0.6)
PUBLIC = "93.184.216.34"
NOT_FOUND = b"HTTP/1.1 404 No\r\n\r\n"


@pytest.fixture
def names(monkeypatch):
    return wire.Names(monkeypatch)


def get(url, folder, **more):
    return download(url, folder, **{"limits": SMALL, "allow_private": True} | more)


def refused(url, folder, kind, words, **more):
    """It is refused in one sentence, and nothing is left in the folder."""
    with pytest.raises(kind, match=words) as caught:
        get(url, folder, **more)
    assert list(folder.iterdir()) == []
    assert "\n" not in str(caught.value)
    return str(caught.value)


# What works


def test_a_file_comes_whole_under_a_name_of_its_own(folder):
    content = os.urandom(70_000)
    with wire.peer(lambda *_: wire.ok(content)) as site:
        first, second = (get(f"{site.url}/a/clip.MP4?x=1", folder) for _ in range(2))
    assert first.read_bytes() == second.read_bytes() == content
    assert first != second
    assert (first.parent, first.suffix) == (folder, ".mp4")
    assert sorted(folder.iterdir()) == sorted([first, second])
    head = site.asked[0].lower()
    assert site.asked[0].startswith("GET /a/clip.MP4?x=1 HTTP/1.1")
    assert f"host: 127.0.0.1:{site.port}" in head
    assert "accept-encoding: identity" in head
    assert "user-agent: lipwright/" in head


@pytest.mark.parametrize("kind", ["", "video/webm", "audio/mpeg; rate=1", "IMAGE/PNG", "application/octet-stream",
                                  "binary/octet-stream", "application/mp4", "application/ogg"])  # fmt: skip
def test_types_that_may_be_media(folder, kind):
    with wire.peer(lambda *_: wire.ok(b"x", kind=kind)) as site:
        assert get(site.url, folder).read_bytes() == b"x"


def test_chunks_and_bodies_that_end_with_the_connection(folder):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    closed = b"HTTP/1.0 200 OK\r\n\r\nabcde"
    with wire.peer(lambda _, path: chunked if path == "/1" else closed) as site:
        assert get(f"{site.url}/1", folder).read_bytes() == b"abcde"
        assert get(f"{site.url}/2", folder).read_bytes() == b"abcde"


def test_redirects_are_followed_and_counted(folder):
    def answer(_, path):
        left = int(path[1:])
        return wire.moved(f"/{left - 1}" if left % 2 else f"{site.url}/{left - 1}") if left else wire.ok(b"there")

    with wire.peer(answer) as site:
        assert get(f"{site.url}/5", folder).read_bytes() == b"there"
        assert site.paths() == ["/5", "/4", "/3", "/2", "/1", "/0"]
        (path,) = folder.iterdir()
        path.unlink()
        refused(f"{site.url}/6", folder, FetchError, "redirected more than 5 times")


def test_names_beyond_ascii_are_encoded(folder):
    with wire.peer(lambda *_: wire.ok(b"x")) as site:
        get(f"{site.url}/视频%20a.mp4?名=1", folder)
        get(f"{site.url}/a/../b.mp4", folder)
    assert site.paths() == ["/%E8%A7%86%E9%A2%91%20a.mp4?%E5%90%8D=1", "/a/../b.mp4"]


def test_proxies_of_the_environment_are_not_asked(folder, monkeypatch):
    with wire.peer(lambda *_: wire.ok(b"proxy")) as proxy, wire.peer(lambda *_: wire.ok(b"direct")) as site:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert get(site.url, folder).read_bytes() == b"direct"
    assert proxy.asked == []


# Where it may go


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "2130706433", "0x7f000001", "0177.0.0.1",
        "0x7f.1", "0.0.0.0", "0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]",
        "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "127.0.0.1.", "ⓛocalhost", "１２７.０.０.１", "127。0。0。1",
    ],
)  # fmt: skip
def test_this_machine_by_any_name_is_refused(folder, host):
    with wire.peer(lambda *_: wire.ok(b"secret")) as site:
        url = f"http://{host}:{site.port}/clip.mp4"
        with pytest.raises(FetchError):
            get(url, folder, allow_private=False)
        with pytest.raises(FetchError):
            post(url, b"x", {})
    assert site.asked == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("there", ["169.254.169.254", "[::1]", "0.0.0.0", "10.0.0.1", "2852039166", "[fd00:ec2::254]",
                                   "internal.test"])  # fmt: skip
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_the_inside_are_refused(folder, names, there, status):
    names.answers |= {"public.test": [[PUBLIC]], "internal.test": [["192.168.0.7"]]}
    with wire.peer(lambda *_: wire.moved(f"http://{there}/latest/meta-data/", status)) as site:
        refused(
            f"http://public.test:{site.port}/",
            folder,
            AddressRefused,
            "not on the public internet",
            allow_private=False,
        )
    assert names.connected == [PUBLIC]


def test_metadata_is_refused_also_where_private_addresses_are_allowed(folder):
    for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "168.63.129.16", "224.0.0.1", "0.0.0.0", "[fe80::1]"):
        refused(f"http://{host}/", folder, AddressRefused, "not on the public internet")


def test_a_name_that_changes_its_mind_is_asked_once(folder, names):
    names.answers["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    with wire.peer(lambda *_: wire.ok(b"x")) as site:
        get(f"http://rebind.test:{site.port}/", folder, allow_private=False)
        assert (names.questions, names.connected) == (["rebind.test"], [PUBLIC])
        (path,) = folder.iterdir()
        path.unlink()
        # The second download asks again, gets the other answer, and does not connect.
        refused(f"http://rebind.test:{site.port}/", folder, AddressRefused, "not on the public", allow_private=False)
    assert names.connected == [PUBLIC]
    assert len(site.asked) == 1


def test_a_name_that_changes_its_mind_between_redirects_is_refused(folder, names):
    names.answers["rebind.test"] = [[PUBLIC], ["127.0.0.1"]]
    with wire.peer(lambda *_: wire.moved("/again")) as site:
        refused(f"http://rebind.test:{site.port}/", folder, AddressRefused, "not on the public", allow_private=False)
    assert names.connected == [PUBLIC]


def test_a_name_with_both_sorts_of_addresses_is_refused(folder, names):
    for number, mix in enumerate(([PUBLIC, "127.0.0.1"], ["::1", PUBLIC], [PUBLIC, "169.254.169.254"])):
        names.answers[f"mixed{number}.test"] = [mix]
        refused(f"http://mixed{number}.test/", folder, AddressRefused, "not on the public", allow_private=False)
    assert names.connected == []


def test_further_addresses_are_tried(folder, names, monkeypatch):
    names.answers["many.test"] = [["93.184.216.35", PUBLIC]]
    led = httpcore.SyncBackend.connect_tcp

    def connect_tcp(backend, host, *args):
        if host.endswith("35"):
            raise httpcore.ConnectTimeout
        return led(backend, host, *args)

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
    with wire.peer(lambda *_: wire.ok(b"x")) as site:
        assert get(f"http://many.test:{site.port}/", folder, allow_private=False).read_bytes() == b"x"


@pytest.mark.parametrize(
    "url",
    [
        "", "clip.mp4", "file:///etc/passwd", "ftp://example.com/a", "s3://bucket/a", "gopher://127.0.0.1/",
        "data:video/mp4;base64,AA",
        "//example.com/a", "http://", "http:///a", "http://:80/", "http://example.com:0/", "http://example.com:99999/",
        "http://example.com:x/", "http://[::1/", "http://[127.0.0.1]/", "http://user:word@example.com/",
        "http://user@example.com/", "http://example.com@127.0.0.1/", "http://@127.0.0.1/", "http://127.0.0.1\\@example.com/",
        "http://example.com/a b", "http://example.com/\r\nX-Evil: 1", "http://exa\nmple.com/", "http://example.com/\0",
        " http://example.com/", "http://exa mple.com/", "http://example.com/\ud800", "http://.example.com/",
        "http://" + "a" * 64 + ".com/", "http://example..com/", "javascript:alert(1)", "http://ex%00ample.com/\t",
        "http://example.com/" + "a" * 5000, "jar:http://example.com!/", "unix:///run/docker.sock",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_without_a_question(folder, names, url):
    with pytest.raises(FetchError):
        check_url(url)
    told = refused(url, folder, InputError, None, allow_private=False)
    assert len(told) < 250
    assert "word" not in told.replace("password", "")
    with pytest.raises(FetchError):
        post(url, b"", {})
    assert names.connected == []


@pytest.mark.parametrize("there", ["file:///etc/passwd", "ftp://example.com/", "gopher://x/", "http://u:p@example.com/",
                                   "", "//", "http://[", "data:,x"])  # fmt: skip
def test_redirects_to_what_is_no_address_are_refused(folder, there):
    with wire.peer(lambda *_: wire.moved(there)) as site:
        refused(site.url, folder, FetchError, "redirected", allow_private=True)


def test_secrets_in_an_address_are_not_told(folder, caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpcore").setLevel(logging.INFO)
    with wire.peer(
        lambda _, path: wire.moved("/b?token=hunter3") if "a" in path else b"HTTP/1.1 404 No\r\n\r\n"
    ) as site:
        told = refused(f"{site.url}/a?token=hunter2#hunter4", folder, FetchError, "/b answered with status 404")
    assert "hunter" not in told + caplog.text
    with pytest.raises(FetchError) as caught, wire.peer(lambda *_: b"nonsense") as site:
        post(f"{site.url}/hooks/hunter2", b"hunter3", {"X-Key": "hunter4"}, allow_private=True)
    assert "hunter" not in str(caught.value) + caplog.text


# What it may bring


@pytest.mark.parametrize("kind", ["text/html", "text/html; charset=utf-8", "text/plain", "application/json",
                                  "text/xml", "application/x-mpegURL", "application/zip", "video", "multipart/mixed",
                                  "video/"])  # fmt: skip
def test_types_that_are_no_media_are_refused(folder, kind):
    with wire.peer(lambda *_: wire.ok(b"<html>", kind=kind)) as site:
        refused(site.url, folder, FetchError, "not a video, photo or sound")


@pytest.mark.parametrize("status", [100, 201, 204, 206, 300, 304, 400, 401, 404, 429, 500, 503])
def test_only_200_is_an_answer(folder, status):
    with wire.peer(lambda *_: f"HTTP/1.1 {status} X\r\nContent-Length: 1\r\n\r\nx".encode()) as site:
        refused(site.url, folder, FetchError, None)


def test_compressed_answers_are_refused_unread(folder):
    bomb = gzip.compress(bytes(50_000_000))
    for coding in ("gzip", "br", "deflate", "identity, gzip", "x"):
        with wire.peer(lambda *_, coding=coding: wire.ok(bomb, f"Content-Encoding: {coding}")) as site:
            refused(site.url, folder, FetchError, "compressed")
    with wire.peer(lambda *_: wire.ok(bomb, "Content-Encoding: identity")) as site:
        assert get(site.url, folder).stat().st_size == len(bomb)  # stored as it came


def test_too_large_by_its_header_is_not_begun(folder):
    with wire.peer(lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 100001\r\n\r\n") as site:
        refused(site.url, folder, FetchLimit, "larger than 0 MB")


def test_an_endless_body_ends_at_the_limit(folder):
    chunk = b"4000\r\n" + bytes(0x4000) + b"\r\n"
    sent = []

    def answer(connection, path):
        chunked = path == "/1"
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        for _ in range(10_000):
            connection.sendall(chunk)
            sent.append(len(chunk))

    for path in ("/1", "/2"):
        sent.clear()
        with wire.peer(answer) as site:
            refused(site.url + path, folder, FetchLimit, "larger than")
        assert sum(sent) < 20_000_000  # what fits between two sockets


def test_lengths_that_lie(folder):
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this"
    more = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nonly this"
    two = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 9\r\n\r\nonly this"
    negative = b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nonly this"
    huge = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\nonly this"
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nonly this"
    wild = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffffffff\r\nonly this"
    with wire.peer(lambda _, path: [short, more, two, negative, huge, cut, wild][int(path[1:])]) as site:
        for number in (0, 2, 3, 4, 5, 6):
            refused(f"{site.url}/{number}", folder, FetchError, None)
        assert get(f"{site.url}/1", folder).read_bytes() == b"only"  # the rest belongs to no answer


@pytest.mark.parametrize("raw", [b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/9.9 200 OK\r\n\r\n",
                                 b"HTTP/1.1 abc OK\r\n\r\n", b"\x16\x03\x01" * 99, os.urandom(500),
                                 b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                                 b"HTTP/1.1 200 OK\r\nA: " + b"x" * 300_000 + b"\r\n\r\n"])  # fmt: skip
def test_what_is_not_http_is_refused(folder, raw):
    with wire.peer(lambda *_: raw) as site:
        refused(site.url, folder, FetchError, None)


def test_an_empty_file_is_refused(folder):
    with wire.peer(lambda *_: wire.ok(b"")) as site:
        refused(site.url, folder, FetchError, "empty file")


# How long it may take


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\n\r\n",
                                   b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"])  # fmt: skip
def test_a_byte_now_and_then_does_not_keep_it_open(folder, first):
    begun = time.monotonic()
    with wire.peer(lambda connection, _: wire.drip(connection, first, every=0.1)) as site:
        refused(site.url, folder, FetchLimit, "longer than 1.2 seconds")
    assert time.monotonic() - begun < 4


def test_silence_ends_it(folder):
    quiet = threading.Event()
    begun = time.monotonic()
    with wire.peer(lambda *_: b"" if quiet.wait(5) else None) as site:
        told = refused(site.url, folder, FetchError, "no answer in time")
        quiet.set()
    assert time.monotonic() - begun < 4
    assert "127.0.0.1" in told


def test_a_slow_chain_of_redirects_has_one_limit(folder):
    def answer(connection, path):
        time.sleep(0.4)
        return wire.moved("/next")

    begun = time.monotonic()
    with wire.peer(answer) as site:
        refused(site.url, folder, FetchLimit, "longer than 1.2 seconds")
    assert time.monotonic() - begun < 4


def test_a_resolver_that_hangs_is_left_behind(folder, monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])
    begun = time.monotonic()
    refused("http://slow.test/", folder, FetchLimit, "longer than 1.2 seconds")
    over.set()
    assert time.monotonic() - begun < 4


def test_it_ends_when_it_is_no_longer_wanted(folder):
    wanted = time.monotonic() + 0.3
    limits = FetchLimits(most_bytes=10**9, seconds=60)
    for first in (b"", b"HTTP/1.1 200 OK\r\n\r\nbegin"):
        begun = time.monotonic()
        with wire.peer(lambda connection, _, first=first: wire.drip(connection, first, every=1)) as site:
            refused(
                site.url,
                folder,
                FetchCancelled,
                "cancelled",
                limits=limits,
                cancelled=lambda: time.monotonic() > wanted,
            )
            assert time.monotonic() - begun < 2.5


# Where it goes wrong here


def test_a_closed_port_is_told(folder):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    refused(f"http://127.0.0.1:{port}/clip.mp4", folder, FetchError, "no connection")


def test_a_folder_that_cannot_be_written_is_told(folder):
    with wire.peer(lambda *_: wire.ok(b"x")) as site, pytest.raises(OutputError, match="cannot be stored"):
        get(site.url, folder / "missing")


def test_a_full_disk_leaves_nothing(folder, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch.os, "fsync", full)
    with wire.peer(lambda *_: wire.ok(b"x")) as site, pytest.raises(OutputError, match="No space left"):
        get(site.url, folder)
    assert list(folder.iterdir()) == []


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for `public.test`, its key, made for the occasion."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the command openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = (
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    )
    named = ("-subj", "/CN=public.test", "-addext", "subjectAltName=DNS:public.test")
    subprocess.run([*made, *named, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True)
    return folder


@pytest.fixture
def tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert", certificate / "key")
    return context


def test_certificates_are_checked(folder, names, tls, certificate, monkeypatch):
    names.answers |= {"public.test": [[PUBLIC]], "other.test": [[PUBLIC]]}
    with wire.peer(lambda *_: wire.ok(b"x"), tls) as site:
        for name in ("public.test", "other.test"):
            told = refused(f"https://{name}:{site.port}/", folder, FetchError, None, allow_private=False)
            assert "certificate is not trusted" in told
        assert site.asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
        refused(
            f"https://other.test:{site.port}/", folder, FetchError, "certificate is not trusted", allow_private=False
        )
        assert get(f"https://public.test:{site.port}/", folder, allow_private=False).read_bytes() == b"x"
    assert set(names.connected) == {PUBLIC}


def test_tls_is_not_given_up(folder, names, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    names.answers["public.test"] = [[PUBLIC]]
    with (
        wire.peer(lambda *_: wire.ok(b"x")) as plain,
        wire.peer(lambda *_: wire.moved(f"http://public.test:{plain.port}/"), tls) as site,
    ):
        refused(f"https://public.test:{site.port}/", folder, FetchError, "without TLS", allow_private=False)
    assert plain.asked == []


def test_pauses_within_tls_lose_nothing(folder, names, tls, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert"))
    names.answers["public.test"] = [[PUBLIC]]
    pieces = [os.urandom(9_000) for _ in range(3)]

    def answer(connection, path):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 27000\r\n\r\n")
        for piece in pieces:
            time.sleep(guarded.LOOK_S * 1.3)
            connection.sendall(piece)

    patient = FetchLimits(most_bytes=100_000, seconds=20)
    with wire.peer(answer, tls) as site:
        path = get(f"https://public.test:{site.port}/", folder, allow_private=False, limits=patient)
    assert path.read_bytes() == b"".join(pieces)


def test_a_handshake_that_never_ends_ends(folder):
    with wire.peer(lambda connection, _: time.sleep(3)) as site:
        begun = time.monotonic()
        refused(site.url.replace("http:", "https:"), folder, FetchError, None)
        assert time.monotonic() - begun < 3


# Messages


def test_messages_are_sent_and_answers_not_read():
    with wire.peer(lambda *_: b"HTTP/1.1 204 No\r\n\r\n") as site:
        assert post(f"{site.url}/hook?x=1", b'{"a": 1}', {"Webhook-Id": "evt_1"}, allow_private=True) == 204
    assert site.asked[0].startswith("POST /hook?x=1 HTTP/1.1")
    assert "Webhook-Id: evt_1" in site.asked[0]
    assert "Content-Length: 8" in site.asked[0]


def test_messages_follow_no_redirects():
    with wire.peer(lambda *_: wire.moved("http://169.254.169.254/")) as site:
        assert post(site.url, b"x", {}, allow_private=True) == 302
    assert len(site.asked) == 1


def test_messages_to_the_inside_are_refused(names):
    names.answers["rebind.test"] = [["127.0.0.1"]]
    for host in ("rebind.test", "127.0.0.1", "[::1]"):
        with pytest.raises(AddressRefused):
            post(f"http://{host}/", b"x", {})
    assert names.connected == []


def test_headers_cannot_be_smuggled():
    with wire.peer(lambda *_: wire.ok(b"")) as site, pytest.raises(FetchError, match="cannot be written as HTTP"):
        post(site.url, b"x", {"X-A": "b\r\nX-Evil: 1"}, allow_private=True)
    assert site.asked == []


def test_silent_receivers_are_left():
    begun = time.monotonic()
    with (
        wire.peer(lambda connection, _: wire.drip(connection, b"HTTP/1.1 200 OK\r\nA: ")) as site,
        pytest.raises(FetchLimit),
    ):
        post(site.url, b"x", {}, allow_private=True, seconds=0.7)
    assert time.monotonic() - begun < 3


def test_the_guard_has_no_way_round_it():
    watch = guarded.Watch(5, 5)
    with pytest.raises(NotImplementedError):
        guarded.Guard(watch, allow_private=False).connect_unix_socket("/run/docker.sock")
