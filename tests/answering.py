"""An app answering on a port of this machine, for as long as a test lasts."""

import threading
import time
from contextlib import contextmanager

import httpx
import uvicorn


@contextmanager
def answering(app, **options):
    """A client of the app, which runs under the real server in a thread."""
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it began"
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
