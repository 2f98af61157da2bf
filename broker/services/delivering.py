"""The senders' part of the outbox: claim what is due under a lease, settle what became of it, give back the rest.

Each function is one short transaction; a delivery happens between two of them, never inside one.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import Attempt, Notification, NotificationState, Outcome, Verdict
from broker.services import destinations
from broker.services.context import Context
from broker.store import events
from broker.store import outbox as store
from broker.store.database import Connection

#: characters kept of a receiver's words; more is noise in a list
DETAIL_LENGTH = 500

_RESULT = {Verdict.DELIVERED: "delivered", Verdict.RETRY: "failed", Verdict.PARK: "refused"}


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims: ``owner`` is the same over restarts of one sender process, and no two processes share one."""

    owner: str
    lease: timedelta


def claim(context: Context, destination: str, claimant: Claimant, most: int) -> list[Notification]:
    """Up to ``most`` due entries, each the head of its subject, leased to the claimant.

    Looks with a reading transaction first, so that idle senders never queue for the writer.
    """
    now = context.clock()
    if not context.database.read(lambda c: store.any_due(c, destination, now)):
        return []
    until = now + claimant.lease
    return context.database.write(lambda c: store.claim(c, destination, claimant.owner, now, until, most))


def settle(
    context: Context, claimant: Claimant, entry: Notification, outcome: Outcome, milliseconds: int, delay: timedelta
) -> None:
    """Record an attempt and what it means for the entry; ``delay`` is how long a retry waits.

    Delivered and parked become facts of the order's history; those facts are never notified themselves.
    """
    at = context.clock()

    def work(connection: Connection) -> None:
        _settle(connection, claimant, entry, outcome, milliseconds, at, at + delay)
        if outcome.disable:
            destinations.disable(connection, context, entry.destination, outcome.detail[:DETAIL_LENGTH])

    context.database.write(work)


def release(context: Context, claimant: Claimant, entries: list[Notification] | None = None) -> None:
    """Give back leases of ``entries``, or all of the claimant's (at start: those of its earlier life)."""
    keys = None if entries is None else [entry.key for entry in entries]
    if keys != []:
        context.database.write(lambda c: store.release(c, claimant.owner, keys))


def _settle(  # noqa: PLR0917 - one transaction's values, all needed
    connection: Connection, claimant: Claimant, entry: Notification, outcome: Outcome,
    milliseconds: int, at: datetime, due_at: datetime,
) -> None:  # fmt: skip
    detail = outcome.detail[:DETAIL_LENGTH]
    attempt = Attempt(at, _RESULT[outcome.verdict], milliseconds, detail, outcome.answer)
    store.add_attempt(connection, entry.key, attempt)
    if outcome.verdict is Verdict.DELIVERED:
        if store.mark_delivered(connection, entry.key, at):
            _record(connection, FactKind.NOTIFICATION_DELIVERED, entry, outcome, milliseconds, at)
        return
    parked = outcome.verdict is Verdict.PARK
    state = NotificationState.PARKED if parked else NotificationState.PENDING
    settled = store.mark_failed(connection, entry.key, claimant.owner, state, due_at, detail)
    if settled and parked:
        _record(connection, FactKind.NOTIFICATION_PARKED, entry, outcome, milliseconds, at)


def _record(
    connection: Connection, kind: FactKind, entry: Notification, outcome: Outcome, milliseconds: int, at: datetime
) -> None:
    data = {
        "destination": entry.destination, "notification": entry.kind.value, "message_id": entry.message_id,
        "milliseconds": milliseconds, "attempts": entry.attempts + 1, **outcome.summary,
    }  # fmt: skip
    actor = Actor(Source.DESTINATION, entry.destination)
    events.insert(connection, events.Event(at=at, kind=kind, actor=actor, data=data, request_key=entry.request_key))
