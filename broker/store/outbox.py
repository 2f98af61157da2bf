"""Outbox entries and their attempts: inserting, claiming under a lease, settling.

An entry is the head of its subject when no older entry of the same destination and subject is pending or parked; only
heads are claimed, so deliveries stay in order per (destination, subject).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, text, update

from broker.domain.model import FactKind
from broker.domain.notification_payload import PerformedSummary
from broker.domain.notifications import Attempt, Notification, NotificationState
from broker.store.prepared import Prepared
from broker.store.reconciliation_tables import performed_correction as correction
from broker.store.tables import destination_hold, imaging_service_request, outbox_attempt, performed_procedure_step
from broker.store.tables import outbox_entry as entry

PENDING = NotificationState.PENDING.value
PARKED = NotificationState.PARKED.value

# the words of the partial indexes, so that they are used; with parameters SQLite would plan anew at each execution
_IS_PENDING = text("outbox_entry.state = 'pending'")
_WAITS = text("older.state in ('pending', 'parked')")
_older = entry.alias("older")
_IS_HEAD = ~(
    select(_older.c.id)
    .where(
        _older.c.destination == entry.c.destination,
        _older.c.subject == entry.c.subject,
        _older.c.id < entry.c.id,
        _WAITS,
    )
    .exists()
)
_FREE = entry.c.claimed_until.is_(None) | (entry.c.claimed_until < bindparam("now"))
_HELD = (
    select(destination_hold.c.destination)
    .where(destination_hold.c.destination == entry.c.destination, destination_hold.c.after_entry < entry.c.id)
    .exists()
)
_DUE_ENTRIES = (
    select(entry)
    .where(
        entry.c.destination == bindparam("wanted"), _IS_PENDING, entry.c.due_at <= bindparam("now"), _FREE,
        _IS_HEAD, ~_HELD,
    )
    .order_by(entry.c.due_at, entry.c.id)
    .limit(bindparam("most"))
)  # fmt: skip
_DUE = Prepared(_DUE_ENTRIES)
_CLAIMABLE = Prepared(_DUE_ENTRIES.with_for_update(skip_locked=True, of=entry))
_INSERT = Prepared(insert(entry))
_LOCK_ORDER = Prepared(
    select(imaging_service_request.c.id).where(imaging_service_request.c.id == bindparam("key")).with_for_update()
)
_STANDING = and_(correction.c.performed_id == performed_procedure_step.c.id, correction.c.withdrawn_at.is_(None))
_PERFORMED = Prepared(
    select(
        performed_procedure_step,
        correction.c.started_at.label("corrected_start"),
        correction.c.ended_at.label("corrected_end"),
    )
    .outerjoin(correction, _STANDING)
    .where(performed_procedure_step.c.id == bindparam("key"))
)
_INSERT_ATTEMPT = Prepared(insert(outbox_attempt))
_UNCLAIMED = {"claimed_by": "", "claimed_until": None}
_ONCE_MORE = update(entry).values(attempts=entry.c.attempts + 1).where(entry.c.id == bindparam("wanted"))
_DELIVERED = Prepared(_ONCE_MORE.where(or_(entry.c.state == PENDING, entry.c.state == PARKED)))
_FAILED = Prepared(_ONCE_MORE.where(entry.c.state == PENDING, entry.c.claimed_by == bindparam("holder")))
_SUPERSEDE = (
    update(entry)
    .where(
        entry.c.destination == bindparam("wanted"), entry.c.subject == bindparam("about"), entry.c.state == PENDING,
        _FREE,
    )
    .values(state=NotificationState.SKIPPED.value, finished_at=bindparam("now"), last_error="a newer one replaced it")
    .returning(entry.c.id)
)  # fmt: skip


def lock_order(connection: Connection, request_key: int) -> None:
    """Until the commit, nobody else enqueues for this order: entries of one order are numbered as they are committed.

    Without it a later commit could carry the lower number on PostgreSQL and be sent out of order.
    """
    if connection.dialect.name != "sqlite":
        _LOCK_ORDER.first(connection, {"key": request_key})


def add(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert entries; each row gives every column but the state, which is pending."""
    _INSERT.many(connection, [{**row, "state": PENDING} for row in rows])


