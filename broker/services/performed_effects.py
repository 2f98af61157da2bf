"""What a performed step does to the orders it is linked to: links, states of steps and orders, history, notifications.

Every function runs inside the transaction of the use case that changed the performed step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum, auto

from broker.domain import linking
from broker.domain.dicom_json import Dataset
from broker.domain.inferring import Inference, newest_performing, performed_with
from broker.domain.linking import Link, Person, ScheduledReference
from broker.domain.model import Actor, Fact, FactKind, Order, Procedure, Step
from broker.domain.notification_payload import PerformedSummary, Subjects
from broker.domain.performed_faults import Toleration
from broker.domain.performing import order_fact
from broker.domain.performing_reasons import Consequence, DiscontinuationReason, consequence, reason_of
from broker.domain.states import (
    WAITING,
    PerformedStatus,
    StepStatus,
    after_unlinking,
    derive_step,
    may_reopen,
    order_status,
)
from broker.services import items
from broker.services.context import Context
from broker.services.history import About, record, record_all
from broker.store import inferences, link_candidates, orders
from broker.store import performed as store
from broker.store.database import Connection
from broker.store.performed import StepState

_States = Mapping[int, Sequence[StepState]]


class Deed(Enum):
    """What happened to a performed step, as far as its orders are concerned."""

    BEGUN = auto()
    UPDATED = auto()
    LINKED = auto()
    UNLINKED = auto()
    CORRECTED = auto()


#: deeds that bring an exam and an order together: only then is it looked whether they fit
_MEETING = frozenset({Deed.BEGUN, Deed.LINKED})
#: people decide these, with the whole picture before them; the rule about late exams is for devices
_BY_PEOPLE = frozenset({Deed.LINKED, Deed.UNLINKED, Deed.CORRECTED})
#: links that a person made or looked at
_SEEN_BY_PEOPLE = frozenset({"by hand", "created"})


@dataclass(frozen=True, slots=True)
class Exam:
    """The performed step as just stored."""

    key: int
    sop_instance_uid: str
    dataset: Dataset
    status: PerformedStatus
    #: the reason that a correction gives; None: the one in the data set
    reason: DiscontinuationReason | None = None
    #: what is told of it, where no correction stands and so nothing else can count; None: it is read when needed
    summary: PerformedSummary | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """How a new performed step was linked; ``unresolved`` counts its items from 1."""

    links: tuple[Link, ...] = ()
    unresolved: tuple[int, ...] = ()

    @property
    def steps(self) -> dict[int, list[int]]:
        """The keys of the steps, by the key of their order."""
        found: dict[int, list[int]] = {}
        for one in sorted(self.links, key=lambda link: (link.candidate.request_key, link.candidate.step_key)):
            found.setdefault(one.candidate.request_key, []).append(one.candidate.step_key)
        return found


@dataclass(frozen=True, slots=True)
class Happened:
    """What to tell about the performed step itself; ``begun`` only when it is new."""

    kinds: tuple[FactKind, ...]
    tolerated: tuple[Toleration, ...] = ()
    begun: Begun | None = None
    #: name of the token that let the request in; empty when it came over DIMSE
    token: str = ""


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

    An update that leaves the performed step in progress moves nothing and is only recorded; one after the end may give
    another reason.
    """
    begun = happened.begun
    linked = store.linked_steps(connection, exam.key) if begun is None else begun.steps
    run = _Run(connection, context, exam, at, Deed.UPDATED if begun is None else Deed.BEGUN)
    for one in () if begun is None else begun.links:
        run.people.setdefault(one.candidate.request_key, one.candidate.patient)
    if happened.kinds == (FactKind.PERFORMED_UPDATED,) and not exam.status.final:
        record(connection, context, actor, _first(run, linked), _own_facts(context, exam, happened), at)
        return
    _settle(run, actor, linked, _own_facts(context, exam, happened))


@dataclass(frozen=True, slots=True)
class Scene:
    """In which transaction, by whom and when something is done to an exam."""

    connection: Connection
    context: Context
    actor: Actor
    at: datetime


def settle(scene: Scene, exam: Exam, steps: Mapping[int, Sequence[int]], deed: Deed, told: Sequence[Fact]) -> None:
    """Bring these steps (keys by the key of their order) to the state their exams imply after ``deed``.

    ``told`` are the facts about the exam itself; they stand in the history of the first order.
    """
    _settle(_Run(scene.connection, scene.context, exam, scene.at, deed), scene.actor, steps, told)


