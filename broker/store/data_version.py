"""Whether anything was committed to an SQLite database since one looked last.

Owns a connection for that question alone.  Cannot be asked of PostgreSQL without a round trip, so it is not.
"""

import sqlite3
import threading
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError


class DataVersion:
    """Answers from any thread in a few microseconds and waits for nobody.

    ``PRAGMA data_version``: two answers on one connection differ when another connection, of this or any other process,
    committed in between (https://www.sqlite.org/pragma.html#pragma_data_version).  This connection never writes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: Any = None
        self._closed = False

    def now(self) -> int | None:
        """The version; None when it cannot be told at this moment."""
        with self._lock:
            if self._closed:
                return None
            try:
                if self._connection is None:
                    self._connection = self._open()
                value: int = self._connection.execute("PRAGMA data_version").fetchone()[0]
            except (sqlite3.OperationalError, DBAPIError):  # busy, or away: whoever reads next learns why
                return None
            return value

    def close(self) -> None:
        """Gives the connection back; ``now`` answers None from here on."""
        with self._lock:
            self._closed = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> Any:
        connection: Any = self._engine.raw_connection()
        driver = connection.driver_connection
        connection.detach()
        driver.execute("PRAGMA busy_timeout=0")
        driver.execute("PRAGMA query_only=ON")
        return driver
