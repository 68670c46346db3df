"""Servers that do what a decent one would not, and names that stand for what a test wants."""

import contextlib
import re
import socket
import threading
import time
from contextlib import contextmanager

import httpcore

LIVE = 15.0  # seconds after which a connection of a forgotten test ends by itself


class Peer:
    """One server on 127.0.0.1.

    Attributes:
        port: where it listens.
        asked: the head of each request, as text.
        bodies: what came after it, as far as it came with it.
    """

    def __init__(self, port):
        self.port, self.asked, self.bodies, self.url = port, [], [], f"http://127.0.0.1:{port}"

    def paths(self):
        return [head.split()[1] for head in self.asked]


def talk(here, connection, answer, tls):
    """One request and its answer."""
    with contextlib.suppress(OSError), connection:
        connection.settimeout(LIVE)
        if tls is not None:
            connection = tls.wrap_socket(connection, server_side=True)
        with connection:
            got = b""
            while b"\r\n\r\n" not in got:
                block = connection.recv(65536)
                if not block:
                    return
                got += block
            head, _, body = got.partition(b"\r\n\r\n")
            told = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            while told and len(body) < int(told[1]):
                body += connection.recv(65536)
            here.asked.append(head.decode())
            here.bodies.append(body)
            raw = answer(connection, head.decode().split()[1])
            if raw is not None:
                connection.sendall(raw)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)


@contextmanager
def peer(answer, tls=None):
    """Serves until the block ends; `answer(connection, path)` writes raw bytes, or returns them."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    here, over = Peer(listener.getsockname()[1]), threading.Event()

    def accept():
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                connection, _ = listener.accept()
                threading.Thread(target=talk, args=(here, connection, answer, tls), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        over.set()
        thread.join()
        listener.close()


def ok(body, *headers, kind="video/mp4"):
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *([f"Content-Type: {kind}"] if kind else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def moved(there, status=302):
    return f"HTTP/1.1 {status} Found\r\nLocation: {there}\r\nContent-Length: 0\r\n\r\n".encode()


def drip(connection, first=b"", every=0.05, byte=b"x"):
    """One byte after another, until the other side has had enough."""
    connection.sendall(first)
    end = time.monotonic() + LIVE
    with contextlib.suppress(OSError):
        while time.monotonic() < end:
            connection.sendall(byte)
            time.sleep(every)


class Names:
    """A resolver by the test's own book: `answers[name]` is a list of lists, one per question, the last for the rest.

    Connections to addresses beyond loopback are led to 127.0.0.1 and noted in `connected`.
    """

    def __init__(self, monkeypatch):
        self.answers, self.questions, self.connected = {}, [], []
        real = socket.getaddrinfo
        inner = httpcore.SyncBackend.connect_tcp

        def getaddrinfo(host, port, *args, **kwargs):
            if host not in self.answers:
                return real(host, port, *args, **kwargs)
            self.questions.append(host)
            book = self.answers[host]
            now = book.pop(0) if len(book) > 1 else book[0]
            kinds = [(socket.AF_INET6 if ":" in each else socket.AF_INET, each) for each in now]
            return [(kind, socket.SOCK_STREAM, 6, "", (each, port)) for kind, each in kinds]

        def connect_tcp(backend, host, port, timeout=None, local_address=None, socket_options=None):
            self.connected.append(host)
            return inner(backend, "127.0.0.1", port, timeout, local_address, socket_options)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect_tcp)
