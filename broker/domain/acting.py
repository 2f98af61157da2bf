"""What cancellations, holds, news of status and appointments do to the steps of an order.

Only steps that the message names are touched; a hold, a release or an appointment that is older than what was stated
since changes nothing.
"""

from collections.abc import Callable
from dataclasses import replace

from broker.domain.attributes import Value
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Fact, FactKind, Order, OrderChange, OrderControl, Procedure, Step
from broker.domain.order_policy import Decision, OrderPolicy
from broker.domain.placing import find_procedure
from broker.domain.states import WAITING, StepAction, StepStatus, after_action
from broker.domain.stating import Ledger

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
    action, named = ACTIONS[change.control], names(present, change)
    ledger, facts = ledger_of(present, change, sender), list[Fact]()

    def moved(i: int, j: int, procedure: Procedure, step: Step) -> Step:
        path = status_path(i, j)
        if not named(procedure, step) or (action in _REVERSIBLE and ledger.is_late(path)):
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
    return Decision(changed, tuple(facts))


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
    for index, values in _appointed(present, change, ledger):
        before = procedures[index]
        steps = list(before.steps)
        for j, step in enumerate(before.steps):
            if step.status in WAITING | {StepStatus.HELD}:
                attributes = ledger.merge(f"{index}/{j}/", step.attributes, values)
                changed |= {k for k in values if step.attributes.get(k) != attributes.get(k)}
                steps[j] = replace(step, attributes=attributes)
        procedures[index] = replace(before, steps=tuple(steps))
    order = replace(present, procedures=tuple(procedures), stated=ledger.known)
    if not changed:
        return Decision(order)
    data: dict[str, object] = {"changed": sorted(changed)}
    if change.reason:
        data["reason"] = change.reason
    return Decision(order, (Fact(FactKind.ORDER_CHANGED, data),))


def _appointed(present: Order, change: OrderChange, ledger: Ledger) -> list[tuple[int, dict[str, Value | None]]]:
    """For each procedure meant, by its place, what its steps get."""
    cleared: dict[str, Value | None] = dict.fromkeys(_TIMES)
    if change.control is OrderControl.UNSCHEDULE:
        return [(i, cleared) for i in range(len(present.procedures))]
    found = []
    for wanted in change.procedures:
        stated = wanted.steps[0].attributes if wanted.steps else {}
        values = {k: stated[k] for k in _APPOINTED if k in stated}
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


def names(present: Order, change: OrderChange) -> Callable[[Procedure, Step], bool]:
    """Which steps a change is about: those it names, else those of the procedures it names, else all."""
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


def unknown(change: OrderChange, remedy: str) -> Refusal:
    """The refusal of a change to an order that is not known."""
    return Refusal(Reason.UNKNOWN_KEY, f"no order with this number is known; {remedy}", where=change.where)
