"""What a kind of destination is: something that delivers one notification and says what became of it.

Owns the protocol and the retry plan.  A new kind of destination is one module that satisfies ``Destination``; the
sender, the outbox and the pages stay as they are.
"""

import random
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from broker.domain.notifications import Notification, Outcome


class CannotRender(Exception):
    """A notification cannot be written for its destination; the text says why, without contents."""


class Destination(Protocol):
    """One receiver.  Used by one thread at a time, except ``interrupt``."""

    @property
    def name(self) -> str:
        """The name its rule has in the settings."""

    @property
    def patience(self) -> float:
        """Seconds that one delivery takes at most, all time-outs together; a lease must be longer."""

    def deliver(self, notification: Notification) -> Outcome:
        """Deliver once.  Failures are outcomes; an exception is a fault of the program."""

    def preview(self, notification: Notification) -> str:
        """What ``deliver`` would send, for people to read; nothing is sent.  Raises CannotRender."""

    def close(self) -> None:
        """Drop what connects to the receiver; ``deliver`` connects anew."""

    def interrupt(self) -> None:
        """Called from another thread when the sender must end now: a running ``deliver`` returns soon."""


@runtime_checkable
class WaitsForReceiver(Protocol):
    """A destination whose receiver may have to connect by itself: until it has, its entries wait without an attempt."""

    @property
    def receiver_is_there(self) -> bool:
        """Whether a delivery has anybody to go to."""


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How long a retry waits: ``first`` seconds, then ``factor`` times as long after each failure, at most ``ceiling``.

    ``jitter`` is the share by which each wait is shortened or lengthened at random, so that many entries (and many
    senders) do not return at the same instant.
    """

    first: float = 5.0
    factor: float = 3.0
    ceiling: float = 300.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not (0 < self.first <= self.ceiling and self.factor >= 1 and 0 <= self.jitter < 1):
            raise ValueError("a retry plan needs 0 < first <= ceiling, factor >= 1 and 0 <= jitter < 1")

    def delay(self, failures: int, chance: float | None = None) -> float:
        """Seconds to wait after the ``failures``-th failure in a row (from 1); ``chance`` replaces the dice."""
        # the exponent is bounded so that a receiver that is away for days does not overflow a float
        wait = min(self.first * self.factor ** min(failures - 1, 64), self.ceiling)
        dice = random.random() if chance is None else chance
        return wait * (1 + self.jitter * (2 * dice - 1))
