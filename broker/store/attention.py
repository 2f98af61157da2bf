"""What needs somebody's attention, and how the broker is: statements for alarms, health and metrics.

Must not: return contents of messages or exams beyond what identifies them.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select, text

from broker.store.tables import (
    device_query,
    event,
    journal_entry,
    outbox_entry,
    worklist_item,
)

_UNDELIVERED = text("state in ('pending', 'parked')")  # the words of the partial index, so that it is used


@dataclass(frozen=True, slots=True)
class Undelivered:
    """Notifications of one destination that were not delivered."""

    destination: str
    state: str
    count: int
    #: how many of them were tried without success
    tried: int
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """A message that was refused, without its content."""

    journal_key: int
    received_at: datetime
    sender: str
    message_type: str
    error_location: str
    error_text: str


@dataclass(frozen=True, slots=True)
class LastSeen:
    """When the broker was last spoken to; None when never."""

    message_at: datetime | None
    query_at: datetime | None


def backlog(connection: Connection) -> list[Undelivered]:
    """Undelivered notifications by destination and state."""
    entry = outbox_entry.c
    tried = func.sum(case((entry.attempts > 0, 1), else_=0))
    oldest = func.min(func.coalesce(entry.resent_at, entry.created_at))
    query = (
        select(entry.destination, entry.state, func.count(), tried, oldest)
        .where(_UNDELIVERED)
        .group_by(entry.destination, entry.state)
        .order_by(entry.destination, entry.state)
    )
    return [Undelivered(d, s, int(n), int(t), at) for d, s, n, t, at in connection.execute(query)]


def refused(connection: Connection, after: datetime, limit: int) -> list[RefusedMessage]:
    """Messages refused after an instant, newest first."""
    journal = journal_entry.c
    query = (
        select(journal.id, journal.received_at, journal.sender, journal.message_type, journal.error_location,
               journal.error_text)
        .where(journal.outcome == "refused", journal.received_at > after)
        .order_by(journal.id.desc()).limit(limit)
    )  # fmt: skip
    return [RefusedMessage(*row) for row in connection.execute(query)]


def last_seen(connection: Connection) -> LastSeen:
    """When a message and a worklist query last came."""
    message = connection.scalar(select(journal_entry.c.received_at).order_by(journal_entry.c.id.desc()).limit(1))
    query = connection.scalar(select(device_query.c.at).order_by(device_query.c.id.desc()).limit(1))
    return LastSeen(message, query)


def newest_event(connection: Connection) -> int:
    """The key of the newest event: how many facts the database has seen."""
    return int(connection.scalar(select(func.coalesce(func.max(event.c.id), 0))) or 0)


def open_steps(connection: Connection) -> dict[str, int]:
    """Open steps by status (the partial index of open items keeps this cheap)."""
    query = select(worklist_item.c.status, func.count()).where(text("open")).group_by(worklist_item.c.status)
    return {r[0]: r[1] for r in connection.execute(query)}
