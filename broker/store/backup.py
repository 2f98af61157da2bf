"""Copying an SQLite database while it is written to."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from broker.store.database import Database


def copy(database: Database, target: Path) -> int:
    """Write a consistent copy of an SQLite ``database`` to ``target``; answers its size in bytes.

    Raises OSError when it cannot be written.
    """
    source = make_url(database.url).database
    if not database.is_sqlite or source is None:
        raise ValueError("only an SQLite database is copied as a file")
    try:
        with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copied:
            origin.backup(copied)
    except sqlite3.Error as error:
        raise OSError(f"{target} cannot be written: {error}") from error
    return target.stat().st_size
