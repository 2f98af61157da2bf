"""The outbox: facts become entries for those who want to know, and people look after entries that are stuck.

``enqueue`` runs inside the transaction that causes the fact: the change and its notifications commit together or not.
Claiming and settling, the senders' part, is in ``services.delivering``.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NoReturn

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, FactKind
from broker.domain.notification_payload import Subjects, modalities, snapshot
from broker.domain.notifications import Attempt, Backlog, DestinationRule, Forwards, Notification, NotificationState
from broker.services.context import Context
from broker.store import orders, outbox_queries, patients
from broker.store import outbox as store
from broker.store.database import Connection
from broker.store.destinations import newest_entry
from broker.store.events import Event

_WAITING = (NotificationState.PENDING, NotificationState.PARKED)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """Something received that forwarding destinations are handed on: what, where its bytes are kept, what it is about.

    ``payload`` names the stored request and what filters ask; ``subject`` is what stays in order among itself.  Entries
    of the kind ``supersedes`` about the same subject that still wait are not sent any more.
    """

    forwards: Forwards
    kind: FactKind
    subject: str
    payload: Mapping[str, object]
    at: datetime
    modalities: frozenset[str] = frozenset()
    sender: str = ""
    calling_ae_title: str = ""
    request_key: int | None = None
    supersedes: FactKind | None = None


def forward(connection: Connection, destinations: tuple[DestinationRule, ...], received: ReceivedRequest) -> None:
    """One entry for every destination that is handed on what was received; no cost when there is none."""
    wanting = [
        rule
        for rule in destinations
        if rule.takes(received.forwards, received.kind, received.calling_ae_title)
        and rule.concerns(received.modalities, received.sender)
    ]
    for rule in wanting if received.supersedes is not None else ():
        _supersede(connection, rule.name, received.subject, received.at, received.supersedes)
    if wanting:
        store.add(connection, [_forward_row(rule, received) for rule in wanting])


def _forward_row(rule: DestinationRule, received: ReceivedRequest) -> dict[str, object]:
    return {
        "message_id": secrets.token_hex(10).upper(), "destination": rule.name, "subject": received.subject,
        "kind": received.kind.value, "request_id": received.request_key, "event_id": None,
        "payload": dict(received.payload), "due_at": received.at, "created_at": received.at,
    }  # fmt: skip


def is_wanted(destinations: tuple[DestinationRule, ...], kind: FactKind) -> bool:
    """True when some destination wants to be told of facts of this kind, about some order at least."""
    return any(kind in rule.events for rule in destinations)


def enqueue(
    connection: Connection, destinations: tuple[DestinationRule, ...], event_key: int, event: Event,
    subjects: Subjects | None = None,
) -> None:  # fmt: skip
    """One entry for every destination that wants ``event``; does nothing, at no cost, when none does.

    ``subjects`` as in ``history.record``.
    """
    if not is_wanted(destinations, event.kind):
        return
    if event.request_key is not None:
        store.lock_order(connection, event.request_key)
    about = subjects or _subjects(connection, event)
    if about.performed is None and event.performed_key is not None:
        about = replace(about, performed=store.performed_summary(connection, event.performed_key))
    sender = about.order.sender if about.order else ""
    wanting = [rule for rule in destinations if rule.wants(event.kind, modalities(about.order), sender)]
    if wanting:
        for rule in wanting:
            if rule.latest_only:
                _supersede(connection, rule.name, subject_of(event), event.at)
        payload = snapshot(event.kind, event.at, event.data, about)
        store.add(connection, [_row(rule, event_key, event, payload) for rule in wanting])


def _supersede(
    connection: Connection, destination: str, subject: str, at: datetime, kind: FactKind | None = None
) -> None:
    for key in store.supersede(connection, destination, subject, at, kind):
        store.add_attempt(connection, key, Attempt(at, "superseded", 0, "a newer one replaced it", None))


def _subjects(connection: Connection, event: Event) -> Subjects:
    order = orders.load(connection, event.request_key) if event.request_key is not None else None
    patient_key = event.patient_key if order is None else order.patient_key
    visit_key = None if order is None else order.visit_key
    return Subjects(
        patient=patients.load(connection, patient_key) if patient_key is not None else None,
        visit=patients.load_visit(connection, visit_key) if visit_key is not None else None,
        order=order,
    )


def _row(rule: DestinationRule, event_key: int, event: Event, payload: dict[str, object]) -> dict[str, object]:
    return {
        "message_id": secrets.token_hex(10).upper(), "destination": rule.name, "subject": subject_of(event),
        "kind": event.kind.value, "request_id": event.request_key, "event_id": event_key, "payload": payload,
        "due_at": event.at, "created_at": event.at,
    }  # fmt: skip


def subject_of(event: Event) -> str:
    """What the notifications of an event stay in order with: its order, else the performed step, else the patient."""
    for name, key in (
        ("order", event.request_key), ("performed", event.performed_key), ("patient", event.patient_key)
    ):  # fmt: skip
        if key is not None:
            return f"{name}:{key}"
    return f"event:{event.kind.value}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries to list, newest first; None means any."""

    destination: str | None = None
    state: NotificationState | None = None
    request_key: int | None = None
    limit: int = 100
    #: only entries older than the one with this key
    before: int | None = None


def list_notifications(context: Context, wanted: Filter | None = None) -> list[Notification]:
    """Outbox entries, newest first."""
    chosen = wanted or Filter()
    return context.database.read(
        lambda c: outbox_queries.list_entries(
            c, chosen.destination, chosen.state, chosen.request_key, chosen.limit, chosen.before
        )
    )


