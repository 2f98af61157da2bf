"""Destinations as a whole: which are held, how each is doing, what waits for it.

The claiming queries of ``store.outbox`` respect the holds.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, Insert, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from broker.domain.notifications import Condition, Hold, Holding, Waiting
from broker.store.destination_tables import destination_condition as condition
from broker.store.outbox import PARKED, PENDING
from broker.store.prepared import Prepared
from broker.store.tables import destination_hold as hold
from broker.store.tables import outbox_entry as entry

_UNDELIVERED = text("outbox_entry.state in ('pending', 'parked')")  # the words of the partial index, so that it is used
_WAITING = (
    select(
        entry.c.destination,
        func.count().filter(entry.c.state == PENDING).label("pending"),
        func.count().filter(entry.c.state == PARKED).label("parked"),
        func.min(func.coalesce(entry.c.resent_at, entry.c.created_at)).label("oldest"),
        func.count().filter(entry.c.state == PENDING, entry.c.id <= hold.c.after_entry).label("draining"),
    )
    .outerjoin(hold, hold.c.destination == entry.c.destination)
    .where(_UNDELIVERED)
    .group_by(entry.c.destination)
)


_HELD = select(hold.c.destination, hold.c.how)


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


def waiting(connection: Connection) -> list[Waiting]:
    """What waits, for each destination for which something does; delivered entries are not looked at."""
    return [Waiting(*row) for row in connection.execute(_WAITING)]


def conditions(connection: Connection) -> list[Condition]:
    """How the destinations are doing that anything was ever sent to."""
    c = condition.c
    rows = connection.execute(
        select(c.destination, c.succeeded_at, c.failed_at, c.words, c.failures, c.retry_at, c.late_since)
    )
    return [Condition(*row) for row in rows]


def outstanding(connection: Connection) -> frozenset[tuple[str, str]]:
    """Destinations that do not answer, are late or held, with a word for each: what pages should show at once."""
    c = condition.c
    rows = connection.execute(
        select(c.destination, c.failures > 0, c.late_since.is_not(None)).where(
            (c.failures > 0) | c.late_since.is_not(None)
        )
    )
    found = {(name, f"{bool(failing)} {bool(late)}") for name, failing, late in rows}
    return frozenset(found | {(row.destination, row.how) for row in connection.execute(_HELD)})


def note_success(connection: Connection, destination: str, at: datetime) -> None:
    """A delivery succeeded: the destination answers."""
    values = {"destination": destination, "succeeded_at": at, "failures": 0, "retry_at": None}
    _SUCCESS[connection.dialect.name].run(connection, values)


def note_failure(connection: Connection, failed: Condition) -> None:
    """A delivery failed; ``failed`` holds when, the words, and whether the destination answers at all."""
    values = {
        "destination": failed.destination, "failed_at": failed.failed_at, "words": failed.words,
        "failures": failed.failures, "retry_at": failed.retry_at,
    }  # fmt: skip
    _FAILURE[connection.dialect.name].run(connection, values)


def note_late(connection: Connection, destinations: Iterable[str], since: datetime | None) -> None:
    """Remember that the alarm was given about these, or (None) that they have caught up."""
    for name in destinations:
        if since is None:
            connection.execute(update(condition).where(condition.c.destination == name).values(late_since=None))
        else:
            _LATE[connection.dialect.name].run(connection, {"destination": name, "late_since": since})


def _upsert(*columns: str) -> dict[str, Prepared]:
    """Insert a destination's row, or bring these columns of it up to date."""

    def on_conflict(statement: sqlite.Insert | postgresql.Insert) -> Insert:
        new = {name: statement.excluded[name] for name in columns}
        return statement.on_conflict_do_update(index_elements=["destination"], set_=new)

    return {
        "sqlite": Prepared(on_conflict(sqlite.insert(condition))),
        "postgresql": Prepared(on_conflict(postgresql.insert(condition))),
    }


_SUCCESS = _upsert("succeeded_at", "failures", "retry_at")
_FAILURE = _upsert("failed_at", "words", "failures", "retry_at")
_LATE = _upsert("late_since")
