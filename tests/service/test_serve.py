"""The commands `serve` and `keys`."""

import json
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.service.jobs import JobStore


@pytest.fixture
def run(tmp_path):
    def invoke(*words):
        return CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path / "data")])

    return invoke


def test_keys_from_adding_to_removing(run):
    made = run("keys", "add", "me")
    assert made.exit_code == 0
    assert made.stdout.startswith("lw_")
    [listed] = json.loads(run("keys", "list", "--json").stdout)
    assert (listed["name"], listed["last_used"]) == ("me", None)
    assert made.stdout.strip() not in run("keys", "list").stdout
    assert run("keys", "add", "me").exit_code == 2
    assert run("keys", "remove", "me").exit_code == 0
    assert "no keys" in run("keys", "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "192.0.2.1"), "add --public"),
        (("--host", "192.0.2.1", "--public"), "keys add"),
        (("--set", "colour"), "NAME=VALUE"),
        (("--set", "colour=red"), "'colour' is unknown"),
        (("--device", "abacus"), "abacus"),
        (("--database-url", "nonsense"), "database cannot be opened"),
        (("--config", "none.toml"), "none.toml cannot be read"),
        (("--heygem-config", "none.ini"), "none.ini cannot be read"),
        (("--set", "webhook_secret=whsec_a"), "webhook secret"),
    ],
)
def test_serve_refuses_in_a_sentence(run, words, told):
    answer = run("serve", *words)
    assert answer.exit_code == 2, answer.output
    assert told in " ".join(answer.output.split())
    assert "Traceback" not in answer.output


def test_a_port_that_is_taken(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = run("serve", "--port", str(taken.getsockname()[1]))
    assert answer.exit_code == 2
    assert "cannot be listened on" in answer.output


def test_a_database_that_another_server_uses(run, postgres):
    first = JobStore(postgres)
    first.database.hold()
    answer = run("serve", "--database-url", postgres)
    first.close()
    assert answer.exit_code == 2
    assert "another lipwright server uses this database" in " ".join(answer.output.split())
    assert "Traceback" not in answer.output


def test_without_the_extra_it_says_what_to_install(tmp_path):
    missing = "import sys; sys.modules['fastapi'] = None; from lipwright.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", missing, "serve", "--data-dir", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "lipwright[serve]" in done.stderr
    assert "Traceback" not in done.stderr
