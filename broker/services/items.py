"""Keeping the read model right: after anything about an order changed, its worklist items are composed anew."""

from collections.abc import Iterator

from broker.domain.model import Order, Patient, Procedure, Step, Visit
from broker.domain.notification_payload import Subjects
from broker.domain.worklist_item import WorklistItem, compose
from broker.services.context import Context
from broker.store import orders, patients, worklist_write
from broker.store.database import Connection


def refresh(connection: Connection, context: Context, request_key: int) -> Subjects:
    """Write the items of every step of the order, in the caller's transaction; answers the entities as read."""
    order = orders.load(connection, request_key)
    if order.patient_key is None or order.visit_key is None:
        raise RuntimeError("an order without patient or visit cannot be stored")
    patient = patients.load(connection, order.patient_key)
    visit = patients.load_visit(connection, order.visit_key)
    write(connection, context, patient, visit, order)
    return Subjects(patient, visit, order)


def write(connection: Connection, context: Context, patient: Patient, visit: Visit, order: Order) -> None:
    """``refresh`` for callers that hold the entities as they are stored now: nothing is read again."""
    now = context.clock()
    for procedure, step, item in _composed(patient, visit, order):
        worklist_write.put(connection, item, order, procedure, step, now)


def composed(subjects: Subjects) -> list[WorklistItem]:
    """The items of an order as ``refresh`` wrote them, in the order's order."""
    if subjects.patient is None or subjects.visit is None or subjects.order is None:
        return []
    return [item for _, _, item in _composed(subjects.patient, subjects.visit, subjects.order)]


def _composed(patient: Patient, visit: Visit, order: Order) -> Iterator[tuple[Procedure, Step, WorklistItem]]:
    for procedure in order.procedures:
        for step in procedure.steps:
            yield procedure, step, compose(patient, visit, order, procedure, step)
