"""Owns: a sender with quick retries on a real database, for tests of one destination. Must not: know a protocol."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

from broker.delivery.base import Destination, RetryPlan
from broker.delivery.sender import Sender, SenderConfig
from broker.domain.notifications import NotificationState
from broker.services import outbox
from broker.services.context import Context
from broker.store.database import Database
from tests.peers.orders import make_context
from tests.support.wait import until

QUICK = RetryPlan(first=0.05, factor=1.5, ceiling=0.2)
PATIENCE = 30
"""Seconds that a busy machine may take for what takes milliseconds."""
Start = Callable[[Destination], Sender]


@contextmanager
def told(database_url: str, name: str) -> Iterator[Context]:
    """A context whose site tells one destination the default facts, on the real clock."""
    database = Database(database_url)
    yield make_context(database, name, clock=lambda: datetime.now(UTC))  # type: ignore[arg-type]
    database.close()


@contextmanager
def starter(context: Context) -> Iterator[Start]:
    """start(destination) -> its sender, stopped at the end."""
    with ExitStack() as stack:

        def start(destination: Destination) -> Sender:
            sender = Sender(context, [destination], SenderConfig("one", QUICK, tick=0.05, rest=0.01))
            sender.start()
            stack.callback(sender.stop, 2.0)
            return sender

        yield start


def wait_delivered(context: Context, count: int) -> None:
    until(lambda: _delivered(context) == count, PATIENCE, f"{count} are delivered")


def wait_tried(context: Context, times: int = 1) -> list[tuple[str, str]]:
    """The attempts on the first notification, once there are so many: result and the receiver's words."""
    until(lambda: len(tries(context)) >= times, PATIENCE, f"tried {times} times")
    return tries(context)


def tries(context: Context) -> list[tuple[str, str]]:
    first = outbox.list_notifications(context)[-1]
    return [(a.result, a.detail) for a in outbox.attempts(context, first.key)]


def _delivered(context: Context) -> int:
    return [e.state for e in outbox.list_notifications(context)].count(NotificationState.DELIVERED)