#: delivered entries are looked through this many at a time: a destination may have few among millions
_WINDOW = 50_000


@dataclass(frozen=True, slots=True)
class Page:
    """Some entries, newest first; those before ``older`` come next, None when there are none."""

    entries: list[Notification]
    older: int | None


def list_page(context: Context, wanted: Filter) -> Page:
    """The same in pages, so that nobody waits for the whole outbox to be read."""

    def work(connection: Connection) -> Page:
        few = wanted.request_key is not None or wanted.state not in (None, NotificationState.DELIVERED)
        top = wanted.before or newest_entry(connection) + 1
        lowest = 0 if few else max(0, top - _WINDOW)
        found = outbox_queries.list_entries(
            connection, wanted.destination, wanted.state, wanted.request_key, wanted.limit, wanted.before, lowest
        )
        if len(found) == wanted.limit:
            return Page(found, found[-1].key)
        return Page(found, lowest if lowest > 1 else None)

    return context.database.read(work)


def find(context: Context, key: int) -> Notification | None:
    """One entry, or None."""
    return context.database.read(lambda c: outbox_queries.load(c, key))


def attempts(context: Context, key: int) -> list[Attempt]:
    """Every attempt on the entry, oldest first, with the receiver's words and raw answer."""
    return context.database.read(lambda c: outbox_queries.attempts(c, key))


def backlogs(context: Context) -> list[Backlog]:
    """How each destination of the site is doing; also those that have entries but are no longer configured."""
    names = [rule.name for rule in context.destinations]
    found = {b.destination: b for b in context.database.read(outbox_queries.backlogs)}
    rest = [name for name in sorted(found) if name not in names]
    return [found.get(name) or Backlog(name, 0, 0, 0, None, None) for name in [*names, *rest]]


def retry(context: Context, key: int, actor: Actor) -> None:
    """Send a waiting entry as soon as its turn comes.  Raises Refusal when it is unknown or settled."""
    now = context.clock()
    _by_hand(context, key, actor, "retried", {"state": NotificationState.PENDING.value, "due_at": now})


def park(context: Context, key: int, actor: Actor) -> None:
    """Hold a waiting entry, and with it the later ones of its subject.  Raises Refusal as ``retry`` does."""
    _by_hand(context, key, actor, "parked", {"state": NotificationState.PARKED.value})


def skip(context: Context, key: int, actor: Actor) -> None:
    """Never send this entry, so that the later ones of its subject go out.  Raises Refusal as ``retry`` does."""
    now = context.clock()
    _by_hand(context, key, actor, "skipped", {"state": NotificationState.SKIPPED.value, "finished_at": now})


def resend(context: Context, key: int, actor: Actor) -> None:
    """Send an entry in whatever state once more, with the same identifier: the receiver has lost it, say.

    What waits about its subject waits behind it.  Raises Refusal when it is unknown.
    """
    now = context.clock()
    again = {"state": NotificationState.PENDING.value, "due_at": now, "resent_at": now, "finished_at": None}
    context.database.write(lambda c: _change(c, key, actor, "resent", again, now, tuple(NotificationState)))


def retry_parked(context: Context, destination: str, actor: Actor) -> int:
    """Retry every parked entry of a destination (its receiver has been mended); answers how many."""
    at = context.clock()
    again: dict[str, object] = {"state": NotificationState.PENDING.value, "due_at": at}
    return context.database.write(
        lambda c: _change_all(c, outbox_queries.parked(c, destination), actor, "retried", again, at)
    )


def skip_waiting(context: Context, destination: str, actor: Actor) -> int:
    """Never send what waits for a destination that is no more, parked or not; answers how many.

    Raises Refusal for a destination that there is: its entries go out, or are decided one by one.
    """
    if any(rule.name == destination for rule in context.destinations):
        text = f"{destination} is still told; remove it first, or skip its notifications one by one"
        raise Refusal(Reason.WRONG_STATE, text)
    at = context.clock()
    gone: dict[str, object] = {"state": NotificationState.SKIPPED.value, "finished_at": at}
    return context.database.write(
        lambda c: _change_all(c, outbox_queries.waiting(c, destination), actor, "skipped", gone, at)
    )


def _change_all(
    connection: Connection, keys: Sequence[int], actor: Actor, result: str, values: dict[str, object], at: datetime
) -> int:
    for key in keys:
        _change(connection, key, actor, result, values, at)
    return len(keys)


def _by_hand(context: Context, key: int, actor: Actor, result: str, values: dict[str, object]) -> None:
    at = context.clock()
    context.database.write(lambda c: _change(c, key, actor, result, values, at))


def _change(  # noqa: PLR0917 - one act of one person, all needed
    connection: Connection, key: int, actor: Actor, result: str, values: dict[str, object], at: datetime,
    allowed: tuple[NotificationState, ...] = _WAITING,
) -> None:  # fmt: skip
    if not store.set_state(connection, key, allowed, values):
        _refuse(connection, key)
    store.add_attempt(connection, key, Attempt(at, result, 0, f"by {actor.name}", None))


def _refuse(connection: Connection, key: int) -> NoReturn:
    present = outbox_queries.state_of(connection, key)
    if present is None:
        raise Refusal(Reason.UNKNOWN_KEY, f"there is no notification {key}; see: broker notifications list")
    text = f"notification {key} is {present}; only pending and parked ones can be changed, any can be resent"
    raise Refusal(Reason.WRONG_STATE, text)
