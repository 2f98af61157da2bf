"""The reconciliation queue: exams that name no known step, and what people do about them.

Everything here can be undone by its opposite (link and unlink, set aside and queue again) and is kept in the history
with the person.  The performed step and the order's content never change by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.domain import linking
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, OrderChange, OrderControl, PatientChange, VisitChange
from broker.domain.suggesting import ExamFacts, StepFacts, Suggestion, suggest
from broker.services import orders
from broker.services import performed_effects as effects
from broker.services.context import Context
from broker.services.history import About, record
from broker.services.late_orders import exam_of
from broker.store import orders as order_store
from broker.store import patients, suggestions, unmatched
from broker.store import performed as store
from broker.store.database import Connection
from broker.store.unmatched import WaitingExam

__all__ = ["Case", "WaitingExam", "link", "queue", "queue_again", "set_aside", "show", "unlink"]

BY_HAND, CREATED = "by hand", "created"


@dataclass(frozen=True, slots=True)
class Case:
    """One exam with what it says, the steps it is linked to (with the origin of each link), and suggestions."""

    exam: store.Performed
    facts: ExamFacts
    #: how many of its items wait for a step
    open_items: int
    aside: bool
    linked: tuple[tuple[StepFacts, str], ...]
    suggestions: tuple[Suggestion, ...]


def queue(context: Context, limit: int = 200, *, aside: bool = False) -> list[WaitingExam]:
    """The exams that wait for a step, newest first; with ``aside`` those a person decided have no order."""
    return context.database.read(lambda c: unmatched.listed(c, limit, aside=aside))


def show(context: Context, performed_key: int) -> Case | None:
    """Everything needed to decide about one exam; None when there is none."""

    def work(connection: Connection) -> Case | None:
        exam = store.load(connection, performed_key)
        if exam is None:
            return None
        facts = facts_of(exam)
        linked = store.links(connection, performed_key)
        items = unmatched.of_exam(connection, performed_key)
        steps = [s for s in suggestions.around(connection, facts) if s.step_key not in linked]
        known = [(suggestions.step(connection, key), origin) for key, origin in linked.items()]
        return Case(
            exam, facts,
            open_items=sum(i.state == unmatched.OPEN for i in items),
            aside=any(i.state == unmatched.ASIDE for i in items),
            linked=tuple((step, origin) for step, origin in known if step is not None),
            suggestions=tuple(suggest(facts, steps)),
        )  # fmt: skip

    return context.database.read(work)


def find_key(context: Context, sop_instance_uid: str) -> int | None:
    """The database key of the exam with this SOP Instance UID, or None."""
    found = context.database.read(lambda c: store.find(c, sop_instance_uid))
    return None if found is None else found.key


def steps_of(context: Context, accession_number: str) -> list[StepFacts]:
    """The steps that can be named by an accession number."""
    return context.database.read(lambda c: suggestions.of_accession(c, accession_number))


def link(context: Context, actor: Actor, performed_key: int, step_key: int) -> None:
    """Say that the exam was of this step.  Raises Refusal: unknown exam or step, or linked already."""

    def work(connection: Connection) -> None:
        exam = _load(connection, performed_key)
        link_in(connection, context, actor, exam, step_key, BY_HAND)

    context.database.write(work)


def link_in(
    connection: Connection, context: Context, actor: Actor, exam: store.Performed, step_key: int, origin: str
) -> None:
    """As ``link``, in the caller's transaction and with the origin to remember."""
    target = suggestions.step(connection, step_key)
    if target is None:
        raise Refusal(Reason.UNKNOWN_KEY, "there is no such step", where="step")
    if step_key in store.links(connection, exam.key):
        raise Refusal(Reason.DUPLICATE_KEY, "the exam is linked to this step already", where="step")
    at = context.clock()
    waiting = [i for i in unmatched.of_exam(connection, exam.key) if i.state != unmatched.LINKED]
    if waiting:
        unmatched.settle(connection, waiting[0].key, unmatched.LINKED, step_key, automatic=False)
    store.add_link(connection, exam.key, step_key, origin, "", at)
    scene = effects.Scene(connection, context, actor, at)
    _settle(scene, exam, target, FactKind.PERFORMED_LINKED, effects.Deed.LINKED)


