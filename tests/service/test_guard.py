# ruff: noqa: S104 - hosts to judge, not to bind
"""What requests pass before they reach a route; over the wire where the server has a hand in it."""

import contextlib
import http.client
import json
import socket
import threading
import time

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, UploadFile
from starlette.responses import PlainTextResponse

from lipwright.service import guard
from lipwright.service.context import request_id
from lipwright.service.guard import Access, BodyLimit, HostCheck, RequestNames, protect
from lipwright.service.jobs.database import Database
from lipwright.service.keys import KeyRing
from lipwright.service.settings import Settings

LOCAL, REMOTE = ("127.0.0.1", 5000), ("203.0.113.9", 5000)


@pytest.fixture
def ring(tmp_path):
    database = Database(f"sqlite:///{(tmp_path / 'lipwright.db').as_posix()}")
    yield KeyRing(database.engine)
    database.close()


def application(ring=None, *, loopback=True, easy_remote=False, **settings):
    app = FastAPI()
    seen = app.state.seen = []

    @app.get("/")
    def home():
        seen.append("/")
        return {"id": request_id.get()}

    @app.post("/body")
    async def body(request: Request):
        got = await request.body()
        seen.append(len(got))
        return {"bytes": len(got)}

    @app.post("/json")
    def parsed(value: dict):
        return value

    access = Access(ring, loopback=loopback, easy_remote=easy_remote)

    @app.get("/v1/one", dependencies=access.keyed)
    def version1(request: Request):
        return {"key": getattr(request.state, "key", None)}

    @app.post("/v1/files", dependencies=access.keyed)
    def upload(file: UploadFile):
        seen.append(file.size)
        return {"bytes": file.size}

    @app.get("/easy", dependencies=access.local)
    def easy():
        return {}

    protect(app, Settings(**{"max_upload_bytes": 3_000_000} | settings), access)
    return app


async def _one(app, method, path, client, base, **more):
    transport = httpx.ASGITransport(app, client=client)
    async with httpx.AsyncClient(transport=transport, base_url=base) as session:
        return await session.request(method, path, **more)


def ask(app, path="/", *, method="GET", client=LOCAL, base="http://127.0.0.1:8383", **more):
    import asyncio

    return asyncio.run(_one(app, method, path, client, base, **more))


def told(answer, status, kind):
    """A refusal: a sentence, of the form all have."""
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert set(problem) == {"error", "kind", "request_id"}
    assert problem["kind"] == kind
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "\n" not in problem["error"]
    return problem["error"]


# Names of requests


def test_requests_have_names():
    app = application()
    answers = [ask(app) for _ in range(2)]
    names = [answer.headers["x-request-id"] for answer in answers]
    assert names == [answer.json()["id"] for answer in answers]
    assert len(set(names)) == 2
    assert all(len(name) == 32 for name in names)


def test_a_sane_name_is_kept_and_others_are_not():
    app = application()
    for name in ("abc", "0af7651916cd43dd-8448.x_y", "x" * 64):
        assert ask(app, headers={"X-Request-ID": name}).json()["id"] == name
    for name in ("", " ", "x" * 65, "a b", "a\tb", 'a"b', "${jndi:ldap://x}", "<script>", "ü".encode("latin-1")):
        assert ask(app, headers={"X-Request-ID": name}).json()["id"] not in (name, "")


def test_answers_are_not_to_be_misread():
    answer = ask(application())
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


# Hosts and origins


@pytest.mark.parametrize("host", ["127.0.0.1:8383", "localhost", "localhost:8383", "LocalHost:99", "[::1]:8383",
                                  "127.0.0.2", "localhost.", "lip.example.com", "lip.example.com:443",
                                  "LIP.example.com.", "192.0.2.7:8383", "[fd00::7]:8383"])  # fmt: skip