def _settle(run: "_Run", actor: Actor, steps: Mapping[int, Sequence[int]], told: Sequence[Fact]) -> None:
    store.lock_orders(run.connection, steps)
    affected = [_move(run, key, keys) for key, keys in steps.items()]
    own = affected[0].about(run.exam) if affected else About(performed_key=run.exam.key)
    facts: list[tuple[About, Fact, Subjects | None]] = [(own, fact, None) for fact in told]
    for effect in affected:
        about = effect.about(run.exam)
        facts += [(about, fact, effect.subjects) for fact in effect.facts]
    record_all(run.connection, run.context, actor, facts, run.at)


@dataclass(frozen=True, slots=True)
class _Run:
    connection: Connection
    context: Context
    exam: Exam
    at: datetime
    deed: Deed
    #: whom orders are for, by the key of the order, as far as it was read already
    people: dict[int, Person] = field(default_factory=dict)

    @property
    def meets(self) -> bool:
        """True when the exam and the order come together now."""
        return self.deed in _MEETING


def _first(run: _Run, linked: Mapping[int, Sequence[int]]) -> About:
    """The first order of the performed step, so that its timeline shows what is told once."""
    return About(request_key=next(iter(linked), None), performed_key=run.exam.key)


def _move(run: _Run, request_key: int, step_keys: Sequence[int]) -> _Effect:
    """Move the linked steps of one order, and refresh its worklist items when any moved."""
    order = orders.load(run.connection, request_key)
    states = _states(run, step_keys)
    effect = _Effect(order)
    procedures = tuple(
        replace(procedure, steps=tuple(_move_step(run, effect, procedure, step, states) for step in procedure.steps))
        for procedure in order.procedures
    )
    moved = replace(order, procedures=procedures)
    if effect.facts:
        effect.subjects = replace(items.restate(run.connection, run.context, moved), performed=run.exam.summary)
    became = order_status(step.status for step in moved.steps)
    if run.deed is Deed.CORRECTED:
        data = {**_named(run.exam), **_reason(run.context, run.exam), "status": became.value}
        effect.facts.append(Fact(FactKind.ORDER_CORRECTED, data))
    else:
        effect.facts += _order_facts(run, order, order_fact(order_status(s.status for s in order.steps), became))
    return effect


def _states(run: _Run, step_keys: Sequence[int]) -> _States:
    """For each step the states of all its performed steps, oldest first."""
    found: dict[int, list[StepState]] = {key: [] for key in step_keys}
    for state in store.states_of_steps(run.connection, step_keys):
        found[state.step_key].append(state)
    return found


@dataclass(frozen=True, slots=True)
class _Said:
    """What counts of the things said in place of a device: before the exam was heard, and after."""

    before: Inference | None = None
    after: Inference | None = None


def _said(run: _Run, step: Step) -> _Said:
    """The exam is heard: it goes before all that was said until now.  Unlinked, it never spoke about the step."""
    if step.key is None or not step.inferred:
        return _Said()
    standing = inferences.standing(run.connection, step.key)
    hear = inferences.restore if run.deed is Deed.UNLINKED else inferences.overrule
    hear(run.connection, standing, run.exam.key)
    after = inferences.standing(run.connection, step.key)
    return _Said(newest_performing(standing), newest_performing(after))


def _derived(run: _Run, step: Step, states: Sequence[StepState], said: _Said) -> StepStatus:
    """What the rule table says about ``step`` (``domain.states``).

    A step that was finished by inference only does not keep an exam from starting it again.
    """
    policy = run.context.site.performed
    exams = [(s.status, returns(run.context, s.discontinuation_code)) for s in states]
    code = said.after.saying.reason_code if said.after else ""
    performed = performed_with(exams, said.after, returns=returns(run.context, code))
    if run.deed is Deed.UNLINKED:
        return after_unlinking(step.status, step.resting, performed)
    reopens = run.deed in _BY_PEOPLE or may_reopen(policy.reopen, [(s.status, s.calling_ae_title) for s in states])
    inferred = said.before is not None and said.before.saying.status is step.status
    return derive_step(step.status, step.resting, performed, reopens=reopens or inferred)


