"""``broker availability``: images that archives told of and that belong to no exam and no order."""

from typing import Annotated

import typer

from broker.commands.acting import ByOption, attempt, person
from broker.commands.common import ConfigOption, opened, table
from broker.services import availability

app = typer.Typer(help="Images that archives told of (Instance Availability Notification).", no_args_is_help=True)


@app.command("list")
def list_waiting(
    aside: Annotated[bool, typer.Option("--aside", help="Those that were set aside.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows.")] = 50,
    config: ConfigOption = None,
) -> None:
    """List the images that belong to no exam and no order, newest first."""
    with opened(config) as context:
        found = availability.queue(context, limit, aside=aside)
    rows = [
        (one.key, f"{one.received_at:%Y-%m-%d %H:%M}", one.calling_ae_title, one.instance_count,
         " ".join(one.retrieve_ae_titles), one.study_instance_uid, one.performed_uid or "-")
        for one in found
    ]  # fmt: skip
    table(("number", "told (UTC)", "by", "instances", "at", "study", "exam named"), rows)


@app.command("set-aside")
def set_aside(
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Number, as `list` shows it.")],
    back: Annotated[bool, typer.Option("--back", help="Let them wait for their order again.")] = False,
    by: ByOption = "",
    config: ConfigOption = None,
) -> None:
    """Say that these images have no order here and need none."""
    act = availability.queue_again if back else availability.set_aside
    with opened(config) as context:
        attempt(lambda: act(context, person(by), number))
    typer.echo(f"images {number}: {'wait again' if back else 'set aside'}")