def supersede(
    connection: Connection, destination: str, subject: str, at: datetime, kind: FactKind | None = None
) -> list[int]:
    """Skip what still waits for a destination about a subject (of one ``kind`` only, when given) and nobody is sending;
    answers the keys.

    Parked entries stay: they wait for a person.
    """
    statement = _SUPERSEDE if kind is None else _SUPERSEDE.where(entry.c.kind == kind.value)
    rows = connection.execute(statement, {"wanted": destination, "about": subject, "now": at}).all()
    return [int(row.id) for row in rows]


def performed_summary(connection: Connection, performed_key: int) -> PerformedSummary:
    """What notifications tell of the performed step with this database key; what staff corrected goes first."""
    row = _PERFORMED.one(connection, {"key": performed_key})
    return PerformedSummary(
        row.sop_instance_uid, row.corrected_status or row.status, row.performed_station_ae_title,
        row.corrected_start or row.started_at, row.corrected_end or row.ended_at,
        row.discontinuation_code if row.corrected_code is None else row.corrected_code,
    )  # fmt: skip


def any_due(connection: Connection, destination: str, now: datetime) -> bool:
    """True when the destination has an entry that may be claimed now."""
    return _DUE.first(connection, {"wanted": destination, "now": now, "most": 1}) is not None


def claim(
    connection: Connection, destination: str, owner: str, now: datetime, until: datetime, most: int
) -> list[Notification]:
    """Take up to ``most`` due heads for ``owner`` until the lease ends; nobody else gets them before."""
    rows = _CLAIMABLE.all(connection, {"wanted": destination, "now": now, "most": most})
    if rows:
        mine = update(entry).where(entry.c.id.in_([row.id for row in rows]))
        connection.execute(mine.values(claimed_by=owner, claimed_until=until))
    return [notification(row) for row in rows]


def release(connection: Connection, owner: str, keys: Sequence[int] | None = None) -> int:
    """Give up leases of ``owner`` (all, or those of ``keys``); answers how many."""
    statement = update(entry).where(entry.c.claimed_by == owner, entry.c.claimed_until.is_not(None))
    if keys is not None:
        statement = statement.where(entry.c.id.in_(keys))
    return connection.execute(statement.values(claimed_by="", claimed_until=None)).rowcount


def mark_delivered(connection: Connection, key: int, at: datetime) -> bool:
    """Delivered is delivered, whoever holds the lease by now; False when it had been settled already."""
    values = {"state": NotificationState.DELIVERED.value, "finished_at": at, "last_error": ""}
    return _DELIVERED.run(connection, {**values, **_UNCLAIMED, "wanted": key}) == 1


def mark_failed(
    connection: Connection, key: int, owner: str, state: NotificationState, due_at: datetime, error: str
) -> bool:
    """Back to pending (due later) or parked; only when ``owner`` still holds the lease."""
    values = {"state": state.value, "due_at": due_at, "last_error": error}
    return _FAILED.run(connection, {**values, **_UNCLAIMED, "wanted": key, "holder": owner}) == 1


def set_state(
    connection: Connection, key: int, allowed: Sequence[NotificationState], values: Mapping[str, object]
) -> bool:
    """A person's change: guarded by the states it is allowed in; a running lease is ended."""
    statement = update(entry).where(entry.c.id == key, entry.c.state.in_([s.value for s in allowed]))
    return connection.execute(statement.values(claimed_by="", claimed_until=None, **values)).rowcount == 1


def add_attempt(connection: Connection, key: int, attempt: Attempt) -> None:
    """Record one attempt, or one act of a person, on an entry."""
    add_attempts(connection, [(key, attempt)])


def add_attempts(connection: Connection, attempts: Sequence[tuple[int, Attempt]]) -> None:
    """Record attempts, each with the key of its entry."""
    rows = [
        {"entry_id": key, "at": attempt.at, "result": attempt.result, "milliseconds": attempt.milliseconds,
         "detail": attempt.detail, "answer": attempt.answer}
        for key, attempt in attempts
    ]  # fmt: skip
    _INSERT_ATTEMPT.many(connection, rows)


def notification(row: Row[tuple[object, ...]]) -> Notification:
    """The entry of a selected row."""
    return Notification(
        key=row.id, message_id=row.message_id, destination=row.destination, subject=row.subject,
        kind=FactKind(row.kind), payload=row.payload, state=NotificationState(row.state), attempts=row.attempts,
        due_at=row.due_at, created_at=row.created_at, request_key=row.request_id, last_error=row.last_error,
        finished_at=row.finished_at,
    )  # fmt: skip
