"""The site's choices that rules depend on: time zone, policies, who is told what.  Made from the settings once."""

from dataclasses import dataclass, field
from datetime import timedelta, tzinfo

from broker.domain.notifications import DestinationRule
from broker.domain.performing import PerformedPolicy
from broker.domain.scheduling import OrderPolicy
from broker.domain.states import SHOWN_BY_DEFAULT, StepStatus
from broker.domain.stuck import StuckPolicy


@dataclass(frozen=True, slots=True)
class Site:
    """Everything a rule may ask about the site."""

    zone: tzinfo
    orders: OrderPolicy = field(default_factory=OrderPolicy)
    performed: PerformedPolicy = field(default_factory=PerformedPolicy)
    #: what generated accession numbers begin with; one broker per prefix
    accession_prefix: str = "WB"
    #: demographics in an order message update a known patient (ADT stays the authority when False)
    orders_update_patients: bool = False
    #: the statuses a device sees when it does not ask for one
    shown: frozenset[StepStatus] = SHOWN_BY_DEFAULT
    destinations: tuple[DestinationRule, ...] = ()
    #: an alarm is given when the oldest notification for a destination waits longer; None: never
    alarm_after: timedelta | None = timedelta(minutes=15)
    #: how long an exam may run without a word
    stuck: StuckPolicy = field(default_factory=StuckPolicy)
