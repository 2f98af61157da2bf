"""The senders' part of the outbox: claim what is due under a lease, settle what became of it, give back the rest.

Each function is one short transaction; a delivery happens between two of them, never inside one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain.model import Actor, FactKind, Source
from broker.domain.notifications import Attempt, Condition, Notification, NotificationState, Outcome, Verdict
from broker.services import destinations
from broker.services.context import Context
from broker.store import destinations as condition_store
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


@dataclass(frozen=True, slots=True)
class Settlement:
    """One attempt that was made: on which entry, what came of it, how long it took and how long a retry waits.

    ``failures`` is how often in a row the destination did not answer at all, this attempt included.
    """

    entry: Notification
    outcome: Outcome
    milliseconds: int
    delay: timedelta
    failures: int = 0


def settle(context: Context, claimant: Claimant, settlements: Sequence[Settlement]) -> None:
    """Record attempts and what they mean for their entries, in one transaction.

    Delivered and parked become facts of the order's history; those facts are never notified themselves.
    """
    at = context.clock()

    def work(connection: Connection) -> None:
        store.add_attempts(connection, [(one.entry.key, _attempt(one, at)) for one in settlements])
        facts = [fact for one in settlements if (fact := _settle(connection, claimant, one, at)) is not None]
        events.insert_all(connection, facts)
        for one in settlements[-1:]:  # the last says how the destination is doing
            _note_condition(connection, one, at)
        for one in settlements:
            if one.outcome.disable:
                destinations.disable(connection, context, one.entry.destination, one.outcome.detail[:DETAIL_LENGTH])

    context.database.write(work)


def release(context: Context, claimant: Claimant, entries: list[Notification] | None = None) -> None:
    """Give back leases of ``entries``, or all of the claimant's (at start: those of its earlier life)."""
    keys = None if entries is None else [entry.key for entry in entries]
    if keys != []:
        context.database.write(lambda c: store.release(c, claimant.owner, keys))


def _attempt(one: Settlement, at: datetime) -> Attempt:
    outcome = one.outcome
    return Attempt(at, _RESULT[outcome.verdict], one.milliseconds, outcome.detail[:DETAIL_LENGTH], outcome.answer)


def _settle(connection: Connection, claimant: Claimant, one: Settlement, at: datetime) -> events.Event | None:
    """Move the entry; answers the fact that it was delivered or parked."""
    entry, outcome = one.entry, one.outcome
    if outcome.verdict is Verdict.DELIVERED:
        settled, kind = store.mark_delivered(connection, entry.key, at), FactKind.NOTIFICATION_DELIVERED
        return _fact(kind, one, at) if settled else None
    parked = outcome.verdict is Verdict.PARK
    state = NotificationState.PARKED if parked else NotificationState.PENDING
    detail = outcome.detail[:DETAIL_LENGTH]
    settled = store.mark_failed(connection, entry.key, claimant.owner, state, at + one.delay, detail)
    return _fact(FactKind.NOTIFICATION_PARKED, one, at) if settled and parked else None


def _note_condition(connection: Connection, one: Settlement, at: datetime) -> None:
    destination, outcome = one.entry.destination, one.outcome
    if outcome.verdict is Verdict.DELIVERED:
        condition_store.note_success(connection, destination, at)
        return
    retry_at = at + one.delay if one.failures else None
    words = outcome.detail[:DETAIL_LENGTH]
    failed = Condition(destination, failed_at=at, words=words, failures=one.failures, retry_at=retry_at)
    condition_store.note_failure(connection, failed)


def _fact(kind: FactKind, one: Settlement, at: datetime) -> events.Event:
    entry = one.entry
    data = {
        "destination": entry.destination, "notification": entry.kind.value, "message_id": entry.message_id,
        "milliseconds": one.milliseconds, "attempts": entry.attempts + 1, **one.outcome.summary,
    }  # fmt: skip
    actor = Actor(Source.DESTINATION, entry.destination)
    return events.Event(at=at, kind=kind, actor=actor, data=data, request_key=entry.request_key)
