"""The site's choices about order messages, and what a decision about one consists of."""

from dataclasses import dataclass

from broker.domain.model import Fact, Order


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """The site's choices where the standard leaves room (intake settings)."""

    #: a change for an order that is not known: ``create`` it or ``refuse`` (204)
    unknown_change: str = "create"
    #: a new order with a known number and other content: ``update`` it or ``refuse`` (205)
    known_new: str = "update"
    #: a cancellation of an order that is not known: ``accept`` (it is remembered in the journal) or ``refuse`` (204)
    unknown_cancel: str = "refuse"
    #: a cancellation after the exam began: ``refuse`` or ``alarm`` (accepted, the step stays, people are alarmed)
    cancel_after_start: str = "refuse"
    #: an appointment for an order that is not known: ``create`` it or ``refuse`` (204)
    unknown_appointment: str = "refuse"
    #: a canceled appointment: ``unschedule`` or ``cancel``
    canceled_appointment: str = "unschedule"
    #: an arrived patient: ``note`` it, or let today's steps ``arrive``
    arrival: str = "note"
    #: a final report: ``note`` it, or ``complete`` what is still open
    final_report: str = "note"


@dataclass(frozen=True, slots=True)
class Decision:
    """The order as it should be (None: nothing to store) and what happened."""

    order: Order | None
    facts: tuple[Fact, ...] = ()
    #: what the message said too late: something newer had been said of it
    overruled: tuple[str, ...] = ()
