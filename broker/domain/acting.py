"""What cancellations, holds, news of status and appointments do to the steps of an order.

Only steps that the message names are touched; a hold, a release or an appointment that is older than what was stated
since changes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from broker.domain.errors import Reason, Refusal
from broker.domain.model import (
    Fact,
    FactKind,
    Order,
    OrderChange,
    OrderControl,
    Procedure,
    ProcedureChange,
    Step,
    StepChange,
)
from broker.domain.order_policy import Decision, OrderPolicy
from broker.domain.placing import STEP_ID, find_procedure, find_step
from broker.domain.states import WAITING, StepAction, StepStatus, after_action
from broker.domain.stating import Ledger
from broker.domain.step_stations import follow_station

ACTIONS = {
    OrderControl.CANCEL: StepAction.CANCEL,
    OrderControl.DISCONTINUE: StepAction.DISCONTINUE,
    OrderControl.HOLD: StepAction.HOLD,
    OrderControl.RELEASE: StepAction.RELEASE,
    OrderControl.ARRIVE: StepAction.ARRIVE,
    OrderControl.START: StepAction.START,
    OrderControl.COMPLETE: StepAction.COMPLETE,
}
#: what the order as a whole is said to be; completion follows from the steps
_FACTS = {
    OrderControl.CANCEL: FactKind.ORDER_CANCELED,
    OrderControl.DISCONTINUE: FactKind.ORDER_CANCELED,
    OrderControl.HOLD: FactKind.ORDER_HELD,
    OrderControl.RELEASE: FactKind.ORDER_RELEASED,
}
#: news about a state rather than requests: where they cannot be, they are old
_NEWS = {StepAction.ARRIVE, StepAction.START, StepAction.COMPLETE}
#: what may be taken back, and so must not be applied after something newer
_REVERSIBLE = {StepAction.HOLD, StepAction.RELEASE, StepAction.ARRIVE, StepAction.START}
#: what an appointment settles
_APPOINTED = (
    "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "ScheduledProcedureStepEndDate",
    "ScheduledProcedureStepEndTime", "ScheduledStationAETitle", "ScheduledStationName",
    "ScheduledProcedureStepLocation", "ScheduledPerformingPhysicianName",
)  # fmt: skip
_TIMES = _APPOINTED[:4]


def ledger_of(present: Order, change: OrderChange, sender: str) -> Ledger:
    """The ledger of a stored order for one change; clocks of different senders are not compared."""
    return Ledger.of(present.stated, change.occurred_at, compare=present.sender == sender)


def status_path(procedure: int, step: int) -> str:
    """Where the ledger keeps when the status of a step was last asked for."""
    return f"{procedure}/{step}/status"


def act(present: Order | None, change: OrderChange, policy: OrderPolicy, sender: str) -> Decision:
    """The action of ``change`` on the steps it names.  Raises Refusal with UNKNOWN_KEY or WRONG_STATE."""
    if present is None:
        if change.control is OrderControl.CANCEL and policy.unknown_cancel == "accept":
            return Decision(None)
        raise unknown(change, "check the placer and filler order numbers (ORC-2, ORC-3)")
    action, ledger, facts = ACTIONS[change.control], ledger_of(present, change, sender), list[Fact]()
    named = names(present, change, ledger)

    def moved(i: int, j: int, procedure: Procedure, step: Step) -> Step:
        path = status_path(i, j)
        if not named(i, j):
            return step
        if action in _REVERSIBLE and ledger.is_late(path):
            ledger.overruled.append("status")
            return step
        ledger.state(path)
        return _act_on_step(procedure, step, action, change, policy, facts)

    procedures = tuple(
        replace(p, steps=tuple(moved(i, j, p, s) for j, s in enumerate(p.steps)))
        for i, p in enumerate(present.procedures)
    )
    changed = replace(present, procedures=procedures, stated=ledger.known)
    if facts and change.control in _FACTS:
        reason = {"reason": change.reason} if change.reason else {}
        facts.insert(0, Fact(_FACTS[change.control], {"control": change.control.value, **reason}))
    return Decision(changed, tuple(facts), tuple(ledger.overruled))


def _act_on_step(
    procedure: Procedure, step: Step, action: StepAction, change: OrderChange, policy: OrderPolicy, facts: list[Fact]
) -> Step:
    target = after_action(step.status, action)
    if target is None:
        if action in _NEWS:
            return step
        if action is StepAction.CANCEL and policy.cancel_after_start == "alarm":
            data: dict[str, object] = {"status": step.status.value}
            facts.append(_about(FactKind.CANCELED_DURING_EXAM, procedure, step, data))
            return step
        raise Refusal(
            Reason.WRONG_STATE,
            f"cannot {action.value} a step that is {step.status.value}; "
            "discontinue it (DC) or settle it with the department",
            where=change.where,
        )
    if target is step.status:
        return step
    facts.append(step_moved(procedure, step, target, inferred=action in _NEWS))
    resting = target if target in WAITING else step.resting
    return replace(step, status=target, resting=resting)


def step_moved(procedure: Procedure, step: Step, target: StepStatus, *, inferred: bool = False) -> Fact:
    """The fact that a step changes its status; ``inferred``: by a sender's word, no device said so."""
    data: dict[str, object] = {"from": step.status.value, "to": target.value}
    if inferred:
        data["inferred"] = True
    return _about(FactKind.STEP_STATUS, procedure, step, data)


