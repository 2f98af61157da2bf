"""What devices named and no step was found for: the rows of the reconciliation queue, and what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, literal, or_, select, text, update

from broker.domain.linking import ScheduledReference
from broker.domain.model import Order
from broker.store.prepared import Prepared
from broker.store.reconciliation_tables import unmatched_reference as table
from broker.store.tables import performed_procedure_step as performed

OPEN, LINKED, ASIDE = "open", "linked", "aside"
# the words of the partial index, so that it is used; with a parameter SQLite would plan anew at each execution
_IS_OPEN = text("unmatched_reference.state = 'open'")


@dataclass(frozen=True, slots=True)
class Unmatched:
    """One item of an exam that has, or had, no step."""

    key: int
    performed_key: int
    item: int
    state: str
    automatic: bool
    step_key: int | None


@dataclass(frozen=True, slots=True)
class WaitingExam:
    """An exam of the queue; ``items`` is how many of its references wait."""

    performed_key: int
    status: str
    station: str
    modality: str
    accession_number: str
    patient_id: str
    started_at: str
    created_at: datetime
    items: int
    state: str


_OF_EXAM = select(table).where(table.c.performed_id == bindparam("exam")).order_by(table.c.id)
_INSERT = Prepared(insert(table))
_SETTLE = Prepared(update(table).where(table.c.id == bindparam("wanted")))


def add(
    connection: Connection, performed_key: int, references: Sequence[ScheduledReference], items: Sequence[int],
    at: datetime,
) -> None:  # fmt: skip
    """Queue the items (positions from 1) that nothing was found for; one empty item when the exam names nothing."""
    wanted = [(n, references[n - 1]) for n in items] or [(1, ScheduledReference())]
    rows = [
        {"performed_id": performed_key, "item": number, "study_instance_uid": r.study_instance_uid,
         "accession_number": r.accession.value, "requested_procedure_id": r.requested_procedure_id,
         "scheduled_procedure_step_id": r.scheduled_procedure_step_id, "state": OPEN, "automatic": True,
         "created_at": at}
        for number, r in wanted
    ]  # fmt: skip
    _INSERT.many(connection, rows)


def add_unlinked(connection: Connection, performed_key: int, at: datetime) -> None:
    """Queue an exam that a person unlinked from a step the device had named; only people link it again."""
    values = {"performed_id": performed_key, "item": 0, "state": OPEN, "automatic": False, "created_at": at}
    connection.execute(insert(table), values)


def about(connection: Connection, order: Order) -> list[Unmatched]:
    """The open items that share an identifier with the order and that no person has touched, oldest first."""
    studies = [p.study_instance_uid for p in order.procedures]
    steps = [s.scheduled_procedure_step_id for s in order.steps]
    values = {"accession": order.accession.value or None, "is_automatic": True}
    values |= {f"study{n}": study for n, study in enumerate(studies)} | {f"step{n}": s for n, s in enumerate(steps)}
    return [_unmatched(row) for row in _sharing(len(studies), len(steps)).all(connection, values)]


@lru_cache(256)
def _sharing(studies: int, steps: int) -> Prepared:
    """The question of ``about`` for so many Study Instance UIDs and step IDs; an accession number that is NULL equals
    nothing."""
    c = table.c
    named = [c.study_instance_uid == bindparam(f"study{n}") for n in range(studies)]
    for n in range(steps):
        named += [c.scheduled_procedure_step_id == bindparam(f"step{n}"), c.accession_number == bindparam(f"step{n}")]
    named += [c.accession_number == bindparam("accession"), c.requested_procedure_id == bindparam("accession")]
    return Prepared(
        select(table).where(_IS_OPEN, c.automatic == bindparam("is_automatic"), or_(*named)).order_by(c.id)
    )


def of_exam(connection: Connection, performed_key: int) -> list[Unmatched]:
    """Every item of an exam that ever waited, in order."""
    return [_unmatched(row) for row in connection.execute(_OF_EXAM, {"exam": performed_key})]


def settle(connection: Connection, key: int, state: str, step_key: int | None, *, automatic: bool) -> None:
    """What became of one item."""
    values = {"state": state, "step_id": step_key, "automatic": automatic}
    _SETTLE.run(connection, {**values, "wanted": key})


def listed(connection: Connection, limit: int, *, aside: bool = False) -> list[WaitingExam]:
    """The exams of the queue, newest first; with ``aside`` those that were set aside."""
    p, c = performed.c, table.c
    state = ASIDE if aside else OPEN
    waiting = (
        select(c.performed_id, func.count().label("open_items"))
        .where(c.state == state if aside else _IS_OPEN)
        .group_by(c.performed_id).order_by(c.performed_id.desc()).limit(limit).subquery()
    )  # fmt: skip
    status = func.coalesce(p.corrected_status, p.status)
    query = (
        select(p.id, status, p.performed_station_ae_title, p.modality, p.accession_number, p.patient_id_value,
               p.started_at, p.created_at, waiting.c.open_items, literal(state))
        .join(waiting, waiting.c.performed_id == p.id).order_by(p.id.desc())
    )  # fmt: skip
    return [WaitingExam(*row) for row in connection.execute(query)]


def _unmatched(row: Row[Any]) -> Unmatched:
    return Unmatched(row.id, row.performed_id, row.item, row.state, row.automatic, row.step_id)
