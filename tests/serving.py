"""A web server for the tests: ranges, ETags, and the ways in which downloads go wrong."""

import hashlib
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Site:
    """What the server has and does.

    Attributes:
        files: bytes by path; any other path is 404.
        break_after: bytes after which the next answers break off, one entry each.
        ranges: whether parts may be asked for.
        asked: (path, Range header or None) of each request.
    """

    def __init__(self):
        self.files, self.break_after, self.ranges, self.asked, self.url = {}, [], True, [], ""


@contextmanager
def serving():
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            site.asked.append((self.path, self.headers.get("Range")))
            content = site.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
            begin = 0
            if site.ranges and self.headers.get("If-Range") == etag:
                begin = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
            if begin and begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if begin else 200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            end = begin + site.break_after.pop(0) if site.break_after else None
            self.wfile.write(content[begin:end])

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