def returns(context: Context, discontinuation_code: str) -> bool:
    """Whether a reason to discontinue sends the step back to the list."""
    return consequence(discontinuation_code, context.site.performed.reasons) is Consequence.RETURNS


def _move_step(run: _Run, effect: _Effect, procedure: Procedure, step: Step, states: _States) -> Step:
    """``step`` after the request; written, with its fact, when its status is another."""
    if step.key is None or step.key not in states:
        return step
    if run.meets and step.status is StepStatus.CANCELED:
        effect.facts.append(_about(FactKind.CANCELED_DURING_EXAM, procedure, step, _named(run.exam)))
    said = _said(run, step)
    derived = _derived(run, step, states[step.key], said)
    if run.deed is Deed.BEGUN and not run.exam.status.final and derived in _FINISHED:
        data = {**_named(run.exam), "status": derived.value}
        effect.facts.append(_about(FactKind.LATE_EXAM, procedure, step, data))
    if derived is step.status:
        return step
    resting = step.status if step.status in WAITING else step.resting
    data = {**_named(run.exam), "from": step.status.value, "to": derived.value}
    if said.after is not None:
        data["inferred"] = True
    effect.facts.append(_about(FactKind.STEP_STATUS, procedure, step, data))
    return orders.set_step_status(run.connection, step, derived, resting, run.at)


def _order_facts(run: _Run, order: Order, told: FactKind | None) -> list[Fact]:
    """The fact about the whole order; withheld, with an alarm, while the exam says it is another patient's.

    (MPPS reference, section 6.1: link, raise an alert, send no automatic status to the ordering system.)  A person who
    linked them has decided: then it is told.
    """
    differs: tuple[str, ...] = ()
    may_differ = run.meets or (told is not None and run.deed is not Deed.UNLINKED)
    if order.key is not None and order.patient_key is not None and may_differ:
        scheduled = run.people.get(order.key) or link_candidates.person(run.connection, order.patient_key)
        differs = linking.patient_differences(linking.person_of(run.exam.dataset), scheduled)
    withheld = told if "PatientID" in differs and not _seen(run, order) else None
    facts = []
    if differs and (run.meets or withheld is not None):
        data = {**_named(run.exam), "differs": list(differs), "withheld": withheld.value if withheld else None}
        facts.append(Fact(FactKind.MISMATCH_FOUND, data))
    if told is not None and withheld is None:
        facts.append(Fact(told, {**_named(run.exam), **_reason(run.context, run.exam)}))
    return facts


def _seen(run: _Run, order: Order) -> bool:
    """True when a person put the exam and the order together, knowing whom each names."""
    origins = store.links(run.connection, run.exam.key)
    return any(origins.get(step.key) in _SEEN_BY_PEOPLE for step in order.steps if step.key is not None)


def _own_facts(context: Context, exam: Exam, happened: Happened) -> list[Fact]:
    """The facts about the performed step itself: each exactly once, however many orders it serves."""
    data: dict[str, object] = {**_named(exam), **_reason(context, exam)}
    if happened.tolerated:
        data["tolerated"] = [{"quirk": t.quirk.value, "where": t.path} for t in happened.tolerated]
    if happened.token:
        data["token"] = happened.token
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
    reason = exam.reason or reason_of(exam.dataset)
    means = consequence(reason.key, context.site.performed.reasons)
    return {
        "discontinuation": {"code": reason.code, "scheme": reason.scheme, "meaning": reason.meaning},
        "consequence": means.value,
    }


#: a step is finished and stays so while a late exam runs
_FINISHED = frozenset({StepStatus.COMPLETED, StepStatus.DISCONTINUED})


def _named(exam: Exam) -> dict[str, object]:
    return {"performed": exam.sop_instance_uid}


def _about(kind: FactKind, procedure: Procedure, step: Step, data: Mapping[str, object]) -> Fact:
    return Fact(kind, data, procedure.study_instance_uid, step.scheduled_procedure_step_id)


def reason_from_key(key: str, meaning: str = "") -> DiscontinuationReason:
    """A reason from how it is kept: the bare code of DCM, or ``code^scheme``."""
    code, _, scheme = key.partition("^")
    return DiscontinuationReason(code, scheme or ("DCM" if code else ""), meaning)
