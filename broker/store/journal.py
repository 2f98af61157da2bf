"""The journal: every message received, byte for byte, with what became of it.

Owns: rows of ``journal_entry``.  Must not: decide outcomes or commit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    Connection,
    LargeBinary,
    Row,
    Select,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy import insert as sql_insert
from sqlalchemy import update as sql_update

from broker.store.prepared import Prepared
from broker.store.tables import event, imaging_service_request, patient_identifier
from broker.store.tables import journal_entry as journal

#: outcomes whose answer is repeated when the same message comes again
SETTLED = ("applied", "ignored")


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One message received.  ``acknowledgement`` is the answer as sent (None: none was sent), ``raw`` the message."""

    received_at: datetime
    sender: str
    peer: str
    control_id: str
    message_type: str
    digest: str
    outcome: str
    raw: bytes = field(default=b"", repr=False)
    error_code: str = ""
    error_location: str = ""
    error_text: str = ""
    acknowledgement: bytes | None = field(default=None, repr=False)
    changes: Mapping[str, object] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    key: int | None = None


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """Which entries to list, newest first; empty fields do not restrict.  ``before`` is the key to continue below."""

    outcome: str = ""
    sender: str = ""
    control_id: str = ""
    message_type: str = ""
    #: a patient ID, or a placer order, filler order or accession number
    number: str = ""
    since: datetime | None = None
    until: datetime | None = None
    request_key: int | None = None
    patient_key: int | None = None
    before: int | None = None
    limit: int = 50


_INSERT = Prepared(sql_insert(journal).returning(journal.c.id))
_SET_CHANGES = Prepared(sql_update(journal).where(journal.c.id == bindparam("key")))
_DUPLICATE = Prepared(
    select(journal.c.id, journal.c.acknowledgement)
    .where(
        journal.c.sender == bindparam("sender"), journal.c.control_id == bindparam("control_id"),
        journal.c.digest == bindparam("digest"), journal.c.received_at >= bindparam("since"),
        or_(*(journal.c.outcome == outcome for outcome in SETTLED)),
    )
    .order_by(journal.c.id)
    .limit(1)
)  # fmt: skip
_SUMMARY = [column for column in journal.c if column.name not in ("raw", "acknowledgement")]


def insert(connection: Connection, entry: JournalEntry) -> int:
    """Add an entry; answers its key."""
    values = {
        "received_at": entry.received_at, "sender": entry.sender, "peer": entry.peer, "control_id": entry.control_id,
        "message_type": entry.message_type, "digest": entry.digest, "raw": entry.raw, "outcome": entry.outcome,
        "error_code": entry.error_code, "error_location": entry.error_location, "error_text": entry.error_text,
        "acknowledgement": entry.acknowledgement, "changes": dict(entry.changes), "seconds": dict(entry.seconds),
    }  # fmt: skip
    return int(_INSERT.one(connection, values).id)


def set_changes(connection: Connection, key: int, changes: Mapping[str, object]) -> None:
    """Replace what an entry says it changed."""
    _SET_CHANGES.run(connection, {"key": key, "changes": dict(changes)})


def find_duplicate(
    connection: Connection, sender: str, control_id: str, digest: str, since: datetime
) -> tuple[int, bytes] | None:
    """The first entry of the same message that was settled, as (key, answer sent); None when there is none."""
    values = {"sender": sender, "control_id": control_id, "digest": digest, "since": since}
    row = _DUPLICATE.first(connection, values)
    return None if row is None else (int(row.id), row.acknowledgement or b"")


def load(connection: Connection, key: int) -> JournalEntry | None:
    """The whole entry, or None."""
    row = connection.execute(select(journal).where(journal.c.id == key)).first()
    return None if row is None else _entry(row, raw=row.raw, acknowledgement=row.acknowledgement)


def find(connection: Connection, wanted: JournalFilter) -> list[JournalEntry]:
    """Entries without their bytes, newest first."""
    query = select(*_SUMMARY).order_by(journal.c.id.desc()).limit(wanted.limit)
    return [_entry(row) for row in connection.execute(_restricted(query, wanted, connection.dialect.name))]


def _restricted(query: Select[tuple[object, ...]], wanted: JournalFilter, dialect: str) -> Select[tuple[object, ...]]:
    for column, text in (
        (journal.c.outcome, wanted.outcome), (journal.c.sender, wanted.sender),
        (journal.c.control_id, wanted.control_id), (journal.c.message_type, wanted.message_type),
    ):  # fmt: skip
        if text:
            query = query.where(column == text)
    if wanted.since is not None:
        query = query.where(journal.c.received_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(journal.c.received_at < wanted.until)
    if wanted.before is not None:
        query = query.where(journal.c.id < wanted.before)
    if wanted.number:
        query = query.where(_about(wanted.number, dialect))
    for key, column in ((wanted.request_key, event.c.request_id), (wanted.patient_key, event.c.patient_id)):
        if key is not None:
            query = query.where(journal.c.id.in_(select(event.c.journal_id).where(column == key)))
    return query


def _about(number: str, dialect: str) -> ColumnElement[bool]:
    """Messages of the orders and patients with this number; those that reached none, when their bytes hold it."""
    request = imaging_service_request.c
    columns = (request.accession_number, request.placer_order_number, request.filler_order_number)
    requests = select(request.id).where(or_(*(column == number for column in columns)))
    patients = select(patient_identifier.c.patient_id).where(patient_identifier.c.value == number)
    linked = select(event.c.journal_id).where(or_(event.c.request_id.in_(requests), event.c.patient_id.in_(patients)))
    position = func.instr if dialect == "sqlite" else func.pg_catalog.position
    holds = position(journal.c.raw, literal(number.encode(), LargeBinary)) > 0
    return or_(journal.c.id.in_(linked), and_(journal.c.outcome != "applied", holds))


def _entry(row: Row[tuple[object, ...]], *, raw: bytes = b"", acknowledgement: bytes | None = None) -> JournalEntry:
    return JournalEntry(
        received_at=row.received_at, sender=row.sender, peer=row.peer, control_id=row.control_id,
        message_type=row.message_type, digest=row.digest, outcome=row.outcome, raw=raw, error_code=row.error_code,
        error_location=row.error_location, error_text=row.error_text, acknowledgement=acknowledgement,
        changes=row.changes or {}, seconds=row.seconds or {}, key=row.id,
    )  # fmt: skip
