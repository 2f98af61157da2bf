"""When a worker may try its destination: the breaker after failures, and the pace of a rate limit.

Both count by monotonic time and belong to one worker of one process.
"""

import time
from collections.abc import Callable

from broker.delivery.base import RetryPlan


class Pace:
    """Spaces deliveries evenly: at most ``per_second``; None does not limit."""

    def __init__(self, per_second: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1.0 / per_second if per_second else 0.0
        self._clock = clock
        self._next = 0.0

    @property
    def limited(self) -> bool:
        """True when there is a limit: then entries are claimed one by one, so that none waits under a lease."""
        return self._interval > 0

    def delay(self) -> float:
        """Seconds until the next delivery may begin."""
        return max(0.0, self._next - self._clock())

    def used(self) -> None:
        """A delivery begins."""
        self._next = max(self._next, self._clock()) + self._interval


class Breaker:
    """Keeps a worker from a destination that does not answer until its back-off has passed (monotonic time)."""

    def __init__(self, plan: RetryPlan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan = plan
        self._clock = clock
        self._open_until = 0.0
        self.failures = 0

    def allows(self) -> bool:
        """True when the destination may be tried."""
        return self._clock() >= self._open_until

    def failed(self, at_least: float = 0.0) -> float:
        """One more failure in a row; answers the seconds to wait, ``at_least`` what the receiver asked for."""
        self.failures += 1
        delay = max(self._plan.delay(self.failures), at_least)
        self._open_until = self._clock() + delay
        return delay

    def succeeded(self) -> None:
        """The destination answered."""
        self.failures = 0
        self._open_until = 0.0
