"""The append-only history: rows of the event table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Row, bindparam, select
from sqlalchemy import insert as sql_insert

from broker.domain.model import Actor, FactKind, Source
from broker.store.prepared import Prepared
from broker.store.tables import event as event_table


@dataclass(frozen=True, slots=True)
class Event:
    """One fact as it is kept: when, who, what, about which entities (database keys)."""

    at: datetime
    kind: FactKind
    actor: Actor
    data: Mapping[str, object] = field(default_factory=dict)
    patient_key: int | None = None
    request_key: int | None = None
    step_key: int | None = None
    performed_key: int | None = None
    journal_key: int | None = None
    key: int | None = None


_INSERT = Prepared(sql_insert(event_table).returning(event_table.c.id))
_INSERT_QUIETLY = Prepared(sql_insert(event_table))
_OF_REQUEST = Prepared(
    select(event_table).where(event_table.c.request_id == bindparam("request")).order_by(event_table.c.id)
)


def _values(event: Event) -> dict[str, object]:
    return {
        "at": event.at, "kind": event.kind.value, "source": event.actor.source.value, "actor": event.actor.name,
        "patient_id": event.patient_key, "request_id": event.request_key, "step_id": event.step_key,
        "performed_id": event.performed_key, "journal_id": event.journal_key, "data": dict(event.data),
    }  # fmt: skip


def insert(connection: Connection, event: Event) -> int:
    """Append one event; answers its key."""
    row = _INSERT.one(connection, _values(event))
    return int(row.id)


def insert_all(connection: Connection, events: Sequence[Event]) -> None:
    """Append events, in their order."""
    _INSERT_QUIETLY.many(connection, [_values(event) for event in events])


def of_request(connection: Connection, request_key: int) -> list[Event]:
    """Everything that happened to one order, oldest first."""
    rows = _OF_REQUEST.all(connection, {"request": request_key})
    return [_event(row) for row in rows]


def newest_key(connection: Connection) -> int:
    """The key of the last event, 0 when there is none: the live board asks whether it grew."""
    row = connection.execute(select(event_table.c.id).order_by(event_table.c.id.desc()).limit(1)).first()
    return int(row.id) if row else 0


def _event(row: Row[tuple[object, ...]]) -> Event:
    return Event(
        at=row.at, kind=FactKind(row.kind), actor=Actor(Source(row.source), row.actor), data=row.data,
        patient_key=row.patient_id, request_key=row.request_id, step_key=row.step_id,
        performed_key=row.performed_id, journal_key=row.journal_id, key=row.id,
    )  # fmt: skip
