"""What an order message does to an order: the decision, without database or HL7.

``decide`` takes the order as it stands (or None) and one change, and answers the order as it should be, with the facts
that follow; or it raises a Refusal.  It never touches a step that the change does not name.
"""

from dataclasses import replace

from broker.domain.acting import ACTIONS, act, appoint, ledger_of, names, status_path, step_moved, unknown
from broker.domain.errors import Reason, Refusal
from broker.domain.merging import difference
from broker.domain.model import Fact, FactKind, Order, OrderChange, OrderControl, Procedure, Step
from broker.domain.order_policy import Decision, OrderPolicy
from broker.domain.placing import ACCESSION, Numbering, change_procedures, place_order
from broker.domain.states import WAITING, StepStatus

__all__ = ["Decision", "OrderPolicy", "decide"]


def decide(present: Order | None, change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    """The effect of ``change`` on ``present`` (HL7 inbound reference, sections 6.2 and 6.4).

    Raises Refusal with UNKNOWN_KEY, DUPLICATE_KEY, WRONG_STATE, REQUIRED_MISSING or INVALID_VALUE.
    """
    control = change.control
    if control is OrderControl.UNSCHEDULE and policy.canceled_appointment == "cancel":
        return act(present, replace(change, control=OrderControl.CANCEL), policy, numbering.sender)
    if control in (OrderControl.APPOINT, OrderControl.UNSCHEDULE) and present is not None:
        return appoint(present, change, numbering.sender)
    if control in ACTIONS:
        return act(present, change, policy, numbering.sender)
    return _create(change, policy, numbering) if present is None else _change(present, change, policy, numbering)


def _change(present: Order, change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    match change.control:
        case OrderControl.NUMBER:
            return _update(present, replace(change, attributes={}, procedures=()), numbering)
        case OrderControl.PLACE:
            return _place_again(present, change, policy, numbering)
        case OrderControl.REPLACE:
            return _replace(present, change, numbering)
        case _:
            return _update(present, change, numbering)


def _create(change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    control = change.control
    if control in (OrderControl.NUMBER, OrderControl.UNSCHEDULE):
        raise unknown(change, "check the placer and filler order numbers")
    if control is OrderControl.APPOINT and policy.unknown_appointment == "refuse":
        raise unknown(change, 'send the order first, or set intake.unknown_appointment = "create"')
    if control in (OrderControl.CHANGE, OrderControl.REPLACE) and policy.unknown_change == "refuse":
        raise unknown(change, 'send the order as new (NW) first, or set intake.unknown_change = "create"')
    if control is OrderControl.APPOINT and change.filler is None and change.placer is None and change.appointments:
        # an appointment without an order is known by its own number
        change = replace(change, filler=change.appointments[0])
    order = place_order(change, numbering)
    steps = [s.scheduled_procedure_step_id for s in order.steps]
    return Decision(order, (Fact(FactKind.ORDER_PLACED, {"steps": steps}),))


def _place_again(present: Order, change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    decision = _update(present, change, numbering)
    if decision.order is None:
        return decision
    if present.steps and all(s.status is StepStatus.CANCELED for s in present.steps):
        if _canceled_since(present, change, numbering.sender):
            return replace(decision, order=_still_canceled(decision.order))
        # also when it says nothing new: accepted, it would be on no list
        raise Refusal(
            Reason.DUPLICATE_KEY, "a canceled order has this order number; send the new order with a new number",
            where=change.where,
        )  # fmt: skip
    if not decision.facts:
        return decision
    if policy.known_new == "refuse":
        raise Refusal(
            Reason.DUPLICATE_KEY, "an order with this number exists and its content differs; send a change (XO)",
            where=change.where,
        )  # fmt: skip
    return decision


def _canceled_since(present: Order, change: OrderChange, sender: str) -> bool:
    """Whether the cancellation is newer than this message, which only came late."""
    ledger = ledger_of(present, change, sender)
    return all(ledger.is_late(status_path(i, j)) for i, p in enumerate(present.procedures) for j in range(len(p.steps)))


def _still_canceled(order: Order) -> Order:
    """Steps that a late message adds to a canceled order are canceled with it."""

    def settled(step: Step) -> Step:
        return step if step.key is not None else replace(step, status=StepStatus.CANCELED)

    return replace(
        order, procedures=tuple(replace(p, steps=tuple(settled(s) for s in p.steps)) for p in order.procedures)
    )


def _update(present: Order, change: OrderChange, numbering: Numbering) -> Decision:
    ledger = ledger_of(present, change, numbering.sender)
    accession = present.accession
    if change.accession is not None and (change.accession == accession or not ledger.is_late(ACCESSION)):
        accession = change.accession
        ledger.state(ACCESSION)
    elif change.accession is not None:
        ledger.overruled.append(ACCESSION)
    changed = replace(
        present,
        placer=change.placer or present.placer,
        filler=change.filler or present.filler,
        accession=accession,
        attributes=ledger.merge("", present.attributes, change.attributes),
        procedures=change_procedures(present, change, accession, numbering, ledger),
    )
    if changed == present:
        return Decision(replace(present, stated=ledger.known), overruled=tuple(ledger.overruled))
    _refuse_final_changes(present, changed, change)
    facts = (Fact(FactKind.ORDER_CHANGED, _what_changed(present, changed)),)
    return Decision(replace(changed, stated=ledger.known), facts, tuple(ledger.overruled))


def _replace(present: Order, change: OrderChange, numbering: Numbering) -> Decision:
    """The contents of the message in place of the stored ones; steps that wait and are not named are canceled."""
    whole = replace(change, attributes={**dict.fromkeys(present.attributes), **change.attributes})
    decision = _update(present, whole, numbering)
    if decision.order is None:
        return decision
    facts: list[Fact] = list(decision.facts)
    named = names(decision.order, change, ledger_of(decision.order, change, numbering.sender))

    def settle(i: int, j: int, procedure: Procedure, step: Step) -> Step:
        fresh = step.key is None or named(i, j)
        if fresh or step.status not in WAITING | {StepStatus.HELD}:
            return step
        facts.append(step_moved(procedure, step, StepStatus.CANCELED))
        return replace(step, status=StepStatus.CANCELED)

    procedures = tuple(
        replace(p, steps=tuple(settle(i, j, p, s) for j, s in enumerate(p.steps)))
        for i, p in enumerate(decision.order.procedures)
    )
    return replace(decision, order=replace(decision.order, procedures=procedures), facts=tuple(facts))


def _refuse_final_changes(present: Order, changed: Order, change: OrderChange) -> None:
    """What identifies an exam may not change once it began (HL7 inbound reference 6.4, 'XO after start')."""
    began = {s.key for s in present.steps if s.status not in WAITING | {StepStatus.HELD}}
    for before, after in _pairs(present, changed):
        if before.study_instance_uid != after.study_instance_uid and any(s.key in began for s in before.steps):
            text = "the exam has begun: its Study Instance UID can no longer change"
            raise Refusal(Reason.WRONG_STATE, text, where=change.where)
    if began and present.accession != changed.accession:
        raise Refusal(
            Reason.WRONG_STATE, "the exam has begun: its accession number can no longer change", where=change.where
        )


def _pairs(present: Order, changed: Order) -> list[tuple[Procedure, Procedure]]:
    after = {p.key: p for p in changed.procedures}
    return [(p, after[p.key]) for p in present.procedures if p.key in after]


def _what_changed(present: Order, changed: Order) -> dict[str, object]:
    """The keywords that changed, for the timeline (values stay in the journal and the tables)."""
    keywords = set(difference(present.attributes, changed.attributes))
    for before, after in _pairs(present, changed):
        keywords |= set(difference(before.attributes, after.attributes))
        steps = {s.key: s for s in after.steps}
        for step in before.steps:
            keywords |= set(difference(step.attributes, steps[step.key].attributes))
    added = [s.scheduled_procedure_step_id for s in changed.steps if s.key is None]
    return {"changed": sorted(keywords), "added_steps": added}
