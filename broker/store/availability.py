"""Availability notices (DICOM Instance Availability Notifications): kept as received, found again, settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, or_, select, text, update

from broker.domain.availability import Notice, from_plain, to_plain
from broker.store.availability_tables import availability_notice as table
from broker.store.tables import performed_procedure_step as performed
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import step_link

LINKED, OPEN, ASIDE = "linked", "open", "aside"
_IS_OPEN = text("availability_notice.state = 'open'")  # the words of the partial index, so that it is used
_IS_UNWEIGHED = text("availability_notice.weighed_at is null")
_columns: tuple[Any, ...] = (
    table.c.id, table.c.sop_instance_uid, table.c.calling_ae_title, table.c.study_instance_uid, table.c.performed_uid,
    table.c.instances, table.c.received_at, table.c.state, table.c.performed_id,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A notice with what it says; ``performed_key``: the exam it is linked to, None when it named none."""

    key: int
    sop_instance_uid: str
    calling_ae_title: str
    notice: Notice
    received_at: datetime
    state: str
    performed_key: int | None = None


@dataclass(frozen=True, slots=True)
class WaitingImages:
    """Images that belong to no exam and no order: who told of them, how many, where."""

    key: int
    received_at: datetime
    calling_ae_title: str
    study_instance_uid: str
    performed_uid: str
    instance_count: int
    retrieve_ae_titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StoredNotice:
    """A notice exactly as it was received."""

    sop_instance_uid: str
    calling_ae_title: str
    transfer_syntax_uid: str
    dataset: bytes


def add(connection: Connection, stored: StoredNotice, notice: Notice, state: str, at: datetime) -> int:
    """Keep a notice; answers its key."""
    values = {
        "sop_instance_uid": stored.sop_instance_uid, "calling_ae_title": stored.calling_ae_title,
        "transfer_syntax_uid": stored.transfer_syntax_uid, "dataset": stored.dataset,
        "study_instance_uid": notice.study_instance_uid, "performed_uid": notice.performed_uid,
        "instances": to_plain(notice.instances), "instance_count": notice.count,
        "retrieve_ae_titles": "\\".join(notice.retrieve_ae_titles), "received_at": at, "state": state,
    }  # fmt: skip
    return int(connection.execute(insert(table).returning(table.c.id), values).one().id)


def link(connection: Connection, key: int, performed_key: int | None, *, before: str) -> bool:
    """Say what a notice belongs to; False when somebody else settled it, so that it is not ``before`` any more."""
    mine = update(table).where(table.c.id == key, table.c.state == before)
    return connection.execute(mine.values(state=LINKED, performed_id=performed_key)).rowcount == 1


def set_state(connection: Connection, key: int, before: str, after: str) -> bool:
    """Set aside or queue again; False when it was not ``before``."""
    mine = update(table).where(table.c.id == key, table.c.state == before)
    return connection.execute(mine.values(state=after)).rowcount == 1


def stored(connection: Connection, key: int) -> StoredNotice | None:
    """The bytes of a notice, or None."""
    row = connection.execute(select(table).where(table.c.id == key)).first()
    return None if row is None else _stored(row)


def same(connection: Connection, sop_instance_uid: str) -> StoredNotice | None:
    """The notice with this UID, or None."""
    row = connection.execute(select(table).where(table.c.sop_instance_uid == sop_instance_uid)).first()
    return None if row is None else _stored(row)


def load(connection: Connection, key: int) -> NoticeRow | None:
    """One notice, or None."""
    row = connection.execute(select(*_columns).where(table.c.id == key)).first()
    return None if row is None else _row(row)


def about(connection: Connection, studies: Sequence[str], exams: Sequence[int]) -> list[NoticeRow]:
    """The notices about these studies or linked to these exams, oldest first."""
    shared = or_(table.c.study_instance_uid.in_(studies), table.c.performed_id.in_(exams))
    return [_row(row) for row in connection.execute(select(*_columns).where(shared).order_by(table.c.id))]


def listed(connection: Connection, limit: int, *, aside: bool = False) -> list[WaitingImages]:
    """Images that belong to no exam and no order, newest first; with ``aside`` those that were set aside."""
    c = table.c
    columns: tuple[Any, ...] = (
        c.id, c.received_at, c.calling_ae_title, c.study_instance_uid, c.performed_uid, c.instance_count,
        c.retrieve_ae_titles,
    )  # fmt: skip
    query = select(*columns).where(c.state == ASIDE if aside else _IS_OPEN)
    rows = connection.execute(query.order_by(c.received_at.desc(), c.id.desc()).limit(limit))
    return [
        WaitingImages(
            row.id, row.received_at, row.calling_ae_title, row.study_instance_uid, row.performed_uid,
            row.instance_count, tuple(filter(None, row.retrieve_ae_titles.split("\\"))),
        )
        for row in rows
    ]  # fmt: skip


def attachable(connection: Connection, after: datetime, limit: int) -> list[int]:
    """The keys of open notices, received ``after``, whose exam or order is known by now."""
    exam = exists().where(performed.c.sop_instance_uid == table.c.performed_uid)
    order = exists().where(procedure.c.study_instance_uid == table.c.study_instance_uid)
    query = select(table.c.id).where(_IS_OPEN, table.c.received_at > after, or_(exam, order)).order_by(table.c.id)
    return list(connection.scalars(query.limit(limit)))


def unweighed(connection: Connection, after: datetime, before: datetime, limit: int) -> list[NoticeRow]:
    """Linked notices received between two instants that the rule has not looked at, oldest first."""
    query = select(*_columns).where(
        _IS_UNWEIGHED, table.c.state == LINKED, table.c.received_at > after, table.c.received_at <= before
    )
    return [_row(row) for row in connection.execute(query.order_by(table.c.id).limit(limit))]


def weigh(connection: Connection, key: int, at: datetime) -> bool:
    """Note that the rule looks at a notice; False when another process did."""
    mine = update(table).where(table.c.id == key, table.c.weighed_at.is_(None))
    return connection.execute(mine.values(weighed_at=at)).rowcount == 1


def order_of_study(connection: Connection, study_instance_uid: str) -> int | None:
    """The key of the order with this study, or None."""
    query = select(procedure.c.request_id).where(procedure.c.study_instance_uid == study_instance_uid)
    return connection.execute(query).scalar()


def exams_of_steps(connection: Connection, step_keys: Sequence[int]) -> list[int]:
    """The keys of the exams that these steps are linked to."""
    query = select(step_link.c.performed_id).where(step_link.c.step_id.in_(step_keys)).distinct()
    return list(connection.scalars(query.order_by(step_link.c.performed_id)))


def _stored(row: Row[Any]) -> StoredNotice:
    return StoredNotice(row.sop_instance_uid, row.calling_ae_title, row.transfer_syntax_uid, bytes(row.dataset))


def _row(row: Row[Any]) -> NoticeRow:
    notice = Notice(row.study_instance_uid, row.performed_uid, from_plain(row.instances))
    return NoticeRow(
        row.id, row.sop_instance_uid, row.calling_ae_title, notice, row.received_at, row.state, row.performed_id
    )  # fmt: skip
