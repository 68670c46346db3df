"""A real service for the tests: `lipwright serve` in a process of its own."""

import re
import subprocess
import sys
from contextlib import contextmanager


class Served:
    """A running service.

    Attributes:
        url: its address, with a slash at the end.
        port: where it listens.
        folder: its data folder.
    """

    def __init__(self, folder, *more, port=0):
        self.folder = folder
        self._log = (folder.parent / f"{folder.name}.err").open("ab")
        command = [sys.executable, "-m", "lipwright.cli.main", "serve", "--data-dir", folder, "--device", "cpu"]
        self.process = subprocess.Popen(
            [*command, "--port", str(port), "--set", "least_free_bytes=0", *more],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        for line in self.process.stdout:
            if found := re.match(r"(http://\S+:(\d+)/) serves", line):
                self.url, self.port = found[1], int(found[2])
                return
        self.stop()
        raise RuntimeError((folder.parent / f"{folder.name}.err").read_text())

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._log.close()


@contextmanager
def served(folder, *more, port=0):
    service = Served(folder, *more, port=port)
    try:
        yield service
    finally:
        service.stop()
