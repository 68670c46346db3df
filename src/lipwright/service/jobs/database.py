"""Connections to the database: SQLite beside the data, or PostgreSQL where an address is given."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from lipwright.errors import OptionError
from lipwright.service.jobs.tables import metadata

THREADS = 40  # as many as answer requests at once, each with a connection that stays open
WAIT_S = 30  # for another process's turn
LOCK = 0x6C697077  # of PostgreSQL's advisory locks, the one that servers of ours take: "lipw"


class Database:
    """Short transactions, each whole or not at all; safe for many threads and processes.

    Args:
        url: SQLAlchemy's; `sqlite:///file.db` or `postgresql+psycopg://…`.

    Raises:
        OptionError: the database cannot be opened.
    """

    def __init__(self, url: str) -> None:
        self._held: Connection | None = None
        try:
            parsed = make_url(url)
            sqlite = parsed.get_backend_name() == "sqlite"
            self.engine = _sqlite(url) if sqlite else _postgresql(parsed)
            # SQLite itself waits by sleeping up to 0.1 s; among one process's threads a lock is passed on at once.
            self._turn = threading.Lock() if sqlite else nullcontext()
            with self.write() as connection:
                metadata.create_all(connection)
        except (ArgumentError, NoSuchModuleError, ImportError, DBAPIError) as exc:
            cause = str(getattr(exc, "orig", None) or exc).strip().partition("\n")[0]
            raise OptionError(
                f"the database cannot be opened: {cause}; give its address as "
                "postgresql+psycopg://user:password@host/name, or none for SQLite"
            ) from exc

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write; of several at once the others wait."""
        with self._turn, self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """For statements that only read; never waits for a writer."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection

    def hold(self) -> None:
        """Be the only server of this database until `close`; a file of SQLite lies in a folder that is held already.

        Asked again, it holds on: the database may have been started anew, which lets go of everything.

        Raises:
            OptionError: another server holds it.
        """
        if self.engine.dialect.name != "postgresql" or self._holds():
            return
        held = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        if held.execute(select(func.pg_try_advisory_lock(LOCK))).scalar():
            self._held = held
        else:
            held.close()
            raise OptionError("another lipwright server uses this database; stop it, or name another database")

    def _holds(self) -> bool:
        if self._held is None:
            return False
        try:
            self._held.execute(select(1))
        except DBAPIError:
            self._held.invalidate()
            self._held.close()
            self._held = None
        return self._held is not None

    def close(self) -> None:
        """Give all connections back."""
        if self._held is not None:
            with suppress(DBAPIError):  # a connection that broke holds nothing
                self._held.execute(select(func.pg_advisory_unlock(LOCK)))
            self._held.close()
            self._held = None
        self.engine.dispose()


def _postgresql(url: URL) -> Engine:
    patience = {"connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    return create_engine(url, pool_pre_ping=True, connect_args=patience)


def _use_wal(raw: Any) -> None:  # noqa: ANN401 - the driver's own connection
    """Let readers and a writer work side by side. SQLite itself does not wait where others set that just now."""
    end = time.monotonic() + WAIT_S
    while True:
        try:
            raw.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)
        else:
            return


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": WAIT_S}, pool_size=THREADS)

    @event.listens_for(engine, "connect")
    def _prepare(raw: Any, _: object) -> None:  # noqa: ANN401 - the driver's own connection
        raw.isolation_level = None  # the driver begins nothing on its own: see `_begin`
        _use_wal(raw)
        raw.execute("PRAGMA synchronous=FULL").close()  # what was answered for survives a power cut

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # At once for writing: a transaction that reads first and then finds another writer could not go on.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine
