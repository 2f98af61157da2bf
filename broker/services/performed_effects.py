"""What a performed step does to the orders it is linked to: links, states of steps and orders, history, notifications.

Every function runs inside the transaction of the use case that changed the performed step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain import linking
from broker.domain.dicom_json import Dataset
from broker.domain.linking import Link, ScheduledReference
from broker.domain.model import Actor, Fact, FactKind, Order, Procedure, Step
from broker.domain.notification_payload import Subjects
from broker.domain.performed_faults import Toleration
from broker.domain.performing import order_fact
from broker.domain.performing_reasons import Consequence, consequence, reason_of
from broker.domain.states import WAITING, PerformedStatus, StepStatus, derive_step, order_status
from broker.services import items
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import link_candidates, orders
from broker.store import performed as store
from broker.store.database import Connection

_States = Mapping[int, Sequence[tuple[PerformedStatus, bool]]]


@dataclass(frozen=True, slots=True)
class Exam:
    """The performed step as just stored."""

    key: int
    sop_instance_uid: str
    dataset: Dataset
    status: PerformedStatus


@dataclass(frozen=True, slots=True)
class Begun:
    """How a new performed step was linked; ``unresolved`` counts its items from 1."""

    links: tuple[Link, ...] = ()
    unresolved: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Happened:
    """What to tell about the performed step itself; ``begun`` only when it is new."""

    kinds: tuple[FactKind, ...]
    tolerated: tuple[Toleration, ...] = ()
    begun: Begun | None = None


@dataclass(slots=True)
class _Effect:
    """What became of one order."""

    order: Order
    facts: list[Fact] = field(default_factory=list)
    #: the entities as they are stored after it, when its items were written anew
    subjects: Subjects | None = None

    def about(self, exam: Exam) -> About:
        steps = {
            (procedure.study_instance_uid, step.scheduled_procedure_step_id): step.key
            for procedure in self.order.procedures
            for step in procedure.steps
            if step.key is not None
        }
        return About(self.order.patient_key, self.order.key, exam.key, steps=steps)


def link(
    connection: Connection, exam: Exam, references: Sequence[ScheduledReference], at: datetime
) -> tuple[list[Link], tuple[int, ...]]:
    """Link the performed step to every scheduled step it names; answers the links and the items left unresolved."""
    patient = linking.person_of(exam.dataset)
    found: dict[int, Link] = {}
    unresolved = []
    for number, wanted in enumerate(references, start=1):
        resolved = linking.resolve(wanted, patient, link_candidates.find(connection, wanted))
        if resolved is None:
            unresolved.append(number)
        else:
            found.setdefault(resolved.candidate.step_key, resolved)
    for one in found.values():
        store.add_link(connection, exam.key, one.candidate.step_key, one.origin, one.rule, at)
    return list(found.values()), tuple(unresolved)


def follow(
    connection: Connection, context: Context, actor: Actor, exam: Exam, happened: Happened, at: datetime
) -> None:
    """Bring every linked step and order to the state that its performed steps imply, and record what happened.

    An update that leaves the performed step in progress moves nothing and is only recorded.
    """
    linked = store.linked_steps(connection, exam.key)
    run = _Run(connection, context, exam, at, new=happened.begun is not None)
    if happened.kinds == (FactKind.PERFORMED_UPDATED,):
        record(connection, context, actor, _first(run, linked), _own_facts(context, exam, happened), at)
        return
    store.lock_orders(connection, linked)
    affected = [_move(run, key, steps) for key, steps in linked.items()]
    own = affected[0].about(exam) if affected else About(performed_key=exam.key)
    record(connection, context, actor, own, _own_facts(context, exam, happened), at)
    for effect in affected:
        record(connection, context, actor, effect.about(exam), effect.facts, at, effect.subjects)


@dataclass(frozen=True, slots=True)
class _Run:
    connection: Connection
    context: Context
    exam: Exam
    at: datetime
    #: the performed step begins with this request
    new: bool


def _first(run: _Run, linked: Mapping[int, Sequence[int]]) -> About:
    """The first order of the performed step, so that its timeline shows what is told once."""
    return About(request_key=next(iter(linked), None), performed_key=run.exam.key)


def _move(run: _Run, request_key: int, step_keys: Sequence[int]) -> _Effect:
    """Move the linked steps of one order, and refresh its worklist items when any moved."""
    order = orders.load(run.connection, request_key)
    states = _states(run, step_keys)
    effect = _Effect(order)
    every = [(procedure, step) for procedure in order.procedures for step in procedure.steps]
    after = [_move_step(run, effect, procedure, step, states) for procedure, step in every]
    if effect.facts:
        effect.subjects = items.refresh(run.connection, run.context, request_key)
    told = order_fact(order_status(s.status for s in order.steps), order_status(after))
    effect.facts += _order_facts(run, order, told)
    return effect


def _states(run: _Run, step_keys: Sequence[int]) -> _States:
    """For each step the (status, returns) of all its performed steps, as ``derive_step`` wants them."""
    found: dict[int, list[tuple[PerformedStatus, bool]]] = {key: [] for key in step_keys}
    for state in store.states_of_steps(run.connection, step_keys):
        means = consequence(state.discontinuation_code, run.context.site.performed.reasons)
        found[state.step_key].append((state.status, means is Consequence.RETURNS))
    return found


def _move_step(run: _Run, effect: _Effect, procedure: Procedure, step: Step, states: _States) -> StepStatus:
    """The status of ``step`` after the request; written, with its fact, when it is another."""
    if step.key is None or step.key not in states:
        return step.status
    if run.new and step.status is StepStatus.CANCELED:
        effect.facts.append(_about(FactKind.CANCELED_DURING_EXAM, procedure, step, _named(run.exam)))
    derived = derive_step(step.status, step.resting, states[step.key])
    if derived is not step.status:
        resting = step.status if step.status in WAITING else step.resting
        orders.set_step_status(run.connection, step, derived, resting, run.at)
        data = {**_named(run.exam), "from": step.status.value, "to": derived.value}
        effect.facts.append(_about(FactKind.STEP_STATUS, procedure, step, data))
    return derived


def _order_facts(run: _Run, order: Order, told: FactKind | None) -> list[Fact]:
    """The fact about the whole order; withheld, with an alarm, while the exam says it is another patient's.

    (MPPS reference, section 6.1: link, raise an alert, send no automatic status to the ordering system.)
    """
    differs: tuple[str, ...] = ()
    if order.patient_key is not None and (run.new or told is not None):
        scheduled = link_candidates.person(run.connection, order.patient_key)
        differs = linking.patient_differences(linking.person_of(run.exam.dataset), scheduled)
    withheld = told if "PatientID" in differs else None
    facts = []
    if differs and (run.new or withheld is not None):
        data = {**_named(run.exam), "differs": list(differs), "withheld": withheld.value if withheld else None}
        facts.append(Fact(FactKind.MISMATCH_FOUND, data))
    if told is not None and withheld is None:
        facts.append(Fact(told, {**_named(run.exam), **_reason(run.context, run.exam)}))
    return facts


def _own_facts(context: Context, exam: Exam, happened: Happened) -> list[Fact]:
    """The facts about the performed step itself: each exactly once, however many orders it serves."""
    data: dict[str, object] = {**_named(exam), **_reason(context, exam)}
    if happened.tolerated:
        data["tolerated"] = [{"quirk": t.quirk.value, "where": t.path} for t in happened.tolerated]
    begun = happened.begun
    if begun is None:
        return [Fact(kind, data) for kind in happened.kinds]
    data["links"] = [
        {"step": one.candidate.step_key, "rule": one.rule, "confidence": one.confidence} for one in begun.links
    ]
    facts = [Fact(kind, data) for kind in happened.kinds]
    if begun.unresolved or not begun.links:
        facts.append(Fact(FactKind.PERFORMED_UNMATCHED, {**_named(exam), "items": list(begun.unresolved)}))
    return facts


def _reason(context: Context, exam: Exam) -> dict[str, object]:
    if exam.status is not PerformedStatus.DISCONTINUED:
        return {}
    reason = reason_of(exam.dataset)
    means = consequence(reason.key, context.site.performed.reasons)
    return {
        "discontinuation": {"code": reason.code, "scheme": reason.scheme, "meaning": reason.meaning},
        "consequence": means.value,
    }


def _named(exam: Exam) -> dict[str, object]:
    return {"performed": exam.sop_instance_uid}


def _about(kind: FactKind, procedure: Procedure, step: Step, data: Mapping[str, object]) -> Fact:
    return Fact(kind, data, procedure.study_instance_uid, step.scheduled_procedure_step_id)
