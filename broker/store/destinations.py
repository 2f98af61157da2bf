"""Destinations that are held: rows of ``destination_hold``.  The claiming queries of ``store.outbox`` respect them."""

from sqlalchemy import Connection, delete, func, insert, select

from broker.domain.notifications import Hold, Holding
from broker.store.tables import destination_hold as hold
from broker.store.tables import outbox_entry as entry


def newest_entry(connection: Connection) -> int:
    """The key of the newest outbox entry, 0 when there is none."""
    return int(connection.execute(select(func.coalesce(func.max(entry.c.id), 0))).scalar_one())


def set_hold(connection: Connection, wanted: Hold) -> None:
    """Hold a destination, in place of the hold it may have."""
    lift(connection, wanted.destination)
    values = {
        "destination": wanted.destination, "after_entry": wanted.after_entry, "how": wanted.how.value,
        "reason": wanted.reason, "held_by": wanted.held_by, "held_at": wanted.held_at,
    }  # fmt: skip
    connection.execute(insert(hold), values)


def lift(connection: Connection, destination: str) -> bool:
    """Let a destination go on; False when it was not held."""
    return connection.execute(delete(hold).where(hold.c.destination == destination)).rowcount == 1


def holds(connection: Connection) -> list[Hold]:
    """Every held destination, by name."""
    return [
        Hold(row.destination, row.after_entry, Holding(row.how), row.reason, row.held_by, row.held_at)
        for row in connection.execute(select(hold).order_by(hold.c.destination))
    ]
