"""What came before the order it is about: cancellations, and the numbers of appointments.

Owns: rows of ``early_cancellation`` and ``appointment``.  Must not: decide what they mean.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, insert, or_, select

from broker.domain.model import Identifier
from broker.store.intake_tables import appointment, early_cancellation
from broker.store.orders import scope


def remember_cancellation(
    connection: Connection,
    numbers: Iterable[Identifier],
    sender: str,
    at: datetime | None,
    journal_key: int | None,
) -> None:
    """Keep the numbers of a canceled order that is not known yet."""
    for number in numbers:
        forget_cancellation(connection, [number], sender)
        values = {"number": number.value, "scope": scope(number, sender), "occurred_at": at, "journal_id": journal_key}
        connection.execute(insert(early_cancellation), values)


def cancellation(connection: Connection, numbers: Iterable[Identifier], sender: str) -> tuple[bool, datetime | None]:
    """Whether one of the numbers was canceled early, and when the sender says so."""
    wanted = [_same(early_cancellation, number, sender) for number in numbers]
    row = connection.execute(select(early_cancellation.c.occurred_at).where(or_(*wanted))).first() if wanted else None
    return row is not None, None if row is None else row.occurred_at


def forget_cancellation(connection: Connection, numbers: Iterable[Identifier], sender: str) -> None:
    """The order came: what was kept has been applied."""
    for number in numbers:
        connection.execute(delete(early_cancellation).where(_same(early_cancellation, number, sender)))


def remember_appointments(connection: Connection, request_key: int, numbers: Iterable[Identifier], sender: str) -> None:
    """Keep the numbers of an appointment for an order."""
    for number in numbers:
        if request_key not in with_appointments(connection, [number], sender):
            values = {"request_id": request_key, "number": number.value, "scope": scope(number, sender)}
            connection.execute(insert(appointment), values)


def with_appointments(connection: Connection, numbers: Iterable[Identifier], sender: str) -> list[int]:
    """The keys of the orders that have one of these appointments."""
    wanted = [_same(appointment, number, sender) for number in numbers]
    if not wanted:
        return []
    rows = connection.execute(select(appointment.c.request_id).where(or_(*wanted)).distinct())
    return sorted(int(row.request_id) for row in rows)


def _same(table: Table, number: Identifier, sender: str) -> ColumnElement[bool]:
    return and_(table.c.number == number.value, table.c.scope == scope(number, sender))