def _about(kind: FactKind, procedure: Procedure, step: Step, data: dict[str, object]) -> Fact:
    return Fact(kind, data, procedure.study_instance_uid, step.scheduled_procedure_step_id)


def appoint(present: Order, change: OrderChange, sender: str) -> Decision:
    """Give the waiting steps of an order the time and resources of the appointment, or take their time away.

    An appointment for one of several procedures names its code.  Raises Refusal with UNKNOWN_KEY when it names none.
    """
    ledger = ledger_of(present, change, sender)
    procedures, changed = list(present.procedures), set[str]()
    for index, said in _appointed(present, change, ledger):
        before = procedures[index]
        steps = list(before.steps)
        for j, step in enumerate(before.steps):
            if step.status in WAITING | {StepStatus.HELD}:
                own = f"{index}/{j}/"
                attributes = ledger.merge(own, step.attributes, said.attributes)
                attributes = follow_station(step.attributes, attributes, said, partial(ledger.is_filled_at, own))
                changed |= {k for k in said.attributes if step.attributes.get(k) != attributes.get(k)}
                steps[j] = replace(step, attributes=attributes)
        procedures[index] = replace(before, steps=tuple(steps))
    order = replace(present, procedures=tuple(procedures), stated=ledger.known)
    if not changed:
        return Decision(order, overruled=tuple(ledger.overruled))
    data: dict[str, object] = {"changed": sorted(changed)}
    if change.reason:
        data["reason"] = change.reason
    return Decision(order, (Fact(FactKind.ORDER_CHANGED, data),), tuple(ledger.overruled))


def _appointed(present: Order, change: OrderChange, ledger: Ledger) -> list[tuple[int, StepChange]]:
    """For each procedure meant, by its place, what its steps get."""
    if change.control is OrderControl.UNSCHEDULE:
        return [(i, StepChange(None, dict.fromkeys(_TIMES))) for i in _unscheduled(present, change, ledger)]
    found = []
    for wanted in change.procedures:
        step = wanted.steps[0] if wanted.steps else StepChange(None, {})
        values = replace(step, attributes={k: v for k, v in step.attributes.items() if k in _APPOINTED})
        index = find_procedure(present.procedures, wanted, ledger, sole=len(change.procedures) == 1)
        if index is None and len(change.procedures) == 1:
            found += [(i, values) for i in range(len(present.procedures))]
        elif index is None:
            raise Refusal(
                Reason.UNKNOWN_KEY, "the service of the appointment (AIS-3) is no procedure of the order",
                where=change.where,
            )  # fmt: skip
        else:
            found.append((index, values))
    return found


def _unscheduled(present: Order, change: OrderChange, ledger: Ledger) -> Sequence[int]:
    """The procedures whose appointment ended: those it was for, all when it names none of the order's."""
    sole = len(change.procedures) == 1
    found = {find_procedure(present.procedures, wanted, ledger, sole=sole) for wanted in change.procedures}
    return sorted(i for i in found if i is not None) or range(len(present.procedures))


def names(present: Order, change: OrderChange, ledger: Ledger) -> Callable[[int, int], bool]:
    """Which steps a change is about: those it names by ID or code, else those of the procedures it names, else all.

    Asked by the places of procedure and step.  Raises Refusal with UNKNOWN_KEY for a number that is none of the
    order's, so that no other step is taken for it.
    """
    found = [_named(present, wanted, ledger, change) for wanted in change.procedures]
    chosen = {place for places in found for place in places}
    return lambda procedure, step: not chosen or (procedure, step) in chosen


def _named(present: Order, wanted: ProcedureChange, ledger: Ledger, change: OrderChange) -> set[tuple[int, int]]:
    """The places of the steps that one procedure of a change is about; none when it names nothing by number."""
    step_ids = {s.scheduled_procedure_step_id for s in wanted.steps} - {None}
    known = {
        (i, j) for i, p in enumerate(present.procedures) for j, s in enumerate(p.steps)
        if s.scheduled_procedure_step_id in step_ids
    }  # fmt: skip
    if known:
        return known
    index = find_procedure(present.procedures, wanted, ledger, sole=len(change.procedures) == 1)
    if index is None:
        if step_ids or wanted.requested_procedure_id or wanted.study_instance_uid:
            raise _no_such_step(change)
        return set()
    steps = present.procedures[index].steps
    places = [find_step(steps, s, f"{index}/", ledger, sole=len(wanted.steps) == 1) for s in wanted.steps]
    if step_ids and None in places and not _numbered_here(index, len(steps), ledger):
        raise _no_such_step(change)
    return {(index, j) for j in places if j is not None} or {(index, j) for j in range(len(steps))}


def _numbered_here(index: int, count: int, ledger: Ledger) -> bool:
    """Whether a step of the procedure has an ID of ours, so that its sender may call it otherwise."""
    return any(ledger.is_filled(f"{index}/{j}/{STEP_ID}") for j in range(count))


def _no_such_step(change: OrderChange) -> Refusal:
    text = (
        "the order has no procedure or step with this number; check the requested procedure ID, the scheduled "
        "procedure step ID and the Study Instance UID, or leave them out to mean the whole order"
    )
    return Refusal(Reason.UNKNOWN_KEY, text, where=change.where)


def unknown(change: OrderChange, remedy: str) -> Refusal:
    """The refusal of a change to an order that is not known."""
    return Refusal(Reason.UNKNOWN_KEY, f"no order with this number is known; {remedy}", where=change.where)
