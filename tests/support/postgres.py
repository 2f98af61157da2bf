"""Owns: a PostgreSQL server for tests: the one named, the one on the usual port, or a throw-away one of our own.
Must not: know tables or migrations, nor touch any database it did not create.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from tests.support.ports import free_port
from tests.support.wait import until

URL_VARIABLE = "BROKER_TEST_POSTGRES_URL"
USUAL_URL = "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"
# A test server loses nothing that matters when the machine goes down, so it need not wait for the disk.
QUICK = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
OPTIONS = (*QUICK, "unix_socket_directories=", "max_connections=200")


class PostgresServer:
    """A running server, by the URL of its maintenance database; creates and drops databases."""

    def __init__(self, url: str) -> None:
        self._url: URL = make_url(url)

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of one database on this server."""
        return self._url.set(drivername="postgresql+psycopg", database=database).render_as_string(hide_password=False)

    def create(self, database: str, template: str = "template0") -> str:
        """Creates a database as a copy of `template` and returns its URL."""
        self._execute("CREATE DATABASE {} TEMPLATE {} ENCODING 'UTF8'", database, template)
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drops a database, closing whatever is still connected to it."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", database)

    def answers(self) -> bool:
        """Whether the server lets us in."""
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        conninfo = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(conninfo, autocommit=True, connect_timeout=3)

    def _execute(self, statement: str, *names: str) -> None:
        with self._connect() as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextlib.contextmanager
def server() -> Iterator[PostgresServer]:
    """A server to test on while the context lasts; LookupError when there is neither a server nor its programs."""
    named = os.environ.get(URL_VARIABLE)
    running = PostgresServer(named or USUAL_URL)
    if running.answers():
        yield running
    elif named:
        raise ConnectionError(f"{URL_VARIABLE} names a server that does not let us in")
    else:
        with throw_away_server() as own:
            yield own


def available() -> bool:
    """Whether `server` would give one."""
    named = os.environ.get(URL_VARIABLE)
    return bool(named) or PostgresServer(USUAL_URL).answers() or program_folder() is not None


def program_folder() -> Path | None:
    """The folder of initdb and postgres. Debian keeps one per version, out of PATH; the newest is taken."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextlib.contextmanager
def throw_away_server() -> Iterator[PostgresServer]:
    """Starts a server on a new folder and a free port of the loopback, and removes both at the end."""
    programs = program_folder()
    if programs is None:
        raise LookupError("no PostgreSQL programs found")
    folder = Path(tempfile.mkdtemp(prefix="broker-test-postgres-"))
    account = _unprivileged_account()
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)
    as_account: dict[str, Any] = (
        {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    )
    try:
        with _running(programs, folder, as_account) as own:
            yield own
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _running(programs: Path, folder: Path, as_account: dict[str, Any]) -> Iterator[PostgresServer]:
    data, port = folder / "data", free_port()
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
    initdb += ["-E", "UTF8", "--no-locale", "--no-sync"]
    subprocess.run(initdb, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_account)
    options = [part for setting in OPTIONS for part in ("-c", setting)]
    command = [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), *options]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_account)
    try:
        own = PostgresServer(f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres")
        until(lambda: own.answers() or process.poll() is not None, timeout=30, message="the PostgreSQL server answers")
        if process.poll() is not None:
            raise ConnectionError(f"the PostgreSQL server did not start: {(folder / 'log').read_text()[-2000:]}")
        yield own
    finally:
        process.send_signal(signal.SIGINT)  # "fast shutdown": disconnects clients, then stops
        process.wait(timeout=30)


def _unprivileged_account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then it runs as its own account if there is one, else as nobody."""
    if os.geteuid() != 0:
        return None
    names = {account.pw_name: account for account in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
