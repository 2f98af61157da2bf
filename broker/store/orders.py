"""Orders with their procedures and steps: loading an aggregate, saving what changed.

An aggregate is guarded by its version column: whoever saves on stale data gets a Conflict and is run again.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, and_, bindparam, insert, or_, select, update

from broker.domain.errors import Conflict
from broker.domain.model import Identifier, Order, Procedure, Step
from broker.domain.states import StepStatus
from broker.store.prepared import Prepared
from broker.store.tables import imaging_service_request as request
from broker.store.tables import requested_procedure as procedure
from broker.store.tables import scheduled_procedure_step as step

_PLACED_BY = and_(
    request.c.placer_order_number == bindparam("placer"), request.c.placer_scope == bindparam("placer_scope")
)
_FILLED_BY = and_(
    request.c.filler_order_number == bindparam("filler"), request.c.filler_scope == bindparam("filler_scope")
)
_FIND = Prepared(select(request.c.id).where(or_(_PLACED_BY, _FILLED_BY)).order_by(request.c.id))
_WHOLE = Prepared(
    select(
        request,
        procedure.c.id.label("procedure_key"), procedure.c.requested_procedure_id, procedure.c.study_instance_uid,
        procedure.c.attributes.label("procedure_attributes"),
        step.c.id.label("step_key"), step.c.scheduled_procedure_step_id, step.c.status, step.c.resting_status,
        step.c.attributes.label("step_attributes"), step.c.version.label("step_version"), step.c.inferred,
    )
    .select_from(
        request.outerjoin(procedure, procedure.c.request_id == request.c.id)
        .outerjoin(step, step.c.procedure_id == procedure.c.id)
    )
    .where(request.c.id == bindparam("key"))
    .order_by(procedure.c.position, procedure.c.id, step.c.position, step.c.id)
)  # fmt: skip
_REQUEST_OF_STEP = Prepared(
    select(procedure.c.request_id)
    .join(step, step.c.procedure_id == procedure.c.id)
    .where(step.c.id == bindparam("key"))
)
_OF_VISIT = Prepared(select(request.c.id).where(request.c.visit_id == bindparam("key")).order_by(request.c.id))
_OF_PATIENT = Prepared(select(request.c.id).where(request.c.patient_id == bindparam("key")).order_by(request.c.id))
_STUDY_OWNER = Prepared(select(procedure.c.request_id).where(procedure.c.study_instance_uid == bindparam("uid")))
_INSERT_REQUEST = Prepared(insert(request).returning(request.c.id))
_UPDATE_REQUEST = Prepared(
    update(request).where(request.c.id == bindparam("key"), request.c.version == bindparam("known"))
)
_INSERT_PROCEDURE = Prepared(insert(procedure).returning(procedure.c.id))
_UPDATE_PROCEDURE = Prepared(update(procedure).where(procedure.c.id == bindparam("key")))
_INSERT_STEP = Prepared(insert(step).returning(step.c.id))
_UPDATE_STEP = Prepared(update(step).where(step.c.id == bindparam("key"), step.c.version == bindparam("known")))


def scope(number: Identifier, sender: str) -> str:
    """What makes an order number unique: its issuer, or the sender when it names none."""
    return number.issuer or f"sender:{sender}"


def find(connection: Connection, placer: Identifier | None, filler: Identifier | None, sender: str) -> list[int]:
    """The keys of the orders that have this placer or filler order number; more than one: the numbers disagree."""
    values = {
        "placer": placer.value if placer else None, "placer_scope": scope(placer, sender) if placer else None,
        "filler": filler.value if filler else None, "filler_scope": scope(filler, sender) if filler else None,
    }  # fmt: skip
    return [int(row.id) for row in _FIND.all(connection, values)]


def load(connection: Connection, key: int) -> Order:
    """The order with database key ``key``, with procedures and steps in their order; in one statement."""
    rows = _WHOLE.all(connection, {"key": key})
    if not rows:
        raise LookupError("the order is not there")
    row = rows[0]
    procedures = groupby((r for r in rows if r.procedure_key is not None), key=attrgetter("procedure_key"))
    return Order(
        placer=Identifier(row.placer_order_number, row.placer_issuer) if row.placer_order_number else None,
        filler=Identifier(row.filler_order_number, row.filler_issuer) if row.filler_order_number else None,
        accession=Identifier(row.accession_number, row.accession_issuer),
        attributes=row.attributes, procedures=tuple(_procedure(list(found)) for _, found in procedures),
        sender=row.sender, key=row.id, patient_key=row.patient_id, visit_key=row.visit_id, version=row.version,
        occurred_at=row.occurred_at, stated=row.stated or {},
    )  # fmt: skip


def request_of_step(connection: Connection, step_key: int) -> int | None:
    """The key of the order that has the step with database key ``step_key``; None when there is no such step."""
    row = _REQUEST_OF_STEP.first(connection, {"key": step_key})
    return None if row is None else int(row.request_id)


def _procedure(rows: Sequence[Any]) -> Procedure:
    """A procedure of its rows, one for each step."""
    first = rows[0]
    steps = tuple(
        Step(
            row.scheduled_procedure_step_id, StepStatus(row.status), StepStatus(row.resting_status),
            row.step_attributes, row.step_key, row.step_version, row.inferred,
        )
        for row in rows if row.step_key is not None
    )  # fmt: skip
    return Procedure(
        first.requested_procedure_id, first.study_instance_uid, first.procedure_attributes, steps, first.procedure_key
    )


def of_visit(connection: Connection, visit_key: int) -> list[int]:
    """The keys of the orders of a visit."""
    return [int(row.id) for row in _OF_VISIT.all(connection, {"key": visit_key})]


def of_patient(connection: Connection, patient_key: int) -> list[int]:
    """The keys of the orders of a patient."""
    return [int(row.id) for row in _OF_PATIENT.all(connection, {"key": patient_key})]


def with_accession(connection: Connection, accession: Identifier) -> list[int]:
    """The keys of the orders with this accession number; an issuer that either side leaves open agrees."""
    wanted = select(request.c.id, request.c.accession_issuer).where(request.c.accession_number == accession.value)
    rows = connection.execute(wanted.order_by(request.c.id))
    return [int(r.id) for r in rows if not accession.issuer or r.accession_issuer in ("", accession.issuer)]


def owner_of_study(connection: Connection, study_instance_uid: str) -> int | None:
    """The key of the order that has this Study Instance UID, or None."""
    row = _STUDY_OWNER.first(connection, {"uid": study_instance_uid})
    return None if row is None else int(row.request_id)


def save(connection: Connection, order: Order, before: Order | None, at: datetime) -> Order:
    """Write what differs from ``before`` (None: all is new); answers the order with every key filled.

    Raises Conflict when another writer was first.
    """
    saved = _save_request(connection, order, at)
    known = {p.key: p for p in before.procedures} if before else {}
    procedures = tuple(
        _save_procedure(connection, p, known.get(p.key), saved, position, at)
        for position, p in enumerate(order.procedures)
    )
    return replace(saved, procedures=procedures)


def set_step_status(
    connection: Connection, present: Step, status: StepStatus, resting: StepStatus, at: datetime
) -> Step:
    """Move one step, guarded by the version it was loaded with; answers it as it is stored now.

    Raises Conflict when it has moved on.
    """
    values = {
        "status": status.value, "resting_status": resting.value, "version": present.version + 1, "updated_at": at,
        "key": present.key, "known": present.version,
    }  # fmt: skip
    if _UPDATE_STEP.run(connection, values) != 1:
        raise Conflict("the step was changed by another writer")
    return replace(present, status=status, resting=resting, version=present.version + 1)


def _save_request(connection: Connection, order: Order, at: datetime) -> Order:
    values = {
        "patient_id": order.patient_key, "visit_id": order.visit_key, "sender": order.sender,
        "accession_number": order.accession.value, "accession_issuer": order.accession.issuer,
        **_number("placer", order.placer, order.sender), **_number("filler", order.filler, order.sender),
        "attributes": dict(order.attributes), "occurred_at": order.occurred_at, "updated_at": at,
        "stated": dict(order.stated),
    }  # fmt: skip
    if order.key is None:
        row = _INSERT_REQUEST.one(connection, {**values, "created_at": at})
        return replace(order, key=int(row.id))
    guard = {"key": order.key, "known": order.version}
    if _UPDATE_REQUEST.run(connection, {**values, **guard, "version": order.version + 1}) != 1:
        raise Conflict("the order was changed by another writer")
    return replace(order, version=order.version + 1)


def _number(name: str, number: Identifier | None, sender: str) -> dict[str, object]:
    return {
        f"{name}_order_number": number.value if number else None,
        f"{name}_scope": scope(number, sender) if number else None,
        f"{name}_issuer": number.issuer if number else "",
    }


def _save_procedure(
    connection: Connection, wanted: Procedure, before: Procedure | None, order: Order, position: int, at: datetime
) -> Procedure:
    key = wanted.key
    values = {
        "requested_procedure_id": wanted.requested_procedure_id,
        "study_instance_uid": wanted.study_instance_uid,
        "attributes": dict(wanted.attributes),
    }
    if key is None:
        identity = {"request_id": order.key, "position": position}
        key = int(_INSERT_PROCEDURE.one(connection, {**values, **identity}).id)
    elif before is None or replace(wanted, steps=before.steps) != before:
        _UPDATE_PROCEDURE.run(connection, {**values, "key": key})
    steps = _save_steps(connection, wanted.steps, before.steps if before else (), key, at)
    return replace(wanted, key=key, steps=steps)


def _save_steps(
    connection: Connection, wanted: Sequence[Step], before: Sequence[Step], procedure_key: int, at: datetime
) -> tuple[Step, ...]:
    known = {s.key: s for s in before}
    saved = []
    for position, one in enumerate(wanted):
        if one.key is None:
            saved.append(_insert_step(connection, one, procedure_key, position, at))
        elif one != known.get(one.key):
            _update_step(connection, one, one.version, at)
            saved.append(replace(one, version=one.version + 1))
        else:
            saved.append(one)
    return tuple(saved)


def _insert_step(connection: Connection, one: Step, procedure_key: int, position: int, at: datetime) -> Step:
    values = {
        "procedure_id": procedure_key, "position": position,
        "scheduled_procedure_step_id": one.scheduled_procedure_step_id, "status": one.status.value,
        "resting_status": one.resting.value, "attributes": dict(one.attributes), "updated_at": at,
    }  # fmt: skip
    return replace(one, key=int(_INSERT_STEP.one(connection, values).id))


def _update_step(connection: Connection, one: Step, version: int, at: datetime) -> None:
    values = {
        "status": one.status.value, "resting_status": one.resting.value, "attributes": dict(one.attributes),
        "version": version + 1, "updated_at": at, "key": one.key, "known": version,
    }  # fmt: skip
    if _UPDATE_STEP.run(connection, values) != 1:
        raise Conflict("the step was changed by another writer")
