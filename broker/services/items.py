"""Keeping the read model right: after anything about an order changed, its worklist items are composed anew."""

from broker.domain.model import Order, Patient, Visit
from broker.domain.notification_payload import Subjects
from broker.domain.worklist_item import WorklistItem, compose
from broker.services.context import Context
from broker.store import orders, patients, worklist_write
from broker.store.database import Connection


def refresh(connection: Connection, context: Context, request_key: int) -> list[WorklistItem]:
    """Write the items of every step of the order, in the caller's transaction; answers them in the order's order."""
    order = orders.load(connection, request_key)
    return write(connection, context, *_whose(connection, order), order)


def restate(connection: Connection, context: Context, order: Order) -> Subjects:
    """Write the items of an order, as it is stored now, of which only states of steps changed; answers the entities,
    for whoever tells about them next."""
    patient, visit = _whose(connection, order)
    write(connection, context, patient, visit, order, stations=False)
    return Subjects(patient, visit, order)


def _whose(connection: Connection, order: Order) -> tuple[Patient, Visit]:
    if order.patient_key is None or order.visit_key is None:
        raise RuntimeError("an order without patient or visit cannot be stored")
    return patients.load_with_visit(connection, order.patient_key, order.visit_key)


def write(
    connection: Connection, context: Context, patient: Patient, visit: Visit, order: Order, *, stations: bool = True
) -> list[WorklistItem]:
    """``refresh`` for callers that hold the entities as they are stored now: nothing is read again.

    Without ``stations`` those that are stored stay: the caller knows that they did not change.
    """
    now = context.clock()
    items = []
    for procedure in order.procedures:
        for step in procedure.steps:
            item = compose(patient, visit, order, procedure, step)
            worklist_write.put(connection, item, order, procedure, step, now, stations=stations)
            items.append(item)
    return items
