"""Notifications: who wants to be told of which facts, what an outbox entry is, and what became of a delivery attempt.

Owns the terms shared by the services, the senders and the pages.  Must not know how anything is rendered or sent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from broker.domain.model import FactKind

#: what a destination is told unless its rule says otherwise: the life of an order as a whole
DEFAULT_EVENTS = frozenset(
    {
        FactKind.ORDER_STARTED,
        FactKind.ORDER_COMPLETED,
        FactKind.ORDER_DISCONTINUED,
        FactKind.ORDER_RETURNED,
        FactKind.ORDER_CORRECTED,
    }
)
#: facts about notifications are never notified: one delivery would cause the next, without end
NEVER_NOTIFIED = frozenset({FactKind.NOTIFICATION_DELIVERED, FactKind.NOTIFICATION_PARKED})


class Forwards(StrEnum):
    """What a destination is handed on of what was received, in place of being told facts."""

    #: HL7 messages that were applied
    MESSAGES = "messages"
    #: MPPS requests (IHE Performed Procedure Step Manager)
    PERFORMED = "performed"
    #: MPPS requests too, of which only the event is told (MPPS Notification, PS3.4 F.9)
    EVENTS = "events"
    #: Instance Availability Notifications (PS3.4 Annex R)
    AVAILABILITY = "availability"


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """What one destination wants to be told.  Empty ``modalities`` or ``senders`` means all.

    ``senders`` are the systems that sent the order.  ``not_from`` are AE titles whose MPPS requests are not handed on
    (the loop guard of a forwarding destination).  ``latest_only``: a newer fact replaces those of its order that still
    wait.  A rule that ``forwards`` has no events; ``kinds`` are the requests it is about, empty for all.  Raises
    ValueError for a rule that asks for notifications of notifications.
    """

    name: str
    kind: str = "hl7"
    events: frozenset[FactKind] = DEFAULT_EVENTS
    modalities: frozenset[str] = frozenset()
    senders: frozenset[str] = frozenset()
    forwards: Forwards | None = None
    kinds: frozenset[FactKind] = frozenset()
    not_from: frozenset[str] = frozenset()
    latest_only: bool = False
    #: an alarm is given when its oldest entry waits longer; None: as the site
    alarm_after: timedelta | None = None

    def __post_init__(self) -> None:
        circular = self.events & NEVER_NOTIFIED
        if circular:
            raise ValueError(f"destination {self.name}: {', '.join(sorted(circular))} cannot be notified; leave it out")

    def wants(self, kind: FactKind, modalities: Collection[str], sender: str) -> bool:
        """True when a fact of ``kind`` on an order of ``sender`` with these ``modalities`` is for this destination."""
        return kind in self.events and self.concerns(modalities, sender)

    def takes(self, forwards: Forwards, kind: FactKind, calling_ae_title: str) -> bool:
        """True when a request of ``kind`` that came from this AE title is handed on here."""
        return (
            self.forwards is forwards
            and (not self.kinds or kind in self.kinds)
            and calling_ae_title not in self.not_from
        )

    def concerns(self, modalities: Collection[str], sender: str) -> bool:
        """True when the filters let an order of ``sender`` with these ``modalities`` pass."""
        return (not self.modalities or not self.modalities.isdisjoint(modalities)) and (
            not self.senders or sender in self.senders
        )


class NotificationState(StrEnum):
    """State of an outbox entry.

    Only PENDING entries are sent; a PARKED one waits for a person and holds back the later ones of its subject;
    DELIVERED and SKIPPED are final.
    """

    PENDING = "pending"
    PARKED = "parked"
    DELIVERED = "delivered"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Notification:
    """One outbox entry: one fact for one destination, as it was when it happened."""

    key: int
    #: the same over every attempt, at most 20 characters (MSH-10): a receiver recognises a repeat by it
    message_id: str
    destination: str
    #: what stays in order among itself: ``order:17``, ``performed:4``, ``patient:9``
    subject: str
    kind: FactKind
    payload: Mapping[str, object]
    state: NotificationState
    attempts: int
    due_at: datetime
    created_at: datetime
    request_key: int | None = None
    last_error: str = ""
    finished_at: datetime | None = None


class Verdict(StrEnum):
    """What an attempt means for the entry."""

    DELIVERED = "delivered"
    RETRY = "retry"
    PARK = "park"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery attempt.  ``detail`` holds the receiver's words, never ours about a patient."""

    verdict: Verdict
    detail: str = ""
    #: the receiver's answer as received
    answer: bytes | None = None
    #: False: the destination as a whole did not answer, so that other entries would fare no better
    reachable: bool = True
    #: what to say in the order's timeline: the status told, the answer's code
    summary: Mapping[str, str] = field(default_factory=dict)
    #: seconds the receiver asks us to wait, when it says so
    wait: float | None = None
    #: the receiver wants no more at all: the destination is held until a person resumes it
    disable: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """How one destination is doing: entries per state, and since when its oldest entry waits."""

    destination: str
    pending: int
    parked: int
    delivered: int
    oldest_waiting: datetime | None
    last_delivered: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for one destination: entries that are sent by themselves, entries that wait for a person."""

    destination: str
    pending: int = 0
    parked: int = 0
    #: since when the oldest of both waits
    oldest: datetime | None = None
    #: of ``pending``, those that a held destination is still sent
    draining: int = 0


@dataclass(frozen=True, slots=True)
class Condition:
    """How the last deliveries to one destination went."""

    destination: str
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    #: the receiver's words at the last failure
    words: str = ""
    #: how often in a row it did not answer at all; 0 when it answers
    failures: int = 0
    #: it is left alone until then
    retry_at: datetime | None = None
    #: the alarm about its age was given
    late_since: datetime | None = None


class Standing(StrEnum):
    """What a destination does now, in a word."""

    SENDING = "sending"
    NOT_ANSWERING = "not answering"
    PAUSED = "paused"
    DRAINING = "draining"
    DRAINED = "drained"
    DISABLED = "disabled"
    #: entries are left of a destination that the settings name no more
    GONE = "not in the settings"


class Holding(StrEnum):
    """Why a destination is held."""

    PAUSED = "paused"
    #: what waited at that moment is sent, later entries wait
    DRAINED = "drained"
    #: the receiver asked for no more (HTTP 410)
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Hold:
    """One held destination: entries with a key above ``after_entry`` wait until a person resumes it."""

    destination: str
    after_entry: int
    how: Holding
    reason: str
    held_by: str
    held_at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One recorded attempt (or act of a person) on an entry."""

    at: datetime
    result: str
    milliseconds: int
    detail: str
    answer: bytes | None
