"""Forgetting what need not be kept: worklist queries and messages after their days, ended sessions and links."""

from dataclasses import dataclass
from datetime import timedelta

from broker.services.context import Context
from broker.store import housekeeping as store
from broker.store import journal_retention

_KEEP_STRANGERS = timedelta(days=30)
_AT_ONCE = 500
"""Messages deleted in one transaction: others must not wait long."""


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
    before = context.clock() - keep_messages
    removed = 0
    while done := context.database.write(lambda c: journal_retention.drop_messages(c, before, _AT_ONCE)):
        removed += done
    return removed
