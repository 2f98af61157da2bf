"""What an order message does to an order: the decision, without database or HL7.

``decide`` takes the order as it stands (or None) and one change, and answers the order as it should be, with the facts
that follow; or it raises a Refusal.  It never touches a step that the change does not name.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from broker.domain.errors import Reason, Refusal
from broker.domain.merging import difference, merge
from broker.domain.model import Fact, FactKind, Order, OrderChange, OrderControl, Procedure, Step
from broker.domain.placing import Numbering, change_procedures, place_order
from broker.domain.states import WAITING, StepAction, StepStatus, after_action


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """The site's choices where the standard leaves room (intake settings)."""

    #: a change for an order that is not known: ``create`` it or ``refuse`` (204)
    unknown_change: str = "create"
    #: a new order with a known number and other content: ``update`` it or ``refuse`` (205)
    known_new: str = "update"
    #: a cancellation of an order that is not known: ``accept`` (it is remembered in the journal) or ``refuse`` (204)
    unknown_cancel: str = "refuse"
    #: a cancellation after the exam began: ``refuse`` or ``alarm`` (accepted, the step stays, people are alarmed)
    cancel_after_start: str = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """The order as it should be (None: nothing to store) and what happened."""

    order: Order | None
    facts: tuple[Fact, ...] = ()


_ACTIONS = {
    OrderControl.CANCEL: StepAction.CANCEL,
    OrderControl.DISCONTINUE: StepAction.DISCONTINUE,
    OrderControl.HOLD: StepAction.HOLD,
    OrderControl.RELEASE: StepAction.RELEASE,
}
_FACTS = {
    OrderControl.CANCEL: FactKind.ORDER_CANCELED,
    OrderControl.DISCONTINUE: FactKind.ORDER_CANCELED,
    OrderControl.HOLD: FactKind.ORDER_HELD,
    OrderControl.RELEASE: FactKind.ORDER_RELEASED,
}


def decide(present: Order | None, change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    """The effect of ``change`` on ``present`` (HL7 inbound reference, sections 6.2 and 6.4).

    Raises Refusal with UNKNOWN_KEY, DUPLICATE_KEY, WRONG_STATE, REQUIRED_MISSING or INVALID_VALUE.
    """
    if change.control in _ACTIONS:
        return _act(present, change, policy)
    if present is None:
        return _create(change, policy, numbering)
    if change.control is OrderControl.PLACE:
        return _place_again(present, change, policy, numbering)
    return _update(present, change, numbering)


def _create(change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    if change.control is OrderControl.CHANGE and policy.unknown_change == "refuse":
        raise _unknown(change, 'send the order as new (NW) first, or set intake.unknown_change = "create"')
    order = place_order(change, numbering)
    steps = [s.scheduled_procedure_step_id for s in order.steps]
    return Decision(order, (Fact(FactKind.ORDER_PLACED, {"steps": steps}),))


def _place_again(present: Order, change: OrderChange, policy: OrderPolicy, numbering: Numbering) -> Decision:
    decision = _update(present, change, numbering)
    if decision.order == present:
        return decision
    if present.steps and all(s.status is StepStatus.CANCELED for s in present.steps):
        raise Refusal(
            Reason.DUPLICATE_KEY, "a canceled order has this order number; send the new order with a new number",
            where=change.where,
        )  # fmt: skip
    if policy.known_new == "refuse":
        raise Refusal(
            Reason.DUPLICATE_KEY, "an order with this number exists and its content differs; send a change (XO)",
            where=change.where,
        )  # fmt: skip
    return decision


def _update(present: Order, change: OrderChange, numbering: Numbering) -> Decision:
    accession = change.accession or present.accession
    changed = replace(
        present,
        placer=change.placer or present.placer,
        filler=change.filler or present.filler,
        accession=accession,
        attributes=merge(present.attributes, change.attributes),
        procedures=change_procedures(present, change, accession, numbering),
    )
    if changed == present:
        return Decision(present)
    _refuse_final_changes(present, changed, change)
    return Decision(changed, (Fact(FactKind.ORDER_CHANGED, _what_changed(present, changed)),))


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


def _act(present: Order | None, change: OrderChange, policy: OrderPolicy) -> Decision:
    if present is None:
        if change.control is OrderControl.CANCEL and policy.unknown_cancel == "accept":
            return Decision(None)
        raise _unknown(change, "check the placer and filler order numbers (ORC-2, ORC-3)")
    action = _ACTIONS[change.control]
    named = _names(present, change)
    facts: list[Fact] = []

    def act(procedure: Procedure, step: Step) -> Step:
        if not named(procedure, step):
            return step
        return _act_on_step(procedure, step, action, change, policy, facts)

    procedures = tuple(replace(p, steps=tuple(act(p, s) for s in p.steps)) for p in present.procedures)
    changed = replace(present, procedures=procedures)
    if facts:
        facts.insert(0, Fact(_FACTS[change.control], {"control": change.control.value}))
    return Decision(changed, tuple(facts))


def _act_on_step(
    procedure: Procedure, step: Step, action: StepAction, change: OrderChange, policy: OrderPolicy, facts: list[Fact]
) -> Step:
    target = after_action(step.status, action)
    if target is None:
        if action is StepAction.CANCEL and policy.cancel_after_start == "alarm":
            facts.append(_about(FactKind.CANCELED_DURING_EXAM, procedure, step, {"status": step.status.value}))
            return step
        raise Refusal(
            Reason.WRONG_STATE,
            f"cannot {action.value} a step that is {step.status.value}; "
            "discontinue it (DC) or settle it with the department",
            where=change.where,
        )
    if target is step.status:
        return step
    facts.append(_about(FactKind.STEP_STATUS, procedure, step, {"from": step.status.value, "to": target.value}))
    resting = target if target in WAITING else step.resting
    return replace(step, status=target, resting=resting)


def _about(kind: FactKind, procedure: Procedure, step: Step, data: dict[str, object]) -> Fact:
    return Fact(kind, data, procedure.study_instance_uid, step.scheduled_procedure_step_id)


def _names(present: Order, change: OrderChange) -> Callable[[Procedure, Step], bool]:
    """Which steps a cancellation is about: those it names, else those of the procedures it names, else all."""
    step_ids = {s.scheduled_procedure_step_id for p in change.procedures for s in p.steps} - {None}
    study_uids = {p.study_instance_uid for p in change.procedures} - {None}
    procedure_ids = {p.requested_procedure_id for p in change.procedures} - {None}
    known_steps = step_ids & {s.scheduled_procedure_step_id for s in present.steps}
    known_procedures = {
        p.key for p in present.procedures
        if p.study_instance_uid in study_uids or p.requested_procedure_id in procedure_ids
    }  # fmt: skip

    def named(procedure: Procedure, step: Step) -> bool:
        if known_steps:
            return step.scheduled_procedure_step_id in known_steps
        return not known_procedures or procedure.key in known_procedures

    return named


def _unknown(change: OrderChange, remedy: str) -> Refusal:
    return Refusal(Reason.UNKNOWN_KEY, f"no order with this number is known; {remedy}", where=change.where)
