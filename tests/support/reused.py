"""Owns: one PostgreSQL database used by test after test, emptied in between, because making one is slow.
Must not: give a test anything of another: what it cannot put back as it was is dropped and made anew.
"""

from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from tests.support.databases import postgres_database
from tests.support.postgres import PostgresServer

_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_SHAPE = """
SELECT c.oid, c.relname, c.relnatts, c.relchecks, c.reltriggers FROM (
    SELECT oid, relname, relnatts, relchecks, (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = r.oid) AS reltriggers
    FROM pg_class r WHERE relnamespace = 'public'::regnamespace) c ORDER BY c.oid
"""
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
_RESTART = """
SELECT setval(s.seqrelid, s.seqstart, false) FROM pg_sequence s JOIN pg_sequences v
ON s.seqrelid = format('%I.%I', v.schemaname, v.sequencename)::regclass WHERE v.last_value IS NOT NULL
"""
#: what the migrations themselves have written
_KEPT = {"alembic_version"}


class ReusedDatabase:
    """Copies of `template`, as few as possible.  One user at a time."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._made: Any = None
        self._url = ""
        self._shape: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._drop()

    def fresh(self) -> str:
        """The URL of a database as the template is."""
        if self._made is None or not self._emptied():
            self._drop()
            self._made = postgres_database(self._server, self._template)
            _, self._url = self._made.__enter__()
            with self._connect() as connection:
                self._shape = connection.execute(_SHAPE).fetchall()
        return self._url

    def _drop(self) -> None:
        if self._made is not None:
            self._made.__exit__(None, None, None)
            self._made = None

    def _emptied(self) -> bool:
        """Ends what a test left connected and takes out its rows; False when it left more than that."""
        with self._connect() as connection:
            connection.execute(_END_OTHERS)
            if connection.execute(_SHAPE).fetchall() != self._shape:
                return False
            connection.execute("SET session_replication_role = replica")  # rows go in any order
            for name in self._filled(connection):
                connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
            connection.execute(_RESTART)
        return True

    def _filled(self, connection: psycopg.Connection[tuple[Any, ...]]) -> list[str]:
        names = [name for (name,) in connection.execute(_TABLES) if name not in _KEPT]
        one = sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})")
        each = [one.format(sql.Literal(name), sql.Identifier(name)) for name in names]
        return [name for (name,) in connection.execute(sql.SQL(" UNION ALL ").join(each))]

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self._url.replace("+psycopg", ""), autocommit=False, connect_timeout=10)
