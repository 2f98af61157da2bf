"""The moments of an order in words: one line each, with an icon by source and details to open.

Owns the wording.  Must not: read the database; everything it says comes from the moment it is given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from broker.domain.availability import Coverage
from broker.domain.model import FactKind, Source
from broker.services.timeline import HistoryEvent, Message, Moment, Notification, OrderRecord, Query, Told
from broker.web.config import Segments
from broker.web.datasets import lines as dataset_lines
from broker.web.status_words import STATUS, Look
from broker.web.words import plural, spell, times

_SOURCE_ICON = {
    Source.SENDER: "sender", Source.DEVICE: "device", Source.PERSON: "person", Source.RULE: "rule",
    Source.DESTINATION: "destination",
}  # fmt: skip

_FACTS: Mapping[FactKind, str] = {
    FactKind.ORDER_PLACED: "{actor} ordered the exam",
    FactKind.ORDER_CHANGED: "{actor} changed the order",
    FactKind.ORDER_CANCELED: "{actor} cancelled the order",
    FactKind.ORDER_HELD: "{actor} put the order on hold",
    FactKind.ORDER_RELEASED: "{actor} released the order",
    FactKind.ORDER_STARTED: "The order is in progress",
    FactKind.ORDER_COMPLETED: "The order is completed",
    FactKind.ORDER_DISCONTINUED: "The order is discontinued",
    FactKind.ORDER_RETURNED: "The order waits again: what was begun was not this exam",
    FactKind.ORDER_CORRECTED: "What was performed was corrected",
    FactKind.PATIENT_UPDATED: "{actor} updated the patient",
    FactKind.ORDER_REPORTED: "{actor} reported on the order",
    FactKind.PATIENT_MERGED: "{actor} merged the patient with another record",
    FactKind.PATIENT_UNMERGED: "{actor} took a merge of the patient back",
    FactKind.STEP_STATUS: "The status of the step changed",
    FactKind.INFERENCE_WITHDRAWN: "{actor} took back what was said about the exam",
    FactKind.STILL_RUNNING: "{actor} said that the exam still runs",
    FactKind.STEP_STUCK: "The exam seems stuck: nothing was heard of it for too long",
    FactKind.STEP_QUERIED: "{actor} asked for its list and got this step",
    FactKind.PERFORMED_STARTED: "{actor} started the exam",
    FactKind.PERFORMED_UPDATED: "{actor} reported on the exam",
    FactKind.PERFORMED_COMPLETED: "{actor} completed the exam",
    FactKind.PERFORMED_DISCONTINUED: "{actor} discontinued the exam",
    FactKind.PERFORMED_UNMATCHED: "{actor} reported an exam that belongs to no known order",
    FactKind.PERFORMED_LINKED: "{actor} linked an exam to this order",
    FactKind.PERFORMED_UNLINKED: "{actor} unlinked an exam from this order",
    FactKind.PERFORMED_SET_ASIDE: "{actor} decided that an exam has no order",
    FactKind.PERFORMED_QUEUED: "{actor} put an exam back into the queue",
    FactKind.PERFORMED_CORRECTED: "{actor} corrected the exam",
    FactKind.CORRECTION_WITHDRAWN: "{actor} ended a correction: what the device said counts",
    FactKind.LATE_EXAM: "{actor} began an exam after the step was finished",
    FactKind.MISMATCH_FOUND: "{actor} named another patient than the order",
    FactKind.CANCELED_DURING_EXAM: "{actor} cancelled the order after the exam had begun",
    FactKind.STUDY_AVAILABLE: "Images of the study are available",
    FactKind.STUDY_PARTLY_AVAILABLE: "Some images of the study are available",
    FactKind.STUDY_UNMATCHED: "{actor} has images that belong to no exam and no order",
    FactKind.STUDY_SET_ASIDE: "{actor} decided that images have no order here",
    FactKind.STUDY_QUEUED: "{actor} let images wait for their order again",
    FactKind.MESSAGE_APPLIED: "{actor} sent a message",
    FactKind.NOTIFICATION_DELIVERED: "{actor} was told",
    FactKind.NOTIFICATION_PARKED: "{actor} refused a notification",
}
#: what to do about facts that are alarms; a fact listed here is shown in red
_REMEDIES: Mapping[FactKind, str] = {
    FactKind.MISMATCH_FOUND: "Find out who was examined before images are read. The order was not changed.",
    FactKind.CANCELED_DURING_EXAM: "Settle with the department whether the exam counts; the step keeps its status.",
    FactKind.NOTIFICATION_PARKED: "See why below, mend it, then send it again, on the page of the notification.",
    FactKind.PERFORMED_UNMATCHED: "Link the exam to its order, or set it aside: see Exams to reconcile.",
    FactKind.STEP_STUCK: "Close it, or say that it still runs: the buttons are on the step.",
    FactKind.LATE_EXAM: "The step stays finished (performed.reopen). Perhaps the exam belongs to another order?",
}
#: facts that tell a change of the whole order and stand out in the list
_TURNS = {
    FactKind.PERFORMED_STARTED: "started", FactKind.PERFORMED_COMPLETED: "completed",
    FactKind.PERFORMED_DISCONTINUED: "discontinued", FactKind.ORDER_CANCELED: "canceled", FactKind.ORDER_HELD: "held",
}  # fmt: skip
_TOLD_KINDS = {
    FactKind.ORDER_PLACED: "order placed", FactKind.ORDER_CHANGED: "order changed",
    FactKind.ORDER_STARTED: "exam started", FactKind.ORDER_COMPLETED: "exam completed",
    FactKind.ORDER_DISCONTINUED: "exam discontinued", FactKind.ORDER_RETURNED: "back to scheduled",
    FactKind.ORDER_CANCELED: "order cancelled", FactKind.ORDER_CORRECTED: "correction",
    FactKind.PERFORMED_STARTED: "performed step in progress", FactKind.PERFORMED_UPDATED: "performed step updated",
    FactKind.PERFORMED_COMPLETED: "performed step completed",
    FactKind.PERFORMED_DISCONTINUED: "performed step discontinued",
    FactKind.STUDY_AVAILABLE: "images available", FactKind.STUDY_PARTLY_AVAILABLE: "some images available",
    FactKind.STUDY_UNMATCHED: "images without an order", FactKind.ORDER_HELD: "order on hold",
    FactKind.ORDER_RELEASED: "order released", FactKind.ORDER_REPORTED: "report available",
    FactKind.PATIENT_UPDATED: "patient updated", FactKind.PATIENT_MERGED: "patient merged",
    FactKind.PERFORMED_UNMATCHED: "exam without an order", FactKind.STEP_STUCK: "exam that never ended",
    FactKind.MESSAGE_APPLIED: "message as received",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Detail:
    """Something to open below a line: lines of text, shown as they are."""

    heading: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True)
class Line:
    """One moment in words.  ``tone``: a status colour, ``alarm``, ``wait`` or empty; ``key`` tells lines apart."""

    key: str
    at: datetime
    icon: str
    tone: str
    words: str
    note: str = ""
    remedy: str = ""
    details: tuple[Detail, ...] = ()
    #: the page that knows more
    address: str = ""


def lines(record: OrderRecord, segments: Segments) -> list[Line]:
    """The history of an order in words, newest first."""
    return [_line(moment, record, segments) for moment in record.moments]


def _line(moment: Moment, record: OrderRecord, segments: Segments) -> Line:
    subject = moment.subject
    if isinstance(subject, Message):
        return _message(moment.at, subject, segments)
    if isinstance(subject, Query):
        return _query(moment.at, subject, record)
    if isinstance(subject, Told):
        return replace(_told(moment.at, subject, segments), address=f"/notifications/{subject.notification.key}")
    return _fact(moment.at, subject, record)


def _message(at: datetime, message: Message, segments: Segments) -> Line:
    details = [Detail(f"Message, control ID {message.control_id}", segments(message.raw))]
    if message.acknowledgement:
        details.append(Detail("Our answer", segments(message.acknowledgement)))
    kind = message.message_type.replace("^", " ")
    note = message.outcome + (f", from {message.peer}" if message.peer else "")
    alarm = "alarm" if message.outcome == "refused" else ""
    words = f"Message received from {message.sender or 'an unnamed sender'}: {kind}"
    return Line(f"message-{message.key}", at, "message", alarm, words, note, details=tuple(details))


def _query(at: datetime, query: Query, record: OrderRecord) -> Line:
    words = f"{query.calling_ae_title} asked for its list and got this step"
    note = _step_name(record, query.step_key)
    if query.times > 1:
        words += f" ({times(query.times)} so far)"
    return Line(f"query-{query.step_key}-{query.calling_ae_title}", at, "query", "", words, note)


def _told(at: datetime, told: Told, segments: Segments) -> Line:
    notification, attempt = told.notification, told.attempt
    what = _kind_words(notification)
    key = f"told-{notification.key}-{told.number}"
    if attempt is None:
        state, note = _UNTRIED.get(notification.state, ("will be told", "waiting to be sent"))
        return Line(key, at, "destination", "wait", f"{notification.destination} {state}: {what}", note)
    answer = segments(attempt.answer) if attempt.answer else []
    details = (Detail("Its answer", answer),) if answer else ()
    if attempt.result == "delivered":
        code = answer_code(answer)
        note = f"acknowledged{' ' + code if code else ''} in {attempt.milliseconds} ms"
        note += f": {attempt.detail}" if attempt.detail and not code else ""
        words = f"{notification.destination} told: {what}"
        return Line(key, at, "destination", "completed", words, note, details=details)
    if attempt.result in _BY_HAND:
        words = f"{_BY_HAND[attempt.result]}: {notification.destination}, {what}"
        return Line(key, at, "person", "", words, attempt.detail)
    if attempt.result == "superseded":
        words = f"{notification.destination} is not told: {what}"
        return Line(key, at, "destination", "wait", words, attempt.detail)
    words = f"{notification.destination} could not be told: {what}"
    if attempt.result == "refused":
        return Line(key, at, "destination", "alarm", words, attempt.detail, _PARKED_REMEDY, details)
    note = f"try {told.number}" + (f": {attempt.detail}" if attempt.detail else "")
    return Line(key, at, "destination", "wait", words, note, details=details)


_UNTRIED = {
    "parked": ("is not told", "parked by hand"), "skipped": ("is not told", "skipped by hand"),
}  # fmt: skip
_BY_HAND = {
    "retried": "Sent again by hand", "parked": "Parked by hand", "skipped": "Skipped by hand",
    "resent": "Sent once more by hand",
}  # fmt: skip
_PARKED_REMEDY = "Mend the cause, then send it again, on the page of the notification."


def answer_code(answer: Sequence[str]) -> str:
    """MSA-1 of an acknowledgement (HL7 v2 section 2.15.8); empty for other answers."""
    return next((segment[4:6] for segment in answer if segment.startswith("MSA")), "")


def _kind_words(notification: Notification) -> str:
    return told_kind(notification.kind)


def told_kind(kind: str) -> str:
    """What a notification of this kind tells, in words."""
    try:
        return _TOLD_KINDS.get(FactKind(kind), kind)
    except ValueError:
        return kind


def _fact(at: datetime, fact: HistoryEvent, record: OrderRecord) -> Line:
    words = _FACTS[fact.kind].format(actor=fact.actor.name or fact.actor.source.value)
    tone = "alarm" if fact.kind in _REMEDIES else _TURNS.get(fact.kind, "")
    note = _step_name(record, fact.step_key)
    if fact.kind is FactKind.STEP_STATUS:
        words, tone = _status_words(fact.data, note), _status_tone(fact.data)
        note = _inferred(fact)
    elif fact.kind is FactKind.INFERENCE_WITHDRAWN:
        note = f"{note}: {_look_word(fact.data.get('was')).lower()}, said by {fact.data.get('said_by')}"
    elif fact.kind in _STUDY_FACTS:
        words, note = f"{words} at {_listed(fact.data.get('at'))}", _images(fact.data)
    elif fact.kind in (FactKind.ORDER_CHANGED, FactKind.PATIENT_UPDATED):
        note = _changed(fact.data)
    elif fact.kind is FactKind.PERFORMED_CORRECTED:
        note = f"{str(fact.data.get('counts', '')).capitalize()}: {fact.data.get('note', '')}"
    elif isinstance(reason := fact.data.get("discontinuation"), Mapping) and reason.get("meaning"):
        note = f"Reason: {reason['meaning']}"
    details = tuple(_details(fact, record))
    icon = _SOURCE_ICON[fact.actor.source]
    return Line(f"event-{fact.key}", at, icon, tone, words, note, _REMEDIES.get(fact.kind, ""), details)


def _details(fact: HistoryEvent, record: OrderRecord) -> list[Detail]:
    found = []
    plain = [
        f"{spell(name).replace('_', ' ')}: {_flat(value)}"
        for name, value in fact.data.items()
        if value not in (None, "", [])
    ]
    if plain:
        found.append(Detail("What was recorded", plain))
    if fact.kind in _EXAM_FACTS and fact.performed_key is not None:
        exam = next((e for e in record.exams if e.key == fact.performed_key), None)
        if exam is not None:
            found.append(Detail("The exam as it is known now", dataset_lines(exam.dataset)))
    return found


_STUDY_FACTS = frozenset({FactKind.STUDY_AVAILABLE, FactKind.STUDY_PARTLY_AVAILABLE})


def _listed(values: object) -> str:
    names = [str(v) for v in values] if isinstance(values, list) else []
    return ", ".join(names) or "an archive that is not named"


def _images(data: Mapping[str, object]) -> str:
    expected = int(str(data["expected"])) if "expected" in data else None
    available, missing, unavailable = (int(str(data.get(n, 0))) for n in ("available", "missing", "unavailable"))
    return image_words(Coverage(available, expected, missing, unavailable))


def image_words(coverage: Coverage) -> str:
    """How many images are there, beside what devices reported."""
    gone = f", {coverage.unavailable} not to be retrieved" if coverage.unavailable else ""
    if coverage.expected is None:
        return f"{plural(coverage.available, 'instance')}; no device reported any to compare with{gone}"
    there = coverage.expected - coverage.missing
    return f"{there} of the {plural(coverage.expected, 'instance')} that the device reported{gone}"


_EXAM_FACTS = frozenset(
    {FactKind.PERFORMED_STARTED, FactKind.PERFORMED_COMPLETED, FactKind.PERFORMED_DISCONTINUED, FactKind.MISMATCH_FOUND}
)


def _status_words(data: Mapping[str, object], step: str) -> str:
    before, after = (_look_word(data.get(name)) for name in ("from", "to"))
    return f"{step or 'The step'}: {before} → {after}" if before else f"{step or 'The step'} is now {after}"


def _status_tone(data: Mapping[str, object]) -> str:
    look = _LOOKS.get(str(data.get("to")))
    return look.css if look else ""


def _inferred(fact: HistoryEvent) -> str:
    """Who said so in place of a device, and why."""
    if not fact.data.get("inferred"):
        return ""
    reason = fact.data.get("discontinuation")
    why = [str(reason["meaning"] or reason["code"])] if isinstance(reason, Mapping) else []
    why += [str(fact.data["note"])] if fact.data.get("note") else []
    return f"Inferred: {fact.actor.name} said so, no device did" + (f" ({'; '.join(why)})" if why else "")


def _look_word(status: object) -> str:
    look = _LOOKS.get(str(status))
    return look.word if look else str(status or "")


_LOOKS: Mapping[str, Look] = {status.value: look for status, look in STATUS.items()}


def _changed(data: Mapping[str, object]) -> str:
    changed = data.get("changed")
    names = [spell(str(name)).lower() for name in changed] if isinstance(changed, list) else []
    if len(names) > 4:
        return f"{', '.join(names[:3])} and {plural(len(names) - 3, 'more value')}"
    return ", ".join(names)


def _step_name(record: OrderRecord, step_key: int | None) -> str:
    step = next((s for s in record.order.steps if s.key == step_key), None) if step_key is not None else None
    return f"Step {step.scheduled_procedure_step_id}" if step is not None else ""


def _flat(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_flat(v) for v in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{k} {_flat(v)}" for k, v in value.items())
    return str(value)
