"""Reading the outbox for people: lists, attempts, and how each destination is doing."""

from sqlalchemy import Connection, bindparam, func, select, text

from broker.domain.notifications import Attempt, Backlog, Notification, NotificationState
from broker.store.outbox import PARKED, PENDING, notification
from broker.store.tables import outbox_attempt
from broker.store.tables import outbox_entry as entry

_ATTEMPTS = select(outbox_attempt).where(outbox_attempt.c.entry_id == bindparam("key")).order_by(outbox_attempt.c.id)
_ONE = select(entry).where(entry.c.id == bindparam("key"))
_STATE = select(entry.c.state).where(entry.c.id == bindparam("key"))
_COUNTS = select(
    entry.c.destination,
    func.count().filter(entry.c.state == PENDING).label("pending"),
    func.count().filter(entry.c.state == PARKED).label("parked"),
    func.count().filter(entry.c.state == NotificationState.DELIVERED.value).label("delivered"),
    func.min(entry.c.created_at).filter(entry.c.state.in_([PENDING, PARKED])).label("oldest_waiting"),
    func.max(entry.c.finished_at).filter(entry.c.state == NotificationState.DELIVERED.value).label("last_delivered"),
).group_by(entry.c.destination)


_UNDELIVERED = text("outbox_entry.state in ('pending', 'parked')")  # the words of the partial index, so that it is used

_SKIPPED = text("outbox_entry.state = 'skipped'")  # as above


def list_entries(  # noqa: PLR0917 - the parts of one filter
    connection: Connection, destination: str | None, state: NotificationState | None, request_key: int | None,
    limit: int, before: int | None = None, lowest: int = 0,
) -> list[Notification]:  # fmt: skip
    """Entries, newest first; None filters nothing.  ``lowest`` is the least key looked at."""
    statement = select(entry).limit(limit)
    if destination is not None:
        statement = statement.where(entry.c.destination == destination)
    if state is not None:
        statement = statement.where(entry.c.state == state.value)
    if state in (NotificationState.PENDING, NotificationState.PARKED):
        # few, by their partial index; the sum keeps databases from walking over all that was delivered instead
        statement = statement.where(_UNDELIVERED).order_by((entry.c.id + 0).desc())
    else:
        statement = statement.order_by(entry.c.id.desc())
    if state is NotificationState.SKIPPED:
        statement = statement.where(_SKIPPED)
    if lowest:
        statement = statement.where(entry.c.id >= lowest)
    if before is not None:
        statement = statement.where(entry.c.id < before)
    if request_key is not None:
        statement = statement.where(entry.c.request_id == request_key)
    return [notification(row) for row in connection.execute(statement)]


def load(connection: Connection, key: int) -> Notification | None:
    """One entry, or None."""
    row = connection.execute(_ONE, {"key": key}).first()
    return None if row is None else notification(row)


def attempts(connection: Connection, key: int) -> list[Attempt]:
    """What was tried with one entry, oldest first."""
    rows = connection.execute(_ATTEMPTS, {"key": key})
    return [Attempt(row.at, row.result, row.milliseconds, row.detail, row.answer) for row in rows]


def state_of(connection: Connection, key: int) -> NotificationState | None:
    """The state of one entry; None when there is no such entry."""
    row = connection.execute(_STATE, {"key": key}).first()
    return None if row is None else NotificationState(row.state)


def parked(connection: Connection, destination: str) -> list[int]:
    """The keys of a destination's parked entries, oldest first."""
    statement = select(entry.c.id).where(entry.c.destination == destination, entry.c.state == PARKED)
    return [int(row.id) for row in connection.execute(statement.order_by(entry.c.id))]


def waiting(connection: Connection, destination: str) -> list[int]:
    """The keys of a destination's entries that are pending or parked, oldest first."""
    statement = select(entry.c.id).where(entry.c.destination == destination, _UNDELIVERED)
    return [int(row.id) for row in connection.execute(statement.order_by(entry.c.id))]


def backlogs(connection: Connection) -> list[Backlog]:
    """Counts and ages per destination that has entries."""
    return [
        Backlog(row.destination, row.pending, row.parked, row.delivered, row.oldest_waiting, row.last_delivered)
        for row in connection.execute(_COUNTS)
    ]
