"""What people and programs do with notifications and destinations: words of the addresses, the use case behind each."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import Path

from broker.domain.errors import Reason, Refusal
from broker.domain.model import Actor, Source
from broker.domain.notifications import Notification
from broker.services import destinations, outbox
from broker.services.context import Context
from broker.services.people import SignedIn
from broker.web.parts import Parts

NotificationKey = Annotated[int, Path(ge=0, lt=2**63)]


class Act(StrEnum):
    """What can be done with one notification: the last part of the address."""

    RETRY = "retry"
    PARK = "park"
    SKIP = "skip"
    RESEND = "resend"


class Whole(StrEnum):
    """What can be done with a destination as a whole."""

    PAUSE = "pause"
    DRAIN = "drain"
    RESUME = "resume"
    RETRY_PARKED = "retry-parked"
    #: only for one that is no more
    SKIP_WAITING = "skip-waiting"


_ACTS: Mapping[Act, Callable[[Context, int, Actor], None]] = {
    Act.RETRY: outbox.retry, Act.PARK: outbox.park, Act.SKIP: outbox.skip, Act.RESEND: outbox.resend,
}  # fmt: skip


def do(parts: Parts, who: SignedIn, act: Act, key: int) -> None:
    """Do it with one notification.  Raises Refusal."""
    _ACTS[act](parts.context, key, _actor(who))


def do_whole(parts: Parts, who: SignedIn, act: Whole, name: str, reason: str = "") -> int:
    """Do it with a destination; answers how many notifications are retried or skipped.  Raises Refusal."""
    context, actor = parts.context, _actor(who)
    if act in (Whole.RETRY_PARKED, Whole.SKIP_WAITING):
        destinations.find(context, name)
        all_of_them = outbox.retry_parked if act is Whole.RETRY_PARKED else outbox.skip_waiting
        return all_of_them(context, name, actor)
    if act is Whole.RESUME:
        destinations.resume(context, name, actor)
    else:
        hold = destinations.pause if act is Whole.PAUSE else destinations.drain
        hold(context, name, actor, reason.strip())
    return 0


def found(parts: Parts, key: int) -> Notification:
    """One notification.  Raises Refusal when it is unknown."""
    notification = outbox.find(parts.context, key)
    if notification is None:
        raise Refusal(Reason.UNKNOWN_KEY, f"there is no notification {key}")
    return notification


def preview(parts: Parts, notification: Notification) -> str:
    """What would be sent now.  Raises Refusal."""
    if parts.destinations is None:
        raise Refusal(Reason.UNSUPPORTED, "this process sends nothing, so that it cannot show what would be sent")
    return parts.destinations.preview(notification.destination, notification)


def _actor(who: SignedIn) -> Actor:
    return Actor(Source.PERSON, who.user_name)
