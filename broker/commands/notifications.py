"""``broker notifications``: what waits to be told, what was told, and helping it along."""

from typing import Annotated

import typer

from broker.commands.common import ConfigOption, Failure, opened, read_settings, table
from broker.delivery.base import CannotRender
from broker.delivery.hl7_check import sample
from broker.delivery.hl7_template_file import TemplateError
from broker.destination_list import DestinationList
from broker.destination_settings import DestinationSettings
from broker.destinations import make_destination, problems
from broker.domain.errors import Refusal
from broker.domain.model import Actor, Source
from broker.domain.notifications import Notification, NotificationState
from broker.services import outbox
from broker.services.context import Context
from broker.settings import Settings
from broker.wiring import EVENTS

app = typer.Typer(help="Notifications to other systems: see, retry, hold.", no_args_is_help=True)

KeyArgument = Annotated[int, typer.Argument(metavar="ID", help="Number of the notification, as `list` shows it.")]
_ACTOR = Actor(Source.PERSON, "command line")


@app.command("list")
def list_notifications(
    destination: Annotated[str | None, typer.Option(help="Only this destination.")] = None,
    state: Annotated[NotificationState | None, typer.Option(help="Only this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    config: ConfigOption = None,
) -> None:
    """List notifications, newest first, and how each destination is doing."""
    with opened(config) as context:
        found = outbox.list_notifications(context, outbox.Filter(destination, state, None, limit))
        backlogs = outbox.backlogs(context)
    rows = [
        (
            n.key,
            f"{n.created_at:%Y-%m-%d %H:%M}",
            n.destination,
            n.kind,
            n.subject,
            n.state,
            n.attempts,
            n.last_error,
        )
        for n in found
    ]
    table(("id", "created (UTC)", "destination", "event", "subject", "state", "tries", "error"), rows)
    typer.echo("")
    table(
        ("destination", "waiting", "parked", "delivered"),
        [(b.destination, b.pending, b.parked, b.delivered) for b in backlogs],
    )


@app.command()
def show(key: KeyArgument, config: ConfigOption = None) -> None:
    """Show one notification and every attempt, with the receiver's words."""
    with opened(config) as context:
        found = _chosen(context, key)
        attempts = outbox.attempts(context, key)
    state = f"{found.state}, {found.last_error}" if found.last_error else found.state
    typer.echo(f"{found.key}: {found.kind} for {found.destination} about {found.subject}: {state}")
    typer.echo(f"identifier {found.message_id}, created {found.created_at:%Y-%m-%d %H:%M:%S} UTC")
    rows = [(f"{a.at:%Y-%m-%d %H:%M:%S}", a.result, a.milliseconds, a.detail) for a in attempts]
    table(("at (UTC)", "result", "ms", "words"), rows)


@app.command()
def retry(key: KeyArgument, config: ConfigOption = None) -> None:
    """Send a waiting or parked notification as soon as its turn comes."""
    with opened(config) as context:
        _try(context, key, "retry")


@app.command()
def park(key: KeyArgument, config: ConfigOption = None) -> None:
    """Hold a notification, and with it the later ones of the same order."""
    with opened(config) as context:
        _try(context, key, "park")


@app.command()
def skip(key: KeyArgument, config: ConfigOption = None) -> None:
    """Never send a notification, so that the later ones of the same order go out."""
    with opened(config) as context:
        _try(context, key, "skip")


@app.command()
def resend(key: KeyArgument, config: ConfigOption = None) -> None:
    """Send a notification once more, also a delivered or skipped one, with the same identifier."""
    with opened(config) as context:
        _try(context, key, "resend")


@app.command()
def preview(
    destination: Annotated[str, typer.Option(help="Name of the destination.")],
    key: Annotated[int | None, typer.Argument(metavar="[ID]", help="A notification; else an invented order.")] = None,
    event: Annotated[str, typer.Option(help="For an invented order: what happened, e.g. completed.")] = "started",
    config: ConfigOption = None,
) -> None:
    """Show what a destination would be sent, by its template as it is now; nothing is sent."""
    settings = read_settings(config)
    if event not in EVENTS:
        raise Failure(f"there is no event {event!r}; known are: {', '.join(EVENTS)}")
    with opened(config) as context:
        wanted = _destination(settings, context, destination)
        found = list(problems(settings, wanted))
        try:
            shown = _chosen(context, key) if key is not None else sample(EVENTS[event], destination)
            text = make_destination(settings, wanted, context).preview(shown)
        except (TemplateError, OSError):
            raise Failure("\n".join(found)) from None
        except (CannotRender, Refusal) as error:
            raise Failure(str(error)) from None
    typer.echo(text)
    for problem in found:
        typer.echo(f"warning: {problem}", err=True)


def _destination(settings: Settings, context: Context, name: str) -> DestinationSettings:
    known = DestinationList(settings, context)
    known.refresh()
    found = known.find(name)
    if found is None:
        names = ", ".join(d.name for d in known.usable()) or "none"
        raise Failure(f"there is no destination {name!r}; known are: {names}")
    return found


def _chosen(context: Context, key: int) -> Notification:
    found = outbox.find(context, key)
    if found is None:
        raise Failure(f"there is no notification {key}; see: broker notifications list")
    return found


def _try(context: Context, key: int, what: str) -> None:
    act = {"retry": outbox.retry, "park": outbox.park, "skip": outbox.skip, "resend": outbox.resend}[what]
    try:
        act(context, key, _ACTOR)
    except Refusal as refusal:
        raise Failure(refusal.text) from None
    typer.echo(f"notification {key}: {what} noted")
