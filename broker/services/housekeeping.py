"""Forgetting what need not be kept: queries, messages and notifications after their days, ended sessions and links."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.services.context import Context
from broker.store import housekeeping as store
from broker.store import journal_retention, notification_retention
from broker.store.database import Connection

_KEEP_STRANGERS = timedelta(days=30)
_AT_ONCE = 500
"""Rows deleted in one transaction: others must not wait long."""
_Drop = Callable[[Connection, datetime, int], int]


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows a sweep removed."""

    queries: int
    sessions: int
    #: devices that only knocked, and oddities of any, long ago
    strangers: int


def sweep(context: Context, keep_queries: timedelta, keep_sessions: timedelta) -> Swept:
    """Remove device queries and ended sessions that are older than they need to be, and traces of strangers."""
    now = context.clock()
    return context.database.write(
        lambda c: Swept(
            store.drop_queries(c, now - keep_queries), store.drop_sessions(c, now - keep_sessions),
            store.drop_strangers(c, now - max(keep_queries, _KEEP_STRANGERS)),
        )
    )  # fmt: skip


def sweep_messages(context: Context, keep_messages: timedelta) -> int:
    """Remove messages older than ``keep_messages`` that no open order needs, few at a time; answers how many."""
    return _few_at_a_time(context, keep_messages, journal_retention.drop_messages)


def sweep_notifications(context: Context, keep_notifications: timedelta) -> int:
    """Remove finished notifications and notices of images that are older and no open order needs; answers how many."""
    drops = (notification_retention.drop_notifications, notification_retention.drop_notices)
    return sum(_few_at_a_time(context, keep_notifications, drop) for drop in drops)


def _few_at_a_time(context: Context, keep: timedelta, drop: _Drop) -> int:
    before = context.clock() - keep
    removed = 0
    while done := context.database.write(lambda c: drop(c, before, _AT_ONCE)):
        removed += done
    return removed
