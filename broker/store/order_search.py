"""Finding orders by any of their numbers, and what is needed of one to show it as it stands."""

from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, bindparam, func, or_, select

from broker.store.tables import imaging_service_request as request
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step
from broker.store.tables import step_link as link

_WANTED: BindParameter[str] = bindparam("wanted")
_NUMBERED = select(request.c.id).where(
    or_(
        request.c.placer_order_number == _WANTED,
        request.c.filler_order_number == _WANTED,
        request.c.accession_number == _WANTED,
    )
)
_WITH_STEP = (
    select(procedure.c.request_id)
    .join(step, step.c.procedure_id == procedure.c.id)
    .where(step.c.scheduled_procedure_step_id == _WANTED)
    .distinct()
)
_LAST_EXAM = (
    select(func.max(link.c.performed_id))
    .join(step, step.c.id == link.c.step_id)
    .join(procedure, procedure.c.id == step.c.procedure_id)
    .where(procedure.c.request_id == bindparam("key"))
)
_UPDATED = select(request.c.updated_at).where(request.c.id == bindparam("key"))


def with_number(connection: Connection, value: str, most: int) -> list[int]:
    """The keys of the orders with this placer, filler or accession number, at most so many."""
    return _keys(connection, _NUMBERED.order_by(request.c.id), value, most)


def with_step_id(connection: Connection, value: str, most: int) -> list[int]:
    """The keys of the orders with a step of this ID, at most so many."""
    return _keys(connection, _WITH_STEP.order_by(procedure.c.request_id), value, most)


def _keys(connection: Connection, query: Select[Any], value: str, most: int) -> list[int]:
    return [int(key) for key in connection.execute(query.limit(most), {"wanted": value}).scalars()]


def last_exam(connection: Connection, request_key: int) -> int | None:
    """The key of the newest exam linked to the order, or None."""
    found: int | None = connection.execute(_LAST_EXAM, {"key": request_key}).scalar()
    return found


def updated_at(connection: Connection, request_key: int) -> datetime | None:
    """When the order was written last; None when there is no such order."""
    found: datetime | None = connection.execute(_UPDATED, {"key": request_key}).scalar()
    return found
