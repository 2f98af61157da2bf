"""Order messages applied: the order decided by the rules, then written with its items, history and notifications.

``apply`` runs inside the transaction of whoever received the message (intake keeps the journal row in the same one).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from broker.domain.errors import Conflict, Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Identifier, Order, OrderChange, OrderControl
from broker.domain.scheduling import Decision, decide
from broker.domain.states import OrderStatus, StepStatus, order_status
from broker.services import items, late_orders, patients
from broker.services.context import Context
from broker.services.history import About, record
from broker.services.inference_notes import note_inferences
from broker.store import early_news, numbers
from broker.store import orders as store
from broker.store.database import Connection

#: what may bring the order that an exam has been waiting for
_MAY_ATTACH = frozenset({OrderControl.PLACE, OrderControl.CHANGE})
MERGED_NUMBER = "the message uses a patient identifier that was merged; it was taken for the surviving patient"


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
class _Cause:
    """Whose message it is, and where it is kept."""

    sender: str
    actor: Actor
    journal_key: int | None


def apply(
    connection: Connection, context: Context, sender: str, actor: Actor, change: OrderChange, journal_key: int | None
) -> AppliedOrder:
    """Apply one order change.  Raises Refusal (nothing is then stored) or Conflict (the caller runs again)."""
    keys = _find(connection, change, sender)
    present: list[Order | None] = [store.load(connection, key) for key in keys]
    cause = _Cause(sender, actor, journal_key)
    applied = [_apply_to(connection, context, cause, change, one) for one in present or [None]]
    facts = tuple(fact for one in applied for fact in one.facts)
    return AppliedOrder(applied[0].request_key, facts, tuple(w for one in applied for w in one.warnings))


def _apply_to(
    connection: Connection, context: Context, cause: _Cause, change: OrderChange, present: Order | None
) -> AppliedOrder:
    sender, journal_key = cause.sender, cause.journal_key
    numbering = _Numbering(connection, sender, context.site.accession_prefix)
    decision = decide(present, change, context.site.orders, numbering)
    if decision.order is None:
        early_news.remember_cancellation(connection, _numbers(change), sender, change.occurred_at, journal_key)
        return AppliedOrder(None, decision.facts, ("the order is not known; a later one with this number is canceled",))
    _check_studies(connection, decision.order, change, sender)
    if present is None:
        decision = _canceled_early(connection, decision, change, sender)
    saved, warnings = _write(connection, context, present, decision, change, sender)
    if change.appointments:
        early_news.remember_appointments(connection, _key(saved), change.appointments, sender)
    facts = (*decision.facts, *status_facts(present, saved, decision.facts))
    at = context.clock()
    note_inferences(connection, cause.actor, saved, facts, change.reason, at)
    record(connection, context, cause.actor, about_order(saved, journal_key), facts, at)
    if facts and change.control in _MAY_ATTACH:
        late_orders.attach(connection, context, saved, at)
    return AppliedOrder(saved.key, facts, (*warnings, *_overruled(decision)))


def _overruled(decision: Decision) -> tuple[str, ...]:
    if not decision.overruled:
        return ()
    said = ", ".join(sorted(set(decision.overruled)))
    return (f"older than what was said since, so these were left as they are: {said}",)


def _find(connection: Connection, change: OrderChange, sender: str) -> list[int]:
    """The order by its numbers; the orders of an appointment when it names none."""
    keys = store.find(connection, change.placer, change.filler, sender)
    if len(keys) > 1:
        raise Refusal(
            Reason.DUPLICATE_KEY,
            "the placer order number (ORC-2) and the filler order number (ORC-3) belong to two different orders",
            where=change.where,
        )
    if keys or not change.appointments:
        return keys
    return early_news.with_appointments(connection, change.appointments, sender) or store.find(
        connection, None, change.appointments[0], sender
    )


def _numbers(change: OrderChange) -> list[Identifier]:
    return [number for number in (change.placer, change.filler) if number is not None]


def _canceled_early(connection: Connection, decision: Decision, change: OrderChange, sender: str) -> Decision:
    """A new order whose cancellation came first is stored as canceled, unless it is newer than that."""
    numbers = _numbers(change)
    known, at = early_news.cancellation(connection, numbers, sender)
    order = decision.order
    if not known or order is None:
        return decision
    early_news.forget_cancellation(connection, numbers, sender)
    if at is not None and change.occurred_at is not None and at < change.occurred_at:
        return decision
    procedures = tuple(
        replace(p, steps=tuple(replace(s, status=StepStatus.CANCELED) for s in p.steps)) for p in order.procedures
    )
    canceled = Fact(FactKind.ORDER_CANCELED, {"control": OrderControl.CANCEL.value, "early": True})
    return replace(decision, order=replace(order, procedures=procedures), facts=(*decision.facts, canceled))


def _check_studies(connection: Connection, order: Order, change: OrderChange, sender: str) -> None:
    """A Study Instance UID belongs to one order for ever (HL7 inbound reference 9)."""
    for procedure in order.procedures:
        owner = store.owner_of_study(connection, procedure.study_instance_uid)
        if owner is not None and owner != order.key:
            if order.key is None and owner in _find(connection, change, sender):
                raise Conflict("another message has just placed this order")
            raise Refusal(Reason.DUPLICATE_KEY, "another order already has this Study Instance UID", where=change.where)


def _write(
    connection: Connection, context: Context, before: Order | None, decision: Decision, change: OrderChange, sender: str
) -> tuple[Order, tuple[str, ...]]:
    at = context.clock()
    order = decision.order
    if order is None:
        raise RuntimeError("nothing to write")
    person = _person(connection, context, before, change, sender)
    if before is not None and before.patient_key != person.patient_key:
        raise Refusal(
            Reason.WRONG_STATE,
            "the order belongs to another patient; merge the patients (ADT^A40) or send the order with a new number",
            where=change.patient.where or change.where,
        )
    order = replace(order, patient_key=person.patient_key, visit_key=_visit_key(before, person.visit_key, change))
    if before is not None and order == before and not person.changed and not change.visit.attributes:
        return before, _differences(person)
    moments = [moment for moment in (change.occurred_at, order.occurred_at) if moment is not None]
    saved = store.save(connection, replace(order, occurred_at=max(moments, default=None)), before, at)
    if saved.visit_key == person.visit_key:
        items.write(connection, context, person.patient, person.visit, saved)
    else:
        items.refresh(connection, context, _key(saved))
    for request_key in store.of_patient(connection, person.patient_key) if person.changed else []:
        if request_key != saved.key:
            items.refresh(connection, context, request_key)
    return saved, _differences(person)


def _person(
    connection: Connection, context: Context, before: Order | None, change: OrderChange, sender: str
) -> patients.KnownPatient:
    """Whom the order is for: the patient it has when the message names none."""
    if before is not None and before.patient_key and before.visit_key and not change.patient.identifiers:
        return patients.known(connection, before.patient_key, before.visit_key)
    stating = patients.Stating(sender, change.occurred_at)
    update = context.site.orders_update_patients
    return patients.ensure(connection, change.patient, change.visit, context.clock(), stating, update=update)


def _visit_key(before: Order | None, visit_key: int, change: OrderChange) -> int:
    """A change without a visit number leaves the order at the visit it has."""
    if before is not None and before.visit_key is not None and not change.visit.admission.value:
        return before.visit_key
    return visit_key


def _differences(person: patients.KnownPatient) -> tuple[str, ...]:
    merged = (MERGED_NUMBER,) if person.merged else ()
    if not person.differs:
        return merged
    return (
        *merged,
        "demographics differ from the known patient and were not taken over (ADT is the authority): "
        + ", ".join(sorted(person.differs)),
    )


_ENDS = {
    OrderStatus.DISCONTINUED: FactKind.ORDER_DISCONTINUED,
    OrderStatus.COMPLETED: FactKind.ORDER_COMPLETED,
}


def status_facts(before: Order | None, after: Order, decided: Iterable[Fact]) -> tuple[Fact, ...]:
    """What the order as a whole became when a message ended its last open steps, or said that an exam began."""
    if before is None:
        return ()
    was, now = (order_status(s.status for s in o.steps) for o in (before, after))
    inferred = any(fact.data.get("inferred") for fact in decided)
    kind = _ENDS.get(now)
    if kind is None and inferred and (was, now) == (OrderStatus.SCHEDULED, OrderStatus.IN_PROGRESS):
        kind = FactKind.ORDER_STARTED
    if kind is None or was is now:
        return ()
    return (Fact(kind, {"by": "order message", "inferred": inferred}),)


def about_order(order: Order, journal_key: int | None) -> About:
    """What facts about an order are about."""
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
