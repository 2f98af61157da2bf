"""Keeping the read model right: after anything about an order changed, its worklist items are composed anew."""

from broker.domain.model import Order, Patient, Visit
from broker.domain.notification_payload import Subjects
from broker.domain.worklist_item import WorklistItem, compose
from broker.services.context import Context
from broker.store import orders, patients, worklist_write
from broker.store.database import Connection


def refresh(connection: Connection, context: Context, request_key: int) -> list[WorklistItem]:
    """Write the items of every step of the order, in the caller's transaction; answers them in the order's order."""
    return write(connection, context, *_stored(connection, request_key))


def refresh_subjects(connection: Connection, context: Context, request_key: int) -> Subjects:
    """``refresh`` that answers the entities as read, for whoever tells about them next."""
    patient, visit, order = _stored(connection, request_key)
    write(connection, context, patient, visit, order)
    return Subjects(patient, visit, order)


def _stored(connection: Connection, request_key: int) -> tuple[Patient, Visit, Order]:
    order = orders.load(connection, request_key)
    if order.patient_key is None or order.visit_key is None:
        raise RuntimeError("an order without patient or visit cannot be stored")
    return patients.load(connection, order.patient_key), patients.load_visit(connection, order.visit_key), order


def write(connection: Connection, context: Context, patient: Patient, visit: Visit, order: Order) -> list[WorklistItem]:
    """``refresh`` for callers that hold the entities as they are stored now: nothing is read again."""
    now = context.clock()
    items = []
    for procedure in order.procedures:
        for step in procedure.steps:
            item = compose(patient, visit, order, procedure, step)
            worklist_write.put(connection, item, order, procedure, step, now)
            items.append(item)
    return items
