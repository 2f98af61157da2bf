"""Destinations as a whole: pause, drain, resume, and how each is doing."""

from dataclasses import dataclass

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor
from broker.domain.notifications import Backlog, Hold, Holding
from broker.services import outbox
from broker.services.context import Context
from broker.store import destinations as store
from broker.store.database import Connection


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination: its kind (empty when it is no longer in the settings), its queue, and whether it is held."""

    name: str
    kind: str
    backlog: Backlog
    hold: Hold | None


def statuses(context: Context) -> list[DestinationStatus]:
    """Every destination of the settings, and those that only have entries left."""
    kinds = {rule.name: rule.kind for rule in context.site.destinations}
    held = {hold.destination: hold for hold in context.database.read(store.holds)}
    return [
        DestinationStatus(b.destination, kinds.get(b.destination, ""), b, held.get(b.destination))
        for b in outbox.backlogs(context)
    ]


def pause(context: Context, name: str, actor: Actor, reason: str = "") -> None:
    """Send nothing more to a destination; what happens meanwhile waits.  Raises Refusal for an unknown name."""
    _hold(context, name, actor, Holding.PAUSED, reason)


def drain(context: Context, name: str, actor: Actor, reason: str = "") -> None:
    """Send what waits now, hold what comes later.  Raises Refusal for an unknown name."""
    _hold(context, name, actor, Holding.DRAINED, reason)


def resume(context: Context, name: str) -> bool:
    """Let a destination go on; False when it was not held.  Raises Refusal for an unknown name."""
    _known(context, name)
    return context.database.write(lambda c: store.lift(c, name))


def disable(connection: Connection, context: Context, name: str, reason: str) -> None:
    """Within a transaction: the receiver asked for no more; people see it and may resume."""
    store.set_hold(connection, Hold(name, 0, Holding.DISABLED, reason, name, context.clock()))


def _hold(context: Context, name: str, actor: Actor, how: Holding, reason: str) -> None:
    _known(context, name)
    at = context.clock()

    def work(connection: Connection) -> None:
        after = store.newest_entry(connection) if how is Holding.DRAINED else 0
        store.set_hold(connection, Hold(name, after, how, reason, actor.name, at))

    context.database.write(work)


def _known(context: Context, name: str) -> None:
    names = [status.name for status in statuses(context)]
    if name not in names:
        known = ", ".join(names) or "none"
        raise Refusal(Reason.UNKNOWN_KEY, f"there is no destination {name!r}; known are: {known}")
