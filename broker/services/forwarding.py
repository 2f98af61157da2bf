"""Handing on what was received, byte for byte: MPPS requests, availability notices, HL7 messages.

The ``enqueue`` functions run inside the transaction that stored the request; the others serve the destinations.  The
outbox entry names the stored request, it does not hold it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from broker.domain.model import FactKind, Order
from broker.domain.notification_payload import modalities
from broker.domain.notifications import Forwards
from broker.services.context import Context
from broker.services.outbox import ReceivedRequest, forward
from broker.store import availability, orders
from broker.store import forwarding as store
from broker.store.availability import StoredNotice
from broker.store.database import Connection
from broker.store.forwarding import StoredRequest

__all__ = [
    "ReceivedNotice",
    "StoredNotice",
    "StoredRequest",
    "creation",
    "enqueue_message",
    "enqueue_notice",
    "enqueue_performed",
    "notice",
    "raw_message",
    "request",
]


def enqueue_performed(
    connection: Connection, context: Context, kinds: Sequence[FactKind], message_key: int, at: datetime
) -> None:
    """An MPPS request was stored that did ``kinds``: hand it on, and tell the events.

    What concerns one performed step stays in order among itself.
    """
    if not _wanted(context, Forwards.PERFORMED, Forwards.EVENTS):
        return
    stored = store.request(connection, message_key)
    if stored is None:
        raise RuntimeError("the request was stored in this transaction")
    order = store.order_of(connection, stored.performed_key)
    request = ReceivedRequest(
        Forwards.PERFORMED, kinds[0], f"performed:{stored.performed_key}",
        {"performed_message": message_key, "service": stored.service}, at,
        modalities=frozenset({stored.modality}), sender=order[1] if order else "",
        calling_ae_title=stored.calling_ae_title, request_key=order[0] if order else None,
    )  # fmt: skip
    forward(connection, context.destinations, request)
    for kind in kinds:
        # the receiver reads the step as it stands (N-GET), so that an older update has nothing left to say
        event = replace(
            request, forwards=Forwards.EVENTS, kind=kind, supersedes=FactKind.PERFORMED_UPDATED,
            payload={"sop_instance_uid": stored.sop_instance_uid},
        )  # fmt: skip
        forward(connection, context.destinations, event)


def enqueue_message(
    connection: Connection, context: Context, sender: str, journal_key: int, request_keys: Sequence[int]
) -> None:
    """An HL7 message was applied: hand it on.

    Messages about one patient stay in order among themselves: one may hold several of the patient's orders.  Those
    that hold no order (ADT) stay in order per sender.
    """
    if not _wanted(context, Forwards.MESSAGES):
        return
    held = [orders.load(connection, key) for key in request_keys]
    subject = f"patient:{held[0].patient_key}" if held else f"sender:{sender}"
    received = ReceivedRequest(
        Forwards.MESSAGES, FactKind.MESSAGE_APPLIED, subject, {"journal": journal_key}, context.clock(),
        modalities=frozenset().union(*map(modalities, held)), sender=sender,
        request_key=request_keys[0] if request_keys else None,
    )  # fmt: skip
    forward(connection, context.destinations, received)


@dataclass(frozen=True, slots=True)
class ReceivedNotice:
    """An availability notice that was stored: its key, its study, and who sent it."""

    key: int
    study_instance_uid: str
    calling_ae_title: str


def enqueue_notice(  # noqa: PLR0917 - one notice's circumstances, all needed
    connection: Connection, context: Context, kind: FactKind, notice: ReceivedNotice, kinds: frozenset[str],
    order: Order | None, at: datetime,
) -> None:  # fmt: skip
    """An availability notice was stored: hand it on.  Those about one study stay in order among themselves."""
    if not _wanted(context, Forwards.AVAILABILITY):
        return
    received = ReceivedRequest(
        Forwards.AVAILABILITY, kind, f"study:{notice.study_instance_uid}", {"availability_notice": notice.key}, at,
        modalities=kinds, sender=order.sender if order else "", calling_ae_title=notice.calling_ae_title,
        request_key=order.key if order else None,
    )  # fmt: skip
    forward(connection, context.destinations, received)


def _wanted(context: Context, *forwards: Forwards) -> bool:
    return any(rule.forwards in forwards for rule in context.destinations)


def request(context: Context, payload: Mapping[str, object]) -> StoredRequest | None:
    """The MPPS request that an entry hands on; None when it is no longer kept."""
    key = int(str(payload["performed_message"]))
    return context.database.read(lambda c: store.request(c, key))


def creation(context: Context, performed_key: int) -> StoredRequest | None:
    """The N-CREATE of a performed step as received."""
    return context.database.read(lambda c: store.creation(c, performed_key))


def raw_message(context: Context, payload: Mapping[str, object]) -> bytes | None:
    """The bytes of the message that an entry hands on; None when it is no longer kept."""
    key = int(str(payload["journal"]))
    return context.database.read(lambda c: store.raw_message(c, key))


def notice(context: Context, payload: Mapping[str, object]) -> StoredNotice | None:
    """The availability notice that an entry hands on; None when it is no longer kept."""
    key = int(str(payload["availability_notice"]))
    return context.database.read(lambda c: availability.stored(c, key))
