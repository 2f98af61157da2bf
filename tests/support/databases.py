"""Owns: one migrated template per kind of database, and a fresh copy for each test. Must not: know the tables."""

import contextlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from tests.support.postgres import PostgresServer


def migrate(url: str) -> None:
    """Brings a database to the newest schema, with the broker's own migrations."""
    from broker.store.migrate import upgrade

    upgrade(url)


def sqlite_template(folder: Path) -> Path:
    """A migrated SQLite file, complete without its write-ahead log, so that it can be copied as a file."""
    template = folder / "template.db"
    migrate(f"sqlite:///{template}")
    connection = sqlite3.connect(template)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return template


def sqlite_copy(template: Path, folder: Path) -> str:
    """The URL of a copy of the template in `folder`."""
    copy = folder / "broker.db"
    shutil.copyfile(template, copy)
    return f"sqlite:///{copy}"


@contextlib.contextmanager
def postgres_template(server: PostgresServer) -> Iterator[str]:
    """The name of a migrated database on the server, dropped at the end."""
    with postgres_database(server) as (name, url):
        migrate(url)
        yield name


@contextlib.contextmanager
def postgres_database(server: PostgresServer, template: str = "template0") -> Iterator[tuple[str, str]]:
    """Name and URL of a fresh copy of `template`, dropped at the end. Names never clash between test processes."""
    name = f"broker_test_{os.getpid()}_{secrets.token_hex(6)}"
    url = server.create(name, template)
    try:
        yield name, url
    finally:
        server.drop(name)
