"""Exams that were there before their order: the order that comes later attaches them by itself.

Runs inside the transaction that stores the order.  The rules are those of a new exam (``domain.linking``); what a
person has touched is left to people.
"""

from datetime import datetime

from broker.domain import linking
from broker.domain.model import Actor, Fact, FactKind, Order, Source
from broker.services import performed_effects as effects
from broker.services.context import Context
from broker.store import link_candidates, unmatched
from broker.store import performed as store
from broker.store.database import Connection

_RULE = Actor(Source.RULE, "late order")


def attach(connection: Connection, context: Context, order: Order, at: datetime) -> None:
    """Link every waiting exam that names ``order`` by an identifier, and bring the order to the state that follows."""
    scene = effects.Scene(connection, context, _RULE, at)
    for waiting in unmatched.about(connection, order):
        exam = store.load(connection, waiting.performed_key, lock=True)
        if exam is None:
            raise RuntimeError("a waiting item is about an exam that is kept")
        references = linking.references_of(exam.dataset)
        wanted = references[waiting.item - 1] if waiting.item <= len(references) else linking.ScheduledReference()
        found = linking.resolve(wanted, linking.person_of(exam.dataset), link_candidates.find(connection, wanted))
        if found is not None and found.candidate.request_key == order.key:
            _attach(scene, waiting, exam, found)


def _attach(scene: effects.Scene, waiting: unmatched.Unmatched, exam: store.Performed, found: linking.Link) -> None:
    step_key = found.candidate.step_key
    unmatched.settle(scene.connection, waiting.key, unmatched.LINKED, step_key, automatic=True)
    if step_key in store.links(scene.connection, exam.key):
        return
    store.add_link(scene.connection, exam.key, step_key, found.origin, found.rule, scene.at)
    data = {"performed": exam.sop_instance_uid, "rule": found.rule, "confidence": found.confidence}
    steps = {found.candidate.request_key: [step_key]}
    effects.settle(scene, exam_of(exam), steps, effects.Deed.LINKED, [Fact(FactKind.PERFORMED_LINKED, data)])


def exam_of(exam: store.Performed) -> effects.Exam:
    """A stored performed step as its effects want it; what staff corrected counts."""
    reason = effects.reason_from_key(exam.corrected_code) if exam.corrected_status is not None else None
    return effects.Exam(exam.key, exam.sop_instance_uid, exam.dataset, exam.counting_status, reason)