def test_the_services_own_names_are_served(host):
    app = application(host="192.0.2.7", public=True, allowed_hosts=("lip.example.com", "[fd00::7]"))
    assert ask(app, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8383", "localhost.evil.example", "127.0.0.1.evil.example", "evillip.example.com",
        "lip.example.com.evil.example", "x.lip.example.com", "192.0.2.8", "8.8.8.8", "0.0.0.0", "[::2]",
        "127.0.0.1:8383.evil.example", "localhost:8383@evil.example", "evil.example@localhost", "localhost/evil",
        "local host", "localhost:port", "", ":8383", "[::1", "localhost#evil", "*", "localhost\tx", "2130706433",
        "127.1", "localhost,evil.example",
    ],
)  # fmt: skip
def test_other_names_are_refused(host):
    app = application(allowed_hosts=("lip.example.com",))
    answer = ask(app, headers={"Host": host})
    assert answer.status_code in (400, 403)
    told(answer, answer.status_code, "host")
    assert app.state.seen == []


def test_the_address_a_request_came_to_is_a_name_of_the_service():
    """As it is on a service that listens on all addresses, in a container for instance."""
    app = application(host="0.0.0.0", public=True)
    assert ask(app, base="http://172.17.0.2:8383").status_code == 200  # httpx gives the application this address, too
    assert ask(app, base="http://172.17.0.2:8383", headers={"Host": "172.17.0.3"}).status_code == 403


def test_any_name_is_served_where_that_is_asked_for():
    assert ask(application(allowed_hosts=("*",)), headers={"Host": "any.example"}).status_code == 200


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8383", "HTTP://127.0.0.1:8383", "https://lip.example.com",
                                    "http://lip.example.com:3000"])  # fmt: skip
def test_own_pages_may_call(origin):
    assert ask(application(allowed_hosts=("lip.example.com",)), headers={"Origin": origin}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:8384", "http://localhost:8383",
        "http://127.0.0.1:8383.evil.example", "file://", "x", "http://evil.example/127.0.0.1:8383",
        "http://127.0.0.1:8383@evil.example", "chrome-extension://127.0.0.1:8383", "//127.0.0.1:8383", "http://[::1",
        "http://evil.lip.example.com", "http://127.0.0.1:8383 http://evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_others_may_not(origin, method):
    app = application(allowed_hosts=("lip.example.com",))
    answer = ask(app, "/" if method == "GET" else "/body", method=method, headers={"Origin": origin})
    told(answer, 403, "origin")
    assert app.state.seen == []


def test_two_hosts_and_two_origins_are_refused():
    app = application()
    told(ask(app, headers=[("Host", "127.0.0.1"), ("Host", "evil.example")]), 400, "host")
    own, other = ("Origin", "http://127.0.0.1:8383"), ("Origin", "http://evil.example")
    for pair in ([own, other], [other, own]):
        told(ask(app, headers=pair), 403, "origin")


def test_web_sockets_of_others_are_refused():
    sent = []

    async def run():
        async def send(message):
            sent.append(message)

        scope = {"type": "websocket", "headers": [(b"host", b"evil.example")], "path": "/", "server": ("127.0.0.1", 1)}
        await HostCheck(None, "127.0.0.1")(scope, None, send)

    import asyncio

    asyncio.run(run())
    assert sent == [{"type": "websocket.close", "code": 1008}]


# Bodies


FORM = {"Content-Type": "multipart/form-data; boundary=x"}


def test_bodies_up_to_the_limit_are_taken():
    app = application()
    assert ask(app, "/body", method="POST", content=b"x" * guard.MOST_TEXT).json() == {"bytes": guard.MOST_TEXT}
    assert ask(app, "/body", method="POST", content=b"x" * 3_500_000, headers=FORM).json() == {"bytes": 3_500_000}


async def _pieces(count, size):
    for _ in range(count):
        yield b"x" * size


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "application/json"}, FORM])
@pytest.mark.parametrize("streamed", [False, True])
def test_larger_bodies_are_refused(headers, streamed, monkeypatch):
    monkeypatch.setattr(guard, "LINGER_S", 0.1)
    app = application()
    for path in ("/body", "/json"):
        content = _pieces(50, 100_000) if streamed else b"x" * 5_000_000
        answer = ask(app, path, method="POST", content=content, headers=headers)
        assert "larger than" in told(answer, 413, "limit")
        assert answer.headers["connection"] == "close"
    assert app.state.seen == []


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 30, "0x10", "٣", "1_0"])
def test_lengths_that_are_no_numbers_are_refused(length):
    answer = ask(application(), "/body", method="POST", headers={"Content-Length": length.encode()}, content=b"x")
    assert answer.status_code == 413


