"""What happened to one order beside its events: messages, queries, exams, notifications and their attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from broker.domain.dicom_json import Dataset
from broker.store.tables import (
    event,
    journal_entry,
    outbox_attempt,
    outbox_entry,
    performed_procedure_step,
    step_link,
    step_query,
)
from broker.store.tables import imaging_service_request as request


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A message of the journal."""

    key: int
    received_at: datetime
    sender: str
    peer: str
    control_id: str
    message_type: str
    outcome: str
    raw: bytes
    acknowledgement: bytes | None


@dataclass(frozen=True, slots=True)
class QueryRow:
    """How often one device was given one step."""

    step_key: int
    calling_ae_title: str
    first_at: datetime
    last_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try to tell a destination."""

    at: datetime
    result: str
    milliseconds: int
    detail: str
    answer: bytes | None


@dataclass(frozen=True, slots=True)
class NotificationRow:
    """A notification with its tries, oldest first."""

    key: int
    message_id: str
    destination: str
    kind: str
    state: str
    due_at: datetime
    created_at: datetime
    finished_at: datetime | None
    last_error: str
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True, slots=True)
class PerformedRow:
    """An exam by its database key, with the dataset in the DICOM JSON model."""

    key: int
    status: str
    sop_instance_uid: str
    station: str
    dataset: Dataset
    origin: str
    step_key: int
    #: what counts while a correction by staff stands
    corrected_status: str | None = None


def exists(connection: Connection, request_key: int) -> bool:
    """Whether there is an order with this database key."""
    return connection.scalar(select(request.c.id).where(request.c.id == request_key)) is not None


def messages(connection: Connection, request_key: int) -> list[MessageRow]:
    """The messages that did something to the order, oldest first."""
    journal = journal_entry.c
    about = select(event.c.journal_id).where(event.c.request_id == request_key, event.c.journal_id.is_not(None))
    query = select(
        journal.id, journal.received_at, journal.sender, journal.peer, journal.control_id, journal.message_type,
        journal.outcome, journal.raw, journal.acknowledgement,
    ).where(journal.id.in_(about))  # fmt: skip
    return [MessageRow(*row) for row in connection.execute(query.order_by(journal.id))]


def queries(connection: Connection, steps: Sequence[int]) -> list[QueryRow]:
    """Which devices were given these steps."""
    asked = step_query.c
    query = select(asked.step_id, asked.calling_ae_title, asked.first_at, asked.last_at, asked.times)
    return [QueryRow(*row) for row in connection.execute(query.where(asked.step_id.in_(steps)).order_by(asked.last_at))]


def notifications(connection: Connection, request_key: int) -> list[NotificationRow]:
    """What others were, are or will be told about the order, oldest first."""
    entry = outbox_entry.c
    rows = connection.execute(
        select(entry.id, entry.message_id, entry.destination, entry.kind, entry.state, entry.due_at, entry.created_at,
               entry.finished_at, entry.last_error)
        .where(entry.request_id == request_key).order_by(entry.id)
    ).all()  # fmt: skip
    tried = _attempts(connection, [row.id for row in rows])
    return [NotificationRow(*row, tuple(tried.get(row.id, ()))) for row in rows]


def performed(connection: Connection, steps: Sequence[int]) -> list[PerformedRow]:
    """The exams of the order's steps."""
    exam = performed_procedure_step.c
    query = (
        select(exam.id, exam.status, exam.sop_instance_uid, exam.performed_station_ae_title, exam.dataset,
               step_link.c.origin, step_link.c.step_id, exam.corrected_status)
        .join(step_link, step_link.c.performed_id == exam.id)
        .where(step_link.c.step_id.in_(steps))
        .order_by(exam.id)
    )  # fmt: skip
    return [PerformedRow(*row) for row in connection.execute(query)]


def _attempts(connection: Connection, entries: Sequence[int]) -> dict[int, list[AttemptRow]]:
    tried = outbox_attempt.c
    query = select(tried.entry_id, tried.at, tried.result, tried.milliseconds, tried.detail, tried.answer)
    found: dict[int, list[AttemptRow]] = {}
    for row in connection.execute(query.where(tried.entry_id.in_(entries)).order_by(tried.id)):
        found.setdefault(row.entry_id, []).append(AttemptRow(*row[1:]))
    return found
