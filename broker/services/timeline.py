"""One order with everything that happened to it, as one list of moments, newest first.

Owns which rows make a moment and their order.  Must not: word them (the pages do), nor decode messages.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from broker.domain.availability import Coverage, coverage
from broker.domain.inferring import Inference
from broker.domain.model import FactKind, Identifier, Order, Patient, Visit
from broker.domain.states import OPEN, StepStatus
from broker.domain.worklist_item import compose
from broker.services.context import Context
from broker.store import availability as notices
from broker.store import events, inferences, orders, patients
from broker.store import stuck as stuck_store
from broker.store import timeline as store
from broker.store.database import Connection
from broker.store.stuck import StuckRow

#: the rows that moments are about, by the names the pages use
HistoryEvent = events.Event
Message = store.MessageRow
Query = store.QueryRow
Notification = store.NotificationRow

#: told by the tries of the notification itself, with more detail
_TOLD_BY_ATTEMPTS = frozenset({FactKind.NOTIFICATION_DELIVERED, FactKind.NOTIFICATION_PARKED})


@dataclass(frozen=True, slots=True)
class Told:
    """One try to tell a destination; ``attempt`` is None while the first is still to come."""

    notification: Notification
    attempt: store.AttemptRow | None
    number: int


#: what a moment is about: a fact of the history, a message, a device's query, a notification
Subject = HistoryEvent | Message | Query | Told


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened at ``at`` (aware, UTC)."""

    at: datetime
    subject: Subject


@dataclass(frozen=True, slots=True)
class StudyImages:
    """Where the images of a study are, and how many of those that devices reported."""

    retrieve_ae_titles: tuple[str, ...]
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class OrderRecord:
    """An order as it stands, with its patient, its visit, its exams and its history (newest first)."""

    order: Order
    patient: Patient
    visit: Visit | None
    exams: tuple[store.PerformedRow, ...]
    moments: tuple[Moment, ...]
    #: by Study Instance UID, the images that archives told of
    images: Mapping[str, StudyImages] = field(default_factory=dict)
    #: by step key: what was said in place of a device and stands, oldest first
    said: Mapping[int, list[Inference]] = field(default_factory=dict)
    #: by step key: steps in progress of which nothing is heard
    stuck: Mapping[int, StuckRow] = field(default_factory=dict)

    @property
    def missing(self) -> dict[int, tuple[str, ...]]:
        """By step key, the required attributes without a value: no device is sent such an open step."""
        visit = self.visit or Visit(Identifier(""), {})
        found = {
            step.key: compose(self.patient, visit, self.order, procedure, step).missing
            for procedure in self.order.procedures
            for step in procedure.steps
            if step.key is not None and step.status in OPEN
        }
        return {key: keywords for key, keywords in found.items() if keywords}


def of_order(context: Context, request_key: int) -> OrderRecord | None:
    """Everything about the order with this database key; None when there is none."""

    def work(connection: Connection) -> OrderRecord | None:
        order = orders.load(connection, request_key) if store.exists(connection, request_key) else None
        if order is None or order.patient_key is None:
            return None
        steps = [step.key for step in order.steps if step.key is not None]
        exams = tuple(store.performed(connection, steps))
        began = [s.key for s in order.steps if s.key is not None and s.status is StepStatus.STARTED]
        return OrderRecord(
            order=order,
            patient=patients.load(connection, order.patient_key),
            visit=patients.load_visit(connection, order.visit_key) if order.visit_key is not None else None,
            exams=exams,
            moments=tuple(_newest_first(list(_moments(connection, request_key, steps)))),
            images=_images(connection, order, exams),
            said=inferences.of_steps(connection, steps),
            stuck={key: row for key in began if (row := stuck_store.find(connection, key)) is not None},
        )

    return context.database.read(work)


def order_of_step(context: Context, step_key: int) -> int | None:
    """The key of the order that has the step; None when there is no such step."""
    return context.database.read(lambda c: orders.request_of_step(c, step_key))


def _images(connection: Connection, order: Order, exams: Sequence[store.PerformedRow]) -> dict[str, StudyImages]:
    """What archives told of the studies of an order, beside what its exams reported."""
    found = {}
    for procedure in order.procedures:
        steps = {step.key for step in procedure.steps}
        mine = {exam.key: exam.dataset for exam in exams if exam.step_key in steps}
        told = [row.notice for row in notices.about(connection, [procedure.study_instance_uid], list(mine))]
        if told:
            places = tuple(dict.fromkeys(title for notice in told for title in notice.retrieve_ae_titles))
            found[procedure.study_instance_uid] = StudyImages(places, coverage(told, mine.values()))
    return found


def _moments(connection: Connection, request_key: int, steps: Sequence[int]) -> Iterator[Moment]:
    """In the order of causes: among moments of the same instant, the message stands before what it did."""
    for message in store.messages(connection, request_key):
        yield Moment(message.received_at, message)
    told = store.notifications(connection, request_key)
    kept = {notification.message_id for notification in told}
    for fact in events.of_request(connection, request_key):
        # receipts are shown by their attempts, as long as those are kept
        if fact.kind not in _TOLD_BY_ATTEMPTS or fact.data.get("message_id") not in kept:
            yield Moment(fact.at, fact)
    for query in store.queries(connection, steps):
        yield Moment(query.last_at, query)
    for notification in told:
        for number, attempt in enumerate(notification.attempts, start=1):
            yield Moment(attempt.at, Told(notification, attempt, number))
        if not notification.attempts:
            yield Moment(notification.created_at, Told(notification, None, 0))


def _newest_first(moments: list[Moment]) -> list[Moment]:
    moments.sort(key=lambda moment: moment.at)  # stable: equal times keep the order of causes
    return moments[::-1]
