"""``broker destinations``: who is told, how each is doing, and holding one back."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from broker.commands.common import ConfigOption, Failure, opened, table
from broker.domain.errors import Refusal
from broker.domain.model import Actor, Source
from broker.domain.notifications import Condition
from broker.services import destinations as service
from broker.services import outbox
from broker.services.context import Context
from broker.services.destinations import DestinationStatus

app = typer.Typer(help="Destinations of notifications: see, pause, drain, resume.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the destination, as `list` shows it.")]
ReasonOption = Annotated[str, typer.Option(help="Why; shown in the list.")]
_ACTOR = Actor(Source.PERSON, "command line")
_Answer = TypeVar("_Answer")


@app.command("list")
def list_destinations(config: ConfigOption = None) -> None:
    """List destinations: what waits, since when, last success and failure, who holds it, which are late."""
    with opened(config) as context:
        found = service.statuses(context)
    headings = ("destination", "kind", "from", "state", "waiting", "parked", "oldest (UTC)", "last success (UTC)")
    table(headings, [_row(status) for status in found])
    for status in found:
        if status.hold is not None:
            reason = f": {status.hold.reason}" if status.hold.reason else ""
            typer.echo(f"{status.name}: {status.hold.how} by {status.hold.held_by}{reason}")
        if status.condition.failed_at is not None:
            typer.echo(f"{status.name}: {_failure(status.condition)}")
    for status in found:
        if status.late:
            typer.echo(f"late: {status.name}: {service.late_words(status)}", err=True)


def _row(status: DestinationStatus) -> tuple[object, ...]:
    waiting = status.waiting
    oldest, last = _time(waiting.oldest), _time(status.condition.succeeded_at)
    source = "pages" if status.added else "settings" if status.kind else ""
    return status.name, status.kind, source, status.standing, waiting.pending, waiting.parked, oldest, last


def _failure(condition: Condition) -> str:
    again = f"; tried again at {_time(condition.retry_at)}" if condition.failures else ""
    return f"last failure {_time(condition.failed_at)}: {condition.words}{again}"


def _time(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else "-"


@app.command()
def pause(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Send nothing more to a destination; what happens meanwhile waits."""
    with opened(config) as context:
        _try(lambda: service.pause(context, name, _ACTOR, reason))
    typer.echo(f"{name}: paused; continue with: broker destinations resume {name}")


@app.command()
def drain(name: NameArgument, reason: ReasonOption = "", config: ConfigOption = None) -> None:
    """Send what waits now, then nothing more; what happens from now on waits."""
    with opened(config) as context:
        _try(lambda: service.drain(context, name, _ACTOR, reason))
    typer.echo(f"{name}: what waits now is sent, later ones wait; continue with: broker destinations resume {name}")


@app.command()
def resume(name: NameArgument, config: ConfigOption = None) -> None:
    """Let a destination go on."""
    with opened(config) as context:
        held = _resume(context, name)
    typer.echo(f"{name}: goes on" if held else f"{name}: was not held")


@app.command("retry-parked")
def retry_parked(name: NameArgument, config: ConfigOption = None) -> None:
    """Send every parked notification of a destination again: its receiver has been mended."""
    with opened(config) as context:
        count = _try(lambda: _all_of_them(context, name, outbox.retry_parked))
    typer.echo(f"{name}: {count} retried")


@app.command("skip-waiting")
def skip_waiting(name: NameArgument, config: ConfigOption = None) -> None:
    """Never send what waits for a destination that was removed."""
    with opened(config) as context:
        count = _try(lambda: _all_of_them(context, name, outbox.skip_waiting))
    typer.echo(f"{name}: {count} skipped")


def _all_of_them(context: Context, name: str, act: Callable[[Context, str, Actor], int]) -> int:
    service.find(context, name)
    return act(context, name, _ACTOR)


def _resume(context: Context, name: str) -> bool:
    try:
        return service.resume(context, name, _ACTOR)
    except Refusal as refusal:
        raise Failure(refusal.text) from None


def _try(act: Callable[[], _Answer]) -> _Answer:
    try:
        return act()
    except Refusal as refusal:
        raise Failure(refusal.text) from None