# Keys


def test_no_key_is_needed_here_while_there_is_none(ring):
    app = application(ring)
    assert ask(app, "/v1/one").json() == {"key": None}
    assert ask(app, "/v1/one", client=("::1", 1)).status_code == 200
    assert (
        ask(app, "/v1/one", headers={"X-API-Key": "lw_old"}).status_code == 200
    )  # a browser's cookie outlives its key
    assert ask(app, "/v1/one", client=REMOTE).status_code == 401  # by way of a proxy on this machine
    assert ask(application(ring, loopback=False), "/v1/one").status_code == 401


def test_once_there_is_a_key_it_is_needed(ring):
    token = ring.add("a")
    for app in (application(ring), application(ring, loopback=False)):
        for client in (LOCAL, REMOTE):
            ways = ({"X-API-Key": token}, {"Authorization": f"Bearer {token}"}, {"Authorization": f"bearer {token}"},
                    {"Cookie": f"lipwright_key={token}"})  # fmt: skip
            for headers in ways:
                assert ask(app, "/v1/one", client=client, headers=headers).json() == {"key": "a"}
            wrong = ({}, {"X-API-Key": ""}, {"X-API-Key": token[:-1]}, {"Authorization": token}, {"Cookie": "x=y"},
                     {"Authorization": f"Basic {token}"}, {"Authorization": "Bearer"}, {"X-API-Key": "x" * 9999},
                     {"X-API-Key": b"\xff\xfe"}, {"Cookie": "lipwright_key=x"}, {"X-API-Key": "a"})  # fmt: skip
            for headers in wrong:
                answer = ask(app, "/v1/one", client=client, headers=headers)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert token not in answer.text
            assert ask(app, f"/v1/one?key={token}", client=client).status_code == 401  # addresses end up in logs
    ring.remove("a")
    assert ask(application(ring, loopback=False), "/v1/one", headers={"X-API-Key": token}).status_code == 401


def test_nobody_uploads_without_a_key(ring):
    """FastAPI itself would read all of the form first."""
    token = ring.add("a")
    app = application(ring)
    with served(app) as port:
        begin = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        form = begin + b"x" * 1_000_000 + b"\r\n--x--\r\n"
        head = b"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: %d\r\n" % len(form)
        head += b"Content-Type: Multipart/Form-Data; boundary=x\r\n"
        answer = raw(port, head + b"\r\n" + form[:1000])  # the rest is never sent, and need not be
        assert status(answer) == 401
        assert b"www-authenticate: bearer" in answer.lower()
        assert app.state.seen == []
        answer = raw(port, head + f"X-API-Key: {token}\r\n\r\n".encode() + form)
        assert (status(answer), app.state.seen) == (200, [1_000_000])


def test_uploads_are_not_run(ring):
    assert ask(application(ring), "/v1/one").headers["content-security-policy"] == "sandbox"
    assert "content-security-policy" not in ask(application(ring), "/").headers


def test_heygem_clients_are_served_here_without_a_key(ring):
    ring.add("a")
    for client, status in ((LOCAL, 200), (("::1", 1), 200), (("::ffff:127.0.0.1", 1), 200), (REMOTE, 403),
                           (("10.0.0.2", 1), 403), (("testclient", 1), 403)):  # fmt: skip
        assert ask(application(ring), "/easy", client=client).status_code == status
        assert ask(application(ring, easy_remote=True), "/easy", client=client).status_code == 200


def test_keys_are_in_the_document(ring):
    schemes = ask(application(ring), "/openapi.json").json()["components"]["securitySchemes"]
    assert {scheme["type"] for scheme in schemes.values()} == {"apiKey", "http"}


# Over the wire


