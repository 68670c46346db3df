"""What strangers may send: hostile files, bodies, headers and names, and all that fits the OpenAPI document.

`tests/service/test_service_fuzz.py` has a short form, `benchmarks/service_fuzz.py` the long one.
"""

import gzip
import io
import json
import random
import re
import socket
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

import fuzz
import httpx
from service_process import ServiceProcess

ALLOWED = (503, 507)  # of the codes from 500 on
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NAMES = (
    "../../outside.mp4",
    "/outside.mp4",
    "..\\..\\outside.mp4",
    "C:\\outside.mp4",
    "a.mp4\x00.png",
    "x" * 4000 + ".mp4",
    "con.mp4",
    "\u202egnp.4pm",
    "$(touch outside).mp4",
    "; touch outside;.mp4",
    "%2e%2e%2foutside.mp4",
    ".mp4",
    "",
    "-y.mp4",
    "file:outside.mp4",
    "concat:a|b.mp4",
)
FIELDS = (("file", "/v1/files"),) * 6 + (("file", "/v1/verify"),) * 2
FIELDS += (("video", "/v1/jobs"), ("video", "/v1/avatars"))
TYPES = ("video/mp4", "image/png", "text/html", "application/x-msdownload", "multipart/form-data", "", "ä/ö")
PLAYLISTS = (
    "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "ffconcat version 1.0\nfile /etc/passwd\n",
    "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    '<?xml version="1.0"?><MPD><Period><BaseURL>file:///etc/passwd</BaseURL></Period></MPD>',
    '<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg xmlns="http://www.w3.org/2000/svg">'
    "<text>&a;</text></svg>",
    "<html><script>alert(1)</script></html>",
    "#!/bin/sh\ntouch outside\n",
    "push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x'\npop graphic-context\n",
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A hostile file.

    Args:
        what: what is wrong with it.
        name: as the client calls it.
        kind: content type, as the client says.
        data: the bytes.
    """

    what: str
    name: str
    kind: str
    data: bytes


def uploads(folder: Path, seed: int) -> Iterator[Upload]:
    """Without end: damaged copies of whole files, and among them bombs, playlists and what is two things at once."""
    sources = fuzz.make_sources(folder)
    crafted, damaged, chance = list(specials(sources)), fuzz.mutants(sources, seed), random.Random(seed)  # noqa: S311
    for number in count():
        name, kind = chance.choice(NAMES), chance.choice(TYPES)
        if number % 3 == 0:
            what, data = crafted[number // 3 % len(crafted)]
        else:
            mutant = next(damaged)
            what, data = f"{mutant.harm} of {mutant.source}", mutant.data
            name = chance.choice((mutant.source, name))
        yield Upload(what, name, kind, data)


def specials(sources: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Files that no camera makes."""
    yield "nothing", b""
    yield "one byte", b"\0"
    yield "zeros", bytes(1 << 20)
    yield "zip bomb", zipped(bytes(200 << 20))
    yield "gzip bomb", gzip.compress(bytes(200 << 20))
    yield "nested zip bomb", zipped(*(zipped(bytes(50 << 20)) for _ in range(4)))
    yield "30000 x 30000 PNG", png(30_000, 30_000)
    yield "2147483647 x 1 PNG", png(2**31 - 1, 1)
    yield "0 x 0 PNG", png(0, 0)
    yield "PNG with a bomb of text", png(16, 16, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(100 << 20))))
    for text in PLAYLISTS:
        yield f"text: {text[:20]!r}", text.encode()
    for name in ("front.mp4", "a.jpg", "s.wav"):
        yield f"{name} and zip", sources[name] + zipped(b"touch outside")
        yield f"{name} and HTML", sources[name] + b"<script>alert(1)</script>"
        yield f"script before {name}", b"#!/bin/sh\ntouch outside\n" + sources[name]
    yield "GIF and JavaScript", b"GIF89a/*" + bytes(10) + b"*/=1;alert(1)"
    yield "years of frames", years(sources["front.mp4"])
    yield "WAV that claims 4 GB", sources["s.wav"][:40] + b"\xff\xff\xff\xff" + sources["s.wav"][44:]
    yield "boxes in boxes", nested(2000)
    yield "program", b"\x7fELF" + bytes(4000)
    yield "PDF", b"%PDF-1.7\n1 0 obj<</Type/Catalog/OpenAction<</S/Launch/F(outside)>>>>endobj\n"


