"""Availability notices (DICOM Instance Availability Notifications): take one, link it, attach it later, set it aside.

Each is one transaction: the notice as received, its link, history and notifications commit together or not at
all.  A notice links by the performed step it names, else by its Study Instance UID; it knows no patient.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from broker.domain import availability
from broker.domain.availability import Coverage, Notice
from broker.domain.dicom_json import Dataset
from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Fact, FactKind, Source
from broker.domain.notification_payload import modalities
from broker.domain.performed_faults import PerformedFault, PerformedRefusal, Quirk, Toleration
from broker.domain.performing import check_instance_uid
from broker.services import forwarding
from broker.services.context import Context
from broker.services.history import About, record
from broker.store import availability as store
from broker.store import orders, tolerations
from broker.store import performed as performed_store
from broker.store.availability import NoticeRow, StoredNotice, WaitingImages
from broker.store.database import Connection

__all__ = ["NoticeMessage", "WaitingImages", "attach_waiting", "queue", "queue_again", "set_aside", "take"]

#: an order or exam that comes later than this finds its images by the page of the order only
_ATTACHED_WITHIN = timedelta(days=30)
_AT_ONCE = 100
#: what a notice may be let pass; the other quirks are those of exams
_QUIRKS = frozenset({Quirk.MISSING_TYPE_2, Quirk.CODE_WITHOUT_MEANING, Quirk.OVERSIZE})


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """One notice: decoded, and exactly as received."""

    sop_instance_uid: str
    dataset: Dataset
    calling_ae_title: str
    transfer_syntax_uid: str
    received: bytes
    #: what the edge had to let pass while decoding
    tolerated: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a notice belongs to: the exam it names (None: none that is known) and the orders."""

    exam: performed_store.Performed | None
    orders: tuple[int, ...]

    @property
    def state(self) -> str:
        return store.LINKED if self.exam is not None or self.orders else store.OPEN


def take(context: Context, message: NoticeMessage) -> None:
    """Take a notice; durable on return.

    Raises PerformedRefusal (INVALID_UID, DUPLICATE, MISSING, EMPTY, INVALID) or Unavailable; nothing is then stored.
    Never refuses because nothing links: the images are there anyway.
    """
    check_instance_uid(message.sop_instance_uid)
    tolerate = context.site.performed.of_device(message.calling_ae_title).tolerate
    tolerated = availability.check(message.dataset, tolerate & _QUIRKS)
    known = replace(message, tolerated=(*message.tolerated, *tolerated))
    context.database.write(lambda c: _take(c, context, known, availability.read(message.dataset)))


def attach_waiting(context: Context) -> int:
    """Link the notices whose exam or order came later; answers how many."""
    since = context.clock() - _ATTACHED_WITHIN
    keys = context.database.read(lambda c: store.attachable(c, since, _AT_ONCE))
    return sum(context.database.write(_attaching(context, key)) for key in keys)


def queue(context: Context, limit: int = 200, *, aside: bool = False) -> list[WaitingImages]:
    """Images that belong to no exam and no order, newest first; with ``aside`` those that a person set aside."""
    return context.database.read(lambda c: store.listed(c, limit, aside=aside))


def set_aside(context: Context, actor: Actor, key: int) -> None:
    """Say that these images have no order here and need none.  Raises Refusal when they do not wait."""
    _settle(context, actor, key, (store.OPEN, store.ASIDE), FactKind.STUDY_SET_ASIDE)


def queue_again(context: Context, actor: Actor, key: int) -> None:
    """Let images that were set aside wait for their order again.  Raises Refusal when they were not."""
    _settle(context, actor, key, (store.ASIDE, store.OPEN), FactKind.STUDY_QUEUED)


def _take(connection: Connection, context: Context, message: NoticeMessage, notice: Notice) -> None:
    received = StoredNotice(
        message.sop_instance_uid, message.calling_ae_title, message.transfer_syntax_uid, message.received
    )
    present = store.same(connection, message.sop_instance_uid)
    if present is not None:
        _repeated(connection, context, received, present)
        return
    at = context.clock()
    owner = _owner(connection, notice)
    key = store.add(connection, received, notice, store.OPEN, at)
    if owner.state == store.LINKED:
        store.link(connection, key, owner.exam.key if owner.exam else None, before=store.OPEN)
    kind = _tell(connection, context, NoticeRow(key, *_identity(message), notice, at, owner.state), owner, at)
    tolerations.count(connection, message.calling_ae_title, message.tolerated, at)
    _relay(connection, context, kind, key, message, notice, owner, at)


