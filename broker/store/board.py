"""What the staff board reads: the steps of a day, a search over all days, and whether anything changed.

Owns the statements over the read model.  Must not: decide what is late or alarming (``services.board`` does).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, exists, false, func, or_, select

from broker.domain.attributes import Attributes
from broker.domain.names import fold
from broker.store.prepared import Prepared
from broker.store.tables import (
    event,
    performed_procedure_step,
    requested_procedure,
    scheduled_procedure_step,
    step_link,
    worklist_item,
    worklist_item_station,
)

#: how far back a change that commits late is still noticed, in events
WINDOW = 300
_ALARMS = ("alarm.mismatch", "alarm.canceled_during_exam")
_item = worklist_item.c


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One step as the read model has it."""

    step_key: int
    request_key: int
    scheduled_procedure_step_id: str
    status: str
    modality: str
    start_at: str
    accession_number: str
    patient_id: str
    complete: bool
    document: Attributes
    version: int
    status_at: datetime | None = None


_COLUMNS = (
    _item.step_id, _item.request_id, _item.scheduled_procedure_step_id, _item.status, _item.modality, _item.start_at,
    _item.accession_number, _item.patient_id_value, _item.complete, _item.document, _item.version, _item.status_at,
)  # fmt: skip


def of_day(
    connection: Connection, day: str, modality: str, station: str, limit: int, *, undated: bool
) -> list[ItemRow]:
    """The steps that start on ``day`` (YYYYMMDD), by start; with ``undated``, open steps without a start too."""
    query = select(*_COLUMNS).where(_on_day(day, undated=undated)).order_by(_item.start_at, _item.step_id).limit(limit)
    if modality:
        query = query.where(_item.modality == modality)
    if station:
        served = worklist_item_station.c
        query = query.where(exists().where(served.step_id == _item.step_id, served.station_ae_title == station))
    return _rows(connection, query)


def find(connection: Connection, text: str, limit: int) -> list[ItemRow]:
    """Steps of any day by patient name (every word, folded), or the beginning of a patient ID or accession number."""
    words = fold(text.replace("^", " ").replace(",", " ")).split()
    if not words:
        return []
    name = and_(*(_item.patient_name_folded.contains(word, autoescape=True) for word in words))
    number = text.strip().lower()
    numbers = (
        func.lower(column).startswith(number, autoescape=True)
        for column in (_item.patient_id_value, _item.accession_number)
    )
    query = select(*_COLUMNS).where(or_(name, *numbers)).order_by(_item.start_at.desc(), _item.step_id.desc())
    return _rows(connection, query.limit(limit))


def modalities(connection: Connection, day: str, *, undated: bool) -> list[tuple[str, int]]:
    """The modalities of the day with the number of their steps, by name."""
    query = select(_item.modality, func.count()).where(_on_day(day, undated=undated))
    return [(r[0], r[1]) for r in connection.execute(query.group_by(_item.modality).order_by(_item.modality))]


def stations(connection: Connection, day: str, *, undated: bool) -> list[str]:
    """The station AE titles that have steps on the day, by name."""
    title = worklist_item_station.c.station_ae_title
    query = select(title).distinct().join(worklist_item, _item.step_id == worklist_item_station.c.step_id)
    return list(connection.scalars(query.where(_on_day(day, undated=undated)).order_by(title)))


_STILL_LINKED = exists().where(
    step_link.c.performed_id == event.c.performed_id, scheduled_procedure_step.c.id == step_link.c.step_id,
    requested_procedure.c.id == scheduled_procedure_step.c.procedure_id,
    requested_procedure.c.request_id == event.c.request_id,
)  # fmt: skip


def alarmed(connection: Connection, requests: Iterable[int]) -> list[tuple[int, str]]:
    """Which of these orders have an alarm, as (order key, kind of fact); those of an unlinked exam are over."""
    keys = sorted(set(requests))
    found: set[tuple[int, str]] = set()
    for start in range(0, len(keys), 500):
        among = event.c.request_id.in_(keys[start : start + 500])
        stands = or_(event.c.performed_id.is_(None), _STILL_LINKED)
        query = select(event.c.request_id, event.c.kind).where(among, event.c.kind.in_(_ALARMS), stands).distinct()
        found |= {(r.request_id, r.kind) for r in connection.execute(query)}
    return sorted(found)


@dataclass(frozen=True, slots=True)
class ExamRow:
    """A performed step of a scheduled step; ``started_at`` and ``ended_at`` as the device said (YYYYMMDDHHMMSS)."""

    step_key: int
    status: str
    station: str
    started_at: str
    ended_at: str
    created_at: datetime
    #: when its device last reported on it
    heard_at: datetime


def exams(connection: Connection, steps: Sequence[int]) -> list[ExamRow]:
    """What was performed for these steps, oldest first."""
    performed = performed_procedure_step.c
    found: list[ExamRow] = []
    for start in range(0, len(steps), 500):
        query = (
            select(step_link.c.step_id, performed.status, performed.performed_station_ae_title, performed.started_at,
                   performed.ended_at, performed.created_at, performed.updated_at)
            .join(performed_procedure_step, performed.id == step_link.c.performed_id)
            .where(step_link.c.step_id.in_(steps[start : start + 500]))
            .order_by(performed.id)
        )  # fmt: skip
        found += [ExamRow(*row) for row in connection.execute(query)]
    return found


_REPORTS = Prepared(
    select(performed_procedure_step.c.id)
    .where(
        performed_procedure_step.c.calling_ae_title == bindparam("title"),
        performed_procedure_step.c.created_at > bindparam("since"),
    )
    .limit(1)
)


def reporting(connection: Connection, ae_titles: Iterable[str], since: datetime) -> frozenset[str]:
    """Which of these devices reported an exam after ``since``."""
    reports = (title for title in ae_titles if _REPORTS.first(connection, {"title": title, "since": since}))
    return frozenset(reports)


def recent_changes(connection: Connection) -> dict[int, int | None]:
    """The newest events and the orders they are about, by event key.

    A window, not "all after": on PostgreSQL an event may become visible after one with a higher key.
    """
    newest = select(func.coalesce(func.max(event.c.id), 0)).scalar_subquery()
    query = select(event.c.id, event.c.request_id).where(event.c.id > newest - WINDOW).order_by(event.c.id)
    return {r.id: r.request_id for r in connection.execute(query)}


def _on_day(day: str, *, undated: bool) -> ColumnElement[bool]:
    dated = _item.start_at.between(f"{day}000000", f"{day}235959")
    without = and_(_item.start_at == "", _item.open) if undated else false()
    return or_(dated, without)


def _rows(connection: Connection, query: Select[*tuple[Any, ...]]) -> list[ItemRow]:
    return [ItemRow(*row) for row in connection.execute(query)]
