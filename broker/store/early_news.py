"""What came before the order it is about: cancellations, and the numbers of appointments.

Owns: rows of ``early_cancellation`` and ``appointment``.  Must not: decide what they mean.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, insert, or_, select

from broker.domain.model import Identifier
from broker.store.intake_tables import appointment, early_cancellation
from broker.store.orders import scope
from broker.store.prepared import Prepared


def _same(table: Table) -> ColumnElement[bool]:
    return and_(table.c.number == bindparam("wanted"), table.c.scope == bindparam("within"))


_OR_SAME = and_(
    early_cancellation.c.number == bindparam("or_wanted"), early_cancellation.c.scope == bindparam("or_within")
)
_CANCELED = Prepared(select(early_cancellation.c.occurred_at).where(or_(_same(early_cancellation), _OR_SAME)))
_FORGET = Prepared(delete(early_cancellation).where(_same(early_cancellation)))
_INSERT_CANCELED = Prepared(insert(early_cancellation))
_APPOINTED = Prepared(select(appointment.c.request_id).where(_same(appointment)))
_INSERT_APPOINTMENT = Prepared(insert(appointment))


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
        _INSERT_CANCELED.run(connection, values)


def cancellation(connection: Connection, numbers: Iterable[Identifier], sender: str) -> tuple[bool, datetime | None]:
    """Whether one of the numbers of an order (two at most) was canceled early, and when the sender says so."""
    one, other = [*(_key(number, sender) for number in numbers), _NO_KEY, _NO_KEY][:2]
    row = _CANCELED.first(connection, {**one, "or_wanted": other["wanted"], "or_within": other["within"]})
    return row is not None, None if row is None else row.occurred_at


def forget_cancellation(connection: Connection, numbers: Iterable[Identifier], sender: str) -> None:
    """The order came: what was kept has been applied."""
    for number in numbers:
        _FORGET.run(connection, _key(number, sender))


def remember_appointments(connection: Connection, request_key: int, numbers: Iterable[Identifier], sender: str) -> None:
    """Keep the numbers of an appointment for an order."""
    for number in numbers:
        if request_key not in with_appointments(connection, [number], sender):
            values = {"request_id": request_key, "number": number.value, "scope": scope(number, sender)}
            _INSERT_APPOINTMENT.run(connection, values)


def with_appointments(connection: Connection, numbers: Iterable[Identifier], sender: str) -> list[int]:
    """The keys of the orders that have one of these appointments."""
    rows = (row for number in numbers for row in _APPOINTED.all(connection, _key(number, sender)))
    return sorted({int(row.request_id) for row in rows})


#: equals nothing stored
_NO_KEY: dict[str, str | None] = {"wanted": None, "within": None}


def _key(number: Identifier, sender: str) -> dict[str, str | None]:
    return {"wanted": number.value, "within": scope(number, sender)}
