"""Performed procedure steps as use cases: begin (N-CREATE), update (N-SET), read (N-GET), whatever way they arrive.

Each is one transaction: the request as received, the merged object, links, the state of every scheduled step, history
and notifications commit together or not at all.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from broker.domain.dicom_json import Dataset, text
from broker.domain.linking import references_of
from broker.domain.model import Actor, FactKind, Source
from broker.domain.notification_payload import PerformedSummary
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performed_table import TAG
from broker.domain.performing import PerformedDecision, check_instance_uid, decide_create, decide_set
from broker.domain.performing_checks import moment
from broker.domain.performing_reasons import reason_of
from broker.domain.states import PerformedStatus
from broker.services import forwarding
from broker.services import performed_effects as effects
from broker.services.context import Context
from broker.store import corrections, tolerations, unmatched
from broker.store import performed as store
from broker.store.database import Connection


@dataclass(frozen=True, slots=True)
class PerformedMessage:
    """One request about a performed step: decoded, and exactly as received."""

    sop_instance_uid: str
    dataset: Dataset
    calling_ae_title: str
    transfer_syntax_uid: str = ""
    received: bytes = b""
    #: what the edge had to let pass while decoding
    tolerated: tuple[Toleration, ...] = ()
    #: name of the token that let it in, where it came over the web; for the history
    token: str = ""


@dataclass(frozen=True, slots=True)
class PerformedResult:
    """The performed step after the request, and what was let pass."""

    sop_instance_uid: str
    status: PerformedStatus
    dataset: Dataset
    tolerated: tuple[Toleration, ...] = ()


_FACTS = {
    PerformedStatus.IN_PROGRESS: FactKind.PERFORMED_UPDATED,
    PerformedStatus.COMPLETED: FactKind.PERFORMED_COMPLETED,
    PerformedStatus.DISCONTINUED: FactKind.PERFORMED_DISCONTINUED,
}


def start(context: Context, message: PerformedMessage) -> PerformedResult:
    """Begin a performed step and link it to every scheduled step it names; durable on return.

    Raises PerformedRefusal (INVALID_UID, DUPLICATE, MISSING, EMPTY, INVALID) or Unavailable; nothing is then stored.
    Never refuses because nothing links: the exam is happening anyway (MPPS reference, section 6.1).
    """
    check_instance_uid(message.sop_instance_uid)
    try:
        decision = decide_create(message.dataset, context.site.performed.of_device(message.calling_ae_title))
    except PerformedRefusal as refusal:
        if context.database.read(lambda c: store.find(c, message.sop_instance_uid)) is not None:
            raise PerformedRefusal(PerformedFault.DUPLICATE) from refusal
        raise
    return context.database.write(lambda c: _create(c, context, message, decision))


def update(context: Context, message: PerformedMessage) -> PerformedResult:
    """Merge an update into a performed step; its scheduled steps follow when its state changes.  Durable on return.

    Raises PerformedRefusal (INVALID_UID, UNKNOWN, FINAL, MISSING, EMPTY, INVALID, NOT_SETTABLE) or Unavailable.
    """
    check_instance_uid(message.sop_instance_uid)
    return context.database.write(lambda c: _set(c, context, message))


def get(context: Context, sop_instance_uid: str) -> PerformedResult:
    """The merged object as it stands.  Raises PerformedRefusal (INVALID_UID, UNKNOWN) or Unavailable."""
    check_instance_uid(sop_instance_uid)
    found = context.database.read(lambda c: store.find(c, sop_instance_uid))
    if found is None:
        raise PerformedRefusal(PerformedFault.UNKNOWN)
    return PerformedResult(sop_instance_uid, found.status, found.dataset)


def _create(
    connection: Connection, context: Context, message: PerformedMessage, decision: PerformedDecision
) -> PerformedResult:
    present = store.find(connection, message.sop_instance_uid)
    if present is not None:
        return _repeated_create(connection, context, message, present)
    at = context.clock()
    new = store.Performed(
        message.sop_instance_uid, decision.status, message.calling_ae_title, decision.dataset,
        _summary(decision.dataset),
    )  # fmt: skip
    key = store.create(connection, new, at)
    message_key = store.add_message(connection, key, _received("N-CREATE", message, at))
    result = _result(message, decision)
    told = _told(new)
    exam = effects.Exam(key, message.sop_instance_uid, decision.dataset, decision.status, summary=told)
    references = references_of(decision.dataset)
    links, unresolved = effects.link(connection, exam, references, at)
    if unresolved or not links:
        unmatched.add(connection, key, references, unresolved, at)
    kinds = [FactKind.PERFORMED_STARTED]
    if decision.status.final:
        kinds.append(_FACTS[decision.status])
    actor = Actor(Source.DEVICE, message.calling_ae_title)
    begun = effects.Begun(tuple(links), unresolved)
    happened = effects.Happened(tuple(kinds), result.tolerated, begun, message.token)
    effects.follow(connection, context, actor, exam, happened, at)
    tolerations.count(connection, message.calling_ae_title, result.tolerated, at)
    forwarding.enqueue_performed(connection, context, kinds, message_key, at)
    return result


def _repeated_create(
    connection: Connection, context: Context, message: PerformedMessage, present: store.Performed
) -> PerformedResult:
    """0111 by the standard; success without effect where the site lets an identical repeat pass."""
    quirk = Toleration(Quirk.REPEATED_CREATE)
    policy = context.site.performed.of_device(message.calling_ae_title)
    repeats = quirk.quirk in policy.tolerate and not present.status.final
    if repeats and _is_last(connection, present.key, "N-CREATE", message):
        tolerations.count(connection, message.calling_ae_title, (quirk,), context.clock())
        return PerformedResult(present.sop_instance_uid, present.status, present.dataset, (quirk,))
    raise PerformedRefusal(PerformedFault.DUPLICATE)


def _set(connection: Connection, context: Context, message: PerformedMessage) -> PerformedResult:
    present = store.find(connection, message.sop_instance_uid, lock=True)
    if present is None:
        raise PerformedRefusal(PerformedFault.UNKNOWN)
    quirk = Toleration(Quirk.REPEATED_FINAL)
    policy = context.site.performed.of_device(message.calling_ae_title)
    repeats = quirk.quirk in policy.tolerate and present.status.final
    if repeats and _is_last(connection, present.key, "N-SET", message):
        tolerations.count(connection, message.calling_ae_title, (quirk,), context.clock())
        return PerformedResult(present.sop_instance_uid, present.status, present.dataset, (quirk,))
    decision = decide_set(present.dataset, present.status, message.dataset, policy)
    at = context.clock()
    changed = replace(present, status=decision.status, dataset=decision.dataset, summary=_summary(decision.dataset))
    store.save(connection, changed, at)
    message_key = store.add_message(connection, present.key, _received("N-SET", message, at))
    result = _result(message, decision)
    told = None if present.corrected_status is not None else _told(changed)
    exam = effects.Exam(present.key, present.sop_instance_uid, decision.dataset, decision.status, summary=told)
    actor = Actor(Source.DEVICE, message.calling_ae_title)
    ends = decision.status.final and not present.status.final
    kind = _FACTS[decision.status] if ends else FactKind.PERFORMED_UPDATED
    kinds: tuple[FactKind, ...] = (kind,)
    if ends and present.corrected_status is not None:
        corrections.withdraw(connection, present.key, message.calling_ae_title, at)
        store.set_corrected(connection, present.key, None, "")
        kinds += (FactKind.CORRECTION_WITHDRAWN,)
    happened = effects.Happened(kinds, result.tolerated, token=message.token)
    effects.follow(connection, context, actor, exam, happened, at)
    tolerations.count(connection, message.calling_ae_title, result.tolerated, at)
    forwarding.enqueue_performed(connection, context, (kind,), message_key, at)
    return result


def _is_last(connection: Connection, key: int, service: str, message: PerformedMessage) -> bool:
    """True when ``message`` is, byte for byte and from the same device, the newest one about the performed step."""
    last = store.last_message(connection, key)
    return (last.service, last.calling_ae_title, last.dataset) == (service, message.calling_ae_title, message.received)


def _received(service: str, message: PerformedMessage, at: datetime) -> store.Received:
    return store.Received(service, message.calling_ae_title, message.transfer_syntax_uid, message.received, at)


def _result(message: PerformedMessage, decision: PerformedDecision) -> PerformedResult:
    tolerated = (*message.tolerated, *decision.tolerated)
    return PerformedResult(message.sop_instance_uid, decision.status, decision.dataset, tolerated)


def _told(one: store.Performed) -> PerformedSummary:
    """What notifications tell of a performed step that staff did not correct."""
    summary = one.summary
    return PerformedSummary(
        one.sop_instance_uid, one.status.value, summary.performed_station_ae_title, summary.started_at,
        summary.ended_at, summary.discontinuation_code,
    )  # fmt: skip


def _summary(dataset: Dataset) -> store.Summary:
    references = references_of(dataset)
    return store.Summary(
        performed_station_ae_title=text(dataset, TAG["PerformedStationAETitle"]),
        modality=text(dataset, TAG["Modality"]),
        patient_id_value=text(dataset, TAG["PatientID"]),
        accession_number=next((r.accession.value for r in references if r.accession.value), ""),
        discontinuation_code=reason_of(dataset).key,
        started_at=moment(dataset, "Start"),
        ended_at=moment(dataset, "End"),
    )
