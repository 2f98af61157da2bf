"""Destinations as a whole: pause, drain, resume, how each is doing, and the alarm when one is late."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor
from broker.domain.notifications import Condition, Hold, Holding, Standing, Waiting
from broker.services.context import Context
from broker.store import destinations as store
from broker.store import leases
from broker.store.database import Connection

_log = logging.getLogger(__name__)
_JOB = "late destinations"


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination as it is doing at ``at``; its ``kind`` is empty when it is no longer in the settings."""

    name: str
    kind: str
    waiting: Waiting
    hold: Hold | None
    condition: Condition
    #: how long its oldest entry may wait; None: for ever
    alarm_after: timedelta | None
    at: datetime
    #: True when people added it
    added: bool = False

    @property
    def standing(self) -> Standing:
        """What it does now."""
        if self.hold is not None:
            draining = self.hold.how is Holding.DRAINED and self.waiting.draining
            return Standing.DRAINING if draining else Standing(self.hold.how.value)
        if not self.kind:
            return Standing.GONE
        return Standing.NOT_ANSWERING if self.condition.failures and self.waiting.pending else Standing.SENDING

    @property
    def age(self) -> timedelta:
        """How long the oldest entry waits, sent by itself or parked; 0 when nothing waits."""
        return self.at - self.waiting.oldest if self.waiting.oldest else timedelta()

    @property
    def late(self) -> bool:
        """True when that is longer than it may."""
        return self.alarm_after is not None and self.age > self.alarm_after


def statuses(context: Context) -> list[DestinationStatus]:
    """Every destination of the settings, and those that only have entries left."""
    return context.database.read(lambda c: statuses_in(c, context))


def statuses_in(connection: Connection, context: Context) -> list[DestinationStatus]:
    """The same within a transaction."""
    rules = {rule.name: rule for rule in context.destinations}
    added = {rule.name for rule in context.added.rules}
    waits = {one.destination: one for one in store.waiting(connection)}
    held = {hold.destination: hold for hold in store.holds(connection)}
    going = {one.destination: one for one in store.conditions(connection)}
    at, usual = context.clock(), context.site.alarm_after
    return [
        DestinationStatus(
            name, rules[name].kind if name in rules else "", waits.get(name) or Waiting(name), held.get(name),
            going.get(name) or Condition(name), (rules[name].alarm_after if name in rules else None) or usual, at,
            name in added,
        )
        for name in [*rules, *sorted(waits.keys() - rules.keys())]
    ]  # fmt: skip


def find(context: Context, name: str) -> DestinationStatus:
    """One destination.  Raises Refusal for an unknown name, with those that are known."""
    found = statuses(context)
    for status in found:
        if status.name == name:
            return status
    known = ", ".join(status.name for status in found) or "none"
    raise Refusal(Reason.UNKNOWN_KEY, f"there is no destination {name!r}; known are: {known}")


def pause(context: Context, name: str, actor: Actor, reason: str = "") -> None:
    """Send nothing more to a destination; what happens meanwhile waits.  Raises Refusal for an unknown name."""
    _hold(context, name, actor, Holding.PAUSED, reason)


def drain(context: Context, name: str, actor: Actor, reason: str = "") -> None:
    """Send what waits now, hold what comes later.  Raises Refusal for an unknown name."""
    _hold(context, name, actor, Holding.DRAINED, reason)


def resume(context: Context, name: str, actor: Actor | None = None) -> bool:
    """Let a destination go on; False when it was not held.  Raises Refusal for an unknown name."""
    find(context, name)
    held = context.database.write(lambda c: store.lift(c, name))
    if held:
        _log.info("destination %s: resumed by %s", name, actor.name if actor else "the program")
    return held


def disable(connection: Connection, context: Context, name: str, reason: str) -> None:
    """Within a transaction: the receiver asked for no more; people see it and may resume."""
    store.set_hold(connection, Hold(name, 0, Holding.DISABLED, reason, name, context.clock()))


def watch(context: Context, owner: str, lease: timedelta) -> list[DestinationStatus] | None:
    """Log once when a destination becomes late, and once when it has caught up; answers those that are late.

    Only one process does it at a time: None while another holds the lease.
    """
    now = context.clock()
    if not context.database.write(lambda c: leases.take(c, _JOB, owner, now, now + lease)):
        return None
    found = statuses(context)
    late = [status for status in found if status.late]
    known = {one.destination for one in context.database.read(store.conditions) if one.late_since}
    fresh = [status for status in late if status.name not in known]
    over = sorted(known - {status.name for status in late})
    if fresh or over:
        context.database.write(lambda c: _note_late(c, [status.name for status in fresh], over, now))
    for status in fresh:
        _log.warning("destination %s: %s", status.name, late_words(status))
    for name in over:
        _log.info("destination %s: no longer late", name)
    return late


def late_words(status: DestinationStatus) -> str:
    """The alarm in words, without a patient."""
    count = status.waiting.pending + status.waiting.parked
    limit = span(status.alarm_after or timedelta())
    parked = f", {status.waiting.parked} of them parked" if status.waiting.parked else ""
    waits = "1 notification waits" if count == 1 else f"{count} notifications wait"
    return f"{waits}{parked}, the oldest for {span(status.age)} (limit {limit}); {status.standing}"


def span(time: timedelta) -> str:
    """A length of time as people say it: ``40 s``, ``12 min``, ``3 h``, ``5 d``."""
    seconds = int(time.total_seconds())
    for name, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {name}"
    return f"{seconds} s"


def _note_late(connection: Connection, fresh: list[str], over: list[str], now: datetime) -> None:
    store.note_late(connection, fresh, now)
    store.note_late(connection, over, None)


def _hold(context: Context, name: str, actor: Actor, how: Holding, reason: str) -> None:
    find(context, name)
    at = context.clock()

    def work(connection: Connection) -> None:
        after = store.newest_entry(connection) if how is Holding.DRAINED else 0
        store.set_hold(connection, Hold(name, after, how, reason, actor.name, at))

    context.database.write(work)
    _log.info("destination %s: %s by %s", name, how, actor.name)
