"""What needs somebody's attention beside the steps of a day, and the broker's own health.

Owns which facts are alarms.  Must not: contain patient data in what health and metrics read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from broker.services import destinations
from broker.services.context import Context
from broker.services.destinations import DestinationStatus
from broker.store import attention as store
from broker.store import availability, unmatched
from broker.store import stuck as stuck_store
from broker.store.availability import WaitingImages
from broker.store.database import Connection
from broker.store.stuck import StuckItem

_LIMIT = 100
_REFUSED_SINCE = timedelta(hours=24)
#: a notification that waits this long without a try is as bad as one that failed
_SILENT_AFTER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Attention:
    """Exams without a scheduled step or an end, notifications that do not arrive, messages refused within 24 hours."""

    unmatched: tuple[unmatched.WaitingExam, ...]
    backlog: tuple[store.Undelivered, ...]
    refused: tuple[store.RefusedMessage, ...]
    #: destinations that do not take what waits for them, and are not late yet
    silent: tuple[store.Undelivered, ...]
    #: images of studies that belong to no exam and no order
    images: tuple[WaitingImages, ...] = ()
    #: steps in progress of which nothing is heard, the longest silent first
    stuck: tuple[StuckItem, ...] = ()
    #: destinations for which something waits
    behind: tuple[DestinationStatus, ...] = ()

    @property
    def late(self) -> tuple[DestinationStatus, ...]:
        """Destinations whose oldest notification waits longer than it may."""
        return tuple(status for status in self.behind if status.late)

    @property
    def parked(self) -> int:
        """Notifications that wait for a person."""
        return sum(b.count for b in self.backlog if b.state == "parked")


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts for monitoring."""

    events: int
    open_steps: Mapping[str, int]
    backlog: tuple[store.Undelivered, ...]
    stuck_steps: int = 0
    destinations: tuple[DestinationStatus, ...] = ()


def look(context: Context) -> Attention:
    """Everything that needs attention now."""
    now = context.clock()

    def work(connection: Connection) -> Attention:
        backlog = tuple(store.backlog(connection))
        behind = tuple(s for s in destinations.statuses_in(connection, context) if s.waiting.oldest is not None)
        late = {status.name for status in behind if status.late}
        silent = (b for b in backlog if b.state == "pending" and (b.tried or now - b.oldest_at > _SILENT_AFTER))
        return Attention(
            unmatched=tuple(unmatched.listed(connection, _LIMIT)),
            backlog=backlog,
            refused=tuple(store.refused(connection, now - _REFUSED_SINCE, _LIMIT)),
            images=tuple(availability.listed(connection, _LIMIT)),
            silent=tuple(b for b in silent if b.destination not in late),
            stuck=tuple(stuck_store.listed(connection, now, _LIMIT)),
            behind=behind,
        )

    return context.database.read(work)


def last_seen(context: Context) -> store.LastSeen:
    """When a message and a worklist query last came.  Raises Unavailable when the database cannot be reached."""
    return context.database.read(store.last_seen)


def figures(context: Context) -> Figures:
    """Counts for monitoring, without patient data."""

    def work(connection: Connection) -> Figures:
        return Figures(
            store.newest_event(connection), store.open_steps(connection), tuple(store.backlog(connection)),
            stuck_store.count(connection, context.clock()), tuple(destinations.statuses_in(connection, context)),
        )  # fmt: skip

    return context.database.read(work)
