import json
import time

import pytest
from typer.testing import CliRunner

from lipwright.cli.main import app
from lipwright.service.jobs.database import Database
from lipwright.service.keys import KeyRing


@pytest.fixture
def keys(tmp_path):
    def run(*words, code=0):
        result = CliRunner().invoke(app, ["keys", *words, "--data-dir", str(tmp_path / "data")])
        assert result.exit_code == code, result.output
        return result

    return run


def test_keys_are_made_shown_and_removed(keys, tmp_path):
    assert "no keys" in keys("list").stdout
    token = keys("add", "Zoë's laptop").stdout.strip()
    other = json.loads(keys("add", "other", "--json").stdout)["key"]
    database = Database(f"sqlite:///{(tmp_path / 'data' / 'lipwright.db').as_posix()}")
    ring = KeyRing(database.engine)
    assert (ring.check(token), ring.check(other)) == ("Zoë's laptop", "other")
    shown = keys("list").stdout
    assert f"Zoë's laptop  made {time.strftime('%Y-')}" in shown
    assert token not in shown
    assert [key["name"] for key in json.loads(keys("list", "--json").stdout)] == ["Zoë's laptop", "other"]
    assert keys("remove", "other").stdout == "removed other\n"
    assert (ring.check(token), ring.check(other)) == ("Zoë's laptop", None)
    database.close()


def test_what_cannot_be_is_a_sentence(keys):
    keys("add", "a")
    assert "there is a key 'a' already" in keys("add", "a", code=2).stderr
    assert "there is no key 'b'" in keys("remove", "b", code=2).stderr
    assert "1 to 64 letters" in keys("add", "../x", code=2).stderr