@contextlib.contextmanager
def served(app):
    """uvicorn as `lipwright serve` runs it: its port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, http="h11", log_config=None, access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def raw(port, data, *pieces, wait=0.0):
    """Send bytes, read all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(data)
        with contextlib.suppress(ConnectionError):
            for piece in pieces:
                time.sleep(wait)
                connection.sendall(piece)
        got = b""
        while True:
            block = connection.recv(65536)
            if not block:
                return got
            got += block


def status(answer):
    return int(answer.split(b" ", 2)[1])


GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


def test_giant_and_broken_heads_are_refused_and_the_server_lives():
    with served(application()) as port:
        for data in (
            GET + b"X-A: " + b"a" * 200_000 + b"\r\n\r\n",
            GET + b"".join(b"X-%d: %s\r\n" % (each, b"a" * 99) for each in range(2000)) + b"\r\n",
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"\0" * 100_000,
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            POST + b"Content-Length: 3\r\nContent-Length: 9\r\n\r\nabc",
            POST + b"Content-Length: -3\r\n\r\nabc",
            POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            POST + b"Transfer-Encoding: gzip\r\n\r\nabc",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(99) + b"\r\n\r\n",
        ):
            with contextlib.suppress(ConnectionError):
                assert status(raw(port, data)) in (400, 501, 413)
        assert status(raw(port, GET + b"\r\n")) == 200


def test_a_large_body_is_refused_before_it_is_sent_and_the_answer_arrives():
    app = application()
    with served(app) as port:
        begun = time.monotonic()
        answer = raw(port, POST + b"Content-Length: 99999999999\r\n\r\n", *[b"x" * 100_000] * 5, wait=0.02)
        assert status(answer) == 413
        assert "larger than 1,048,576 bytes" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        answer = raw(port, POST + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40)
        assert status(answer) == 413
        assert time.monotonic() - begun < 10
        assert app.state.seen == []
        assert status(raw(port, GET + b"\r\n")) == 200


def test_plain_clients_read_why_their_body_is_not_wanted():
    """They send all of it before they read anything: a connection closed meanwhile would be all they saw."""
    with served(application()) as port:
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            connection.request("POST", "/body", b"x" * 30_000_000)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["kind"]) == (413, "limit")
            connection.close()


def test_a_body_that_stops_coming_is_given_up(monkeypatch):
    monkeypatch.setattr(guard, "LINGER_S", 0.1)

    async def echo(scope, receive, send):
        got = await Request(scope, receive).body()
        await PlainTextResponse(str(len(got)))(scope, receive, send)

    with served(RequestNames(BodyLimit(echo, 1000, None, idle=0.3))) as port:
        answer = raw(port, POST + b"Content-Length: 10\r\n\r\nabc")
        assert status(answer) == 408
        answer = raw(port, POST + b"Content-Length: 10\r\n\r\nabc", b"def", b"ghi", b"j", wait=0.2)  # slow, not silent
        assert (status(answer), answer[-2:]) == (200, b"10")


def test_waiting_for_the_end_of_a_connection_is_not_cut_short():
    async def patient(scope, receive, send):
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        import asyncio

        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(receive(), 0.6)  # as a stream of events does
        await send({"type": "http.response.body", "body": b"b"})

    with served(BodyLimit(patient, 1000, None, idle=0.2)) as port:
        assert raw(port, GET + b"\r\n").endswith(b"b\r\n0\r\n\r\n")


def test_who_asks_is_told_by_proxies_on_this_machine_only(ring):
    """`X-Forwarded-For`: the last address that is no proxy's counts, whatever a client writes before it."""
    app = application(ring)
    with served(app) as port:

        def easy(*headers):  # fmt: skip
            lines = "".join(f"{line}\r\n" for line in headers)
            return status(
                raw(port, f"GET /easy HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{lines}\r\n".encode())
            )

        assert easy() == 200
        assert easy("X-Forwarded-For: 203.0.113.9") == 403
        assert easy("X-Forwarded-For: 127.0.0.1, 203.0.113.9") == 403
        assert easy("X-Forwarded-For: 10.1.1.1") == 403
        assert easy("X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.9") == 403
