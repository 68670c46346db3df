"""API keys. Only their hashes are kept: who reads the database cannot use them."""

import hashlib
import hmac
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from lipwright.errors import OptionError
from lipwright.service.jobs.tables import keys

PREFIX = "lw_"
LONGEST = 200  # letters of what may be a key at all
_NOTED_S = 60.0  # a key's last use is written down no more often
_NAME = re.compile(r"[\w .,'@-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key.

    Args:
        name: whose, or what for.
        created: seconds since 1970.
        last_used: seconds since 1970, to the minute; None: never.
    """

    name: str
    created: float
    last_used: float | None


class KeyRing:
    """The keys in a database.

    Args:
        engine: of the database, with its tables.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, name: str) -> str:
        """Make a key. What is returned is kept nowhere.

        Raises:
            OptionError: the name is taken, or none.
        """
        if not _NAME.fullmatch(name) or name != name.strip():
            raise OptionError(f"a key's name has 1 to 64 letters, digits, spaces or . , ' @ -, got {name[:70]!r}")
        token = PREFIX + secrets.token_urlsafe(32)
        row = {"name": name, "hash": _hash(token), "created": time.time()}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(keys).values(row))
        except IntegrityError as exc:
            raise OptionError(f"there is a key {name!r} already; remove it first, or choose another name") from exc
        return token

    def list(self) -> list[Key]:
        """The keys, oldest first."""
        wanted = select(keys.c.name, keys.c.created, keys.c.last_used).order_by(keys.c.created, keys.c.name)
        with self._reading() as connection:
            return [Key(*row) for row in connection.execute(wanted)]

    def defined(self) -> bool:
        """Whether there is any key."""
        with self._reading() as connection:
            return connection.execute(select(keys.c.name).limit(1)).first() is not None

    def remove(self, name: str) -> None:
        """Take a key out of use, from the next request on.

        Raises:
            OptionError: there is none of that name.
        """
        with self._engine.begin() as connection:
            gone = connection.execute(delete(keys).where(keys.c.name == name)).rowcount
        if not gone:
            raise OptionError(f"there is no key {name[:70]!r}; `lipwright keys list` shows them")

    def check(self, token: str) -> str | None:
        """The name of the key that this is, None where it is none."""
        given, found = _hash(token[:LONGEST]), None
        with self._reading() as connection:
            for row in connection.execute(select(keys.c.name, keys.c.hash, keys.c.last_used)):
                if hmac.compare_digest(row.hash, given):  # and on to the others: how long it takes tells nothing
                    found = row
        if found is None:
            return None
        self._note(found.name, found.last_used)
        return found.name

    def _note(self, name: str, last_used: float | None) -> None:
        now = time.time()
        if last_used is not None and now - last_used < _NOTED_S:
            return
        with suppress(DBAPIError), self._engine.begin() as connection:  # nobody is kept out because of a note
            connection.execute(update(keys).where(keys.c.name == name).values(last_used=now))

    def _reading(self) -> Connection:
        return self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")  # waits for no writer


def _hash(token: str) -> str:
    # Plain SHA-256 will do: a key is 256 random bits, which nobody guesses however fast the hash.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
