"""What devices were let pass in MPPS: how often, where, and when; counted in the transaction of the request."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from broker.domain.performed_faults import Toleration
from broker.store.reconciliation_tables import device_toleration as table

_BY_DEVICE = select(table.c.calling_ae_title, func.sum(table.c.times).label("times")).group_by(table.c.calling_ae_title)


@dataclass(frozen=True, slots=True)
class TolerationCount:
    """One quirk of a device at one attribute (keyword path, or empty)."""

    quirk: str
    path: str
    first_at: datetime
    last_at: datetime
    times: int


def count(connection: Connection, calling_ae_title: str, tolerated: Iterable[Toleration], at: datetime) -> None:
    """Count each toleration once more; in a fixed order, so that two writers never wait for each other."""
    rows = [
        {"calling_ae_title": calling_ae_title, "quirk": t.quirk.value, "path": t.path, "first_at": at, "last_at": at,
         "times": 1}
        for t in sorted(set(tolerated), key=lambda t: (t.quirk.value, t.path))
    ]  # fmt: skip
    if rows:
        connection.execute(_COUNT[connection.dialect.name], rows)


def of_device(connection: Connection, calling_ae_title: str) -> list[TolerationCount]:
    """What this device was let pass, the latest first."""
    c = table.c
    columns: tuple[Column[Any], ...] = (c.quirk, c.path, c.first_at, c.last_at, c.times)
    query = select(*columns).where(c.calling_ae_title == calling_ae_title)
    return [TolerationCount(*row) for row in connection.execute(query.order_by(c.last_at.desc(), c.quirk, c.path))]


def totals(connection: Connection) -> dict[str, int]:
    """How often each device was let something pass."""
    return {row.calling_ae_title: int(row.times) for row in connection.execute(_BY_DEVICE)}


def _upsert(statement: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["calling_ae_title", "quirk", "path"],
        set_={"last_at": new.last_at, "times": table.c.times + new.times},
    )


_COUNT = {"sqlite": _upsert(sqlite.insert(table)), "postgresql": _upsert(postgresql.insert(table))}
