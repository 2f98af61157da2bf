"""Destinations that people added: rows of ``added_destination``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from broker.store.destination_tables import added_destination as table


@dataclass(frozen=True, slots=True)
class AddedDestination:
    """What is set for it, as under ``[[destinations]]`` but for its name; who said so last, and when."""

    name: str
    settings: Mapping[str, Any]
    changed_by: str
    changed_at: datetime


def listed(connection: Connection) -> list[AddedDestination]:
    """All of them, by name."""
    c = table.c
    query = select(c.name, c.settings, c.changed_by, c.changed_at).order_by(c.name)
    return [AddedDestination(*row) for row in connection.execute(query)]


def put(connection: Connection, added: AddedDestination) -> None:
    """Insert it, or put it in the place of the one with its name."""
    values = {
        "name": added.name, "settings": dict(added.settings), "changed_by": added.changed_by,
        "changed_at": added.changed_at,
    }  # fmt: skip
    connection.execute(_PUT[connection.dialect.name], values)


def remove(connection: Connection, name: str) -> bool:
    """Delete it; False when there is none."""
    return connection.execute(delete(table).where(table.c.name == name)).rowcount == 1


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    kept = {"settings": new.settings, "changed_by": new.changed_by, "changed_at": new.changed_at}
    return statement.on_conflict_do_update(index_elements=["name"], set_=kept)


_PUT = {"sqlite": _upsert(sqlite.insert(table)), "postgresql": _upsert(postgresql.insert(table))}
