"""Order messages applied: the order decided by the rules, then written with its items, history and notifications.

``apply`` runs inside the transaction of whoever received the message (intake keeps the journal row in the same one).
"""

from dataclasses import dataclass, field, replace

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Order, OrderChange, OrderControl
from broker.domain.scheduling import Decision, decide
from broker.domain.states import OrderStatus, order_status
from broker.services import items, late_orders, patients
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import numbers
from broker.store import orders as store
from broker.store.database import Connection

#: what may bring the order that an exam has been waiting for
_MAY_ATTACH = frozenset({OrderControl.PLACE, OrderControl.CHANGE})


@dataclass(frozen=True, slots=True)
class AppliedOrder:
    """What one order change did: the order's key (None when there was nothing to store), facts, and warnings."""

    request_key: int | None
    facts: tuple[Fact, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Numbering:
    """Numbers of the database sequence, as ``domain.placing.Numbering`` wants them."""

    connection: Connection
    sender: str
    accession_prefix: str

    def next_number(self) -> int:
        """The next number of the accession sequence."""
        return numbers.next_number(self.connection, "accession")


@dataclass(frozen=True, slots=True)
class _Found:
    order: Order | None
    warnings: tuple[str, ...] = field(default=())


def apply(
    connection: Connection, context: Context, sender: str, actor: Actor, change: OrderChange, journal_key: int | None
) -> AppliedOrder:
    """Apply one order change.  Raises Refusal (nothing is then stored) or Conflict (the caller runs again)."""
    found = _find(connection, change, sender)
    numbering = _Numbering(connection, sender, context.site.accession_prefix)
    decision = decide(found.order, change, context.site.orders, numbering)
    if decision.order is None:
        return AppliedOrder(None, decision.facts, found.warnings)
    _check_studies(connection, decision.order, change)
    saved, warnings = _write(connection, context, found.order, decision, change)
    facts = (*decision.facts, *_status_facts(found.order, saved))
    about = _about(saved, journal_key)
    at = context.clock()
    record(connection, context, actor, about, facts, at)
    if facts and change.control in _MAY_ATTACH:
        late_orders.attach(connection, context, saved, at)
    return AppliedOrder(saved.key, facts, (*found.warnings, *warnings))


def _find(connection: Connection, change: OrderChange, sender: str) -> _Found:
    keys = store.find(connection, change.placer, change.filler, sender)
    if len(keys) > 1:
        raise Refusal(
            Reason.DUPLICATE_KEY,
            "the placer order number (ORC-2) and the filler order number (ORC-3) belong to two different orders",
            where=change.where,
        )
    return _Found(store.load(connection, keys[0]) if keys else None)


def _check_studies(connection: Connection, order: Order, change: OrderChange) -> None:
    """A Study Instance UID belongs to one order for ever (HL7 inbound reference 9)."""
    for procedure in order.procedures:
        owner = store.owner_of_study(connection, procedure.study_instance_uid)
        if owner is not None and owner != order.key:
            raise Refusal(Reason.DUPLICATE_KEY, "another order already has this Study Instance UID", where=change.where)


def _write(
    connection: Connection, context: Context, before: Order | None, decision: Decision, change: OrderChange
) -> tuple[Order, tuple[str, ...]]:
    at = context.clock()
    order = decision.order
    if order is None:
        raise RuntimeError("nothing to write")
    update = context.site.orders_update_patients
    person = patients.ensure(connection, change.patient, change.visit, at, update=update)
    if before is not None and before.patient_key != person.patient_key:
        raise Refusal(
            Reason.WRONG_STATE,
            "the order belongs to another patient; merge the patients (ADT^A40) or send the order with a new number",
            where=change.patient.where or change.where,
        )
    order = replace(order, patient_key=person.patient_key, visit_key=_visit_key(before, person.visit_key, change))
    if before is not None and order == before and not person.changed and not change.visit.attributes:
        return before, _differences(person)
    saved = store.save(connection, replace(order, occurred_at=change.occurred_at or order.occurred_at), before, at)
    if saved.visit_key == person.visit_key:
        items.write(connection, context, person.patient, person.visit, saved)
    else:
        items.refresh(connection, context, _key(saved))
    for request_key in store.of_patient(connection, person.patient_key) if person.changed else []:
        if request_key != saved.key:
            items.refresh(connection, context, request_key)
    return saved, _differences(person)


def _visit_key(before: Order | None, visit_key: int, change: OrderChange) -> int:
    """A change without a visit number leaves the order at the visit it has."""
    if before is not None and before.visit_key is not None and not change.visit.admission.value:
        return before.visit_key
    return visit_key


def _differences(person: patients.KnownPatient) -> tuple[str, ...]:
    if not person.differs:
        return ()
    return (
        "demographics differ from the known patient and were not taken over (ADT is the authority): "
        + ", ".join(sorted(person.differs)),
    )


def _status_facts(before: Order | None, after: Order) -> tuple[Fact, ...]:
    """What the order as a whole became through a cancellation or discontinuation of its last open steps."""
    if before is None:
        return ()
    was, now = (order_status(s.status for s in o.steps) for o in (before, after))
    if was is now or now is not OrderStatus.DISCONTINUED:
        return ()
    return (Fact(FactKind.ORDER_DISCONTINUED, {"by": "order message"}),)


def _about(order: Order, journal_key: int | None) -> About:
    steps = {
        (p.study_instance_uid, s.scheduled_procedure_step_id): s.key
        for p in order.procedures
        for s in p.steps
        if s.key is not None
    }
    return About(order.patient_key, order.key, None, journal_key, steps)


def _key(order: Order) -> int:
    if order.key is None:
        raise RuntimeError("a saved order has a key")
    return order.key
