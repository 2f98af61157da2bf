"""Forgetting what need not be kept: worklist queries after their days, ended sessions and links."""

from dataclasses import dataclass
from datetime import timedelta

from broker.services.context import Context
from broker.store import housekeeping as store


@dataclass(frozen=True, slots=True)
class Swept:
    """How many rows a sweep removed."""

    queries: int
    sessions: int


def sweep(context: Context, keep_queries: timedelta, keep_sessions: timedelta) -> Swept:
    """Remove device queries and ended sessions that are older than they need to be."""
    now = context.clock()
    return context.database.write(
        lambda c: Swept(store.drop_queries(c, now - keep_queries), store.drop_sessions(c, now - keep_sessions))
    )
