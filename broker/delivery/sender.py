"""The sender: one worker thread per destination takes due outbox entries, delivers them, and records what became of it.

Owns leases, back-off and the breaker of each destination.  Must not know how a notification is rendered or sent
(``Destination`` does) and never holds a transaction while it delivers.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from broker.delivery.base import Destination, RetryPlan, WaitsForReceiver
from broker.delivery.pacing import Breaker, Pace
from broker.domain.errors import Unavailable
from broker.domain.notifications import Notification, Outcome, Verdict
from broker.services import delivering
from broker.services.context import Context
from broker.services.delivering import Claimant, Settlement

_log = logging.getLogger(__name__)
#: seconds that a delivery in hand has left when its destination is changed or removed
_CHANGE_GRACE = 2.0


@dataclass(frozen=True, slots=True)
class SenderConfig:
    """How senders work; seconds throughout.

    ``owner`` names this sender process: the same after a restart (its old leases are given back at once), different
    from every other process on the same database.
    """

    owner: str
    retry: RetryPlan = field(default_factory=RetryPlan)
    #: how often to look without being woken: for commits of other processes and for retries that became due
    tick: float = 1.0
    #: shortest time between two looks that found nothing, so that busy intake does not keep senders looking
    rest: float = 0.05
    #: entries claimed at a time
    batch: int = 16
    #: deliveries in quick succession are recorded together, at least this often; after a crash no more than these are
    #: repeated, each with its message ID
    record_after: float = 0.02
    #: how long a lease outlasts the slowest delivery of one entry
    lease_margin: float = 30.0
    #: the plans of destinations that have their own
    retries: Mapping[str, RetryPlan] = field(default_factory=dict)
    #: deliveries per second at most, by destination; one that is not named has no limit
    rates: Mapping[str, float] = field(default_factory=dict)


class Sender:
    """All workers of this process.  ``start`` once, ``stop`` once."""

    def __init__(self, context: Context, destinations: Sequence[Destination], config: SenderConfig) -> None:
        names = [destination.name for destination in destinations]
        if len(set(names)) != len(names):
            raise ValueError("two destinations have the same name")
        self._context = context
        self._config = config
        #: never changed in place: whoever wakes walks over one while another is put in its place
        self._workers = {d.name: Worker(context, d, config) for d in destinations}
        self._changing = threading.Lock()
        self._running = False

    def start(self) -> None:
        """Give back the leases of an earlier life and begin.  Wakes at every commit of this process."""
        self._context.database.on_commit(self.wake)
        with self._changing:
            self._running = True
            for worker in self._workers.values():
                worker.start()

    def put(self, destination: Destination, retry: RetryPlan | None = None, rate: float = 0.0) -> None:
        """Send to one more destination, or to it as it is now; its delivery in hand is finished first."""
        with self._changing:
            self._end(destination.name)
            worker = Worker(self._context, destination, self._config, retry, rate)
            self._workers = {**self._workers, destination.name: worker}
            if self._running:
                worker.start()

    def remove(self, name: str) -> None:
        """Send no more to a destination; its delivery in hand is finished first."""
        with self._changing:
            self._end(name)

    def _end(self, name: str) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        self._workers = {other: kept for other, kept in self._workers.items() if other != name}
        worker.ask_to_stop()
        if self._running:
            worker.join(time.monotonic() + _CHANGE_GRACE)

    def wake(self) -> None:
        """There may be something to send."""
        for worker in self._workers.values():
            worker.wake()

    def stop(self, grace: float = 10.0) -> bool:
        """Finish the deliveries in hand, at most ``grace`` seconds, then interrupt them.  True when all ended."""
        deadline = time.monotonic() + grace
        with self._changing:
            self._running = False
            for worker in self._workers.values():
                worker.ask_to_stop()
            ended = [worker.join(deadline) for worker in self._workers.values()]
        return all(ended)


class Worker:
    """The thread of one destination."""

    def __init__(
        self, context: Context, destination: Destination, config: SenderConfig, retry: RetryPlan | None = None,
        rate: float = 0.0,
    ) -> None:  # fmt: skip
        """``retry`` and ``rate`` go before what ``config`` says about the destination."""
        self._context = context
        self._destination = destination
        self._config = config
        lease = timedelta(seconds=destination.patience + config.lease_margin)
        self._claimant = Claimant(f"{config.owner}/{destination.name}", lease)
        self._retry = retry or config.retries.get(destination.name, config.retry)
        self._breaker = Breaker(self._retry)
        self._pace = Pace(rate or config.rates.get(destination.name))
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sender-{destination.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look soon."""
        self._woken.set()

    def ask_to_stop(self) -> None:
        """End after the delivery in hand."""
        self._stopping.set()
        self._woken.set()

    def join(self, deadline: float) -> bool:
        """Wait until the thread has ended; from ``deadline`` (monotonic) on its delivery is interrupted."""
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if self._thread.is_alive():
            self._destination.interrupt()
            self._thread.join(5.0)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._release(None)
            while not self._stopping.is_set():
                self._woken.clear()
                if not self._round_guarded():
                    self._stopping.wait(self._config.rest)
                    self._woken.wait(self._config.tick)
        finally:
            self._destination.close()

    def _round_guarded(self) -> bool:
        try:
            return self._round()
        except Unavailable:
            _log.warning("destination %s: the database cannot be reached", self._destination.name)
        except Exception as error:  # noqa: BLE001 - the thread outlives any fault; leases end by themselves
            _log.error("destination %s: %s%s", self._destination.name, type(error).__name__, _place(error))
        return False

    def _round(self) -> bool:
        """Deliver one batch; True when there may be more right now."""
        if not self._breaker.allows() or not self._receiver_is_there():
            return False
        most = 1 if self._breaker.failures or self._pace.limited else self._config.batch
        if self._stopping.wait(self._pace.delay()):
            return False
        entries = delivering.claim(self._context, self._destination.name, self._claimant, most)
        claimed_at = recorded_at = time.monotonic()
        made: list[Settlement] = []
        for position, entry in enumerate(entries):
            if not self._may_go_on(claimed_at):
                self._settle(made)
                self._release(entries[position:])
                return True
            made.append(self._deliver(entry))
            delivered = made[-1].outcome.verdict is Verdict.DELIVERED
            if not delivered or time.monotonic() - recorded_at > self._config.record_after:
                self._settle(made)
                recorded_at = time.monotonic()
        self._settle(made)
        return bool(entries)

    def _receiver_is_there(self) -> bool:
        return not isinstance(self._destination, WaitsForReceiver) or self._destination.receiver_is_there

    def _release(self, entries: list[Notification] | None) -> None:
        self._persist(lambda: delivering.release(self._context, self._claimant, entries))

    def _may_go_on(self, claimed_at: float) -> bool:
        """Only while the lease outlasts one more delivery: else another sender might deliver the same entry."""
        lease_left = self._claimant.lease.total_seconds() - (time.monotonic() - claimed_at)
        return not self._stopping.is_set() and self._breaker.allows() and lease_left > self._destination.patience

    def _settle(self, made: list[Settlement]) -> None:
        """Record the attempts of ``made``, and forget them there."""
        if made:
            self._persist(lambda: delivering.settle(self._context, self._claimant, made))
            made.clear()

    def _deliver(self, entry: Notification) -> Settlement:
        began = time.monotonic()
        self._pace.used()
        outcome = self._attempt(entry)
        milliseconds = round((time.monotonic() - began) * 1000)
        _report(entry, outcome, milliseconds)
        delay = timedelta(seconds=self._delay(entry, outcome))
        return Settlement(entry, outcome, milliseconds, delay, self._breaker.failures)

    def _attempt(self, entry: Notification) -> Outcome:
        try:
            return self._destination.deliver(entry)
        except Exception as error:  # noqa: BLE001 - recorded as the outcome
            # a fault of ours: parked, so that it is seen and holds back only its own order; the text of the exception
            # may quote the message, so only the place is logged
            place = _place(error)
            _log.error("notification %s: %s%s", entry.message_id, type(error).__name__, place)
            self._destination.close()
            return Outcome(Verdict.PARK, f"fault in the broker: {type(error).__name__}{place}")

    def _delay(self, entry: Notification, outcome: Outcome) -> float:
        """A destination that is away backs off as a whole; a message that is not accepted backs off by itself."""
        if outcome.verdict is Verdict.RETRY and not outcome.reachable:
            return self._breaker.failed(outcome.wait or 0.0)
        self._breaker.succeeded()
        return max(self._retry.delay(entry.attempts + 1), outcome.wait or 0.0)

    def _persist(self, work: Callable[[], None]) -> None:
        """Run ``work`` until the database takes it or the sender stops; a lease that is lost meanwhile only causes a
        repeat with the same message ID."""
        failures = 0
        while True:
            try:
                return work()
            except Unavailable:
                failures += 1
                _log.warning("destination %s: the database cannot be reached", self._destination.name)
                if self._stopping.wait(min(0.1 * 2**failures, 5.0)):
                    return None


def _report(entry: Notification, outcome: Outcome, milliseconds: int) -> None:
    level = logging.INFO if outcome.verdict is Verdict.DELIVERED else logging.WARNING
    words = "" if outcome.verdict is Verdict.DELIVERED else f", attempt {entry.attempts + 1}"
    _log.log(
        level, "notification %s (%s) to %s: %s%s, took %d ms%s",
        entry.message_id, entry.kind.value, entry.destination, outcome.verdict.value, _reason(outcome), milliseconds,
        words,
    )  # fmt: skip


def _reason(outcome: Outcome) -> str:
    """The kind of failure for the log.  The receiver's own words may quote a patient: they stay in the database."""
    if outcome.verdict is Verdict.DELIVERED:
        return ""
    code = outcome.summary.get("answer", "")
    if code:
        return f" ({code})"
    return "" if outcome.reachable else " (does not answer)"


def _place(error: BaseException) -> str:
    """Where an exception arose, without its text."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" at {trace.tb_frame.f_code.co_name}:{trace.tb_lineno}"
