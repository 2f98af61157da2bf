"""Bringing a database to the schema of this version, and telling whether it is there."""

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from broker.domain.errors import Unavailable
from broker.store import name_index

if TYPE_CHECKING:
    from collections.abc import Iterator

#: one key for everybody who migrates the same PostgreSQL database (pg_advisory_lock)
_LOCK = 7205759


def upgrade(url: str) -> None:
    """Create or upgrade the schema at ``url``; safe to call from several processes at once.

    Raises Unavailable when the database cannot be reached.
    """
    with connected(url) as connection:
        config = configuration(connection)
        command.upgrade(config, "head")
        name_index.prepare(connection)  # what the database server could not do last time it may be able to do now


def revision(url: str) -> tuple[str | None, str | None]:
    """(revision of the database, revision of this version); None for an empty database."""
    with connected(url) as connection:
        present = MigrationContext.configure(connection).get_current_revision()
        return present, ScriptDirectory.from_config(configuration(connection)).get_current_head()


def has_name_index(url: str) -> bool:
    """Whether names are searched by an index (``name_index``).  Raises Unavailable."""
    with connected(url) as connection:
        return name_index.is_there(connection)


def configuration(connection: Connection) -> Config:
    """Alembic's configuration for the migrations shipped here, on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    return config


@contextmanager
def connected(url: str) -> "Iterator[Connection]":
    """A transaction at ``url`` for schema work, alone on PostgreSQL; committed at the end."""
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": 30} if sqlite else {"connect_timeout": 10})
    try:
        with engine.begin() as connection:
            if not sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection
    except OperationalError as error:
        raise Unavailable("the database cannot be reached") from error
    finally:
        engine.dispose()
