"""`lipwright live` as a process: what it refuses, and how it ends."""

import builtins
import queue
import re
import signal
import subprocess
import sys
import threading

import pytest
import requests
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.example import portrait


@pytest.fixture
def refused(aiohttp_web):
    def run(*arguments):
        result = CliRunner().invoke(app, ["live", "--video", str(portrait), *arguments])
        assert result.exit_code == 2
        return result.stderr

    return run


def test_other_machines_are_let_in_only_where_that_is_asked_for(refused):
    assert "add --public" in refused("--host", "0.0.0.0")  # noqa: S104


def test_what_makes_no_sense(refused):
    assert "sessions must be 1" in refused("--sessions", "0")
    assert "port must be 0..65535" in refused("--port", "99999")
    assert "label" in refused("--label", "sometimes")


def test_a_missing_extra_is_one_sentence(monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **more):
        if name == "aiortc":
            raise ImportError("No module named 'aiortc'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    result = CliRunner().invoke(app, ["live", "--video", str(portrait)])
    assert result.exit_code == 4
    assert "lipwright[live]" in result.stderr.replace("\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM that a process can answer")
def test_it_serves_its_page_and_ends_when_told(aiohttp_web, quick):
    command = [sys.executable, "-m", "lipwright.cli.main", "live", "--video", str(portrait), "--port", "0"]
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen(
        [*command, "--cache", str(quick.cache)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        threading.Thread(target=lambda: [lines.put(line) for line in process.stdout], daemon=True).start()
        try:
            found = None
            while found is None:
                found = re.search(r"http://\S+/", lines.get(timeout=60))
            page = requests.get(found[0], timeout=10)
            assert page.status_code == 200
            assert page.headers["Content-Security-Policy"].startswith("default-src 'self'")
            for name in re.findall(r'(?:href|src)="(ui/[^"]+)"', page.text):
                assert requests.get(found[0] + name, timeout=10).status_code == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "Traceback" not in "".join(lines.queue)
