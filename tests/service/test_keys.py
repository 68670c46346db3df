import re

import pytest
from sqlalchemy import text

from lipwright.errors import OptionError
from lipwright.service import keys
from lipwright.service.jobs.database import Database
from lipwright.service.keys import KeyRing


@pytest.fixture
def database(tmp_path):
    made = Database(f"sqlite:///{(tmp_path / 'lipwright.db').as_posix()}")
    yield made
    made.close()


@pytest.fixture
def ring(database):
    return KeyRing(database.engine)


def test_a_key_opens_until_it_is_removed(ring):
    assert not ring.defined()
    token = ring.add("laptop of Zoë")
    assert re.fullmatch(r"lw_[A-Za-z0-9_-]{43}", token)
    assert ring.defined()
    assert ring.check(token) == "laptop of Zoë"
    ring.remove("laptop of Zoë")
    assert ring.check(token) is None
    assert not ring.defined()


def test_the_key_itself_is_kept_nowhere(ring, database, tmp_path):
    token = ring.add("a")
    ring.check(token)
    database.close()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in stored
    assert token[3:].encode() not in stored


def test_what_is_nearly_a_key_is_none(ring):
    token = ring.add("a")
    ring.add("b")
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in ("", "lw_", swapped, token[:-1], token + "x", token.upper(), f" {token}", token[3:], "a",
                  "' OR 1=1 --", "%", "\0", "\ud800", "ü", token + "\0", "x" * 10_000_000):  # fmt: skip
        assert ring.check(wrong) is None


def test_a_stored_hash_is_no_key(ring, database):
    ring.add("a")
    with database.read() as connection:
        stored = connection.execute(text("SELECT hash FROM keys")).scalar()
    assert ring.check(stored) is None


def test_names_are_told_apart(ring):
    ring.add("a")
    with pytest.raises(OptionError, match="there is a key 'a' already"):
        ring.add("a")
    for wrong in ("", " ", " a", "a\n", "x" * 65, "a;b", "../a", "a\0"):
        with pytest.raises(OptionError, match="1 to 64 letters"):
            ring.add(wrong)
    with pytest.raises(OptionError, match="there is no key 'b'"):
        ring.remove("b")
    assert [key.name for key in ring.list()] == ["a"]


def test_the_last_use_is_noted_now_and_then(ring, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(keys.time, "time", lambda: now[0])
    token = ring.add("a")
    assert (ring.list()[0].created, ring.list()[0].last_used) == (1000.0, None)
    for at, noted in ((1001.0, 1001.0), (1030.0, 1001.0), (1062.0, 1062.0)):
        now[0] = at
        ring.check(token)
        assert ring.list()[0].last_used == noted


def test_a_busy_database_keeps_nobody_out(database, tmp_path):
    import sqlite3

    ring = KeyRing(database.engine)
    token = ring.add("a")
    impatient = Database(f"sqlite:///{(tmp_path / 'lipwright.db').as_posix()}")
    with impatient.read() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")  # the pool gives this connection again
    other = sqlite3.connect(tmp_path / "lipwright.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert KeyRing(impatient.engine).check(token) == "a"
    other.execute("ROLLBACK")
    other.close()
    impatient.close()