def zipped(*contents: bytes) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, content in enumerate(contents):
            archive.writestr(f"../../outside{number}.mp4", content)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *more: bytes) -> bytes:
    """A PNG that claims a size."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + pixels + chunk(b"IEND", b"")


def years(mp4: bytes) -> bytes:
    """A clip whose every frame lasts as long as the format can say."""
    data, at = bytearray(mp4), mp4.find(b"stts")
    struct.pack_into(">II", data, at + 12, 2**31 - 1, 2**31 - 1)
    return bytes(data)


def nested(depth: int) -> bytes:
    """MP4 boxes that hold each other."""
    data = b""
    for _ in range(depth):
        data = struct.pack(">I", len(data) + 8) + b"moov" + data
    return struct.pack(">I", 16) + b"ftypisom" + bytes(4) + data


def attack(service: ServiceProcess, folder: Path, number: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Send so many hostile files, as uploads and straight into jobs and avatars. Returns answers, and findings."""
    answers, findings, process = Counter[str](), list[str](), service.process
    with service.client() as client:
        taken = send(client, islice(uploads(folder, seed), number), random.Random(seed), answers, findings)  # noqa: S311
        kept = len(list((service.folder / "uploads").iterdir()))
        if kept != taken:
            findings.append(f"{kept} uploads are kept, {taken} were taken")
        for what, code in raw_attacks(service.port):
            answers[f"raw {code}"] += 1
            if code >= 500 and code not in ALLOWED:
                findings.append(f"{what}: {code}")
        for path, content in bodies():
            answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
            answers[f"{path} {answer.status_code}"] += 1
            findings += wrong_answer(answer, f"{content[:30]!r} to {path}")
        died = [
            line for line in client.get("/metrics").text.splitlines() if line.startswith("lipwright_worker_crashes")
        ]
        findings += [f"a worker died: {line}" for line in died if not line.endswith(" 0.0")]
    if service.process is not process or process.poll() is not None:
        findings.append("the server ended")
    findings += [f"outside the data folder: {path}" for path in strays(service)]
    return answers, findings


def deaths(service: ServiceProcess, seconds: float) -> list[str]:
    """Workers that died of the jobs that were taken, once these have ended or so much time is over."""
    until = time.monotonic() + seconds
    with service.client() as client:
        while True:
            figures = client.get("/metrics").text.splitlines()
            busy = any(re.match(r'lipwright_jobs{.*state="(fetching|queued|running)"} [^0]', line) for line in figures)
            if not busy or time.monotonic() > until:
                died = [line for line in figures if line.startswith("lipwright_worker_crashes_total")]
                return [f"a worker died: {line}" for line in died if not line.endswith(" 0.0")]
            time.sleep(0.5)


def send(
    client: httpx.Client, files: Iterator[Upload], chance: random.Random, answers: Counter[str], findings: list[str]
) -> int:
    """Send files, and use some of those that are taken. Returns how many were."""
    taken = 0
    for upload in files:
        field, path = chance.choice(FIELDS)
        form = {"files": {field: (upload.name, upload.data, upload.kind)}}
        if path == "/v1/jobs":
            form["data"] = {"audio": upload.name or "x"}
        try:
            answer = client.post(path, **form)
        except httpx.TransportError as exc:
            findings.append(f"{upload.what} to {path}: {type(exc).__name__} {exc}")
            continue
        answers[f"{path} {answer.status_code}"] += 1
        taken += answer.status_code in (201, 202)  # a file that is only checked is not kept
        findings += wrong_answer(answer, f"{upload.what} to {path}")
        if answer.status_code == 201 and chance.random() < 0.3:
            use(client, answer.json()["path"], findings)
    return taken


def wrong_answer(answer: httpx.Response, what: str) -> list[str]:
    """What is wrong with an answer: a server's error, or a refusal without a sentence."""
    if answer.status_code >= 500 and answer.status_code not in ALLOWED:
        return [f"{what}: {answer.status_code} {answer.text[:200]}"]
    if answer.status_code >= 400:
        try:
            told = answer.json()
            sentence = told.get("error") or told.get("msg")
        except ValueError:
            sentence = None
        if not sentence or "Traceback" in answer.text:
            return [f"{what}: {answer.status_code} without a sentence: {answer.text[:200]!r}"]
    return []


def use(client: httpx.Client, path: str, findings: list[str]) -> None:
    """A damaged file that was taken, looked at and in a job."""
    asks = {"/v1/faces": {"path": path}, "/v1/verify": {"file": path}}
    asks |= {"/v1/jobs": {"video": path, "audio": path}, "/v1/avatars": {"video": path}}
    for place, body in asks.items():
        findings += wrong_answer(client.post(place, json=body), f"{path} to {place}")