def _identity(message: NoticeMessage) -> tuple[str, str]:
    return message.sop_instance_uid, message.calling_ae_title


def _repeated(connection: Connection, context: Context, message: StoredNotice, present: StoredNotice) -> None:
    """0111 by the standard; success without effect where the site lets an identical repeat pass."""
    quirk = Toleration(Quirk.REPEATED_CREATE)
    if quirk.quirk in context.site.performed.of_device(message.calling_ae_title).tolerate and message == present:
        tolerations.count(connection, message.calling_ae_title, (quirk,), context.clock())
        return
    raise PerformedRefusal(PerformedFault.DUPLICATE)


def _owner(connection: Connection, notice: Notice) -> _Owner:
    """The exam that is named, with its orders; else the order with this study."""
    exam = performed_store.find(connection, notice.performed_uid, lock=True) if notice.performed_uid else None
    found = tuple(performed_store.linked_steps(connection, exam.key)) if exam is not None else ()
    if not found:
        by_study = store.order_of_study(connection, notice.study_instance_uid)
        found = (by_study,) if by_study is not None else ()
    performed_store.lock_orders(connection, found)
    return _Owner(exam, found)


def _tell(connection: Connection, context: Context, row: NoticeRow, owner: _Owner, at: datetime) -> FactKind:
    """The fact of each order (or of the exam, or of nobody) that images are there; answers its kind."""
    exam = owner.exam
    known = store.about(connection, [row.notice.study_instance_uid], [exam.key] if exam else [])
    covered = availability.coverage([one.notice for one in known], [exam.dataset] if exam else [])
    kind = FactKind.STUDY_UNMATCHED
    if owner.state == store.LINKED:
        kind = FactKind.STUDY_AVAILABLE if covered.complete else FactKind.STUDY_PARTLY_AVAILABLE
    fact = Fact(kind, _data(row, covered))
    actor = Actor(Source.DEVICE, row.calling_ae_title)
    for request_key in owner.orders or (None,):
        order = orders.load(connection, request_key) if request_key is not None else None
        about = About(order.patient_key if order else None, request_key, exam.key if exam else None)
        record(connection, context, actor, about, [fact], at)
    return kind


def _data(row: NoticeRow, covered: Coverage) -> dict[str, object]:
    notice = row.notice
    data: dict[str, object] = {
        "study": notice.study_instance_uid, "at": list(notice.retrieve_ae_titles), "instances": notice.count,
        "available": covered.available, "missing": covered.missing, "unavailable": covered.unavailable,
    }  # fmt: skip
    if covered.expected is not None:
        data["expected"] = covered.expected
    if notice.performed_uid:
        data["performed"] = notice.performed_uid
    return data


def _relay(  # noqa: PLR0917 - one notice's circumstances, all needed
    connection: Connection, context: Context, kind: FactKind, key: int, message: NoticeMessage, notice: Notice,
    owner: _Owner, at: datetime,
) -> None:  # fmt: skip
    order = orders.load(connection, owner.orders[0]) if owner.orders else None
    kinds = {owner.exam.summary.modality} if owner.exam is not None else modalities(order)
    forwarding.enqueue_notice(
        connection, context, kind, forwarding.ReceivedNotice(key, notice.study_instance_uid, message.calling_ae_title),
        frozenset(kinds), order, at,
    )  # fmt: skip


def _attaching(context: Context, key: int) -> Callable[[Connection], int]:
    def work(connection: Connection) -> int:
        row = store.load(connection, key)
        if row is None:
            return 0
        owner = _owner(connection, row.notice)
        exam_key = owner.exam.key if owner.exam else None
        if owner.state == store.OPEN or not store.link(connection, key, exam_key, before=store.OPEN):
            return 0
        _tell(connection, context, row, owner, context.clock())
        return 1

    return work


def _settle(context: Context, actor: Actor, key: int, states: tuple[str, str], kind: FactKind) -> None:
    def work(connection: Connection) -> None:
        row = store.load(connection, key)
        if row is None:
            raise Refusal(Reason.UNKNOWN_KEY, "there is no such notice", where="images")
        if not store.set_state(connection, key, *states):
            words = "these images do not wait" if states[0] == store.OPEN else "these images were not set aside"
            raise Refusal(Reason.WRONG_STATE, words, where="images")
        data = {"study": row.notice.study_instance_uid, "told_by": row.calling_ae_title}
        record(connection, context, actor, About(), [Fact(kind, data)], context.clock())

    context.database.write(work)
