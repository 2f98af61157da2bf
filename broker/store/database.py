"""Transactions: how use cases read and write, on SQLite and on PostgreSQL.

A use case is a function of a ``Connection``.  ``read`` runs it on a reading connection.  ``write`` runs it in a
transaction and returns after the commit: what it returned is durable.  It may be run again (serialisation conflict), so
it must have no effect outside the database.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from broker.domain.errors import Conflict, Unavailable
from broker.store import json_text, name_index
from broker.store.data_version import DataVersion
from broker.store.group_commit import GroupCommit

__all__ = ["Connection", "Database"]

T = TypeVar("T")
Work = Callable[[Connection], T]

_ATTEMPTS = 5
#: seconds, as long as SQLite and the pool of connections wait
_LONGEST_WAIT = 30.0
#: page cache of 32 MiB a connection; the log is copied back after 16 MiB, not 4: each copy waits for the disk twice
_PRAGMAS = (
    "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-32768",
    "wal_autocheckpoint=4000",
)  # fmt: skip
#: PostgreSQL: serialization_failure, deadlock_detected, unique_violation (two first messages for one order at once)
_RETRIED_STATES = {"40001", "40P01", "23505"}


class _Writer(Protocol):
    def write(self, work: Work[T]) -> T: ...

    def close(self) -> None: ...


class Database:
    """One database, opened.  Thread-safe; close it once at the end."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url = url
        self._sqlite = make_url(url).get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url) if self._sqlite else _postgres_engine(url, pool_size)
        self._writer: _Writer = GroupCommit(self.engine) if self._sqlite else _Pooled(self.engine, pool_size)
        self._version = DataVersion(self.engine) if self._sqlite else None
        self._listeners: list[Callable[[], None]] = []

    @property
    def data_version(self) -> int | None:
        """A number that changes whenever anybody commits; None when that cannot be told at once (PostgreSQL).

        What was read after it was asked is still what the database holds when it is the same again.  Never waits.
        """
        return self._version.now() if self._version else None

    @property
    def is_sqlite(self) -> bool:
        """True for the embedded database: one writing process."""
        return self._sqlite

    @cached_property
    def has_name_index(self) -> bool:
        """Whether statements have to name an index of pieces of names (``name_index``); PostgreSQL uses it unasked.

        Raises Unavailable when the database cannot be reached.
        """
        return self._sqlite and self.read(name_index.is_there)

    def read(self, work: Work[T]) -> T:
        """Run ``work`` on a reading connection.  Raises Unavailable when the database cannot be reached."""
        if not self._sqlite:
            return _connected_again(self.engine, lambda: self._read(work))
        return self._read(work)

    def _read(self, work: Work[T]) -> T:
        with _translated(), self.engine.connect() as connection:
            if self._sqlite:
                connection.exec_driver_sql("BEGIN")  # one snapshot for all statements of the use case
            return _before_commit(connection, work)

    def write(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction and commit.

        Raises what ``work`` raises (nothing is then stored), or Unavailable.
        """
        result = self._writer.write(work)
        self.tell_of_commit()
        return result

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` after each commit of this process (from the writing thread; it must not block)."""
        self._listeners.append(listener)

    def tell_of_commit(self) -> None:
        """Call the listeners: this process has committed, or another one of this broker has."""
        for listener in list(self._listeners):
            listener()

    def close(self) -> None:
        """Finish waiting writes and close every connection."""
        self._writer.close()
        if self._version:
            self._version.close()
        self.engine.dispose()


class _Pooled:
    """Writers of PostgreSQL: each on its own connection, run again on conflict.

    A quarter of the connections is left to readers, so that lists are read while writers wait for each other.
    """

    def __init__(self, engine: Engine, pool_size: int) -> None:
        self._engine = engine
        self._places = threading.BoundedSemaphore(max(1, 2 * pool_size * 3 // 4))

    def write(self, work: Work[T]) -> T:
        for attempt in range(_ATTEMPTS):
            try:
                return _connected_again(self._engine, lambda: self._write(work))
            except (DBAPIError, Conflict) as error:
                if attempt == _ATTEMPTS - 1 or not _worth_repeating(error):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2**attempt))
        raise Unavailable("the database did not settle")

    def _write(self, work: Work[T]) -> T:
        if not self._places.acquire(timeout=_LONGEST_WAIT):
            raise Unavailable("too many writers wait for the database")
        try:
            with _translated(), self._engine.connect() as connection:
                transaction = connection.begin()
                result = _before_commit(connection, work)
                transaction.commit()
                return result
        finally:
            self._places.release()

    def close(self) -> None:
        """Nothing to finish: every write is done when ``write`` returns."""


class _Lost(Unavailable):
    """The connection was lost before anything could be committed."""


def _before_commit(connection: Connection, work: Work[T]) -> T:
    """Run ``work``.  Raises _Lost when the server went away meanwhile, or since the connection was last used."""
    driver: Any = connection.connection.dbapi_connection
    try:
        return work(connection)
    except DBAPIError as error:
        if getattr(driver, "closed", False):
            raise _Lost("the connection to the database was lost") from error
        raise


def _connected_again(engine: Engine, work: Callable[[], T]) -> T:
    """Run ``work``, and once more on new connections when it lost its own: the server may have been started anew."""
    try:
        return work()
    except _Lost:
        engine.dispose()
        return work()


def _worth_repeating(error: Exception) -> bool:
    if isinstance(error, Conflict):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _RETRIED_STATES


@contextmanager
def _translated() -> Iterator[None]:
    """Connection trouble becomes Unavailable, so that edges need not know SQLAlchemy."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if getattr(error.orig, "sqlstate", None) in _RETRIED_STATES:
            raise
        raise Unavailable("the database cannot be reached or refuses work") from error


def _postgres_engine(url: str, pool_size: int) -> Engine:
    return create_engine(
        url, pool_size=pool_size, max_overflow=pool_size, pool_recycle=1800,
        json_serializer=json_text.dumps, json_deserializer=json_text.loads,
    )  # fmt: skip


def _sqlite_engine(url: str) -> Engine:
    """WAL, FULL: a commit survives a power cut.  ``BEGIN`` is ours, so that writers take the lock at once."""
    engine = create_engine(
        url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=16,
        json_serializer=json_text.dumps, json_deserializer=json_text.loads,
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