def unlink(context: Context, actor: Actor, performed_key: int, step_key: int) -> None:
    """Say that the exam was not of this step: the step returns to what its other exams say, or to before the first.

    The exam waits in the queue again, for people only.  An order that was made from the exam is cancelled with it.
    Raises Refusal when they are not linked.
    """

    def work(connection: Connection) -> None:
        exam = _load(connection, performed_key)
        origin = store.links(connection, performed_key).get(step_key)
        target = suggestions.step(connection, step_key)
        if origin is None or target is None:
            raise Refusal(Reason.UNKNOWN_KEY, "the exam is not linked to this step", where="step")
        at = context.clock()
        store.remove_link(connection, performed_key, step_key)
        mine = [i for i in unmatched.of_exam(connection, performed_key) if i.step_key == step_key]
        if mine:
            unmatched.settle(connection, mine[0].key, unmatched.OPEN, None, automatic=False)
        else:
            unmatched.add_unlinked(connection, performed_key, at)
        scene = effects.Scene(connection, context, actor, at)
        _settle(scene, exam, target, FactKind.PERFORMED_UNLINKED, effects.Deed.UNLINKED)
        if origin == CREATED:
            _cancel(connection, context, actor, target.request_key)

    context.database.write(work)


def set_aside(context: Context, actor: Actor, performed_key: int) -> None:
    """Take the exam from the queue: it has no order and needs none.  Raises Refusal when nothing of it waits."""
    _move(context, actor, performed_key, unmatched.OPEN, unmatched.ASIDE, FactKind.PERFORMED_SET_ASIDE)


def queue_again(context: Context, actor: Actor, performed_key: int) -> None:
    """Put an exam that was set aside back into the queue.  Raises Refusal when it was not."""
    _move(context, actor, performed_key, unmatched.ASIDE, unmatched.OPEN, FactKind.PERFORMED_QUEUED)


def facts_of(exam: store.Performed) -> ExamFacts:
    """What an exam says about itself, as suggestions compare it."""
    started = exam.summary.started_at
    return ExamFacts(
        linking.person_of(exam.dataset), exam.summary.modality,
        exam.summary.performed_station_ae_title or exam.calling_ae_title,
        datetime.strptime(started, "%Y%m%d%H%M%S") if len(started) == 14 else None,
        linking.references_of(exam.dataset),
    )  # fmt: skip


def _load(connection: Connection, performed_key: int) -> store.Performed:
    exam = store.load(connection, performed_key, lock=True)
    if exam is None:
        raise Refusal(Reason.UNKNOWN_KEY, "there is no such exam", where="exam")
    return exam


def _settle(scene: effects.Scene, exam: store.Performed, target: StepFacts, kind: FactKind, deed: effects.Deed) -> None:
    told = Fact(
        kind, {"performed": exam.sop_instance_uid}, target.study_instance_uid, target.scheduled_procedure_step_id
    )
    steps: dict[int, Sequence[int]] = {target.request_key: [target.step_key]}
    effects.settle(scene, exam_of(exam), steps, deed, [told])


def _move(context: Context, actor: Actor, performed_key: int, before: str, after: str, kind: FactKind) -> None:
    def work(connection: Connection) -> None:
        exam = _load(connection, performed_key)
        items = [i for i in unmatched.of_exam(connection, performed_key) if i.state == before]
        if not items:
            words = "nothing of this exam waits" if before == unmatched.OPEN else "the exam was not set aside"
            raise Refusal(Reason.WRONG_STATE, words, where="exam")
        for item in items:
            unmatched.settle(connection, item.key, after, None, automatic=False)
        told = Fact(kind, {"performed": exam.sop_instance_uid, "items": len(items)})
        about = About(
            request_key=next(iter(store.linked_steps(connection, performed_key)), None), performed_key=exam.key
        )
        record(connection, context, actor, about, [told], context.clock())

    context.database.write(work)


def _cancel(connection: Connection, context: Context, actor: Actor, request_key: int) -> None:
    """Cancel an order that exists only because of the exam that was unlinked from it."""
    order = order_store.load(connection, request_key)
    if order.patient_key is None or order.visit_key is None:
        raise RuntimeError("a stored order has a patient and a visit")
    change = OrderChange(
        control=OrderControl.CANCEL, placer=None, filler=order.filler, accession=None, attributes={},
        patient=PatientChange(patients.load(connection, order.patient_key).identifiers, {}),
        visit=VisitChange(patients.load_visit(connection, order.visit_key).admission, {}),
    )  # fmt: skip
    orders.apply(connection, context, order.sender, actor, change, None)
