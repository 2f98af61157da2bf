"""Merging and renaming patients: tombstones, what moved, and moving it back.

Owns: ``patient_merge`` and the columns that say whose an order or visit is.  Must not: decide whether to merge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, insert, or_, select, update

from broker.domain.model import Identifier
from broker.store.intake_tables import patient_merge
from broker.store.tables import imaging_service_request as request
from broker.store.tables import patient, patient_identifier, visit


@dataclass(frozen=True, slots=True)
class Moved:
    """What a merge moved, by database key: orders with the visit each had, and visits."""

    orders: Mapping[int, int] = field(default_factory=dict)
    visits: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Merge:
    """A merge that stands."""

    key: int
    prior_key: int
    survivor_key: int
    moved: Moved


def record_of(connection: Connection, identifier: Identifier) -> tuple[int, int | None] | None:
    """The record that has ``identifier``, and the one it was merged into; None when it is unknown."""
    row = connection.execute(
        select(patient.c.id, patient.c.merged_into)
        .join(patient_identifier)
        .where(patient_identifier.c.value == identifier.value, patient_identifier.c.issuer == identifier.issuer)
    ).first()
    return None if row is None else (int(row.id), row.merged_into)


def merge(connection: Connection, prior_key: int, survivor_key: int, journal_key: int | None, at: datetime) -> Moved:
    """Give everything of the prior record to the survivor and leave a tombstone."""
    moved = _move_all(connection, prior_key, survivor_key)
    values = {
        "prior_id": prior_key, "survivor_id": survivor_key, "journal_id": journal_key, "merged_at": at,
        "moved": {"orders": [list(pair) for pair in moved.orders.items()], "visits": list(moved.visits)},
    }  # fmt: skip
    connection.execute(insert(patient_merge), values)
    connection.execute(update(patient).where(patient.c.id == prior_key).values(merged_into=survivor_key, updated_at=at))
    return moved


def _move_all(connection: Connection, prior_key: int, survivor_key: int) -> Moved:
    """Visits that the survivor has too stay behind as they are; their orders go to the survivor's."""
    rows = connection.execute(select(visit).where(visit.c.patient_id.in_((prior_key, survivor_key)))).all()
    known = {(v.admission_id, v.issuer): v.id for v in rows if v.patient_id == survivor_key}
    instead = {v.id: known.get((v.admission_id, v.issuer)) for v in rows if v.patient_id == prior_key}
    visits = [key for key, other in instead.items() if other is None]
    connection.execute(update(visit).where(visit.c.id.in_(visits)).values(patient_id=survivor_key))
    orders: dict[int, int] = {}
    for row in connection.execute(select(request.c.id, request.c.visit_id).where(request.c.patient_id == prior_key)):
        orders[int(row.id)] = int(row.visit_id)
    for key, visit_key in orders.items():
        _assign(connection, key, survivor_key, instead.get(visit_key) or visit_key)
    return Moved(orders, visits)


def _assign(connection: Connection, request_key: int, patient_key: int, visit_key: int) -> None:
    """The version moves on: whoever holds the order as it was must load it again."""
    values = {"patient_id": patient_key, "visit_id": visit_key, "version": request.c.version + 1}
    connection.execute(update(request).where(request.c.id == request_key).values(**values))


def standing(connection: Connection, one: int, other: int) -> Merge | None:
    """The merge between two records that was not undone, whichever survived; None when there is none."""
    table = patient_merge.c
    between = or_(
        and_(table.prior_id == one, table.survivor_id == other), and_(table.prior_id == other, table.survivor_id == one)
    )
    query = select(patient_merge).where(between, table.undone_at.is_(None)).order_by(table.id.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Merge(row.id, row.prior_id, row.survivor_id, Moved(dict(row.moved["orders"]), row.moved["visits"]))


def undo(connection: Connection, done: Merge, holder_key: int, at: datetime) -> list[int]:
    """Give back what the merge moved and ``holder_key`` still has; answers the orders that went back."""
    now = select(request.c.id).where(request.c.id.in_(list(done.moved.orders)), request.c.patient_id == holder_key)
    back = sorted(int(row.id) for row in connection.execute(now))
    mine = visit.c.id.in_(list(done.moved.visits)) & (visit.c.patient_id == holder_key)
    connection.execute(update(visit).where(mine).values(patient_id=done.prior_key))
    for key in back:
        _assign(connection, key, done.prior_key, done.moved.orders[key])
    connection.execute(update(patient_merge).where(patient_merge.c.id == done.key).values(undone_at=at))
    alone = update(patient).where(patient.c.id == done.prior_key)
    connection.execute(alone.values(merged_into=None, updated_at=at))
    return back


def rename(connection: Connection, prior: Identifier, wanted: Identifier) -> None:
    """Write ``wanted`` where ``prior`` stood."""
    same = and_(patient_identifier.c.value == prior.value, patient_identifier.c.issuer == prior.issuer)
    connection.execute(update(patient_identifier).where(same).values(value=wanted.value, issuer=wanted.issuer))