def bodies() -> Iterator[tuple[str, bytes]]:
    """JSON that is none, or too much of it."""
    deep = b"[" * 100_000
    texts = (b"", b"{", b"null", b"[]", b'"\xff"', deep, b'{"a":' * 5000, b"1e999", b"NaN", b'{"video":"\\ud800"}')
    names = ("../lipwright.db", "/etc/passwd", "lipwright.db", "webhook.secret", "a\0b", "x" * 5000, "\\\\host\\share")
    names += ("file:///etc/passwd", "http://127.0.0.1:1/", "http://[::1]/", "http://169.254.169.254/", "gopher://x/")
    for path in ("/v1/jobs", "/v1/avatars", "/v1/faces", "/v1/verify", "/v2/generate", "/easy/submit"):
        for text in texts:
            yield path, text
        for name in names:
            urls = [{"type": "video", "url": name}, {"type": "audio", "url": name}]
            body = {
                "/v1/avatars": {"video": name},
                "/v1/faces": {"path": name},
                "/v1/jobs": {"video": name, "audio": name},
            }
            body |= {"/v1/verify": {"file": name}}
            body |= {"/v2/generate": {"model": "native", "input": urls}}
            body |= {"/easy/submit": {"video_url": name, "audio_url": name, "code": name}}
            yield path, json.dumps(body[path]).encode()


def raw_attacks(port: int) -> Iterator[tuple[str, int]]:
    """What no HTTP library sends, and the status of each answer; 0 for none, as where the connection is cut."""
    host = b"Host: 127.0.0.1\r\n"
    post = b"POST /v1/files HTTP/1.1\r\n" + host
    form = b"Content-Type: multipart/form-data; boundary=b\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'
    requests = {
        "giant header": b"GET /health HTTP/1.1\r\n" + host + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n",
        "many headers": b"GET /health HTTP/1.1\r\n" + host + b"X-A: a\r\n" * 50_000 + b"\r\n",
        "giant address": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
        "giant cookie": b"GET / HTTP/1.1\r\n" + host + b"Cookie: lipwright_key=" + b"a" * 200_000 + b"\r\n\r\n",
        "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + bytes(200),
        "negative length": post + b"Content-Length: -1\r\n\r\n",
        "two lengths": post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        "length and chunks": post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "bad chunks": post + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nxx\r\n",
        "huge chunk": post + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nxx\r\n",
        "no boundary": post + b"Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\nxx",
        "many parts": post + form + b"Content-Length: %d\r\n\r\n" % (5000 * len(part)) + 5000 * part,
        "giant part header": post
        + form
        + b"Content-Length: 200100\r\n\r\n--b\r\nX-A: "
        + b"a" * 200_000
        + b"\r\n\r\nx\r\n--b--",
        "part without an end": post + form + b"Content-Length: %d\r\n\r\n" % len(part) + part,
        "gzip body": post + form + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
        "terabyte": post + form + b"Content-Length: 1099511627776\r\n\r\n" + part,
        "other host": b"GET /v1/jobs HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "no host": b"GET /v1/jobs HTTP/1.1\r\n\r\n",
        "traversal": b"GET /../../../../etc/passwd HTTP/1.1\r\n" + host + b"\r\n",
        "encoded traversal": b"GET /static/%2e%2e/%2e%2e/pyproject.toml HTTP/1.1\r\n" + host + b"\r\n",
        "range": b"GET /v1/jobs/x/output HTTP/1.1\r\n" + host + b"Range: bytes=" + b"0-0," * 5000 + b"\r\n\r\n",
    }
    for what, request in requests.items():
        yield what, status_of(port, request)


def status_of(port: int, request: bytes) -> int:
    """The status that answers raw bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            head = connection.recv(1000)
        except OSError:  # it hung up while we were still talking
            return 0
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def schemathesis(service: ServiceProcess, folder: Path, examples: int, seconds: int) -> tuple[int, str]:
    """Ask all that fits the OpenAPI document, and much that does not. Returns the exit code and what was said."""
    config = folder / "schemathesis.toml"
    allowed = ", ".join(f'"{code}"' for code in ("2xx", "3xx", "4xx", *map(str, ALLOWED)))
    config.write_text(f"[checks.not_a_server_error]\nexpected-statuses = [{allowed}]\n")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    command += [f"{service.url}/openapi.json", "--checks", CHECKS, "--max-examples", str(examples)]
    command += ["--max-time", str(seconds), "--request-timeout", "20", "--continue-on-failure", "--no-color"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    return done.returncode, done.stdout + done.stderr


def strays(service: ServiceProcess) -> list[str]:
    """Files around the data folder, which is to hold all that is written; the test's own are known by their names."""
    around = service.folder.parent
    return [
        path.relative_to(around).as_posix()
        for path in around.rglob("*")
        if service.folder not in (path, *path.parents) and path != service.screen
    ]
